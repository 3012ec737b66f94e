//! The benchmarks of every pallet, as `frame-omni-bencher` asks for them.

use crate::{AccountId, AllPalletsWithSystem, ParachainSystem, Runtime, SessionKeys, System};
use alloc::string::String;
use alloc::vec::Vec;
use codec::Encode;
use polkadot_sdk::cumulus_pallet_session_benchmarking::Pallet as SessionBench;
use polkadot_sdk::frame_benchmarking::{
    BenchmarkBatch, BenchmarkConfig, BenchmarkError, BenchmarkList, define_benchmarks,
};
use polkadot_sdk::frame_support::traits::{StorageInfo, StorageInfoTrait, WhitelistedStorageKeys};
use polkadot_sdk::frame_system_benchmarking::Pallet as SystemBench;
use polkadot_sdk::*;

define_benchmarks!(
    [frame_system, SystemBench::<Runtime>]
    [cumulus_pallet_parachain_system, ParachainSystem]
    [pallet_timestamp, crate::Timestamp]
    [pallet_balances, crate::Balances]
    [pallet_transaction_payment, crate::TransactionPayment]
    [pallet_collator_selection, crate::CollatorSelection]
    [pallet_session, SessionBench::<Runtime>]
    [pallet_utility, crate::Utility]
    [pallet_multisig, crate::Multisig]
    [pallet_proxy, crate::Proxy]
    [pallet_preimage, crate::Preimage]
    [pallet_scheduler, crate::Scheduler]
    [pallet_conviction_voting, crate::ConvictionVoting]
    [pallet_referenda, crate::Referenda]
    [pallet_miners, crate::Miners]
    [pallet_models, crate::Models]
    [pallet_payments, crate::Payments]
    [pallet_proofs, crate::Proofs]
    [pallet_reports, crate::Reports]
    [pallet_tasks, crate::Tasks]
);

impl frame_system_benchmarking::Config for Runtime {
    fn setup_set_code_requirements(code: &Vec<u8>) -> Result<(), BenchmarkError> {
        ParachainSystem::initialize_for_set_code_benchmark(u32::try_from(code.len()).unwrap_or(u32::MAX));
        Ok(())
    }
    fn verify_set_code() {
        System::assert_last_event(
            cumulus_pallet_parachain_system::Event::<Runtime>::ValidationFunctionStored.into(),
        );
    }
}

impl cumulus_pallet_session_benchmarking::Config for Runtime {
    fn generate_session_keys_and_proof(owner: AccountId) -> (SessionKeys, Vec<u8>) {
        let generated = SessionKeys::generate(&owner.encode(), None);
        (generated.keys, generated.proof.encode())
    }
}

impl pallet_transaction_payment::BenchmarkConfig for Runtime {}

/// What can be measured, and the storage it touches.
pub(crate) fn list(extra: bool) -> (Vec<BenchmarkList>, Vec<StorageInfo>) {
    let mut list = Vec::new();
    list_benchmarks!(list, extra);
    (list, AllPalletsWithSystem::storage_info())
}

/// Measures.
pub(crate) fn dispatch(config: BenchmarkConfig) -> Result<Vec<BenchmarkBatch>, String> {
    let whitelist = AllPalletsWithSystem::whitelisted_storage_keys();
    let mut batches = Vec::new();
    let params = (&config, &whitelist);
    add_benchmarks!(params, batches);
    Ok(batches)
}
