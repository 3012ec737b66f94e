//! Interactive proofs over TCP: the same protocol, with a live verifier's nonce in every challenge.
//!
//! Frames are a little-endian `u32` length and so many bytes, each kind with its own limit.
//!
//! | from | frame | bytes |
//! |---|---|---|
//! | prover | hello | [`MAGIC`], version, digest of the key |
//! | verifier | welcome | nothing; another key is answered by closing |
//! | prover | digest of the transcript so far | 32 |
//! | verifier | nonce, fresh from the system's randomness | 32 |
//! | … | the last two, once for every challenge | |
//! | prover | proof | empty frame, then the proof |
//! | verifier | verdict | 0 where valid, then a message |
//!
//! The verifier draws a nonce only after it holds the digest that the nonce is for, and at the end
//! runs the verification against the digests in the order in which it got them. A session that
//! ends early is over: the prover stores nothing of it, never answers for it again, and starts the
//! next one with fresh randomness, so that a verifier that comes back learns nothing from two
//! challenges on one first message. Such a proof convinces only the verifier that drew the nonces.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use zkml_core::transcript::{Aborted, DIGEST_BYTES, LiveTranscript};
use zkml_verifier::{PROTOCOL, Statement, VerifierKey, VerifyError, verify_live};

use super::MAX_PROOF_BYTES;

/// First bytes of a session.
const MAGIC: &[u8; 6] = b"CYBliv";
const VERSION: u16 = 1;
const HELLO_BYTES: usize = MAGIC.len() + 2 + DIGEST_BYTES;
/// Most challenges in a session: a proof of the largest graph has some thousands.
const MAX_CHALLENGES: usize = 1 << 16;
/// Longest message beside a verdict, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;
/// How long a peer may take to say hello; later silence is the caller's to choose.
const HELLO_PATIENCE: Duration = Duration::from_secs(10);

/// Why a session ended without a verdict.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
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

/// What the verifier of a session said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether the proof was accepted.
    pub(super) valid: bool,
    /// Why not, in words.
    pub(super) message: String,
}

/// One side's end of a session.
struct Connection {
    stream: TcpStream,
}

impl Connection {
    fn new(stream: TcpStream, patience: Duration) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { stream })
    }

    fn patience(&self, patience: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))?;
        self.stream.set_write_timeout(Some(patience))
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let length = u32::try_from(bytes.len()).map_err(|_| SessionError::FrameTooLong {
            frame: "frame",
            got: bytes.len(),
            limit: u32::MAX as usize,
        })?;
        let mut frame = Vec::with_capacity(4 + bytes.len());
        frame.extend(length.to_le_bytes());
        frame.extend(bytes);
        Ok(self.stream.write_all(&frame)?)
    }

    /// Receives a frame of at most `limit` bytes; what is allocated follows what arrives.
    fn receive(&mut self, frame: &'static str, limit: usize) -> Result<Vec<u8>, SessionError> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let got = u32::from_le_bytes(length) as usize;
        if got > limit {
            return Err(SessionError::FrameTooLong { frame, got, limit });
        }
        let mut bytes = Vec::new();
        (&self.stream).take(got as u64).read_to_end(&mut bytes)?;
        if bytes.len() < got {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(bytes)
    }

    fn receive_exact<const N: usize>(&mut self, frame: &'static str) -> Result<[u8; N], SessionError> {
        let bytes = self.receive(frame, N)?;
        bytes.as_slice().try_into().map_err(|_| SessionError::FrameLength {
            frame,
            got: bytes.len(),
            expected: N,
        })
    }
}

/// The prover's end: greets, fetches nonces, hands over the proof.
pub(super) struct Prover {
    connection: Connection,
    /// Why a nonce could not be had; [`Aborted`] itself does not say.
    failure: Option<SessionError>,
}

impl Prover {
    /// Connects to a verifier that waits for proofs of a key.
    pub(super) fn connect(
        address: impl ToSocketAddrs,
        key: &[u8; 32],
        patience: Duration,
    ) -> Result<Self, SessionError> {
        let mut connection = Connection::new(TcpStream::connect(address)?, patience)?;
        let mut hello = Vec::with_capacity(HELLO_BYTES);
        hello.extend(MAGIC);
        hello.extend(VERSION.to_le_bytes());
        hello.extend(key);
        connection.send(&hello)?;
        match connection.receive("welcome", 0) {
            Ok(_) => Ok(Self { connection, failure: None }),
            Err(SessionError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(SessionError::Refused)
            }
            Err(error) => Err(error),
        }
    }

