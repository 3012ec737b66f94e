//! Messages from and to other chains: the native token, and nothing else.
//!
//! - The native token may be sent to other parachains, with this chain as its reserve, and come
//!   back from where it was sent. No foreign asset is accepted yet, none is teleported.
//! - A message is executed when it pays for its execution, or when it answers a question of ours.
//!   Nobody is exempt, the relay chain included.
//! - No message may dispatch a call: every `Transact` is refused.
//! - Sending messages of any shape is Root's, that is governance's; users transfer.

use crate::configs::money::{ToTreasury, TreasuryAccount, WeightToFee};
use crate::configs::system::RuntimeBlockWeights;
use crate::configs::xcm_weights::XcmWeights;
use crate::economics::{BYTE_FEE, MILLI, deposit};
use crate::{
    AccountId, AllPalletsWithSystem, Balance, Balances, MessageQueue, ParachainInfo, ParachainSystem,
    PolkadotXcm, Runtime, RuntimeCall, RuntimeEvent, RuntimeHoldReason, RuntimeOrigin, XcmpQueue,
};
use alloc::vec::Vec;
use core::marker::PhantomData;
use polkadot_sdk::cumulus_primitives_core::{AggregateMessageOrigin, ParaId};
use polkadot_sdk::frame_support::parameter_types;
use polkadot_sdk::frame_support::traits::fungible::HoldConsideration;
use polkadot_sdk::frame_support::traits::{
    ConstU32, Contains, Everything, LinearStoragePrice, Nothing, QueueFootprint, QueuePausedQuery,
    TransformOrigin, TypedGet,
};
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_system::{EnsureRoot, EnsureRootWithSuccess};
use polkadot_sdk::pallet_message_queue::OnQueueChanged;
use polkadot_sdk::pallet_xcm::{self, AuthorizedAliasers};
use polkadot_sdk::polkadot_parachain_primitives::primitives::Sibling;
use polkadot_sdk::polkadot_runtime_common::xcm_sender::ExponentialPrice;
use polkadot_sdk::sp_runtime::Perbill;
use polkadot_sdk::sp_runtime::traits::Convert;
use polkadot_sdk::staging_xcm::latest::prelude::*;
use polkadot_sdk::staging_xcm_builder::{
    AccountId32Aliases, AllowKnownQueryResponses, AllowSubscriptionsFrom, AllowTopLevelPaidExecutionFrom,
    EnsureXcmOrigin, FixedWeightBounds, FrameTransactionalProcessor, FungibleAdapter, IsConcrete,
    ParentIsPreset, SendXcmFeeToAccount, SiblingParachainConvertsVia, SignedAccountId32AsNative,
    SignedToAccountId32, SovereignSignedViaLocation, TakeWeightCredit, TrailingSetTopicAsId, UsingComponents,
    WithComputedOrigin, WithUniqueTopic, XcmFeeManagerFromComponents,
};
use polkadot_sdk::staging_xcm_executor::{self, XcmExecutor};
use polkadot_sdk::{
    cumulus_pallet_xcm, cumulus_pallet_xcmp_queue, cumulus_primitives_utility, pallet_message_queue,
};

parameter_types! {
    /// This chain's native token.
    pub const NativeLocation: Location = Location::here();
    /// The same, as what fees are paid in.
    pub NativeAsset: AssetId = AssetId(NativeLocation::get());
    /// A message may come from any network that can reach this chain.
    pub const AnyNetwork: Option<NetworkId> = None;
    /// Where this chain is.
    pub UniversalLocation: InteriorLocation = Parachain(ParachainInfo::parachain_id().into()).into();
    /// Where fees for delivery go.
    pub TreasuryLocation: Location =
        AccountId32 { network: None, id: TreasuryAccount::get().into() }.into();
    /// What an instruction takes: far more than any does.
    pub InstructionWeight: Weight = Weight::from_parts(1_000_000_000, 64 * 1024);
    /// Most instructions of a message.
    pub const MaxInstructions: u32 = 100;
    /// Most assets that a message may hold at once.
    pub const MaxAssetsIntoHolding: u32 = 8;
    /// For the delivery of a message.
    pub const BaseDeliveryFee: Balance = 10 * MILLI;
    /// For each of its bytes.
    pub const ByteDeliveryFee: Balance = BYTE_FEE;
    /// Work of messages in a block.
    pub MessageServiceWeight: Weight = Perbill::from_percent(20) * RuntimeBlockWeights::get().max_block;
    /// For a list of authorised aliases.
    pub const AliasBaseDeposit: Balance = deposit(1, 32);
    /// For a byte of it.
    pub const AliasByteDeposit: Balance = deposit(0, 1);
    /// Why it is held.
    pub const AliasHoldReason: RuntimeHoldReason =
        RuntimeHoldReason::PolkadotXcm(pallet_xcm::HoldReason::AuthorizeAlias);
}

