//! Why a session ended without an outcome.

use std::io;

use crate::{MAX_CHALLENGES, VERSION};

/// Why a session ended without an outcome.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The connection broke, or the peer was silent for too long.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A frame of another length than this one has.
    #[error("{frame}: {got} bytes, at most {limit} were expected")]
    FrameTooLong {
        /// The frame.
        frame: &'static str,
        /// Bytes announced.
        got: usize,
        /// Greatest length.
        limit: usize,
    },
    /// A frame shorter than this one must be.
    #[error("{frame}: {got} bytes, expected {expected}")]
    FrameLength {
        /// The frame.
        frame: &'static str,
        /// Bytes announced.
        got: usize,
        /// Its length.
        expected: usize,
    },
    /// The peer does not speak this protocol.
    #[error("the other side does not speak version {VERSION} of the interactive protocol")]
    Hello,
    /// The prover has another key.
    #[error("the prover's key is another one")]
    Key,
    /// The verifier closed the connection after the prover's hello.
    #[error("the verifier refused the session: it has another key, or another version")]
    Refused,
    /// More challenges than any proof has.
    #[error("more than {MAX_CHALLENGES} challenges were asked for")]
    TooManyChallenges,
    /// No randomness for a nonce.
    #[error("the system's randomness: {0}")]
    Random(getrandom::Error),
}
