//! Sessions over TCP.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use zkml_verifier::VerifierKey;

use crate::{Prover, Session, SessionError, Verifier};

/// How long a peer may take to say hello; later silence is the caller's to choose.
const HELLO_PATIENCE: Duration = Duration::from_secs(10);

/// Connects to a verifier that waits for proofs of a key, and waits no longer than `patience` for
/// each of its answers.
///
/// # Errors
/// Returns an error if there is no connection, or if the verifier has another key or version.
pub fn connect(
    address: impl ToSocketAddrs,
    key: &[u8; 32],
    patience: Duration,
) -> Result<Prover<TcpStream>, SessionError> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    wait(&stream, patience)?;
    Prover::greet(stream, key)
}

/// Takes connections until one brings a whole proof; `note` hears of those that do not.
///
/// # Errors
/// Returns an error if the listener fails.
pub fn serve(
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
    stream.set_nodelay(true)?;
    wait(&stream, HELLO_PATIENCE.min(patience))?;
    let mut verifier = Verifier::greet(stream, key)?;
    wait(verifier.stream(), patience)?;
    let session = verifier.run(context)?;
    let _ = verifier.stream().shutdown(Shutdown::Write);
    Ok(session)
}

/// Sets how long to wait for a peer that is silent.
fn wait(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))
}
