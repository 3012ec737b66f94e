//! Whole sessions, with an honest other side and with one that breaks the protocol.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use zkml_core::transcript::{Aborted, Transcript};
use zkml_live::{Outcome, Prover, Session, SessionError, Verifier, tcp};
use zkml_prover::{Keys, ProveError, Request, keygen, prove, prove_live};
use zkml_testkit::case::{Case, small};
use zkml_verifier::{VerifierKey, VerifyError, Visibility};

const CONTEXT: &[u8] = b"task 3";

/// The small model with its keys and an input.
struct Party {
    keys: Keys,
    inputs: Vec<Vec<i64>>,
}

impl Party {
    fn new(first: i16) -> Self {
        let Case { graph, weights, inputs } = small(first);
        Self { keys: keygen(graph, weights, &mut |_| ()).unwrap(), inputs }
    }

    fn request(&self) -> Request<'_> {
        let shown = Visibility::Committed;
        Request { inputs: &self.inputs, context: CONTEXT, input: shown, output: shown }
    }

    fn prove(&self, transcript: &mut dyn Transcript) -> Result<(Vec<u8>, ()), ProveError> {
        Ok((prove_live(&self.keys.prover, &self.request(), transcript)?.proof, ()))
    }
}

/// What a verifier makes of a prover that does as the closure says.
fn session(
    key: &VerifierKey,
    context: &[u8],
    prover: impl FnOnce(UnixStream) + Send,
) -> Result<Session, SessionError> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| prover(theirs));
        Verifier::greet(ours, key).and_then(|mut verifier| verifier.run(context))
    })
}

fn frame(stream: &mut impl Write, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap();
    stream.write_all(&[&length.to_le_bytes(), bytes].concat()).unwrap();
}

fn hello(key: &VerifierKey) -> Vec<u8> {
    [b"CYBliv\x02\0", &key.digest()[..]].concat()
}

fn receive(stream: &mut impl Read) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_true_proof_is_accepted() {
    let party = Party::new(1);
    let mut said = None;
    let session = session(&party.keys.verifier, CONTEXT, |stream| {
        let prover = Prover::greet(stream, &party.keys.verifier.digest()).unwrap();
        said = Some(prover.run(|transcript| party.prove(transcript)).unwrap().unwrap().0);
    })
    .unwrap();
    assert!(session.verified.is_ok());
    assert!(session.challenges > 0 && session.proof_bytes > 0);
    assert_eq!(said, Some(Outcome { valid: true, message: String::new() }));
}

#[test]
fn a_proof_about_something_else_is_refused_with_the_reason() {
    let party = Party::new(1);
    let mut said = None;
    let session = session(&party.keys.verifier, b"task 4", |stream| {
        let prover = Prover::greet(stream, &party.keys.verifier.digest()).unwrap();
        said = Some(prover.run(|transcript| party.prove(transcript)).unwrap().unwrap().0);
    })
    .unwrap();
    // The transcript differs from the first challenge on: no nonce was drawn for it.
    assert_eq!(session.verified, Err(VerifyError::Aborted(Aborted)));
    let message = VerifyError::Aborted(Aborted).to_string();
    assert_eq!(said, Some(Outcome { valid: false, message }));
}

/// Another proof than the one that the nonces were drawn for, although it is true by itself.
#[test]
fn a_proof_made_beforehand_is_refused() {
    let party = Party::new(1);
    let session = session(&party.keys.verifier, CONTEXT, |stream| {
        let prover = Prover::greet(stream, &party.keys.verifier.digest()).unwrap();
        let outcome = prover.run(|transcript| {
            party.prove(transcript)?;
            Ok::<_, ProveError>((prove(&party.keys.prover, &party.request())?.proof, ()))
        });
        assert!(!outcome.unwrap().unwrap().0.valid);
    })
    .unwrap();
    assert_eq!(session.verified, Err(VerifyError::Aborted(Aborted)));
}

/// A nonce that the proof does not use could be one of several that were tried.
#[test]
fn a_nonce_too_many_is_refused() {
    let party = Party::new(1);
    let session = session(&party.keys.verifier, CONTEXT, |stream| {
        let prover = Prover::greet(stream, &party.keys.verifier.digest()).unwrap();
        let outcome = prover.run(|transcript| {
            let proved = party.prove(transcript);
            transcript.squeeze("one more").unwrap();
            proved
        });
        assert!(!outcome.unwrap().unwrap().0.valid);
    })
    .unwrap();
    assert_eq!(session.verified, Err(VerifyError::Aborted(Aborted)));
}

#[test]
fn two_sides_with_different_keys_part() {
    let (one, two) = (Party::new(1), Party::new(-40));
    let result = session(&one.keys.verifier, CONTEXT, |stream| {
        let refused = Prover::greet(stream, &two.keys.verifier.digest());
        assert!(matches!(refused, Err(SessionError::Refused)));
    });
    assert!(matches!(result, Err(SessionError::Key)));
}

#[test]
fn another_protocol_or_version_is_refused() {
    let party = Party::new(1);
    let key = &party.keys.verifier;
    for (at, byte) in [(0, b'X'), (6, 1), (7, 1)] {
        let mut altered = hello(key);
        altered[at] = byte;
        let result = session(key, CONTEXT, |mut stream| frame(&mut stream, &altered));
        assert!(matches!(result, Err(SessionError::Hello)));
    }
}

