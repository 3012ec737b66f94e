//! The model that is deployed, compiled and keyed once for all tests; and whether a file shows it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use zkml_prover::ProverKey;
use zkml_samples::{Ports, Samples};

use crate::TestResult;
use crate::process::line;

/// Bytes that are looked for: long enough that none is there by chance.
const NEEDLE: usize = 32;
/// Values in a needle: fewer, such as a run of zeros, are in any file.
const VALUES: usize = 8;

/// `digits_mlp`, as a user has it.
pub(crate) struct Model {
    /// The compiled model.
    pub(crate) file: PathBuf,
    /// The folder with its keys.
    pub(crate) keys: PathBuf,
    /// Samples.
    pub(crate) samples: PathBuf,
    pub(crate) prover: ProverKey,
    /// The prover's key as it is in its file.
    bytes: Vec<u8>,
}

/// The model of all tests.
pub(crate) fn digits() -> TestResult<&'static Model> {
    static MODEL: OnceLock<Result<Model, String>> = OnceLock::new();
    let made = MODEL.get_or_init(|| make().map_err(|error| error.to_string()));
    made.as_ref().map_err(|error| error.clone().into())
}

fn make() -> TestResult<Model> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("network");
    fs::create_dir_all(&folder)?;
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data");
    let (source, samples) = (data.join("digits_mlp.onnx"), data.join("digits_mlp_io.npz"));
    let (file, keys) = (folder.join("digits.cyb"), folder.join("keys"));
    cyborg("model compile {} --calibrate {} -o {}", &[&source, &samples, &file])?;
    cyborg("zk keygen {} --out {} --force", &[&file, &keys])?;
    let bytes = fs::read(keys.join("prover.key"))?;
    let prover = ProverKey::from_bytes(&bytes)?;
    Ok(Model { file, keys, samples, prover, bytes })
}

fn cyborg(words: &str, paths: &[&Path]) -> TestResult {
    let done = Command::new(env!("CARGO_BIN_EXE_cyborg")).args(line(words, paths)).output()?;
    if done.status.success() { Ok(()) } else { Err(format!("{words}: {done:?}").into()) }
}

impl Model {
    /// A sample as the integers that the model takes.
    pub(crate) fn input(&self, index: usize) -> TestResult<Vec<Vec<i64>>> {
        let samples = Samples::from_bytes("samples", &fs::read(&self.samples)?)?;
        Ok(Ports::inputs(self.prover.graph()).sample(&samples, index)?)
    }

    /// What the model makes of it.
    pub(crate) fn output(&self, input: &[Vec<i64>]) -> TestResult<Vec<Vec<i64>>> {
        Ok(zkml_engine::run(self.prover.graph(), self.prover.weights(), input)?)
    }

    /// A copy of the keys, with a prover's key whose every proof is false: its seed is another. The
    /// model runs, and nothing but a proof shows it.
    pub(crate) fn lying_keys(&self, folder: &Path) -> TestResult {
        const SEED: usize = 8 + 32;
        fs::create_dir_all(folder)?;
        fs::copy(self.keys.join("verifier.key"), folder.join("verifier.key"))?;
        let mut bytes = self.bytes.clone();
        bytes[SEED] ^= 1;
        Ok(fs::write(folder.join("prover.key"), bytes)?)
    }

    /// Files below a folder that show a part of the model: any 63 of its bytes in a row.
    pub(crate) fn shown_in(&self, folder: &Path) -> TestResult<Vec<PathBuf>> {
        let pieces = self.bytes.chunks_exact(NEEDLE);
        let telling = |piece: &&[u8]| piece.iter().collect::<HashSet<_>>().len() >= VALUES;
        let needles: HashSet<&[u8]> = pieces.filter(telling).collect();
        assert!(needles.len() > 100, "{} needles", needles.len());
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if fs::read(&path)?.windows(NEEDLE).any(|window| needles.contains(window)) {
                    found.push(path);
                }
            }
        }
        Ok(found)
    }
}
