//! A runtime's wasm, asked to run its benchmarks.

use crate::state::State;
use anyhow::{Context, Result, anyhow};
use codec::{Decode, Encode};
use frame_benchmarking::{BenchmarkBatch, BenchmarkConfig, BenchmarkList, BenchmarkResult};
use polkadot_sdk::cumulus_primitives_proof_size_hostfunction::storage_proof_size;
use polkadot_sdk::frame_support::traits::StorageInfo;
use polkadot_sdk::sc_executor::WasmExecutor;
use polkadot_sdk::sp_core::storage::Storage;
use polkadot_sdk::sp_core::traits::{CallContext, CodeExecutor, RuntimeCode, WrappedRuntimeCode};
use polkadot_sdk::sp_io::SubstrateHostFunctions;
use polkadot_sdk::sp_io::hashing::blake2_256;
use polkadot_sdk::sp_keystore::KeystoreExt;
use polkadot_sdk::sp_keystore::testing::MemoryKeystore;
use serde_json::Value;
use sp_externalities::Extensions;
use sp_state_machine::{BasicExternalities, OverlayedChanges, StateMachine};
use std::borrow::Cow;

/// What the preset of the genesis is called.
const PRESET: &str = "development";

#[cfg(feature = "host-msm")]
type GroupOperations = sp_crypto_ec_utils::pallas::host_calls::HostFunctions;
#[cfg(not(feature = "host-msm"))]
type GroupOperations = ();

/// What the host offers beside storage, hashes and signatures.
type Extra =
    (frame_benchmarking::benchmarking::HostFunctions, storage_proof_size::HostFunctions, GroupOperations);
type Executor = WasmExecutor<(SubstrateHostFunctions, Extra)>;

/// Which benchmark, at which components.
pub(crate) type Config = BenchmarkConfig;

/// Puts what a patch says over what is there.
fn patch(base: &mut Value, with: Value) {
    match (base, with) {
        (Value::Object(base), Value::Object(with)) => {
            for (key, value) in with {
                patch(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, with) => *base = with,
    }
}

/// A runtime ready to be measured.
pub(crate) struct Machine<'a> {
    code: WrappedRuntimeCode<'a>,
    hash: Vec<u8>,
    executor: Executor,
    /// For times.
    plain: State,
    /// For reads, writes and proofs.
    counting: State,
}

impl<'a> Machine<'a> {
    /// A runtime at the genesis of its development preset.
    ///
    /// # Errors
    /// Returns an error if the wasm has no such preset.
    pub(crate) fn new(wasm: &'a [u8]) -> Result<Self> {
        let mut machine = Self {
            code: WrappedRuntimeCode(Cow::Borrowed(wasm)),
            hash: blake2_256(wasm).to_vec(),
            executor: Executor::builder().build(),
            plain: State::new(Storage::default(), false),
            counting: State::new(Storage::default(), true),
        };
        let genesis = machine.genesis().context("the runtime builds no development genesis")?;
        machine.plain = State::new(genesis.clone(), false);
        machine.counting = State::new(genesis, true);
        Ok(machine)
    }

    /// A preset of the runtime's genesis; without a name what the presets are patches of.
    fn preset(&self, name: Option<&str>) -> Result<Value> {
        let preset: Option<Vec<u8>> = self.call(&self.plain, "GenesisBuilder_get_preset", &name.encode())?;
        let preset = preset.with_context(|| format!("there is no preset {}", name.unwrap_or_default()))?;
        serde_json::from_slice(&preset).context("the preset is no JSON")
    }

    fn genesis(&self) -> Result<Storage> {
        let mut config = self.preset(None)?;
        patch(&mut config, self.preset(Some(PRESET))?);
        let config = serde_json::to_vec(&config)?;
        let mut state = BasicExternalities::new_empty();
        let (output, _) = self.executor.call(
            &mut state,
            &self.runtime_code(),
            "GenesisBuilder_build_state",
            &config.encode(),
            CallContext::Offchain,
        );
        Result::<(), String>::decode(&mut output?.as_slice())?.map_err(|error| anyhow!("{error}"))?;
        Ok(state.into_storages())
    }

    fn runtime_code(&self) -> RuntimeCode<'_> {
        RuntimeCode { code_fetcher: &self.code, heap_pages: None, hash: self.hash.clone() }
    }

    fn call<R: Decode>(&self, state: &State, method: &str, input: &[u8]) -> Result<R> {
        let mut extensions = Extensions::default();
        extensions.register(KeystoreExt::new(MemoryKeystore::new()));
        let code = self.runtime_code();
        let mut overlay = OverlayedChanges::default();
        let output = StateMachine::new(
            state,
            &mut overlay,
            &self.executor,
            method,
            input,
            &mut extensions,
            &code,
            CallContext::Offchain,
        )
        .execute()
        .map_err(|error| anyhow!("{method} fails: {error}"))?;
        R::decode(&mut output.as_slice()).with_context(|| format!("{method} answers something else"))
    }

    /// All benchmarks, `extra` ones that are no weights too; and the storage items of the runtime.
    ///
    /// # Errors
    /// Returns an error if the runtime was built without benchmarks.
    pub(crate) fn list(&self, extra: bool) -> Result<(Vec<BenchmarkList>, Vec<StorageInfo>)> {
        self.call(&self.plain, "Benchmark_benchmark_metadata", &extra.encode())
            .context("build the runtime with the feature runtime-benchmarks")
    }

    fn dispatch(&self, state: &State, config: &Config) -> Result<Vec<BenchmarkResult>> {
        let batches: Result<Vec<BenchmarkBatch>, String> =
            self.call(state, "Benchmark_dispatch_benchmark", &config.encode())?;
        let batches = batches.map_err(|error| anyhow!("the benchmark says: {error}"))?;
        Ok(batches.into_iter().flat_map(|batch| batch.results).collect())
    }

    /// Runs a benchmark once, with what it verifies at its end.
    ///
    /// # Errors
    /// Returns an error if the benchmark fails, or does not end as it claims.
    pub(crate) fn verify(&self, config: &Config) -> Result<()> {
        self.dispatch(&self.plain, &Config { verify: true, internal_repeats: 1, ..config.clone() }).map(drop)
    }

    /// Counts reads and writes of a benchmark.
    ///
    /// # Errors
    /// Returns an error if the benchmark fails.
    pub(crate) fn count(&self, config: &Config) -> Result<Vec<BenchmarkResult>> {
        self.dispatch(&self.counting, &Config { internal_repeats: 1, ..config.clone() })
    }

    /// Times a benchmark `repeats` times.
    ///
    /// # Errors
    /// Returns an error if the benchmark fails.
    pub(crate) fn time(&self, config: &Config, repeats: u32) -> Result<Vec<BenchmarkResult>> {
        self.dispatch(&self.plain, &Config { internal_repeats: repeats, ..config.clone() })
    }
}
