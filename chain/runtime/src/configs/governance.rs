//! Decisions by those who hold the token, and tools for accounts that are not one key.
//!
//! There is one track, Root: whatever changes the rules is decided by all, slowly. No key and no
//! collective has power of its own; the scheduler and the preimages' manager answer to Root.

use crate::configs::money::SlashToTreasury;
use crate::configs::system::MAXIMUM_BLOCK_WEIGHT;
use crate::economics::{DAYS, HOURS, UNIT, deposit};
use crate::{
    AccountId, Balance, Balances, BlockNumber, Hashing, OriginCaller, Preimage, Referenda, Runtime,
    RuntimeCall, RuntimeEvent, RuntimeHoldReason, RuntimeOrigin, Scheduler, System,
};
use alloc::borrow::Cow;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use polkadot_sdk::frame_support::parameter_types;
use polkadot_sdk::frame_support::traits::fungible::HoldConsideration;
use polkadot_sdk::frame_support::traits::{
    AsEnsureOriginWithArg, ConstU32, EqualPrivilegeOnly, InstanceFilter, LinearStoragePrice, OriginTrait,
    TotalIssuanceOf,
};
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_system::{EnsureRoot, EnsureSigned, RawOrigin};
use polkadot_sdk::pallet_referenda::{Curve, Track, TrackInfo, TracksInfo};
use polkadot_sdk::sp_runtime::{Perbill, str_array};
use polkadot_sdk::{
    pallet_conviction_voting, pallet_multisig, pallet_preimage, pallet_proxy, pallet_referenda,
    pallet_scheduler, pallet_utility,
};
use scale_info::TypeInfo;

/// What it takes to have a proposal decided. It is given back unless the proposal is killed.
pub const DECISION_DEPOSIT: Balance = 10_000 * UNIT;

/// The one track.
pub struct Tracks;

/// Root: approval falls from all votes to a little more than half within the 14 days of decision,
/// support from half of the issuance to a twentieth; then it must hold for a day.
static ROOT: [Track<u16, Balance, BlockNumber>; 1] = [Track {
    id: 0,
    info: TrackInfo {
        name: str_array("root"),
        max_deciding: 4,
        decision_deposit: DECISION_DEPOSIT,
        prepare_period: 2 * HOURS,
        decision_period: 14 * DAYS,
        confirm_period: DAYS,
        min_enactment_period: DAYS,
        min_approval: Curve::LinearDecreasing {
            length: Perbill::from_percent(100),
            floor: Perbill::from_percent(55),
            ceil: Perbill::from_percent(100),
        },
        min_support: Curve::LinearDecreasing {
            length: Perbill::from_percent(100),
            floor: Perbill::from_percent(5),
            ceil: Perbill::from_percent(50),
        },
    },
}];

impl TracksInfo<Balance, BlockNumber> for Tracks {
    type Id = u16;
    type RuntimeOrigin = <RuntimeOrigin as OriginTrait>::PalletsOrigin;

    fn tracks() -> impl Iterator<Item = Cow<'static, Track<Self::Id, Balance, BlockNumber>>> {
        ROOT.iter().map(Cow::Borrowed)
    }

    fn track_for(origin: &Self::RuntimeOrigin) -> Result<Self::Id, ()> {
        match origin {
            OriginCaller::system(RawOrigin::Root) => Ok(0),
            _ => Err(()),
        }
    }
}

parameter_types! {
    /// How long the winners' tokens stay locked, times their conviction.
    pub const VoteLockingPeriod: BlockNumber = 7 * DAYS;
    /// For a referendum, before its decision deposit.
    pub const SubmissionDeposit: Balance = 10 * UNIT;
    /// A referendum without a decision deposit is closed after this.
    pub const UndecidingTimeout: BlockNumber = 14 * DAYS;
    /// For a preimage in state.
    pub const PreimageBaseDeposit: Balance = deposit(2, 64);
    /// For a byte of it.
    pub const PreimageByteDeposit: Balance = deposit(0, 1);
    /// Why it is held.
    pub const PreimageHoldReason: RuntimeHoldReason =
        RuntimeHoldReason::Preimage(pallet_preimage::HoldReason::Preimage);
    /// Work of scheduled calls in a block.
    pub MaximumSchedulerWeight: Weight = Perbill::from_percent(50) * MAXIMUM_BLOCK_WEIGHT;
    /// For a call that waits for signatures.
    pub const MultisigDepositBase: Balance = deposit(1, 88);
    /// For each signature.
    pub const MultisigDepositFactor: Balance = deposit(0, 32);
    /// For a list of proxies.
    pub const ProxyDepositBase: Balance = deposit(1, 8);
    /// For each proxy.
    pub const ProxyDepositFactor: Balance = deposit(0, 33);
    /// For a list of announcements.
    pub const AnnouncementDepositBase: Balance = deposit(1, 8);
    /// For each announcement.
    pub const AnnouncementDepositFactor: Balance = deposit(0, 66);
}

