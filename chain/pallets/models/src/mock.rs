//! A runtime with real balances and the chain's own verifier.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::{self as pallet_models, Key};
use cyborg_chain_verifier::ZkVerifier;
use cyborg_interface::Verifier as _;
use cyborg_primitives::verification::Cost;
use polkadot_sdk::frame_support::traits::{ConstU128, VariantCountOf};
use polkadot_sdk::frame_support::{construct_runtime, derive_impl};
use polkadot_sdk::sp_runtime::BuildStorage;
use polkadot_sdk::{frame_system, pallet_balances, sp_io};
use std::sync::LazyLock;
use zkml_graph::Graph;
use zkml_prover::{Keys, keygen};
use zkml_testkit::case::{Case, small};

type Block = frame_system::mocking::MockBlock<Test>;
pub(crate) type AccountId = u64;
pub(crate) type Balance = u128;

construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Models: pallet_models,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountData = pallet_balances::AccountData<Balance>;
    type Block = Block;
}

pub(crate) const FUNDS: Balance = 1_000_000;
pub(crate) const BASE: Balance = 100;
pub(crate) const PER_BYTE: Balance = 3;
/// The small model's first weight.
const FIRST_WEIGHT: i16 = -16;
/// Owners.
pub(crate) const ALICE: AccountId = 1;
pub(crate) const MALLORY: AccountId = 2;
/// Has nothing.
pub(crate) const PAUPER: AccountId = 99;

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type AccountStore = System;
    type Balance = Balance;
    type ExistentialDeposit = ConstU128<10>;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type RuntimeHoldReason = RuntimeHoldReason;
}

impl pallet_models::Config for Test {
    type Currency = Balances;
    type DepositBase = ConstU128<BASE>;
    type DepositPerByte = ConstU128<PER_BYTE>;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Verifier = ZkVerifier;
    type WeightInfo = ();
}

/// Accounts 1 to 9 with [`FUNDS`] each.
pub(crate) fn new_test_ext() -> sp_io::TestExternalities {
    let config = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances: (1..10).map(|account| (account, FUNDS)).collect(),
            ..Default::default()
        },
        ..Default::default()
    };
    let mut externalities = sp_io::TestExternalities::new(config.build_storage().unwrap());
    externalities.execute_with(|| System::set_block_number(1));
    externalities
}

/// Keys of the small model, made once.
pub(crate) static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let Case { graph, weights, .. } = small(FIRST_WEIGHT);
    keygen(graph, weights, &mut |_| ()).unwrap()
});

/// The small model's graph.
pub(crate) fn graph() -> Graph {
    small(FIRST_WEIGHT).graph
}

pub(crate) fn key() -> Key {
    KEYS.verifier.to_bytes().try_into().unwrap()
}

/// A claim that covers any key.
pub(crate) const ANY: Cost = Cost {
    field_products: u64::MAX,
    own_points: u32::MAX,
    generators: u32::MAX,
    key_bytes: u32::MAX,
    proof_bytes: u32::MAX,
};

/// The cost of [`key`].
pub(crate) fn cost() -> Cost {
    static COST: LazyLock<Cost> = LazyLock::new(|| ZkVerifier::check_key(&key(), &ANY).unwrap().cost);
    *COST
}
