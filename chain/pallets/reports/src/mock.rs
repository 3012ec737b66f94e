//! A runtime with chain time, and engagements as a test says.

use crate as pallet_reports;
use cyborg_interface::{Engagement, Engagements};
use cyborg_primitives::TaskId;
use cyborg_primitives::task::ProofPolicy;
use polkadot_sdk::frame_support::traits::{ConstU32, ConstU64};
use polkadot_sdk::frame_support::{construct_runtime, derive_impl, parameter_types};
use polkadot_sdk::sp_runtime::BuildStorage;
use polkadot_sdk::{frame_system, pallet_timestamp, sp_io};
use std::collections::BTreeMap;

type Block = frame_system::mocking::MockBlock<Test>;

construct_runtime!(
    pub enum Test {
        System: frame_system,
        Timestamp: pallet_timestamp,
        Reports: pallet_reports,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

#[derive_impl(pallet_timestamp::config_preludes::TestDefaultConfig)]
impl pallet_timestamp::Config for Test {}

pub(crate) const PERIOD_MS: u64 = 60_000;
pub(crate) const MAX_LATE: u32 = 3;
pub(crate) const KEPT: u32 = 4;

parameter_types! {
    /// Whether each engaged miner has confirmed.
    pub static Engaged: BTreeMap<(TaskId, u64), bool> = BTreeMap::new();
}

pub struct Tasks;

impl Engagements<u64> for Tasks {
    fn engagement(task: TaskId, miner: &u64) -> Option<Engagement<u64>> {
        Engaged::get().get(&(task, *miner)).map(|confirmed| Engagement {
            owner: 0,
            delegate: None,
            model: 0,
            policy: ProofPolicy::Every,
            confirmed: *confirmed,
        })
    }

    fn miners(task: TaskId) -> Vec<u64> {
        Engaged::get().into_keys().filter(|(of, _)| *of == task).map(|(_, miner)| miner).collect()
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_task(_: &u64, miner: &u64, _: ProofPolicy) -> TaskId {
        Engaged::mutate(|all| all.insert((0, *miner), true));
        0
    }
}

impl pallet_reports::Config for Test {
    type Engagements = Tasks;
    type Kept = ConstU32<KEPT>;
    type MaxLate = ConstU32<MAX_LATE>;
    type PeriodMs = ConstU64<PERIOD_MS>;
    type Time = Timestamp;
    type WeightInfo = ();
}

/// The beginning of a period.
pub(crate) fn go_to(period: u32) {
    pallet_timestamp::Now::<Test>::put(u64::from(period) * PERIOD_MS);
}

/// Without engagements, at the beginning of period 100.
pub(crate) fn new_test_ext() -> sp_io::TestExternalities {
    let storage = RuntimeGenesisConfig::default().build_storage().expect("valid genesis");
    let mut externalities = sp_io::TestExternalities::new(storage);
    externalities.execute_with(|| {
        System::set_block_number(1);
        Engaged::set(BTreeMap::new());
        go_to(100);
    });
    externalities
}
