//! Whether money is where the records say: what is held, for each reason and account, against what
//! the pallets have on record; and the issuance against all accounts.

use std::collections::BTreeMap;

use cyborg_runtime::{AccountId, Balance, Balances, Runtime, RuntimeHoldReason};
use polkadot_sdk::pallet_balances::Holds;
use polkadot_sdk::{frame_system, pallet_balances};

/// What is held of each account, for Cyborg's reasons.
type Held = BTreeMap<(&'static str, AccountId), Balance>;

fn name(reason: RuntimeHoldReason) -> &'static str {
    match reason {
        RuntimeHoldReason::Miners(pallet_miners::HoldReason::Bond) => "bond",
        RuntimeHoldReason::Models(pallet_models::HoldReason::Deposit) => "deposit",
        RuntimeHoldReason::Payments(pallet_payments::HoldReason::Escrow) => "escrow",
        _ => "another pallet's",
    }
}

fn on_record() -> Held {
    let mut record = Held::new();
    for (account, miner) in pallet_miners::Miners::<Runtime>::iter() {
        *record.entry(("bond", account)).or_default() += miner.bond;
    }
    for model in pallet_models::Models::<Runtime>::iter_values() {
        *record.entry(("deposit", model.owner)).or_default() += model.deposit;
    }
    for (task, escrow) in pallet_payments::Escrows::<Runtime>::iter() {
        let bill = pallet_payments::Pallet::<Runtime>::bill(task).expect("an escrow has a bill");
        assert_eq!(bill.owner, escrow.owner);
        let left = escrow.compute.left + escrow.proofs.left;
        *record.entry(("escrow", escrow.owner)).or_default() += left;
    }
    record.retain(|_, amount| *amount > 0);
    record
}

fn held() -> Held {
    let mut held = Held::new();
    for (account, holds) in Holds::<Runtime>::iter() {
        for hold in holds {
            *held.entry((name(hold.id), account.clone())).or_default() += hold.amount;
        }
    }
    held.retain(|_, amount| *amount > 0);
    held
}

/// Panics if money is lost, created, or held without a reason.
pub(crate) fn assert_conserved(issuance: Balance) {
    assert_eq!(held(), on_record(), "holds against records");
    assert_eq!(Balances::total_issuance(), issuance, "issuance");
    let all: Balance = frame_system::Account::<Runtime>::iter_values()
        .map(|account: frame_system::AccountInfo<_, pallet_balances::AccountData<Balance>>| {
            account.data.free + account.data.reserved
        })
        .sum();
    assert_eq!(all, issuance, "accounts against issuance");
}
