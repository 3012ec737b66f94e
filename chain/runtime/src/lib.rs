//! The chain's state transition: a parachain runtime, whose wasm runs in the embedded node and in
//! the stock `polkadot-omni-node`.
//!
//! | module | content |
//! |---|---|
//! | [`configs`] | how each pallet is bound |
//! | [`economics`] | prices, deposits, shares, penalties |
//! | [`genesis`] | what a chain begins with |
//! | [`api`] | what nodes and clients may ask |
//! | [`queries`] | what clients may ask of Cyborg's own pallets |
//!
//! There is no Sudo and no privileged key: what only Root may do, only a referendum does.
#![cfg_attr(not(feature = "std"), no_std)]
#![recursion_limit = "512"]
#![allow(missing_docs, reason = "FRAME's macros; every module asks for its own")]

extern crate alloc;

use alloc::vec::Vec;

pub mod api;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarks;
#[warn(missing_docs)]
pub mod configs;
#[warn(missing_docs)]
pub mod economics;
#[warn(missing_docs)]
pub mod genesis;
#[warn(missing_docs)]
pub mod queries;

pub use api::RuntimeApi;

use alloc::borrow::Cow;
use polkadot_sdk::sp_runtime::traits::{BlakeTwo256, IdentifyAccount, Verify};
use polkadot_sdk::sp_runtime::{MultiAddress, MultiSignature, generic, impl_opaque_keys};
use polkadot_sdk::sp_version::RuntimeVersion;
use polkadot_sdk::{staging_parachain_info as parachain_info, *};

#[cfg(all(feature = "std", not(feature = "host-msm")))]
include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));
#[cfg(all(feature = "std", feature = "host-msm"))]
include!(concat!(env!("OUT_DIR"), "/cyborg_runtime_host_msm"));

/// A signature of a transaction: sr25519, ed25519 or ecdsa.
pub type Signature = MultiSignature;
/// An account: 32 bytes.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// Money, in the smallest unit.
pub type Balance = u128;
/// Number of a block.
pub type BlockNumber = u32;
/// Number of an account's next transaction.
pub type Nonce = u32;
/// A hash.
pub type Hash = polkadot_sdk::sp_core::H256;
/// What hashes blocks and state.
pub type Hashing = BlakeTwo256;
/// How a transaction names an account.
pub type Address = MultiAddress<AccountId, ()>;
/// Header of a block.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;

/// What a transaction carries beside its call, and what is checked before it runs.
pub type TxExtension = cumulus_pallet_weight_reclaim::StorageWeightReclaim<
    Runtime,
    (
        frame_system::AuthorizeCall<Runtime>,
        frame_system::CheckNonZeroSender<Runtime>,
        frame_system::CheckSpecVersion<Runtime>,
        frame_system::CheckTxVersion<Runtime>,
        frame_system::CheckGenesis<Runtime>,
        frame_system::CheckEra<Runtime>,
        frame_system::CheckNonce<Runtime>,
        frame_system::CheckWeight<Runtime>,
        pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
        frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
    ),
>;
/// A transaction as it travels.
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// What a transaction's signature is over.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;

/// Runs blocks.
pub type Executive = frame_executive::Executive<
    Runtime,
    Block,
    frame_system::ChainContext<Runtime>,
    Runtime,
    AllPalletsWithSystem,
>;

impl_opaque_keys! {
    /// Keys of a collator for a session.
    pub struct SessionKeys {
        /// Makes blocks.
        pub aura: Aura,
    }
}

/// The runtime's version.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("cyborg"),
    impl_name: Cow::Borrowed("cyborg"),
    authoring_version: 1,
    spec_version: 1,
    impl_version: 0,
    apis: api::RUNTIME_API_VERSIONS,
    transaction_version: 1,
    system_version: 3,
};

#[frame_support::runtime]
mod runtime {
    //! The pallets and their numbers.

    /// The runtime.
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type ParachainSystem = cumulus_pallet_parachain_system;
    #[runtime::pallet_index(2)]
    pub type Timestamp = pallet_timestamp;
    #[runtime::pallet_index(3)]
    pub type ParachainInfo = parachain_info;
    #[runtime::pallet_index(4)]
    pub type WeightReclaim = cumulus_pallet_weight_reclaim;

    #[runtime::pallet_index(10)]
    pub type Balances = pallet_balances;
    #[runtime::pallet_index(11)]
    pub type TransactionPayment = pallet_transaction_payment;
    #[runtime::pallet_index(12)]
    pub type Assets = pallet_assets;

    #[runtime::pallet_index(20)]
    pub type Authorship = pallet_authorship;
    #[runtime::pallet_index(21)]
    pub type CollatorSelection = pallet_collator_selection;
    #[runtime::pallet_index(22)]
    pub type Session = pallet_session;
    #[runtime::pallet_index(23)]
    pub type Aura = pallet_aura;
    #[runtime::pallet_index(24)]
    pub type AuraExt = cumulus_pallet_aura_ext;

    #[runtime::pallet_index(30)]
    pub type XcmpQueue = cumulus_pallet_xcmp_queue;
    #[runtime::pallet_index(31)]
    pub type PolkadotXcm = pallet_xcm;
    #[runtime::pallet_index(32)]
    pub type CumulusXcm = cumulus_pallet_xcm;
    #[runtime::pallet_index(33)]
    pub type MessageQueue = pallet_message_queue;

    #[runtime::pallet_index(40)]
    pub type Utility = pallet_utility;
    #[runtime::pallet_index(41)]
    pub type Multisig = pallet_multisig;
    #[runtime::pallet_index(42)]
    pub type Proxy = pallet_proxy;
    #[runtime::pallet_index(43)]
    pub type Preimage = pallet_preimage;
    #[runtime::pallet_index(44)]
    pub type Scheduler = pallet_scheduler;
    #[runtime::pallet_index(45)]
    pub type ConvictionVoting = pallet_conviction_voting;
    #[runtime::pallet_index(46)]
    pub type Referenda = pallet_referenda;

    #[runtime::pallet_index(50)]
    pub type Miners = pallet_miners;
    #[runtime::pallet_index(51)]
    pub type Models = pallet_models;
    #[runtime::pallet_index(52)]
    pub type Payments = pallet_payments;
    #[runtime::pallet_index(53)]
    pub type Tasks = pallet_tasks;
    #[runtime::pallet_index(54)]
    pub type Proofs = pallet_proofs;
    #[runtime::pallet_index(55)]
    pub type Reports = pallet_reports;
}

cumulus_pallet_parachain_system::register_validate_block! {
    Runtime = Runtime,
    BlockExecutor = cumulus_pallet_aura_ext::BlockExecutor::<Runtime, Executive>,
}