#[test]
fn frames_of_other_lengths_are_refused() {
    let party = Party::new(1);
    let key = &party.keys.verifier;
    let short = session(key, CONTEXT, |mut stream| frame(&mut stream, &hello(key)[1..]));
    assert!(matches!(short, Err(SessionError::FrameLength { frame: "hello", got: 39, expected: 40 })));
    let long = session(key, CONTEXT, |mut stream| frame(&mut stream, &[&hello(key)[..], b"x"].concat()));
    assert!(matches!(long, Err(SessionError::FrameTooLong { frame: "hello", got: 41, limit: 40 })));
    let digest = |bytes: &'static [u8]| {
        session(key, CONTEXT, move |mut stream| {
            frame(&mut stream, &hello(key));
            assert_eq!(receive(&mut stream).len(), 32);
            frame(&mut stream, bytes);
        })
    };
    let short = digest(&[0; 31]);
    assert!(matches!(short, Err(SessionError::FrameLength { frame: "digest", got: 31, expected: 32 })));
    let long = digest(&[0; 33]);
    assert!(matches!(long, Err(SessionError::FrameTooLong { frame: "digest", got: 33, limit: 32 })));
    // A length that no bytes follow, and is not believed.
    let proof = session(key, CONTEXT, |mut stream| {
        frame(&mut stream, &hello(key));
        assert_eq!(receive(&mut stream).len(), 32);
        frame(&mut stream, &[]);
        stream.write_all(&u32::MAX.to_le_bytes()).unwrap();
    });
    assert!(matches!(proof, Err(SessionError::FrameTooLong { frame: "proof", .. })));
}

#[test]
fn challenges_have_a_limit() {
    let party = Party::new(1);
    let key = &party.keys.verifier;
    let result = session(key, CONTEXT, |mut stream| {
        frame(&mut stream, &hello(key));
        assert_eq!(receive(&mut stream).len(), 32);
        for _ in 0..1 << 16 {
            frame(&mut stream, &[7; 32]);
            assert_eq!(receive(&mut stream).len(), 32);
        }
        frame(&mut stream, &[7; 32]);
    });
    assert!(matches!(result, Err(SessionError::TooManyChallenges)));
}

/// The verifier's first nonce comes before the prover has committed to anything, another one each time, and
/// the transcript begins with it.
#[test]
fn a_welcome_is_fresh_and_counts() {
    let party = Party::new(1);
    let key = &party.keys.verifier;
    let welcomes = [(); 2].map(|()| {
        let mut welcome = Vec::new();
        let result = session(key, CONTEXT, |mut stream| {
            frame(&mut stream, &hello(key));
            welcome = receive(&mut stream);
        });
        assert!(result.is_err());
        welcome
    });
    assert_ne!(welcomes[0], welcomes[1]);
    let begun = |welcome: u8| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let verifier = thread::spawn(move || {
            receive(&mut theirs);
            frame(&mut theirs, &[welcome; 32]);
            receive(&mut theirs)
        });
        let mut seen = [0; 32];
        let prover = Prover::greet(ours, &key.digest()).unwrap();
        let _ = prover.run(|transcript| {
            seen = transcript.seen();
            transcript.squeeze("first").map(|_| (Vec::new(), ()))
        });
        assert_eq!(verifier.join().unwrap(), seen);
        seen
    };
    assert_eq!(begun(1), begun(1));
    assert_ne!(begun(1), begun(2));
}

/// Either side learns that the other one has gone.
#[test]
fn a_side_that_leaves_ends_the_session() {
    let party = Party::new(1);
    let key = &party.keys.verifier;
    let gone = |error: &SessionError| {
        let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        matches!(error, SessionError::Io(error) if kinds.contains(&error.kind()))
    };
    let result = session(key, CONTEXT, |mut stream| {
        frame(&mut stream, &hello(key));
        assert_eq!(receive(&mut stream).len(), 32);
        frame(&mut stream, &[7; 32]);
    });
    assert!(result.err().is_some_and(|error| gone(&error)));

    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let verifier = thread::spawn(move || {
        assert_eq!(receive(&mut theirs).len(), 40);
        frame(&mut theirs, &[9; 32]);
        assert_eq!(receive(&mut theirs).len(), 32);
    });
    let prover = Prover::greet(ours, &key.digest()).unwrap();
    let error = prover.run(|transcript| party.prove(transcript)).err();
    assert!(error.is_some_and(|error| gone(&error)));
    verifier.join().unwrap();
}

/// A listener takes the next connection after one that broke or was silent for too long.
#[test]
fn a_listener_outlasts_broken_sessions() {
    let party = Party::new(1);
    let key = &party.keys.verifier;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut notes = Vec::new();
    let (session, said) = thread::scope(|scope| {
        let prover = scope.spawn(|| {
            drop(TcpStream::connect(address).unwrap());
            let silent = TcpStream::connect(address).unwrap();
            let prover = tcp::connect(address, &key.digest(), Duration::from_secs(60)).unwrap();
            let said = prover.run(|transcript| party.prove(transcript)).unwrap().unwrap().0;
            drop(silent);
            said
        });
        let patience = Duration::from_secs(2);
        let session = tcp::serve(&listener, key, CONTEXT, patience, |error| notes.push(error.to_string()));
        (session.unwrap(), prover.join().unwrap())
    });
    assert_eq!(notes.len(), 2);
    assert!(session.verified.is_ok() && said.valid);
}
