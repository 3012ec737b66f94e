//! A connection that can be cut: bytes of both ways pass through here, or wait.
//!
//! A cut is what a network does that drops every packet: nobody is told, what is on its way stays on
//! its way, and arrives when the network is back.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cyborg_localnet::ports;

use crate::TestResult;

/// How often a byte that waits looks whether it may go on.
const LOOK: Duration = Duration::from_millis(20);

/// Listens on a port of its own for one address.
pub(crate) struct Proxy {
    pub(crate) url: String,
    cut: Arc<AtomicBool>,
}

impl Proxy {
    /// Before a WebSocket's address.
    pub(crate) fn before(url: &str) -> TestResult<Self> {
        let target = url.strip_prefix("ws://").ok_or("no ws:// address")?.trim_end_matches('/').to_owned();
        let listener = ports::listener()?;
        let own = listener.local_addr()?.to_string();
        let url = format!("ws://{own}");
        let cut = Arc::new(AtomicBool::new(false));
        let shared = cut.clone();
        // It waits for connections as long as the test's process lives.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (cut, own, target) = (shared.clone(), own.clone(), target.clone());
                thread::spawn(move || {
                    wait(&cut);
                    // A node that is not there closes the connection.
                    if let Ok(server) = TcpStream::connect(&target) {
                        // A node takes requests to its own address only.
                        if greet(&client, &server, &own, &target, &cut).is_ok() {
                            carry_both(client, server, &cut);
                        }
                    }
                });
            }
        });
        Ok(Self { url, cut })
    }

    /// From now on nothing passes.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    /// From now on everything passes, what has waited first.
    pub(crate) fn mend(&self) {
        self.cut.store(false, Ordering::Relaxed);
    }
}

fn wait(cut: &AtomicBool) {
    while cut.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
    }
}

/// Carries the head of the first request, with the node's address in it instead of this one.
fn greet(
    client: &TcpStream,
    mut server: &TcpStream,
    own: &str,
    target: &str,
    cut: &AtomicBool,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1, client);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        wait(cut);
        server.write_all(line.replace(own, target).as_bytes())?;
        if line.trim().is_empty() {
            return Ok(());
        }
    }
}

fn carry_both(client: TcpStream, server: TcpStream, cut: &Arc<AtomicBool>) {
    let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else { return };
    let shared = cut.clone();
    let other = thread::spawn(move || carry(from, to, &shared));
    carry(server, client, cut);
    // Its end has ended the other way too.
    let _ = other.join();
}

fn carry(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        wait(cut);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    wait(cut);
    // Either may be closed already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
