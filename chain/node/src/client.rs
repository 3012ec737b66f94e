//! The types that the node's parts share: blocks, the client with its executor, the transaction pool.

use polkadot_sdk::cumulus_primitives_proof_size_hostfunction::storage_proof_size;
use polkadot_sdk::sc_executor::WasmExecutor;
use polkadot_sdk::sc_service::{TFullBackend, TFullClient};
use polkadot_sdk::sc_transaction_pool::TransactionPoolHandle;
use polkadot_sdk::sp_io;
use polkadot_sdk::sp_runtime::traits::BlakeTwo256;
use polkadot_sdk::sp_runtime::{OpaqueExtrinsic, generic};

/// What the runtime may call.
pub(crate) type HostFunctions =
    (sp_io::SubstrateHostFunctions, (storage_proof_size::HostFunctions, GroupOperations));
#[cfg(feature = "host-msm")]
type GroupOperations = sp_crypto_ec_utils::pallas::host_calls::HostFunctions;
#[cfg(not(feature = "host-msm"))]
type GroupOperations = ();
pub(crate) type Header = generic::Header<u32, BlakeTwo256>;
/// A block whose transactions only the runtime reads.
pub(crate) type Block = generic::Block<Header, OpaqueExtrinsic>;
pub(crate) type Hash = polkadot_sdk::sp_core::H256;
pub(crate) type FullClient = TFullClient<Block, cyborg_runtime::api::RuntimeApi, WasmExecutor<HostFunctions>>;
pub(crate) type FullBackend = TFullBackend<Block>;
pub(crate) type Pool = TransactionPoolHandle<Block, FullClient>;
