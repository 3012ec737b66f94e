//! Ports of this machine: which are free, and whether one still is.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::error::LocalnetError;

/// The ports that are chosen from: below those that systems give to outgoing connections (from 32768 on
/// Linux), any of which could take a network's port between two of its starts.
const RANGE: Range<u16> = 20_000..32_000;

/// Chooses ports that are free now, none of them twice and none of those given.
///
/// # Errors
/// Returns an error if there are not enough.
pub fn choose(count: usize, taken: &[u16]) -> Result<Vec<u16>, LocalnetError> {
    let failed = |source| LocalnetError::Io { file: "ports".to_owned(), action: "cannot choose", source };
    let mut seed = [0; 2];
    getrandom::fill(&mut seed).map_err(|error| failed(io::Error::other(error.to_string())))?;
    let length = RANGE.end - RANGE.start;
    let first = u16::from_le_bytes(seed) % length;
    // All are held until the last is found, so that none is found twice.
    let mut held: Vec<(u16, TcpListener)> = Vec::with_capacity(count);
    let candidates = (0..length).map(|step| RANGE.start + (first + step) % length);
    for port in candidates.filter(|port| !taken.contains(port)) {
        if held.len() == count {
            break;
        }
        if let Ok(listener) = bind(port) {
            held.push((port, listener));
        }
    }
    if held.len() < count {
        return Err(failed(ErrorKind::AddrInUse.into()));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

/// Listens at a port of which no other call in this process was told. A caller that lets the port go to listen
/// anew might not get it back at once: a process that is started at that moment holds it until it runs its own
/// program.
///
/// # Errors
/// Returns an error if no port is free.
pub fn listener() -> Result<TcpListener, LocalnetError> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let length = RANGE.end - RANGE.start;
    // Other programs choose at the same time.
    let start = std::process::id() as u16 % length;
    let mut candidates =
        (0..length).map(|_| RANGE.start + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % length);
    candidates
        .find_map(|port| bind(port).ok())
        .ok_or_else(|| LocalnetError::Failed("no port is free".to_owned()))
}

/// Checks that a port is free; the error says whose port another program has taken.
///
/// # Errors
/// Returns an error if the port is taken.
pub fn check(port: u16, whose: &str) -> Result<(), LocalnetError> {
    match bind(port) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(LocalnetError::Failed(format!(
            "port {port} of {whose} is in use by another program; end that one (`ss -ltnp` names it), or \
             begin another network with --dir"
        ))),
        Err(error) => Err(LocalnetError::Failed(format!("port {port} of {whose} cannot be used: {error}"))),
    }
}

fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn ports_are_free_and_distinct() {
        let mut ports = choose(40, &[]).unwrap();
        assert_eq!(ports.len(), 40);
        let more = choose(40, &ports).unwrap();
        assert!(more.iter().all(|port| !ports.contains(port) && RANGE.contains(port)));
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 40);
    }

    #[test]
    fn listeners_have_ports_that_nobody_had_before() {
        let mut ports: Vec<u16> = (0..40).map(|_| listener().unwrap().local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| RANGE.contains(port)));
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 40);
    }

    #[test]
    fn a_taken_port_is_named_with_its_owner() {
        let port = choose(1, &[]).unwrap()[0];
        check(port, "miner-1").unwrap();
        let _held = bind(port).unwrap();
        let error = check(port, "miner-1").unwrap_err().to_string();
        assert!(error.contains(&format!("port {port} of miner-1")), "{error}");
    }
}
