//! A runtime with this pallet alone: the others are played by small records in storage, so that
//! they roll back with a call that fails.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate as pallet_tasks;
use crate::types::Balance;
use codec::{Decode, Encode, MaxEncodedLen};
use cyborg_interface::{
    Demand, Departures, Escrow, Model, Models, Ranking, Registry, SettleError, Settled, Tariff, Terms,
    Vacated,
};
use cyborg_primitives::miner::{Accelerator, Capacity, Offence};
use cyborg_primitives::place::Region;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Digest, ModelId, Moment, RequestNumber, TaskId};
use polkadot_sdk::frame_support::dispatch::DispatchResult;
use polkadot_sdk::frame_support::traits::Hooks;
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_support::{
    Blake2_128Concat, Twox64Concat, derive_impl, parameter_types, storage_alias,
};
use polkadot_sdk::sp_runtime::traits::Convert;
use polkadot_sdk::sp_runtime::{BuildStorage, DispatchError};
use polkadot_sdk::{frame_support, frame_system, pallet_timestamp, sp_io};
use scale_info::TypeInfo;

pub(crate) type AccountId = u64;
type Block = frame_system::mocking::MockBlock<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Timestamp: pallet_timestamp,
        Tasks: pallet_tasks,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
    type BlockHashCount = frame_support::traits::ConstU64<64>;
}

#[derive_impl(pallet_timestamp::config_preludes::TestDefaultConfig)]
impl pallet_timestamp::Config for Test {}

pub(crate) const SLOT: Moment = 6_000;
pub(crate) const START: Moment = 1_800_000_000_000;
pub(crate) const KEYS: Moment = 60_000;
pub(crate) const CONFIRMATION: Moment = 120_000;
pub(crate) const SETTLEMENT: Moment = 300_000;
pub(crate) const RETRY: Moment = 30_000;
pub(crate) const RETENTION: Moment = 600_000;
pub(crate) const MIN_DURATION: Moment = 1_800_000;
pub(crate) const MAX_DURATION: Moment = 7_200_000;
pub(crate) const MAX_ASSIGNED: u32 = 6;
pub(crate) const MAX_MINERS: u32 = 10;
pub(crate) const MAX_TASKS: u32 = 4;
pub(crate) const FEE: Balance = 11;
/// The model that is registered, its key, and one that is delisted.
pub(crate) const MODEL: ModelId = 3;
pub(crate) const DELISTED: ModelId = 4;
pub(crate) const KEY: Digest = [7; 32];
const MEMORY_MIB: u32 = 100;

parameter_types! {
    pub static AgendaWeight: Weight = Weight::from_parts(100_000_000_000, 10_000_000);
}

impl pallet_tasks::Config for Test {
    type WeightInfo = ();
    type Time = Timestamp;
    type Registry = Register;
    type Models = Library;
    type Escrow = Purse;
    type Vacated = Ends;
    type VerificationFee = Fee;
    type MaxAssigned = frame_support::traits::ConstU32<MAX_ASSIGNED>;
    type MaxMiners = frame_support::traits::ConstU32<MAX_MINERS>;
    type MaxTasksPerMiner = frame_support::traits::ConstU32<MAX_TASKS>;
    type KeysPeriod = frame_support::traits::ConstU64<KEYS>;
    type ConfirmationPeriod = frame_support::traits::ConstU64<CONFIRMATION>;
    type SettlementPeriod = frame_support::traits::ConstU64<SETTLEMENT>;
    type RetryPeriod = frame_support::traits::ConstU64<RETRY>;
    type MaxRetries = frame_support::traits::ConstU8<3>;
    type MinDuration = frame_support::traits::ConstU64<MIN_DURATION>;
    type MaxDuration = frame_support::traits::ConstU64<MAX_DURATION>;
    type IdleFactor = frame_support::traits::ConstU64<10>;
    type RetentionPeriod = frame_support::traits::ConstU64<RETENTION>;
    type DeclinePeriod = frame_support::traits::ConstU64<600_000>;
    type DeclineBurst = frame_support::traits::ConstU64<2>;
    type MaxAttestationAge = frame_support::traits::ConstU64<20>;
    type BucketPeriod = frame_support::traits::ConstU64<SLOT>;
    type AgendaWeight = AgendaWeight;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Self;
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper<AccountId> for Test {
    fn fund(_: &AccountId) {}
}

pub struct Fee;
impl Convert<Cost, Balance> for Fee {
    fn convert(_: Cost) -> Balance {
        FEE
    }
}

/// A miner of the mock's register.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub(crate) struct Machine {
    pub(crate) price: Balance,
    pub(crate) region: Region,
    pub(crate) macs_per_second: u64,
    pub(crate) free_mib: u32,
    pub(crate) liabilities: u32,
    pub(crate) serving: bool,
    pub(crate) offences: u32,
}

