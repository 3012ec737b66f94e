//! Keys and proofs of integer inferences.
//!
//! [`keygen`] commits to the weights and proves the key about itself; [`prove`] runs the graph,
//! lays its trace out as the circuit says, and answers the protocol's stages. The protocol and
//! every relation are the verifier crate's; here is only what a witness adds.
//!
//! | module | content |
//! |---|---|
//! | [`trace`] | the cells of the trace, from an execution |
//! | [`check`] | the relations tested on the trace in the clear, with names |
//! | [`party`] | the prover's answers, a file for each stage |
//! | [`commit`] | the system's randomness, and the blinds of the weight rows |
//! | [`key`] | key generation, the secret key |
//! | [`proving`] | a proof |
//! | [`estimate`] | size, memory and time before any work |

mod body;
pub mod check;
pub mod commit;
mod error;
pub mod estimate;
pub mod key;
pub mod party;
pub mod proving;
pub mod trace;

pub use commit::system_randomness;
pub use error::ProveError;
pub use key::{Keys, ProverKey, keygen};
pub use proving::{Proved, Request, prove, prove_live, prove_opened};
