//! The commands of one model, one after another: compile, keygen, prove, verify.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::process::{self, Samples};

/// A model to measure.
pub(crate) struct Model {
    /// Name of the file without its ending.
    pub(crate) name: String,
    /// `.onnx` or `.cyb`.
    pub(crate) path: PathBuf,
    /// Inputs: for calibration and for the proof (sample 0).
    pub(crate) io: PathBuf,
}

/// What one model costs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Name of the model.
    pub(crate) name: String,
    /// Hidden parameters of the integer model.
    pub(crate) parameters: usize,
    /// `cyborg model compile`, where the model came as ONNX.
    pub(crate) compile: Option<Samples>,
    /// `cyborg zk keygen`.
    pub(crate) keygen: Samples,
    /// `cyborg zk prove`, everything hidden.
    pub(crate) prove: Samples,
    /// `cyborg zk verify`.
    pub(crate) verify: Samples,
    /// Size of the proof.
    pub(crate) proof_bytes: u64,
    /// Size of the secret key.
    pub(crate) prover_key_bytes: u64,
    /// Size of the public key.
    pub(crate) verifier_key_bytes: u64,
}

/// Runs every command of one model; keys and proofs go below `work`.
///
/// # Errors
/// The first command that fails, with what it said.
pub(crate) fn measure(own: &Path, cyborg: &Path, model: &Model, work: &Path, runs: usize) -> Result<Figures> {
    let folder = work.join(&model.name);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let compiled = folder.join("model.cyb");
    let proof = folder.join("inference.proof");
    let (prover_key, verifier_key) = (folder.join("prover.key"), folder.join("verifier.key"));
    let io = text(&model.io)?;

    let is_onnx = model.path.extension().is_some_and(|e| e == "onnx");
    let source = if is_onnx { &compiled } else { &model.path };
    let compile = if is_onnx {
        let mut command =
            vec!["model", "compile", text(&model.path)?, "--calibrate", io, "-o", text(&compiled)?];
        // Weights may be random here: what is measured is cost.
        command.extend(["--accept-accuracy", "0", "--max-loss", "100"]);
        Some(process::sample(cyborg, &command, 1)?)
    } else {
        None
    };
    let parameters = count(own, source)?;
    let keygen = ["zk", "keygen", text(source)?, "--out", text(&folder)?, "--force"];
    let keygen = process::sample(cyborg, &keygen, 1)?;
    let prove =
        ["zk", "prove", "--key", text(&prover_key)?, "--input", io, "--index", "0", "--out", text(&proof)?];
    let prove = process::sample(cyborg, &prove, runs)?;
    let verify = ["zk", "verify", "--key", text(&verifier_key)?, "--proof", text(&proof)?];
    let verify = process::sample(cyborg, &verify, runs)?;
    let figures = Figures {
        name: model.name.clone(),
        parameters,
        compile,
        keygen,
        prove,
        verify,
        proof_bytes: size(&proof)?,
        prover_key_bytes: size(&prover_key)?,
        verifier_key_bytes: size(&verifier_key)?,
    };
    // Keys of large models fill a temporary folder quickly.
    fs::remove_file(&prover_key).with_context(|| format!("removing {}", prover_key.display()))?;
    Ok(figures)
}

/// Number of parameters, counted by another process for the reason given in [`process::Usage`].
fn count(own: &Path, model: &Path) -> Result<usize> {
    let output = Command::new(own).arg("--count").arg(model).output().context("counting parameters")?;
    let number = String::from_utf8_lossy(&output.stdout);
    match number.trim().parse() {
        Ok(count) if output.status.success() => Ok(count),
        _ => bail!("{}", String::from_utf8_lossy(&output.stderr).trim()),
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

fn size(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).with_context(|| format!("reading {}", path.display()))?.len())
}
