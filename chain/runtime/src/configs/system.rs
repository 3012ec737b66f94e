//! System, parachain system and time; how much fits into a block.

use crate::economics::{SLOT_MS, SS58_PREFIX};
use crate::{
    AccountId, Aura, Balance, Block, Hash, MessageQueue, Nonce, PalletInfo, Runtime, RuntimeCall,
    RuntimeEvent, RuntimeOrigin, RuntimeTask, VERSION, XcmpQueue,
};
use polkadot_sdk::cumulus_pallet_aura_ext::FixedVelocityConsensusHook;
use polkadot_sdk::cumulus_pallet_parachain_system::RelayNumberMonotonicallyIncreases;
use polkadot_sdk::cumulus_primitives_core::{AggregateMessageOrigin, relay_chain::MAX_POV_SIZE};
use polkadot_sdk::frame_support::dispatch::DispatchClass;
use polkadot_sdk::frame_support::traits::{ConstU16, ConstU32, ConstU64, Contains, EnqueueWithOrigin};
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_support::weights::constants::{
    BlockExecutionWeight, ExtrinsicBaseWeight, RocksDbWeight, WEIGHT_REF_TIME_PER_SECOND,
};
use polkadot_sdk::frame_support::{derive_impl, parameter_types};
use polkadot_sdk::frame_system::limits::{BlockLength, BlockWeights};
use polkadot_sdk::sp_runtime::Perbill;
use polkadot_sdk::sp_version::RuntimeVersion;
use polkadot_sdk::{
    cumulus_pallet_parachain_system, cumulus_pallet_weight_reclaim, frame_system, pallet_balances,
    pallet_timestamp, staging_parachain_info as parachain_info,
};

/// What a block may take: 2 s of a validator's time, and the largest proof of validity.
pub const MAXIMUM_BLOCK_WEIGHT: Weight =
    Weight::from_parts(WEIGHT_REF_TIME_PER_SECOND.saturating_mul(2), MAX_POV_SIZE as u64);
/// Part of a block for users' transactions; the rest is for hooks, inherents and operations.
pub const NORMAL_RATIO: Perbill = Perbill::from_percent(75);
/// Longest block in bytes. Half of the largest proof of validity, whose other half is storage.
const MAX_BLOCK_BYTES: u32 = MAX_POV_SIZE / 2;

/// Blocks that may wait for the relay chain.
const UNINCLUDED_SEGMENT: u32 = 3;
/// Blocks per slot of the relay chain.
const VELOCITY: u32 = 1;

parameter_types! {
    /// The runtime's version.
    pub const Version: RuntimeVersion = VERSION;
    /// Bytes of a block.
    pub RuntimeBlockLength: BlockLength = BlockLength::builder()
        .max_length(MAX_BLOCK_BYTES)
        .modify_max_length_for_class(DispatchClass::Normal, |length| *length = NORMAL_RATIO * MAX_BLOCK_BYTES)
        .build();
    /// Work of a block.
    pub RuntimeBlockWeights: BlockWeights = BlockWeights::builder()
        .base_block(BlockExecutionWeight::get())
        .for_class(DispatchClass::all(), |weights| weights.base_extrinsic = ExtrinsicBaseWeight::get())
        .for_class(DispatchClass::Normal, |weights| {
            weights.max_total = Some(NORMAL_RATIO * MAXIMUM_BLOCK_WEIGHT);
        })
        .for_class(DispatchClass::Operational, |weights| {
            weights.max_total = Some(MAXIMUM_BLOCK_WEIGHT);
            weights.reserved = Some(MAXIMUM_BLOCK_WEIGHT - NORMAL_RATIO * MAXIMUM_BLOCK_WEIGHT);
        })
        .avg_block_initialization(Perbill::from_percent(5))
        .build_or_panic();
    /// Work of messages, each from the relay chain and from siblings.
    pub const ReservedMessageWeight: Weight = MAXIMUM_BLOCK_WEIGHT.saturating_div(4);
    /// Where messages of the relay chain come from.
    pub const RelayOrigin: AggregateMessageOrigin = AggregateMessageOrigin::Parent;
}

/// Refuses the one call by which a user could change the issuance.
pub struct NothingBurnt;
impl Contains<RuntimeCall> for NothingBurnt {
    fn contains(call: &RuntimeCall) -> bool {
        !matches!(call, RuntimeCall::Balances(pallet_balances::Call::burn { .. }))
    }
}

#[derive_impl(frame_system::config_preludes::ParaChainDefaultConfig)]
impl frame_system::Config for Runtime {
    type AccountId = AccountId;
    type Nonce = Nonce;
    type Hash = Hash;
    type Block = Block;
    type BaseCallFilter = NothingBurnt;
    type BlockHashCount = ConstU32<4096>;
    type Version = Version;
    type AccountData = pallet_balances::AccountData<Balance>;
    /// The slower of the two databases that a stock node may have.
    type DbWeight = RocksDbWeight;
    type BlockWeights = RuntimeBlockWeights;
    type BlockLength = RuntimeBlockLength;
    type SS58Prefix = ConstU16<SS58_PREFIX>;
    type OnSetCode = cumulus_pallet_parachain_system::ParachainSetCode<Self>;
    type MaxConsumers = ConstU32<16>;
    type SystemWeightInfo = frame_system::weights::SubstrateWeight<Runtime>;
}

/// Slots and the pace of blocks, as the relay chain enforces them.
pub type ConsensusHook =
    FixedVelocityConsensusHook<Runtime, { SLOT_MS as u32 }, VELOCITY, UNINCLUDED_SEGMENT>;

impl cumulus_pallet_parachain_system::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type OnSystemEvent = ();
    type SelfParaId = parachain_info::Pallet<Runtime>;
    type OutboundXcmpMessageSource = XcmpQueue;
    type DmpQueue = EnqueueWithOrigin<MessageQueue, RelayOrigin>;
    type ReservedDmpWeight = ReservedMessageWeight;
    type XcmpMessageHandler = XcmpQueue;
    type ReservedXcmpWeight = ReservedMessageWeight;
    type CheckAssociatedRelayNumber = RelayNumberMonotonicallyIncreases;
    type ConsensusHook = ConsensusHook;
    type RelayParentOffset = ConstU32<0>;
    type SchedulingSignatureVerifier = ();
    type WeightInfo = cumulus_pallet_parachain_system::weights::SubstrateWeight<Runtime>;
}

impl parachain_info::Config for Runtime {}

impl pallet_timestamp::Config for Runtime {
    type Moment = u64;
    type OnTimestampSet = Aura;
    /// Aura says when a block may be.
    type MinimumPeriod = ConstU64<0>;
    type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}

impl cumulus_pallet_weight_reclaim::Config for Runtime {
    type WeightInfo = ();
}
