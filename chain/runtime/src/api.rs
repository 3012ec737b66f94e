//! What nodes and clients may ask of the runtime without a transaction.
#![allow(missing_docs, reason = "the macro that implements runtime interfaces")]

use crate::configs::cyborg::VerificationFee;
use crate::configs::system::ConsensusHook;
use crate::economics::SLOT_MS;
use crate::{
    AccountId, Balance, Block, Executive, InherentDataExt, Nonce, ParachainInfo, ParachainSystem,
    PolkadotXcm, Runtime, RuntimeCall, RuntimeEvent, RuntimeGenesisConfig, SessionKeys, System,
    TransactionPayment, VERSION, genesis,
};
use crate::{OriginCaller, configs};
use alloc::vec::Vec;
use cyborg_chain_verifier::ZkVerifier;
use cyborg_interface::{Demand, Verifier};
use cyborg_primitives::miner::Capacity;
use cyborg_primitives::place::Region;
use cyborg_primitives::task::Placement;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{ModelId, TaskId};
use polkadot_sdk::cumulus_primitives_aura::{self, Slot};
use polkadot_sdk::cumulus_primitives_core::{self, ParaId, RelayProofRequest};
use polkadot_sdk::frame_support::genesis_builder_helper::{build_state, get_preset};
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::pallet_transaction_payment::{FeeDetails, RuntimeDispatchInfo};
use polkadot_sdk::sp_consensus_aura::{self, SlotDuration, sr25519::AuthorityId as AuraId};
use polkadot_sdk::sp_core::{OpaqueMetadata, crypto::KeyTypeId};
use polkadot_sdk::sp_inherents::{CheckInherentsResult, InherentData};
use polkadot_sdk::sp_runtime::traits::{Block as BlockT, Convert};
use polkadot_sdk::sp_runtime::transaction_validity::{TransactionSource, TransactionValidity};
use polkadot_sdk::sp_runtime::{ApplyExtrinsicResult, ExtrinsicInclusionMode};
use polkadot_sdk::sp_session::OpaqueGeneratedSessionKeys;
use polkadot_sdk::sp_version::RuntimeVersion;
use polkadot_sdk::staging_xcm::{
    Version as XcmVersion, VersionedAsset, VersionedAssetId, VersionedAssets, VersionedLocation, VersionedXcm,
};
use polkadot_sdk::xcm_runtime_apis::{
    conversions::Error as LocationToAccountApiError,
    dry_run::{CallDryRunEffects, Error as XcmDryRunApiError, XcmDryRunEffects},
    fees::Error as XcmPaymentApiError,
    trusted_query::XcmTrustedQueryResult,
};
use polkadot_sdk::*;

type Hash = <Block as BlockT>::Hash;
type Header = <Block as BlockT>::Header;
type Extrinsic = <Block as BlockT>::Extrinsic;