/// The account of a location.
pub type LocationToAccountId = (
    ParentIsPreset<AccountId>,
    SiblingParachainConvertsVia<Sibling, AccountId>,
    AccountId32Aliases<AnyNetwork, AccountId>,
);

/// Moves the native token.
pub type AssetTransactor =
    FungibleAdapter<Balances, IsConcrete<NativeLocation>, LocationToAccountId, AccountId, ()>;

/// Who a message acts for, were it allowed to dispatch: an account, never Root.
pub type OriginConverter = (
    SovereignSignedViaLocation<LocationToAccountId, RuntimeOrigin>,
    SignedAccountId32AsNative<AnyNetwork, RuntimeOrigin>,
);

/// The relay chain and other parachains.
pub struct ParentOrSiblings;
impl Contains<Location> for ParentOrSiblings {
    fn contains(location: &Location) -> bool {
        matches!(location.unpack(), (1, [] | [Parachain(_)]))
    }
}

/// Which messages are executed.
pub type Barrier = TrailingSetTopicAsId<(
    TakeWeightCredit,
    AllowKnownQueryResponses<PolkadotXcm>,
    WithComputedOrigin<
        (AllowTopLevelPaidExecutionFrom<Everything>, AllowSubscriptionsFrom<ParentOrSiblings>),
        UniversalLocation,
        ConstU32<8>,
    >,
)>;

/// What executes messages.
pub struct XcmConfig;
impl staging_xcm_executor::Config for XcmConfig {
    type RuntimeCall = RuntimeCall;
    type XcmSender = XcmRouter;
    type XcmEventEmitter = PolkadotXcm;
    type AssetTransactor = AssetTransactor;
    type OriginConverter = OriginConverter;
    type IsReserve = ();
    type IsTeleporter = ();
    type Aliasers = AuthorizedAliasers<Runtime>;
    type UniversalLocation = UniversalLocation;
    type Barrier = Barrier;
    type Weigher = FixedWeightBounds<InstructionWeight, RuntimeCall, MaxInstructions>;
    type Trader = UsingComponents<WeightToFee, NativeLocation, AccountId, Balances, ToTreasury>;
    type ResponseHandler = PolkadotXcm;
    type AssetTrap = PolkadotXcm;
    type AssetLocker = ();
    type AssetExchanger = ();
    type SubscriptionService = PolkadotXcm;
    type PalletInstancesInfo = AllPalletsWithSystem;
    type MaxAssetsIntoHolding = MaxAssetsIntoHolding;
    type FeeManager =
        XcmFeeManagerFromComponents<Nothing, SendXcmFeeToAccount<AssetTransactor, TreasuryLocation>>;
    type MessageExporter = ();
    type UniversalAliases = Nothing;
    type CallDispatcher = RuntimeCall;
    type SafeCallFilter = Nothing;
    type TransactionalProcessor = FrameTransactionalProcessor;
    type HrmpNewChannelOpenRequestHandler = ();
    type HrmpChannelAcceptedHandler = ();
    type HrmpChannelClosingHandler = ();
    type XcmRecorder = PolkadotXcm;
}

/// Up to the relay chain, or across to a sibling; dearer while the way is crowded.
pub type XcmRouter = WithUniqueTopic<(
    cumulus_primitives_utility::ParentAsUmp<
        ParachainSystem,
        PolkadotXcm,
        ExponentialPrice<NativeAsset, BaseDeliveryFee, ByteDeliveryFee, ParachainSystem>,
    >,
    XcmpQueue,
)>;

/// Lets reserve transfers carry the native token alone.
pub struct OnlyNative;
impl Contains<(Location, Vec<Asset>)> for OnlyNative {
    fn contains((_, assets): &(Location, Vec<Asset>)) -> bool {
        assets.iter().all(|asset| asset.id.0 == NativeLocation::get())
    }
}

/// An account, as where a message comes from.
pub type LocalOriginToLocation = SignedToAccountId32<RuntimeOrigin, AccountId, AnyNetwork>;

