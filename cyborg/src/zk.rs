//! `cyborg zk …`: keys, proofs and their verification, all from files.
//!
//! | module | content |
//! |---|---|
//! | `keygen` | a model's two keys |
//! | `prove` | one inference |
//! | `verify` | a proof, from the verifier's key alone |
//! | `claims` | what `--input`, `--output` and `--opening` say about a proof |
//! | `inspect` | what a file contains |

pub(crate) mod arguments;
mod claims;
mod inspect;
mod keygen;
mod prove;
mod verify;

use std::path::Path;

use zkml_verifier::VerifierKey;

use self::arguments::ZkCommand;
use crate::error::Failure;
use crate::files;
use crate::report::CommandOutput;

/// Largest key read, in bytes.
pub(crate) const MAX_KEY_BYTES: u64 = 1 << 32;
/// Largest proof or opening read, in bytes. Public inputs and outputs are part of a proof.
const MAX_PROOF_BYTES: u64 = zkml_live::MAX_PROOF_BYTES as u64;

/// Runs one of the commands.
pub(crate) fn run(command: &ZkCommand) -> Result<CommandOutput, Failure> {
    match command {
        ZkCommand::Keygen(arguments) => keygen::run(arguments),
        ZkCommand::Prove(arguments) => prove::run(arguments),
        ZkCommand::Verify(arguments) => verify::run(arguments),
        ZkCommand::CheckKey(arguments) => verify::check_key(arguments),
        ZkCommand::Inspect(arguments) => inspect::run(arguments),
    }
}

/// Reads a verifier's key. That its proof about itself holds is not checked.
pub(crate) fn verifier_key(path: &Path) -> Result<VerifierKey, Failure> {
    VerifierKey::from_bytes(&files::read(path, MAX_KEY_BYTES)?).map_err(|error| Failure::input(path, error))
}
