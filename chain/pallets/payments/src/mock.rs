//! A runtime with real balances, and engagements as a test says.

use crate::{self as pallet_payments, Balance};
use cyborg_interface::{Engagement, Engagements};
use cyborg_primitives::TaskId;
use cyborg_primitives::task::ProofPolicy;
use polkadot_sdk::frame_support::traits::VariantCountOf;
use polkadot_sdk::frame_support::traits::tokens::imbalance::ResolveTo;
use polkadot_sdk::frame_support::{construct_runtime, derive_impl, parameter_types};
use polkadot_sdk::sp_core::{Pair, sr25519};
use polkadot_sdk::sp_runtime::traits::IdentityLookup;
use polkadot_sdk::sp_runtime::{AccountId32, BuildStorage, Permill};
use polkadot_sdk::{frame_system, pallet_balances, sp_io};
use std::collections::BTreeMap;

type Block = frame_system::mocking::MockBlock<Test>;

construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Payments: pallet_payments,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountData = pallet_balances::AccountData<Balance>;
    type AccountId = AccountId32;
    type Block = Block;
    type Lookup = IdentityLookup<AccountId32>;
}

pub(crate) const EXISTENTIAL: Balance = 10;
/// What each of the actors has at the beginning.
pub(crate) const FUNDS: Balance = 1_000_000;
/// The only account that has nothing.
pub(crate) const PAUPER: AccountId32 = AccountId32::new([99; 32]);
pub(crate) const TREASURY: AccountId32 = AccountId32::new([77; 32]);

parameter_types! {
    pub const ExistentialDeposit: Balance = EXISTENTIAL;
    pub Treasury: AccountId32 = TREASURY;
    pub static TreasuryShare: Permill = Permill::from_percent(10);
    pub static Engaged: BTreeMap<(TaskId, AccountId32), Engagement<AccountId32>> = BTreeMap::new();
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type AccountStore = System;
    type Balance = Balance;
    type DustRemoval = ResolveTo<Treasury, Balances>;
    type ExistentialDeposit = ExistentialDeposit;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type RuntimeHoldReason = RuntimeHoldReason;
}

pub struct Tasks;

impl Engagements<AccountId32> for Tasks {
    fn engagement(task: TaskId, miner: &AccountId32) -> Option<Engagement<AccountId32>> {
        Engaged::get().get(&(task, miner.clone())).cloned()
    }

    fn miners(task: TaskId) -> Vec<AccountId32> {
        Engaged::get().into_keys().filter(|(of, _)| *of == task).map(|(_, miner)| miner).collect()
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_task(owner: &AccountId32, miner: &AccountId32, policy: ProofPolicy) -> TaskId {
        engage(0, owner, miner, policy);
        0
    }
}

impl pallet_payments::Config for Test {
    type Currency = Balances;
    type Engagements = Tasks;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Treasury = Treasury;
    type TreasuryShare = TreasuryShare;
    type WeightInfo = ();
}

/// The key pair of an actor.
pub(crate) fn pair(actor: u8) -> sr25519::Pair {
    sr25519::Pair::from_seed(&[actor; 32])
}

/// The account of an actor.
pub(crate) fn account(actor: u8) -> AccountId32 {
    AccountId32::new(pair(actor).public().0)
}

/// Engages and confirms a miner. Actor 9 is every owner's delegate.
pub(crate) fn engage(task: TaskId, owner: &AccountId32, miner: &AccountId32, policy: ProofPolicy) {
    let engagement =
        Engagement { owner: owner.clone(), delegate: Some(account(9)), model: 0, policy, confirmed: true };
    Engaged::mutate(|all| all.insert((task, miner.clone()), engagement));
}

/// Actors 0 to 9 and the treasury with [`FUNDS`] each.
pub(crate) fn new_test_ext() -> sp_io::TestExternalities {
    let mut accounts: Vec<_> = (0..10).map(|actor| (account(actor), FUNDS)).collect();
    accounts.push((TREASURY, FUNDS));
    let config = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig { balances: accounts, ..Default::default() },
        ..Default::default()
    };
    let mut externalities = sp_io::TestExternalities::new(config.build_storage().expect("valid genesis"));
    #[cfg(feature = "runtime-benchmarks")]
    externalities.register_extension(polkadot_sdk::sp_keystore::KeystoreExt::new(
        polkadot_sdk::sp_keystore::testing::MemoryKeystore::new(),
    ));
    externalities.execute_with(|| {
        System::set_block_number(1);
        Engaged::set(BTreeMap::new());
        TreasuryShare::set(Permill::from_percent(10));
    });
    externalities
}

/// Runs a test, and checks that nothing was minted or burnt and that the invariants hold.
pub(crate) fn run(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        let issuance = Balances::total_issuance();
        test();
        assert_eq!(Balances::total_issuance(), issuance);
        Payments::do_try_state().expect("invariants");
    });
}