/// Money of the mock's escrow.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub(crate) struct Money {
    pub(crate) compute: Balance,
    pub(crate) proofs: Balance,
}

#[storage_alias]
pub(crate) type Machines = StorageMap<Mock, Twox64Concat, AccountId, Machine>;
#[storage_alias]
pub(crate) type Moneys = StorageMap<Mock, Twox64Concat, TaskId, Money>;
#[storage_alias]
pub(crate) type Tariffs =
    StorageDoubleMap<Mock, Twox64Concat, TaskId, Blake2_128Concat, AccountId, (Balance, Balance)>;
#[storage_alias]
pub(crate) type Uses = StorageValue<Mock, u64, frame_support::pallet_prelude::ValueQuery>;
#[storage_alias]
pub(crate) type Punished = StorageValue<
    Mock,
    Vec<(AccountId, Offence, Option<AccountId>)>,
    frame_support::pallet_prelude::ValueQuery,
>;
#[storage_alias]
pub(crate) type Closed =
    StorageMap<Mock, Twox64Concat, TaskId, u32, frame_support::pallet_prelude::ValueQuery>;
#[storage_alias]
pub(crate) type Ending =
    StorageMap<Mock, Twox64Concat, TaskId, Vec<AccountId>, frame_support::pallet_prelude::ValueQuery>;

/// Miners by price, then account.
pub struct Register;

/// From this account on the mock's ranking ignores constraints and exclusions.
pub(crate) const LIAR: AccountId = 900;

impl Registry<AccountId, Balance> for Register {
    fn rank(demand: &Demand<Balance>, exclude: &[AccountId], count: u32) -> Ranking<AccountId> {
        let regions = &demand.placement.regions;
        let mut machines: Vec<_> = Machines::iter()
            .filter(|(miner, machine)| {
                machine.serving
                    && machine.free_mib >= demand.memory_mib
                    && (*miner >= LIAR
                        || (!exclude.contains(miner)
                            && machine.price <= demand.price_cap
                            && (regions.is_empty() || regions.contains(&machine.region))))
            })
            .map(|(miner, machine)| (machine.price, miner))
            .collect();
        machines.sort_unstable();
        let miners = machines.into_iter().map(|(_, miner)| miner).take(count as usize).collect();
        Ranking { miners, weight: Weight::from_parts(1_000, 10) }
    }

    fn rank_weight() -> Weight {
        Weight::from_parts(1_000_000, 1_000)
    }

    fn engage(miner: &AccountId, memory_mib: u32) -> Option<Terms<Balance>> {
        Machines::mutate(miner, |machine| {
            let machine = machine.as_mut().filter(|machine| machine.serving)?;
            machine.free_mib = machine.free_mib.checked_sub(memory_mib)?;
            machine.liabilities += 1;
            let capacity = Capacity {
                memory_mib: machine.free_mib,
                macs_per_second: machine.macs_per_second,
                accelerator: Accelerator::None,
            };
            Some(Terms { price: machine.price, capacity, region: machine.region })
        })
    }

    fn release(miner: &AccountId, memory_mib: u32) {
        Machines::mutate(miner, |machine| machine.as_mut().unwrap().free_mib += memory_mib);
    }

    fn discharge(miner: &AccountId) {
        Machines::mutate(miner, |machine| machine.as_mut().unwrap().liabilities -= 1);
    }

    /// The third offence suspends, and says so at once.
    fn punish(miner: &AccountId, offence: Offence, victim: Option<&AccountId>) -> Balance {
        let suspended = Machines::mutate(miner, |machine| {
            let machine = machine.as_mut().unwrap();
            assert!(machine.liabilities > 0, "only who is liable is punished");
            machine.offences += 1;
            machine.serving &= machine.offences < 3;
            !machine.serving
        });
        Punished::mutate(|punished| punished.push((*miner, offence, victim.copied())));
        if suspended {
            Tasks::gone(miner);
        }
        1
    }

    fn is_serving(miner: &AccountId) -> bool {
        Machines::get(miner).is_some_and(|machine| machine.serving)
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_miner(miner: &AccountId) {
        add_miner(*miner, 1);
    }
}

pub struct Library;

impl Models<AccountId> for Library {
    fn model(id: ModelId) -> Option<Model<AccountId>> {
        (id == MODEL || id == DELISTED).then_some(Model {
            owner: 1,
            listed: id == MODEL,
            key: KEY,
            memory_mib: MEMORY_MIB,
            work_macs: 1_000_000,
            proof_macs: 100_000_000,
            cost: Cost::default(),
        })
    }

    fn key(_: ModelId) -> Option<Vec<u8>> {
        None
    }

    fn retain(_: ModelId) {
        Uses::mutate(|uses| *uses += 1);
    }

