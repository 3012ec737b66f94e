//! The verifier's end of a session.

use std::io::{Read, Write};

use zkml_core::transcript::{Aborted, DIGEST_BYTES, LiveTranscript};
use zkml_verifier::{PROTOCOL, Statement, VerifierKey, VerifyError, verify_live};

use crate::frame::Frames;
use crate::{HELLO_BYTES, MAGIC, MAX_CHALLENGES, MAX_MESSAGE_BYTES, MAX_PROOF_BYTES, SessionError, VERSION};

/// What a complete session brought: the proof's bytes and what verification says of them.
pub struct Session {
    /// Number of challenges drawn.
    pub challenges: usize,
    /// Length of the proof.
    pub proof_bytes: usize,
    /// The verified statement, or why it is false.
    pub verified: Result<Statement, VerifyError>,
}

/// The verifier's end: hears the prover's hello, draws nonces, verifies.
pub struct Verifier<'a, S> {
    frames: Frames<S>,
    key: &'a VerifierKey,
}

impl<'a, S: Read + Write> Verifier<'a, S> {
    /// Hears a prover's hello. The stream may wait longer for what follows ([`stream`](Self::stream)).
    ///
    /// # Errors
    /// Returns an error if the stream breaks, or if the prover has another key or version.
    pub fn greet(stream: S, key: &'a VerifierKey) -> Result<Self, SessionError> {
        let mut frames = Frames { stream };
        let hello: [u8; HELLO_BYTES] = frames.receive_exact("hello")?;
        let (magic, rest) = hello.split_at(MAGIC.len());
        let (version, digest) = rest.split_at(2);
        if magic != MAGIC || version != VERSION.to_le_bytes() {
            return Err(SessionError::Hello);
        }
        if digest != key.digest() {
            return Err(SessionError::Key);
        }
        Ok(Self { frames, key })
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.frames.stream
    }

    /// Welcomes the prover, draws a nonce for every digest, and verifies the proof that follows.
    ///
    /// # Errors
    /// Returns an error if the session ends before there is a whole proof.
    pub fn run(&mut self, context: &[u8]) -> Result<Session, SessionError> {
        let Self { frames, key } = self;
        let welcome = fresh()?;
        frames.send(&welcome)?;
        let mut drawn: Vec<([u8; DIGEST_BYTES], [u8; DIGEST_BYTES])> = Vec::new();
        loop {
            let digest = frames.receive("digest", DIGEST_BYTES)?;
            if digest.is_empty() {
                break;
            }
            let digest = digest.as_slice().try_into().map_err(|_| SessionError::FrameLength {
                frame: "digest",
                got: digest.len(),
                expected: DIGEST_BYTES,
            })?;
            if drawn.len() == MAX_CHALLENGES {
                return Err(SessionError::TooManyChallenges);
            }
            let nonce = fresh()?;
            drawn.push((digest, nonce));
            frames.send(&nonce)?;
        }
        let proof = frames.receive("proof", MAX_PROOF_BYTES)?;

        let mut next = drawn.iter();
        let mut transcript = LiveTranscript::welcomed(PROTOCOL, &welcome, |digest| match next.next() {
            Some((expected, nonce)) if *expected == digest => Ok(*nonce),
            _ => Err(Aborted),
        });
        let mut verified = verify_live(key, &proof, context, &mut transcript);
        if next.next().is_some() && verified.is_ok() {
            verified = Err(VerifyError::Aborted(Aborted));
        }
        let mut outcome = vec![u8::from(verified.is_err())];
        if let Err(error) = &verified {
            let message = error.to_string();
            outcome.extend(message.bytes().take(MAX_MESSAGE_BYTES));
        }
        // The outcome stands even if the prover does not wait for it.
        let _ = frames.send(&outcome);
        Ok(Session { challenges: drawn.len(), proof_bytes: proof.len(), verified })
    }
}

/// A nonce from the system's randomness.
fn fresh() -> Result<[u8; DIGEST_BYTES], SessionError> {
    let mut nonce = [0; DIGEST_BYTES];
    getrandom::fill(&mut nonce).map_err(SessionError::Random)?;
    Ok(nonce)
}
