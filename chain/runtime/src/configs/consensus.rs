//! Who makes blocks: invulnerable collators that governance names, and candidates with a bond.

use crate::economics::{HOURS, SLOT_MS, UNIT, deposit};
use crate::{
    AccountId, Aura, Balance, Balances, BlockNumber, CollatorSelection, Runtime, RuntimeEvent, Session,
    SessionKeys,
};
use polkadot_sdk::frame_support::traits::{ConstBool, ConstU32, ConstU64};
use polkadot_sdk::frame_support::{PalletId, parameter_types};
use polkadot_sdk::frame_system::EnsureRoot;
use polkadot_sdk::sp_consensus_aura::sr25519::AuthorityId as AuraId;
use polkadot_sdk::sp_runtime::traits::OpaqueKeys;
use polkadot_sdk::{
    cumulus_pallet_aura_ext, pallet_aura, pallet_authorship, pallet_collator_selection, pallet_session,
};

/// What a candidate collator bonds at first; governance can change it.
pub const CANDIDACY_BOND: Balance = 1_000 * UNIT;

parameter_types! {
    /// How long a set of collators stays.
    pub const SessionPeriod: BlockNumber = 6 * HOURS;
    /// Where the first session begins.
    pub const SessionOffset: BlockNumber = 0;
    /// The account that fees for collators go to.
    pub const PotId: PalletId = PalletId(*b"cy/colls");
    /// For session keys in state.
    pub const KeyDeposit: Balance = deposit(2, 96);
}

impl pallet_authorship::Config for Runtime {
    type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Aura>;
    type EventHandler = CollatorSelection;
}

impl pallet_session::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId;
    type ValidatorIdOf = pallet_collator_selection::IdentityCollator;
    type ShouldEndSession = pallet_session::PeriodicSessions<SessionPeriod, SessionOffset>;
    type NextSessionRotation = pallet_session::PeriodicSessions<SessionPeriod, SessionOffset>;
    type SessionManager = CollatorSelection;
    type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
    type Keys = SessionKeys;
    type DisablingStrategy = ();
    type Currency = Balances;
    type KeyDeposit = KeyDeposit;
    type WeightInfo = pallet_session::weights::SubstrateWeight<Runtime>;
}

impl pallet_collator_selection::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Currency = Balances;
    type UpdateOrigin = EnsureRoot<AccountId>;
    type PotId = PotId;
    type MaxCandidates = ConstU32<100>;
    type MinEligibleCollators = ConstU32<1>;
    type MaxInvulnerables = ConstU32<20>;
    type KickThreshold = SessionPeriod;
    type ValidatorId = AccountId;
    type ValidatorIdOf = pallet_collator_selection::IdentityCollator;
    type ValidatorRegistration = Session;
    type WeightInfo = pallet_collator_selection::weights::SubstrateWeight<Runtime>;
}

impl pallet_aura::Config for Runtime {
    type AuthorityId = AuraId;
    type DisabledValidators = ();
    /// Invulnerables and candidates.
    type MaxAuthorities = ConstU32<120>;
    /// A slot of the relay chain may hold a block of this one and of the one before.
    type AllowMultipleBlocksPerSlot = ConstBool<true>;
    type SlotDuration = ConstU64<SLOT_MS>;
}

impl cumulus_pallet_aura_ext::Config for Runtime {}