sp_api::impl_runtime_apis! {
    impl sp_api::Core<Block> for Runtime {
        fn version() -> RuntimeVersion {
            VERSION
        }
        fn execute_block(block: <Block as BlockT>::LazyBlock) {
            Executive::execute_block(block)
        }
        fn initialize_block(header: &Header) -> ExtrinsicInclusionMode {
            Executive::initialize_block(header)
        }
    }

    impl sp_api::Metadata<Block> for Runtime {
        fn metadata() -> OpaqueMetadata {
            OpaqueMetadata::new(Runtime::metadata().into())
        }
        fn metadata_at_version(version: u32) -> Option<OpaqueMetadata> {
            Runtime::metadata_at_version(version)
        }
        fn metadata_versions() -> Vec<u32> {
            Runtime::metadata_versions()
        }
    }

    impl frame_support::view_functions::runtime_api::RuntimeViewFunction<Block> for Runtime {
        fn execute_view_function(
            id: frame_support::view_functions::ViewFunctionId,
            input: Vec<u8>,
        ) -> Result<Vec<u8>, frame_support::view_functions::ViewFunctionDispatchError> {
            Runtime::execute_view_function(id, input)
        }
    }

    impl sp_block_builder::BlockBuilder<Block> for Runtime {
        fn apply_extrinsic(extrinsic: Extrinsic) -> ApplyExtrinsicResult {
            Executive::apply_extrinsic(extrinsic)
        }
        fn finalize_block() -> Header {
            Executive::finalize_block()
        }
        fn inherent_extrinsics(data: InherentData) -> Vec<Extrinsic> {
            data.create_extrinsics()
        }
        fn check_inherents(block: <Block as BlockT>::LazyBlock, data: InherentData) -> CheckInherentsResult {
            data.check_extrinsics(&block)
        }
    }

    impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
        fn validate_transaction(source: TransactionSource, extrinsic: Extrinsic, at: Hash) -> TransactionValidity {
            Executive::validate_transaction(source, extrinsic, at)
        }
    }

    impl sp_offchain::OffchainWorkerApi<Block> for Runtime {
        fn offchain_worker(header: &Header) {
            Executive::offchain_worker(header)
        }
    }

    impl sp_session::SessionKeys<Block> for Runtime {
        fn generate_session_keys(owner: Vec<u8>, seed: Option<Vec<u8>>) -> OpaqueGeneratedSessionKeys {
            SessionKeys::generate(&owner, seed).into()
        }
        fn decode_session_keys(encoded: Vec<u8>) -> Option<Vec<(Vec<u8>, KeyTypeId)>> {
            SessionKeys::decode_into_raw_public_keys(&encoded)
        }
    }

    impl sp_consensus_aura::AuraApi<Block, AuraId> for Runtime {
        fn slot_duration() -> SlotDuration {
            SlotDuration::from_millis(SLOT_MS)
        }
        fn authorities() -> Vec<AuraId> {
            pallet_aura::Authorities::<Runtime>::get().into_inner()
        }
    }

    impl cumulus_primitives_aura::AuraUnincludedSegmentApi<Block> for Runtime {
        fn can_build_upon(included: Hash, slot: Slot) -> bool {
            ConsensusHook::can_build_upon(included, slot)
        }
    }

    impl cumulus_primitives_core::RelayParentOffsetApi<Block> for Runtime {
        fn relay_parent_offset() -> u32 {
            0
        }
        fn max_claim_queue_offset() -> u8 {
            1
        }
    }

    impl cumulus_primitives_core::SchedulingV3EnabledApi<Block> for Runtime {
        fn scheduling_v3_enabled() -> bool {
            false
        }
    }

    impl cumulus_primitives_core::TargetBlockRate<Block> for Runtime {
        fn target_block_rate() -> u32 {
            1
        }
    }

    impl cumulus_primitives_core::KeyToIncludeInRelayProof<Block> for Runtime {
        fn keys_to_prove() -> RelayProofRequest {
            RelayProofRequest::default()
        }
    }

    impl cumulus_primitives_core::CollectCollationInfo<Block> for Runtime {
        fn collect_collation_info(header: &Header) -> cumulus_primitives_core::CollationInfo {
            ParachainSystem::collect_collation_info(header)
        }
    }

    impl cumulus_primitives_core::GetParachainInfo<Block> for Runtime {
        fn parachain_id() -> ParaId {
            ParachainInfo::parachain_id()
        }
    }

    impl frame_system_rpc_runtime_api::AccountNonceApi<Block, AccountId, Nonce> for Runtime {
        fn account_nonce(account: AccountId) -> Nonce {
            System::account_nonce(account)
        }
    }

    impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentApi<Block, Balance> for Runtime {
        fn query_info(extrinsic: Extrinsic, length: u32) -> RuntimeDispatchInfo<Balance> {
            TransactionPayment::query_info(extrinsic, length)
        }
        fn query_fee_details(extrinsic: Extrinsic, length: u32) -> FeeDetails<Balance> {
            TransactionPayment::query_fee_details(extrinsic, length)
        }
        fn query_weight_to_fee(weight: Weight) -> Balance {
            TransactionPayment::weight_to_fee(weight)
        }
        fn query_length_to_fee(length: u32) -> Balance {
            TransactionPayment::length_to_fee(length)
        }
    }

    impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentCallApi<Block, Balance, RuntimeCall>
        for Runtime
    {
        fn query_call_info(call: RuntimeCall, length: u32) -> RuntimeDispatchInfo<Balance> {
            TransactionPayment::query_call_info(call, length)
        }
        fn query_call_fee_details(call: RuntimeCall, length: u32) -> FeeDetails<Balance> {
            TransactionPayment::query_call_fee_details(call, length)
        }
        fn query_weight_to_fee(weight: Weight) -> Balance {
            TransactionPayment::weight_to_fee(weight)
        }
        fn query_length_to_fee(length: u32) -> Balance {
            TransactionPayment::length_to_fee(length)
        }
    }

    impl sp_genesis_builder::GenesisBuilder<Block> for Runtime {
        fn build_state(config: Vec<u8>) -> sp_genesis_builder::Result {
            build_state::<RuntimeGenesisConfig>(config)
        }
        fn get_preset(id: &Option<sp_genesis_builder::PresetId>) -> Option<Vec<u8>> {
            get_preset::<RuntimeGenesisConfig>(id, genesis::preset)
        }
        fn preset_names() -> Vec<sp_genesis_builder::PresetId> {
            genesis::preset_names()
        }
    }

    impl xcm_runtime_apis::fees::XcmPaymentApi<Block> for Runtime {
        fn query_acceptable_payment_assets(version: XcmVersion) -> Result<Vec<VersionedAssetId>, XcmPaymentApiError> {
            PolkadotXcm::query_acceptable_payment_assets(
                version,
                alloc::vec![configs::xcm::NativeAsset::get()],
            )
        }
        fn query_weight_to_asset_fee(weight: Weight, asset: VersionedAssetId) -> Result<u128, XcmPaymentApiError> {
            PolkadotXcm::query_weight_to_asset_fee::<
                <configs::xcm::XcmConfig as staging_xcm_executor::Config>::Trader,
            >(weight, asset)
        }
        fn query_xcm_weight(message: VersionedXcm<()>) -> Result<Weight, XcmPaymentApiError> {
            PolkadotXcm::query_xcm_weight(message)
        }
        fn query_delivery_fees(
            destination: VersionedLocation,
            message: VersionedXcm<()>,
            asset: VersionedAssetId,
        ) -> Result<VersionedAssets, XcmPaymentApiError> {
            PolkadotXcm::query_delivery_fees::<()>(destination, message, asset)
        }
    }

    impl xcm_runtime_apis::dry_run::DryRunApi<Block, RuntimeCall, RuntimeEvent, OriginCaller> for Runtime {
        fn dry_run_call(
            origin: OriginCaller,
            call: RuntimeCall,
            result_version: XcmVersion,
        ) -> Result<CallDryRunEffects<RuntimeEvent>, XcmDryRunApiError> {
            PolkadotXcm::dry_run_call::<Runtime, configs::xcm::XcmRouter, OriginCaller, RuntimeCall>(
                origin,
                call,
                result_version,
            )
        }
        fn dry_run_xcm(
            origin: VersionedLocation,
            message: VersionedXcm<RuntimeCall>,
        ) -> Result<XcmDryRunEffects<RuntimeEvent>, XcmDryRunApiError> {
            PolkadotXcm::dry_run_xcm::<configs::xcm::XcmRouter>(origin, message)
        }
    }

    impl xcm_runtime_apis::conversions::LocationToAccountApi<Block, AccountId> for Runtime {
        fn convert_location(location: VersionedLocation) -> Result<AccountId, LocationToAccountApiError> {
            xcm_runtime_apis::conversions::LocationToAccountHelper::<
                AccountId,
                configs::xcm::LocationToAccountId,
            >::convert_location(location)
        }
    }

    impl xcm_runtime_apis::trusted_query::TrustedQueryApi<Block> for Runtime {
        fn is_trusted_reserve(asset: VersionedAsset, location: VersionedLocation) -> XcmTrustedQueryResult {
            PolkadotXcm::is_trusted_reserve(asset, location)
        }
        fn is_trusted_teleporter(asset: VersionedAsset, location: VersionedLocation) -> XcmTrustedQueryResult {
            PolkadotXcm::is_trusted_teleporter(asset, location)
        }
    }

    impl crate::queries::CyborgApi<Block, AccountId> for Runtime {
        fn ranking(
            placement: Placement<Vec<Region>>,
            memory_mib: u32,
            price_cap: Balance,
            count: u32,
        ) -> Vec<pallet_miners::Candidate<AccountId>> {
            pallet_miners::Pallet::<Runtime>::candidates(&Demand { placement, memory_mib, price_cap }, count)
        }
        fn tariff(model: ModelId, price: Balance, capacity: Capacity) -> Option<(Balance, Balance)> {
            crate::queries::tariff(model, price, capacity)
        }
        fn bill(task: TaskId) -> Option<pallet_payments::Bill> {
            pallet_payments::Pallet::<Runtime>::bill(task)
        }
        fn reports(task: TaskId) -> Vec<(AccountId, pallet_reports::Row)> {
            pallet_reports::Pallet::<Runtime>::reports(task)
        }
        fn verification_weight(cost: Cost, proofs: u32) -> (Weight, Weight) {
            (ZkVerifier::weight(&cost, proofs), ZkVerifier::weight_of_true(&cost, proofs))
        }
        fn verification_fee(cost: Cost) -> Balance {
            VerificationFee::convert(cost)
        }
    }

    #[cfg(feature = "try-runtime")]
    impl frame_try_runtime::TryRuntime<Block> for Runtime {
        #[allow(clippy::unwrap_used, reason = "whoever tries a runtime wants to see where it fails")]
        fn on_runtime_upgrade(checks: frame_try_runtime::UpgradeCheckSelect) -> (Weight, Weight) {
            let weight = Executive::try_runtime_upgrade(checks).unwrap();
            (weight, configs::system::RuntimeBlockWeights::get().max_block)
        }
        #[allow(clippy::unwrap_used, reason = "whoever tries a runtime wants to see where it fails")]
        fn execute_block(
            block: <Block as BlockT>::LazyBlock,
            state_root_check: bool,
            signature_check: bool,
            select: frame_try_runtime::TryStateSelect,
        ) -> Weight {
            Executive::try_execute_block(block, state_root_check, signature_check, select).unwrap()
        }
    }

    #[cfg(feature = "runtime-benchmarks")]
    impl frame_benchmarking::Benchmark<Block> for Runtime {
        fn benchmark_metadata(
            extra: bool,
        ) -> (Vec<frame_benchmarking::BenchmarkList>, Vec<frame_support::traits::StorageInfo>) {
            crate::benchmarks::list(extra)
        }
        #[allow(non_local_definitions, reason = "the macros that benchmarks are made of")]
        fn dispatch_benchmark(
            config: frame_benchmarking::BenchmarkConfig,
        ) -> Result<Vec<frame_benchmarking::BenchmarkBatch>, alloc::string::String> {
            crate::benchmarks::dispatch(config)
        }
    }
}
