//! Runs the verifier's wasm module the way Substrate's executor runs a chain's runtime.

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wasmtime::{Config, Engine, Instance, Memory, Module, OptLevel, Store, StoreLimits, StoreLimitsBuilder};

/// A result whose error may be anything.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Bytes of a wasm page.
pub const PAGE_BYTES: u64 = 65_536;

/// Pages that Substrate gives a runtime beside those that the module declares
/// (`DEFAULT_HEAP_ALLOC_PAGES` of `sc-executor-common`): 128 MiB.
const HEAP_PAGES: u64 = 2048;

/// The settings of `common_config` in `sc-executor-wasmtime` 0.47, with the semantics that
/// `sc-executor` 0.51 passes: Cranelift for speed and size, one MiB of native stack, and nothing
/// beyond wasm's first version (no SIMD, bulk memory, reference types, multiple values, several
/// memories, threads, 64-bit memory, tail calls or extended constants). Wasmtime has the major
/// version that it has there. Left out: the pool of instances, which only makes the start of one
/// cheaper; and NaN canonicalisation, which is off there and concerns floats.
fn substrate_config() -> Config {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::SpeedAndSize);
    config.cranelift_nan_canonicalization(false);
    config.max_wasm_stack(1024 * 1024);
    config.parallel_compilation(true);
    config.wasm_reference_types(false);
    config.wasm_simd(false);
    config.wasm_relaxed_simd(false);
    config.wasm_bulk_memory(false);
    config.wasm_multi_value(false);
    config.wasm_multi_memory(false);
    config.wasm_threads(false);
    config.wasm_memory64(false);
    config.wasm_tail_call(false);
    config.wasm_extended_const(false);
    config.memory_init_cow(true);
    config
}

/// Builds the module with the cargo that runs this, and says where it is.
pub fn build() -> Outcome<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .args(["build", "--locked", "--release", "--quiet"])
        .args(["-p", "zkml-wasm", "--no-default-features"])
        .args(["--target", "wasm32v1-none", "--message-format=json"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."))
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("building the wasm module: {}", output.status).into());
    }
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(line) else {
            continue;
        };
        let names = message["filenames"].as_array().into_iter().flatten();
        let path = names.filter_map(|name| name.as_str()).find(|name| name.ends_with("/zkml_wasm.wasm"));
        if let Some(path) = path {
            return Ok(PathBuf::from(path));
        }
    }
    Err("cargo names no wasm module".into())
}

/// The module, compiled.
pub struct Host {
    engine: Engine,
    module: Module,
    /// Time that the compilation took.
    pub compilation: Duration,
}

/// The end of a call.
#[derive(Clone, Copy, Debug)]
pub struct Called {
    /// 0 valid, 1 false, 2 malformed.
    pub verdict: u32,
    /// From a fresh instance to the verdict, with the bytes copied in.
    pub time: Duration,
    /// Pages of linear memory at the end, which are the most that there were.
    pub pages: u64,
    /// Instructions executed, the same on every machine; 0 where they are not counted.
    pub instructions: u64,
}

impl Host {
    /// Compiles the module's bytes.
    pub fn new(wasm: &[u8]) -> Outcome<Self> {
        Self::with(&substrate_config(), wasm)
    }

    /// Compiles the module's bytes so that instructions are counted, which takes time.
    pub fn counting(wasm: &[u8]) -> Outcome<Self> {
        let mut config = substrate_config();
        config.consume_fuel(true);
        Self::with(&config, wasm)
    }

    fn with(config: &Config, wasm: &[u8]) -> Outcome<Self> {
        let engine = Engine::new(config)?;
        let start = Instant::now();
        let module = Module::new(&engine, wasm)?;
        Ok(Self { engine, module, compilation: start.elapsed() })
    }

    /// Verifies a proof in a fresh instance.
    pub fn verify(&self, key: &[u8], proof: &[u8], context: &[u8]) -> Outcome<Called> {
        self.call("verify", &[key, proof, context])
    }

    /// Verifies a key's own proof in a fresh instance.
    pub fn check_key(&self, key: &[u8]) -> Outcome<Called> {
        self.call("check_key", &[key])
    }

    fn call(&self, name: &str, arguments: &[&[u8]]) -> Outcome<Called> {
        let start = Instant::now();
        let mut store = Store::new(&self.engine, StoreLimits::default());
        let declared = self.module.exports().find_map(|export| {
            let memory = export.ty();
            memory.memory().map(wasmtime::MemoryType::minimum)
        });
        let pages = declared.ok_or("the module exports no memory")? + HEAP_PAGES;
        *store.data_mut() =
            StoreLimitsBuilder::new().memory_size(usize::try_from(pages * PAGE_BYTES)?).build();
        store.limiter(|limits| limits);
        let counted = store.set_fuel(u64::MAX).is_ok();
        let instance = Instance::new(&mut store, &self.module, &[])?;
        let memory = instance.get_memory(&mut store, "memory").ok_or("the module exports no memory")?;

        let mut values = Vec::new();
        for bytes in arguments {
            let address = write(&mut store, &instance, &memory, bytes)?;
            values.push(wasmtime::Val::I32(address as i32));
            values.push(wasmtime::Val::I32(i32::try_from(bytes.len())?));
        }
        let function =
            instance.get_func(&mut store, name).ok_or_else(|| format!("the module exports no {name}"))?;
        let mut results = [wasmtime::Val::I32(0)];
        function.call(&mut store, &values, &mut results)?;
        Ok(Called {
            verdict: results[0].unwrap_i32() as u32,
            time: start.elapsed(),
            pages: memory.size(&store),
            instructions: if counted { u64::MAX - store.get_fuel()? } else { 0 },
        })
    }
}

/// Copies bytes to memory that the module has allocated.
fn write(store: &mut Store<StoreLimits>, instance: &Instance, memory: &Memory, bytes: &[u8]) -> Outcome<u32> {
    if bytes.is_empty() {
        return Ok(0);
    }
    let alloc = instance.get_typed_func::<u32, u32>(&mut *store, "alloc")?;
    let address = alloc.call(&mut *store, u32::try_from(bytes.len())?)?;
    if address == 0 {
        return Err("the module has no memory left".into());
    }
    memory.write(store, address as usize, bytes)?;
    Ok(address)
}