    /// Proves with a transcript whose challenges need the verifier's nonces, then sends the proof
    /// and waits for the verdict. `prove` returns the proof's bytes and whatever else it made.
    pub(super) fn run<T, E>(
        mut self,
        prove: impl FnOnce(&mut dyn zkml_core::transcript::Transcript) -> Result<(Vec<u8>, T), E>,
    ) -> Result<Result<(Verdict, T), E>, SessionError> {
        let proved = {
            let (connection, failure) = (&mut self.connection, &mut self.failure);
            let mut transcript = LiveTranscript::new(PROTOCOL, |digest: [u8; DIGEST_BYTES]| {
                let nonce = connection.send(&digest).and_then(|()| connection.receive_exact("nonce"));
                nonce.map_err(|error| {
                    *failure = Some(error);
                    Aborted
                })
            });
            prove(&mut transcript)
        };
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let (proof, made) = match proved {
            Ok(proved) => proved,
            Err(error) => return Ok(Err(error)),
        };
        self.connection.send(&[])?;
        self.connection.send(&proof)?;
        let verdict = self.connection.receive("verdict", 1 + MAX_MESSAGE_BYTES)?;
        let (valid, message) = match verdict.split_first() {
            Some((code, message)) => (*code == 0, String::from_utf8_lossy(message).into_owned()),
            None => {
                return Err(SessionError::FrameLength { frame: "verdict", got: 0, expected: 1 });
            }
        };
        Ok(Ok((Verdict { valid, message }, made)))
    }
}

/// What a complete session brought: the proof's bytes and what verification says of them.
pub(super) struct Session {
    /// Number of challenges drawn.
    pub(super) challenges: usize,
    /// Length of the proof.
    pub(super) proof_bytes: usize,
    /// The verified statement, or why it is false.
    pub(super) outcome: Result<Statement, VerifyError>,
}

/// Takes connections until one brings a whole proof; `note` hears of those that do not.
pub(super) fn serve(
    listener: &TcpListener,
    key: &VerifierKey,
    context: &[u8],
    patience: Duration,
    mut note: impl FnMut(&SessionError),
) -> Result<Session, io::Error> {
    loop {
        let (stream, _) = listener.accept()?;
        match session(stream, key, context, patience) {
            Ok(session) => return Ok(session),
            Err(error) => note(&error),
        }
    }
}

fn session(
    stream: TcpStream,
    key: &VerifierKey,
    context: &[u8],
    patience: Duration,
) -> Result<Session, SessionError> {
    let mut connection = Connection::new(stream, HELLO_PATIENCE.min(patience))?;
    let hello: [u8; HELLO_BYTES] = connection.receive_exact("hello")?;
    let (magic, rest) = hello.split_at(MAGIC.len());
    let (version, digest) = rest.split_at(2);
    if magic != MAGIC || version != VERSION.to_le_bytes() {
        return Err(SessionError::Hello);
    }
    if digest != key.digest() {
        return Err(SessionError::Key);
    }
    connection.patience(patience)?;
    connection.send(&[])?;

    let mut drawn: Vec<([u8; DIGEST_BYTES], [u8; DIGEST_BYTES])> = Vec::new();
    loop {
        let digest = connection.receive("digest", DIGEST_BYTES)?;
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
        let mut nonce = [0; DIGEST_BYTES];
        getrandom::fill(&mut nonce).map_err(SessionError::Random)?;
        drawn.push((digest, nonce));
        connection.send(&nonce)?;
    }
    let proof = connection.receive("proof", MAX_PROOF_BYTES as usize)?;

    let mut next = drawn.iter();
    let mut transcript = LiveTranscript::new(PROTOCOL, |digest| match next.next() {
        Some((expected, nonce)) if *expected == digest => Ok(*nonce),
        _ => Err(Aborted),
    });
    let mut outcome = verify_live(key, &proof, context, &mut transcript);
    if next.next().is_some() && outcome.is_ok() {
        outcome = Err(VerifyError::Aborted(Aborted));
    }
    let mut verdict = vec![u8::from(outcome.is_err())];
    if let Err(error) = &outcome {
        let message = error.to_string();
        verdict.extend(message.bytes().take(MAX_MESSAGE_BYTES));
    }
    // The verdict stands even where the prover does not wait for it.
    let _ = connection.send(&verdict);
    let _ = connection.stream.shutdown(Shutdown::Write);
    Ok(Session { challenges: drawn.len(), proof_bytes: proof.len(), outcome })
}