    fn release(_: ModelId) {
        Uses::mutate(|uses| *uses -= 1);
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_model(_: &AccountId) -> ModelId {
        MODEL
    }
}

/// Account 0 has no money; all others have any amount.
pub struct Purse;

impl Escrow<AccountId, Balance> for Purse {
    fn open(task: TaskId, owner: &AccountId, compute: Balance, proofs: Balance) -> DispatchResult {
        if *owner == 0 {
            return Err(DispatchError::Other("poor"));
        }
        assert!(!Moneys::contains_key(task), "opened twice");
        Moneys::insert(task, Money { compute, proofs });
        Ok(())
    }

    fn admit(task: TaskId, miner: &AccountId, tariff: Tariff<Balance>) {
        assert!(Moneys::contains_key(task), "admitted to a closed escrow");
        Tariffs::insert(task, miner, (tariff.per_request, tariff.per_proof));
    }

    fn settle(_: TaskId, _: &AccountId, _: Settled, _: Balance, _: u32) -> Result<Balance, SettleError> {
        Err(SettleError::Unknown)
    }

    fn can_pay(task: TaskId, miner: &AccountId, proofs: u32) -> bool {
        let (Some(money), Some((request, proof))) = (Moneys::get(task), Tariffs::get(task, miner)) else {
            return false;
        };
        request <= money.compute && proof * Balance::from(proofs) <= money.proofs
    }

    fn is_settled(_: TaskId, _: &AccountId, _: RequestNumber) -> bool {
        false
    }

    fn close(task: TaskId) -> Balance {
        let money = Moneys::take(task).unwrap();
        let _ = Tariffs::clear_prefix(task, u32::MAX, None);
        Closed::mutate(task, |times| *times += 1);
        money.compute + money.proofs
    }
}

pub struct Ends;

impl Vacated<AccountId> for Ends {
    fn vacated(task: TaskId, miners: &[AccountId]) {
        Ending::mutate(task, |ending| {
            assert!(ending.is_empty(), "told twice");
            *ending = miners.to_vec();
        });
    }
}

pub(crate) const DE: Region = Region(*b"DE");
pub(crate) const US: Region = Region(*b"US");

/// A machine in Germany that makes 10^9 multiply-accumulates per second and has room for many.
pub(crate) fn add_miner(miner: AccountId, price: Balance) {
    Machines::insert(
        miner,
        Machine {
            price,
            region: DE,
            macs_per_second: 1_000_000_000,
            free_mib: 100 * MEMORY_MIB,
            liabilities: 0,
            serving: true,
            offences: 0,
        },
    );
}

/// A chain at block 1 with miners 101 to 100 + `miners`, the cheapest first.
pub(crate) fn new_test_ext(miners: u64) -> sp_io::TestExternalities {
    let mut ext: sp_io::TestExternalities =
        frame_system::GenesisConfig::<Test>::default().build_storage().unwrap().into();
    ext.execute_with(|| {
        for index in 1..=miners {
            add_miner(100 + index, 1_000_000 + Balance::from(index));
        }
        System::set_block_number(1);
        Timestamp::set_timestamp(START);
    });
    ext
}

pub(crate) fn now() -> Moment {
    Timestamp::get()
}

/// One block of one slot, checked.
pub(crate) fn next_block() -> Weight {
    block_of(SLOT)
}

/// One block of some time, checked.
pub(crate) fn block_of(length: Moment) -> Weight {
    let number = System::block_number();
    let time = now();
    Tasks::on_finalize(number);
    System::finalize();
    let hash = <Test as frame_system::Config>::Hash::repeat_byte((number % 255 + 1) as u8);
    System::reset_events();
    System::initialize(&(number + 1), &hash, &Default::default());
    let weight = Tasks::on_initialize(number + 1);
    Timestamp::set_timestamp(time + length);
    check();
    weight
}

/// Blocks until that much more time has passed.
pub(crate) fn pass(time: Moment) {
    let until = now() + time;
    while now() < until {
        next_block();
    }
}

/// The invariants, and that memory and liabilities of the register are those of the tasks' parts.
pub(crate) fn check() {
    Tasks::do_try_state().unwrap();
    let tasks: Vec<_> = crate::Tasks::<Test>::iter().collect();
    assert_eq!(Uses::get(), tasks.len() as u64, "models are retained for stored tasks");
    assert_eq!(Moneys::iter().count(), tasks.len(), "escrows are open for stored tasks");
    for (miner, machine) in Machines::iter() {
        let parts = tasks.iter().flat_map(|(_, task)| &task.parts).filter(|part| part.miner == miner);
        let live = parts.clone().filter(|part| part.is_live()).count() as u32;
        let liable = parts.filter(|part| part.is_live() || part.has_confirmed()).count() as u32;
        assert_eq!(machine.free_mib, (100 - live) * MEMORY_MIB, "memory of {miner}");
        assert_eq!(machine.liabilities, liable, "liabilities of {miner}");
    }
}
