//! What clients may ask of Cyborg's own pallets: nothing here changes state or costs a fee.

use crate::configs::cyborg::VerificationFee;
use crate::{AccountId, Balance};
use alloc::vec::Vec;
use codec::Codec;
use cyborg_primitives::miner::Capacity;
use cyborg_primitives::place::Region;
use cyborg_primitives::task::Placement;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{ModelId, TaskId};
use pallet_miners::Candidate;
use pallet_payments::Bill;
use pallet_reports::Row;
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::sp_api;
use polkadot_sdk::sp_runtime::traits::Convert;

sp_api::decl_runtime_apis! {
    /// Questions about miners, tasks, bills and fees.
    pub trait CyborgApi<AccountId>
    where
        AccountId: Codec,
    {
        /// The miners to which a task submitted now would be given, the best first, for the
        /// placement, the model's memory, and the highest price per compute hour.
        fn ranking(
            placement: Placement<Vec<Region>>,
            memory_mib: u32,
            price_cap: Balance,
            count: u32,
        ) -> Vec<Candidate<AccountId>>;

        /// The present pay of a miner with this price and machine for an answer of a model, and
        /// for its proof; `None` if the model is unknown, or the pay is more than money there can be.
        fn tariff(model: ModelId, price: Balance, capacity: Capacity) -> Option<(Balance, Balance)>;

        /// The account of a task that is not vacated.
        fn bill(task: TaskId) -> Option<Bill>;

        /// The reports of each miner on a task that is not vacated.
        fn reports(task: TaskId) -> Vec<(AccountId, Row)>;

        /// The weight that is charged for verifying proofs of this cost together before it is done, and the
        /// weight that remains charged if all are true.
        fn verification_weight(cost: Cost, proofs: u32) -> (Weight, Weight);

        /// The part of a proof's pay that stands for the fee of its submission.
        fn verification_fee(cost: Cost) -> Balance;
    }
}

/// As [`CyborgApi::tariff`] says, by the rule that an engagement follows.
pub(crate) fn tariff(model: ModelId, price: Balance, capacity: Capacity) -> Option<(Balance, Balance)> {
    let model = <crate::Models as cyborg_interface::Models<AccountId>>::model(model)?;
    let of_work = |macs| capacity.price_of(price, macs);
    let per_proof = of_work(model.proof_macs)?.checked_add(VerificationFee::convert(model.cost))?;
    Some((of_work(model.work_macs)?, per_proof))
}