impl pallet_referenda::Config for Runtime {
    type RuntimeCall = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type Scheduler = Scheduler;
    type Currency = Balances;
    type SubmitOrigin = AsEnsureOriginWithArg<EnsureSigned<AccountId>>;
    type CancelOrigin = EnsureRoot<AccountId>;
    type KillOrigin = EnsureRoot<AccountId>;
    type Slash = SlashToTreasury;
    type Votes = pallet_conviction_voting::VotesOf<Runtime>;
    type Tally = pallet_conviction_voting::TallyOf<Runtime>;
    type SubmissionDeposit = SubmissionDeposit;
    type MaxQueued = ConstU32<100>;
    type UndecidingTimeout = UndecidingTimeout;
    type AlarmInterval = ConstU32<1>;
    type Tracks = Tracks;
    type Preimages = Preimage;
    type BlockNumberProvider = System;
    type WeightInfo = pallet_referenda::weights::SubstrateWeight<Runtime>;
}

impl pallet_conviction_voting::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Currency = Balances;
    type Polls = Referenda;
    type MaxTurnout = TotalIssuanceOf<Balances, AccountId>;
    type MaxVotes = ConstU32<512>;
    type VoteLockingPeriod = VoteLockingPeriod;
    type BlockNumberProvider = System;
    type VotingHooks = ();
    type WeightInfo = pallet_conviction_voting::weights::SubstrateWeight<Runtime>;
}

impl pallet_preimage::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Currency = Balances;
    type ManagerOrigin = EnsureRoot<AccountId>;
    type Consideration = HoldConsideration<
        AccountId,
        Balances,
        PreimageHoldReason,
        LinearStoragePrice<PreimageBaseDeposit, PreimageByteDeposit, Balance>,
    >;
    type WeightInfo = pallet_preimage::weights::SubstrateWeight<Runtime>;
}

impl pallet_scheduler::Config for Runtime {
    type RuntimeOrigin = RuntimeOrigin;
    type RuntimeEvent = RuntimeEvent;
    type PalletsOrigin = OriginCaller;
    type RuntimeCall = RuntimeCall;
    type MaximumWeight = MaximumSchedulerWeight;
    type ScheduleOrigin = EnsureRoot<AccountId>;
    type OriginPrivilegeCmp = EqualPrivilegeOnly;
    type MaxScheduledPerBlock = ConstU32<50>;
    type Preimages = Preimage;
    type BlockNumberProvider = System;
    type WeightInfo = pallet_scheduler::weights::SubstrateWeight<Runtime>;
}

impl pallet_utility::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type PalletsOrigin = OriginCaller;
    type WeightInfo = pallet_utility::weights::SubstrateWeight<Runtime>;
}

impl pallet_multisig::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type Currency = Balances;
    type DepositBase = MultisigDepositBase;
    type DepositFactor = MultisigDepositFactor;
    type MaxSignatories = ConstU32<100>;
    type BlockNumberProvider = System;
    type WeightInfo = pallet_multisig::weights::SubstrateWeight<Runtime>;
}

/// What a proxy may do for another account.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum ProxyType {
    /// Everything.
    #[default]
    Any,
    /// Everything that moves no money out of the account.
    NonTransfer,
    /// Referenda and votes.
    Governance,
    /// A miner's daily work, so that the key that holds its bond need not be on its machine.
    Serving,
}

impl InstanceFilter<RuntimeCall> for ProxyType {
    fn filter(&self, call: &RuntimeCall) -> bool {
        match self {
            Self::Any => true,
            // What holds, deposits or pays is a transfer too: to oneself first, then to others.
            Self::NonTransfer => {
                Self::Governance.filter(call)
                    || Self::Serving.filter(call)
                    || matches!(
                        call,
                        RuntimeCall::Miners(..)
                            | RuntimeCall::Models(..)
                            | RuntimeCall::Session(..)
                            | RuntimeCall::CollatorSelection(..)
                    )
            }
            Self::Serving => matches!(
                call,
                RuntimeCall::Miners(pallet_miners::Call::heartbeat { .. })
                    | RuntimeCall::Tasks(
                        pallet_tasks::Call::confirm { .. }
                            | pallet_tasks::Call::decline { .. }
                            | pallet_tasks::Call::vacate { .. }
                    )
                    | RuntimeCall::Payments(pallet_payments::Call::claim { .. })
                    | RuntimeCall::Proofs(
                        pallet_proofs::Call::submit { .. }
                            | pallet_proofs::Call::commit { .. }
                            | pallet_proofs::Call::prove_samples { .. }
                            | pallet_proofs::Call::answer { .. }
                    )
                    | RuntimeCall::Reports(..)
            ),
            Self::Governance => {
                matches!(call, RuntimeCall::Referenda(..) | RuntimeCall::ConvictionVoting(..))
            }
        }
    }

    fn is_superset(&self, other: &Self) -> bool {
        self == other
            || matches!((self, other), (Self::Any, _) | (Self::NonTransfer, Self::Governance | Self::Serving))
    }
}

impl pallet_proxy::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type Currency = Balances;
    type ProxyType = ProxyType;
    type ProxyDepositBase = ProxyDepositBase;
    type ProxyDepositFactor = ProxyDepositFactor;
    type MaxProxies = ConstU32<32>;
    type MaxPending = ConstU32<32>;
    type CallHasher = Hashing;
    type AnnouncementDepositBase = AnnouncementDepositBase;
    type AnnouncementDepositFactor = AnnouncementDepositFactor;
    type BlockNumberProvider = System;
    type WeightInfo = pallet_proxy::weights::SubstrateWeight<Runtime>;
}
