//! A runtime with real balances and time, in which departures are noted.
#![allow(unreachable_pub, reason = "FRAME's macros make the runtime public")]

use crate::types::{Balance, Endpoint, Penalties, Penalty};
use crate::{self as pallet_miners, Pallet};
use cyborg_interface::{Demand, Departures};
use cyborg_primitives::Moment;
use cyborg_primitives::miner::{Accelerator, Capacity, Offence};
use cyborg_primitives::place::{Cell, Location, Region};
use cyborg_primitives::task::Placement;
use polkadot_sdk::frame_support::dispatch::DispatchResult;
use polkadot_sdk::frame_support::traits::tokens::imbalance::ResolveTo;
use polkadot_sdk::frame_support::traits::{ConstU8, ConstU32, ConstU64, ConstU128, Hooks, VariantCountOf};
use polkadot_sdk::frame_support::{construct_runtime, derive_impl, parameter_types};
use polkadot_sdk::sp_runtime::{BuildStorage, Perbill};
use polkadot_sdk::{frame_system, pallet_balances, pallet_timestamp, sp_io};

type Block = frame_system::mocking::MockBlock<Test>;
pub(crate) type AccountId = u64;

construct_runtime!(
    pub enum Test {
        System: frame_system,
        Timestamp: pallet_timestamp,
        Balances: pallet_balances,
        Miners: pallet_miners,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountData = pallet_balances::AccountData<Balance>;
    type Block = Block;
}

#[derive_impl(pallet_timestamp::config_preludes::TestDefaultConfig)]
impl pallet_timestamp::Config for Test {}

pub(crate) const EXISTENTIAL: Balance = 10;
pub(crate) const FUNDS: Balance = 1_000_000;
pub(crate) const BOND: Balance = 1000;
pub(crate) const TREASURY: AccountId = 77;
/// Has nothing.
pub(crate) const PAUPER: AccountId = 99;
pub(crate) const ACTORS: AccountId = 20;

pub(crate) const TIMEOUT: Moment = 60_000;
pub(crate) const INTERVAL: Moment = 15_000;
pub(crate) const PERIOD: Moment = 100_000;
pub(crate) const POINTS: u8 = 5;
pub(crate) const UNBONDING: Moment = 1_000_000;
pub(crate) const BLOCK_MS: Moment = 6_000;
pub(crate) const START: Moment = 1_700_000_000_000;

parameter_types! {
    pub const Treasury: AccountId = TREASURY;
    pub static Gone: Vec<AccountId> = Vec::new();
    pub static MaxLoad: u32 = 64;
    pub static MaxPages: u32 = 96;
    pub static MaxChecks: u32 = 200;
    pub static MaxLapses: u32 = 20;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type AccountStore = System;
    type Balance = Balance;
    type DustRemoval = ResolveTo<Treasury, Balances>;
    type ExistentialDeposit = ConstU128<EXISTENTIAL>;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type RuntimeHoldReason = RuntimeHoldReason;
}

pub struct Noted;

impl Departures<AccountId> for Noted {
    fn gone(miner: &AccountId) {
        Gone::mutate(|gone| gone.push(*miner));
    }
}

pub struct Table;

impl Penalties for Table {
    fn penalty(offence: Offence) -> Penalty {
        let (percent, points) = match offence {
            Offence::Inactive => (1, 5),
            Offence::Unconfirmed => (2, 10),
            Offence::Abandoned => (5, 15),
            Offence::Unproven => (10, 25),
            Offence::InventedRequest | Offence::FalseProof => (30, 55),
            Offence::Equivocation => (100, 100),
        };
        Penalty { share: Perbill::from_percent(percent), points }
    }
}

impl pallet_miners::Config for Test {
    type CheckInterval = ConstU64<INTERVAL>;
    type Currency = Balances;
    type Departures = Noted;
    type HeartbeatTimeout = ConstU64<TIMEOUT>;
    type MaxChecks = MaxChecks;
    type MaxLapses = MaxLapses;
    type MaxLoad = MaxLoad;
    type MaxPages = MaxPages;
    type MaxRanked = ConstU32<64>;
    type MinimumBond = ConstU128<BOND>;
    type Penalties = Table;
    type RuntimeHoldReason = RuntimeHoldReason;
    type ServicePeriod = ConstU64<PERIOD>;
    type ServicePoints = ConstU8<POINTS>;
    type Time = Timestamp;
    type Treasury = Treasury;
    type UnbondingDelay = ConstU64<UNBONDING>;
    type WeightInfo = ();
}

/// Actors 0 to 19 and the treasury with [`FUNDS`] each, in a block of chain time [`START`].
pub(crate) fn new_test_ext() -> sp_io::TestExternalities {
    let accounts = (0..ACTORS).chain([TREASURY]).map(|actor| (actor, FUNDS)).collect();
    let config = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig { balances: accounts, ..Default::default() },
        ..Default::default()
    };
    let mut externalities = sp_io::TestExternalities::new(config.build_storage().expect("valid genesis"));
    externalities.execute_with(|| next_block(START));
    externalities
}

/// A block of this chain time; its hook sees the time of the one before.
pub(crate) fn next_block(now: Moment) {
    System::set_block_number(System::block_number() + 1);
    Miners::on_initialize(System::block_number());
    pallet_timestamp::Now::<Test>::put(now);
}

pub(crate) fn now() -> Moment {
    pallet_timestamp::Now::<Test>::get()
}

/// Blocks for so long, in which these miners send heartbeats.
pub(crate) fn pass(time: Moment, alive: &[AccountId]) {
    let until = now() + time;
    while now() < until {
        next_block((now() + BLOCK_MS).min(until));
        for miner in alive {
            let _ = Miners::heartbeat(RuntimeOrigin::signed(*miner));
        }
    }
}

pub(crate) fn place(region: &[u8; 2]) -> Location {
    Location { region: Region(*region), cell: Cell { latitude: 5251, longitude: 1340 } }
}

pub(crate) fn machine(memory_mib: u32) -> Capacity {
    Capacity { memory_mib, macs_per_second: 1_000_000_000, accelerator: Accelerator::None }
}

pub(crate) fn endpoint(text: &str) -> Endpoint {
    text.as_bytes().to_vec().try_into().expect("short")
}

pub(crate) fn register_in(
    who: AccountId,
    region: &[u8; 2],
    memory_mib: u32,
    price: Balance,
) -> DispatchResult {
    Miners::register(
        RuntimeOrigin::signed(who),
        [9; 32],
        endpoint("https://miner.example:4433"),
        place(region),
        machine(memory_mib),
        price,
        BOND,
    )
}

/// A miner of 1 GiB in Germany for 100 per hour.
pub(crate) fn register(who: AccountId) {
    register_in(who, b"DE", 1024, 100).expect("registers");
}

pub(crate) fn miner(who: AccountId) -> crate::Miner {
    crate::Miners::<Test>::get(who).expect("is registered")
}

/// For this much memory, anywhere, at any price.
pub(crate) fn demand(memory_mib: u32) -> Demand<Balance> {
    let placement =
        Placement { replicas: 1, standbys: 0, regions: Vec::new(), near: None, min_reputation: 0 };
    Demand { placement, memory_mib, price_cap: 1000 }
}

pub(crate) fn check() {
    Pallet::<Test>::do_try_state().expect("invariants hold");
}