impl pallet_xcm::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Currency = Balances;
    type CurrencyMatcher = ();
    type AuthorizedAliasConsideration = HoldConsideration<
        AccountId,
        Balances,
        AliasHoldReason,
        LinearStoragePrice<AliasBaseDeposit, AliasByteDeposit, Balance>,
    >;
    type SendXcmOrigin = EnsureRootWithSuccess<AccountId, NativeLocation>;
    type XcmRouter = XcmRouter;
    type ExecuteXcmOrigin = EnsureXcmOrigin<RuntimeOrigin, LocalOriginToLocation>;
    type XcmExecuteFilter = Nothing;
    type XcmExecutor = XcmExecutor<XcmConfig>;
    type XcmTeleportFilter = Nothing;
    type XcmReserveTransferFilter = OnlyNative;
    type Weigher = FixedWeightBounds<InstructionWeight, RuntimeCall, MaxInstructions>;
    type UniversalLocation = UniversalLocation;
    type RuntimeOrigin = RuntimeOrigin;
    type RuntimeCall = RuntimeCall;
    const VERSION_DISCOVERY_QUEUE_SIZE: u32 = 100;
    type AdvertisedXcmVersion = pallet_xcm::CurrentXcmVersion;
    type AdminOrigin = EnsureRoot<AccountId>;
    type TrustedLockers = ();
    type SovereignAccountOf = LocationToAccountId;
    type MaxLockers = ConstU32<0>;
    type MaxRemoteLockConsumers = ConstU32<0>;
    type RemoteLockConsumerIdentifier = ();
    type WeightInfo = XcmWeights;
}

impl cumulus_pallet_xcm::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type XcmExecutor = XcmExecutor<XcmConfig>;
}

/// Names a sibling as an origin of messages.
pub struct ToSibling;
impl Convert<ParaId, AggregateMessageOrigin> for ToSibling {
    fn convert(id: ParaId) -> AggregateMessageOrigin {
        AggregateMessageOrigin::Sibling(id)
    }
}

/// Asks and tells a queue of siblings' messages about siblings only.
pub struct SiblingsOf<Queue>(PhantomData<Queue>);
impl<Queue: QueuePausedQuery<ParaId>> QueuePausedQuery<AggregateMessageOrigin> for SiblingsOf<Queue> {
    fn is_paused(origin: &AggregateMessageOrigin) -> bool {
        matches!(origin, AggregateMessageOrigin::Sibling(id) if Queue::is_paused(id))
    }
}
impl<Queue: OnQueueChanged<ParaId>> OnQueueChanged<AggregateMessageOrigin> for SiblingsOf<Queue> {
    fn on_queue_changed(origin: AggregateMessageOrigin, footprint: QueueFootprint) {
        if let AggregateMessageOrigin::Sibling(id) = origin {
            Queue::on_queue_changed(id, footprint);
        }
    }
}

impl cumulus_pallet_xcmp_queue::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ChannelInfo = ParachainSystem;
    type VersionWrapper = PolkadotXcm;
    type XcmpQueue = TransformOrigin<MessageQueue, AggregateMessageOrigin, ParaId, ToSibling>;
    type MaxInboundSuspended = ConstU32<1_000>;
    type MaxActiveOutboundChannels = ConstU32<128>;
    type MaxPageSize = ConstU32<{ 103 * 1024 }>;
    type ControllerOrigin = EnsureRoot<AccountId>;
    type ControllerOriginConverter = OriginConverter;
    type PriceForSiblingDelivery = ExponentialPrice<NativeAsset, BaseDeliveryFee, ByteDeliveryFee, XcmpQueue>;
    type WeightInfo = cumulus_pallet_xcmp_queue::weights::SubstrateWeight<Runtime>;
}

impl pallet_message_queue::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    #[cfg(feature = "runtime-benchmarks")]
    type MessageProcessor = pallet_message_queue::mock_helpers::NoopMessageProcessor<AggregateMessageOrigin>;
    #[cfg(not(feature = "runtime-benchmarks"))]
    type MessageProcessor = polkadot_sdk::staging_xcm_builder::ProcessXcmMessage<
        AggregateMessageOrigin,
        XcmExecutor<XcmConfig>,
        RuntimeCall,
    >;
    type Size = u32;
    type QueueChangeHandler = SiblingsOf<XcmpQueue>;
    type QueuePausedQuery = SiblingsOf<XcmpQueue>;
    type HeapSize = ConstU32<{ 103 * 1024 }>;
    type MaxStale = ConstU32<8>;
    type ServiceWeight = MessageServiceWeight;
    type IdleMaxServiceWeight = ();
    type WeightInfo = pallet_message_queue::weights::SubstrateWeight<Runtime>;
}
