//! The prover's end of a session.

use std::io::{self, Read, Write};

use zkml_core::transcript::{Aborted, DIGEST_BYTES, LiveTranscript, Transcript};
use zkml_verifier::PROTOCOL;

use crate::frame::Frames;
use crate::{HELLO_BYTES, MAGIC, MAX_MESSAGE_BYTES, SessionError, VERSION};

/// What the verifier of a session said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the proof was accepted.
    pub valid: bool,
    /// Why not, in words.
    pub message: String,
}

/// The prover's end: greets, fetches nonces, hands over the proof.
pub struct Prover<S> {
    frames: Frames<S>,
    /// The verifier's nonce before the first commitment.
    welcome: [u8; DIGEST_BYTES],
    /// Why a nonce could not be had; [`Aborted`] itself does not say.
    failure: Option<SessionError>,
}

impl<S: Read + Write> Prover<S> {
    /// Greets a verifier that waits for proofs of a key.
    ///
    /// # Errors
    /// Returns an error if the stream breaks, or if the verifier has another key or version.
    pub fn greet(stream: S, key: &[u8; 32]) -> Result<Self, SessionError> {
        let mut frames = Frames { stream };
        let mut hello = Vec::with_capacity(HELLO_BYTES);
        hello.extend(MAGIC);
        hello.extend(VERSION.to_le_bytes());
        hello.extend(key);
        frames.send(&hello)?;
        match frames.receive_exact("welcome") {
            Ok(welcome) => Ok(Self { frames, welcome, failure: None }),
            Err(SessionError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(SessionError::Refused)
            }
            Err(error) => Err(error),
        }
    }

    /// Proves with a transcript whose challenges need the verifier's nonces, then sends the proof
    /// and waits for the outcome. `prove` returns the proof's bytes and whatever else it made; its own
    /// error is the inner one.
    ///
    /// # Errors
    /// Returns an error if the session ends before there is an outcome.
    pub fn run<T, E>(
        mut self,
        prove: impl FnOnce(&mut dyn Transcript) -> Result<(Vec<u8>, T), E>,
    ) -> Result<Result<(Outcome, T), E>, SessionError> {
        let proved = {
            let (frames, failure) = (&mut self.frames, &mut self.failure);
            let nonce = |digest: [u8; DIGEST_BYTES]| {
                let nonce = frames.send(&digest).and_then(|()| frames.receive_exact("nonce"));
                nonce.map_err(|error| {
                    *failure = Some(error);
                    Aborted
                })
            };
            let mut transcript = LiveTranscript::welcomed(PROTOCOL, &self.welcome, nonce);
            prove(&mut transcript)
        };
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let (proof, made) = match proved {
            Ok(proved) => proved,
            Err(error) => return Ok(Err(error)),
        };
        self.frames.send(&[])?;
        self.frames.send(&proof)?;
        let outcome = self.frames.receive("outcome", 1 + MAX_MESSAGE_BYTES)?;
        let (valid, message) = match outcome.split_first() {
            Some((code, message)) => (*code == 0, String::from_utf8_lossy(message).into_owned()),
            None => {
                return Err(SessionError::FrameLength { frame: "outcome", got: 0, expected: 1 });
            }
        };
        Ok(Ok((Outcome { valid, message }, made)))
    }
}
