//! Interactive proofs between two processes, and peers that do not follow the protocol.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use common::{Folder, Outcome, TestResult, compiled};
use serde_json::Value;

/// A verifier that listens on a port of the system's choice.
struct Listener {
    child: Child,
    stderr: BufReader<ChildStderr>,
    address: String,
}

impl Listener {
    fn start(folder: &Folder, arguments: &[&str]) -> TestResult<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cyborg"))
            .args(["zk", "verify", "--listen", "127.0.0.1:0", "--json", "--key"])
            .args(arguments)
            .current_dir(folder.path("."))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stderr = BufReader::new(child.stderr.take().ok_or("no stderr")?);
        let mut line = String::new();
        stderr.read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").ok_or_else(|| line.clone())?;
        Ok(Self { child, stderr, address: address.to_owned() })
    }

    fn finish(mut self) -> TestResult<Outcome> {
        let mut stdout = String::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut stdout)?;
        }
        let status = self.child.wait()?.code();
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr)?;
        Ok(Outcome { status, stdout, stderr })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Only where a test failed before the end.
        let _ = self.child.kill();
    }
}

fn keyed() -> TestResult<Folder> {
    let folder = compiled("digits_mlp")?;
    folder.cyborg("zk keygen m.cyb --out k")?.ok();
    Ok(folder)
}

#[test]
fn a_live_verifier_is_convinced() -> TestResult {
    let folder = keyed()?;
    let verifier = Listener::start(&folder, &["k/verifier.key", "--context", "07"])?;
    let prove = "zk prove --key k/prover.key --input x.npz --index 2 --context 07 --public-output";
    let line = format!("{prove} --connect {} --opening-out o.opening --json", verifier.address);
    let made = folder.cyborg(&line)?.ok().json()?;
    let seen = verifier.finish()?;
    assert_eq!(seen.status, Some(0), "{seen:?}");
    let seen = seen.json()?;
    assert_eq!(seen["valid"], true);
    assert!(seen["challenges"].as_u64() > Some(10), "{seen}");
    assert_eq!(seen["outputs"], made["outputs"]);
    assert!(folder.listing()?.contains(&"o.opening".to_owned()));
    Ok(())
}

#[test]
fn a_session_for_something_else_is_not_valid() -> TestResult {
    let folder = keyed()?;
    // Another context.
    let verifier = Listener::start(&folder, &["k/verifier.key", "--context", "07"])?;
    let prove = "zk prove --key k/prover.key --input x.npz --connect";
    let line = format!("{prove} {} --context 08 --opening-out o.opening", verifier.address);
    folder.cyborg(&line)?.fails(1, &[&verifier.address, "the verifier says"]);
    let seen = verifier.finish()?;
    assert_eq!(seen.status, Some(1), "{seen:?}");
    assert_eq!(seen.json()?["valid"], Value::Bool(false));
    assert!(!folder.listing()?.contains(&"o.opening".to_owned()));

    // Another key: refused before any work, and the verifier keeps waiting.
    folder.cyborg("zk keygen m.cyb --out other")?.ok();
    let verifier = Listener::start(&folder, &["other/verifier.key"])?;
    folder.cyborg(&format!("{prove} {}", verifier.address))?.fails(2, &["refused"]);
    let line = format!("zk prove --key other/prover.key --input x.npz --connect {}", verifier.address);
    folder.cyborg(&line)?.ok();
    assert_eq!(verifier.finish()?.status, Some(0));
    Ok(())
}

#[test]
fn peers_that_break_the_protocol_do_not_stop_the_verifier() -> TestResult {
    let folder = keyed()?;
    let verifier = Listener::start(&folder, &["k/verifier.key"])?;
    let key = folder.cyborg("zk inspect k/verifier.key --json")?.ok().json()?;
    let digest: Vec<u8> = key["key"]
        .as_str()
        .ok_or("no key")?
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16))
        .collect::<Result<_, _>>()?;
    let frame = |bytes: &[u8]| [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat();
    let hello = frame(&[b"CYBliv\x02\x00", &digest[..]].concat());
    for bytes in [
        Vec::new(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        frame(b"CYBliv\x03\x00"),
        u32::MAX.to_le_bytes().to_vec(),
        hello.clone(),
        [&hello[..], &frame(&[0; 31])].concat(),
        [&hello[..], &frame(&[0; 32]), &frame(&[0; 33])].concat(),
        // A proof that is announced and does not come.
        [&hello[..], &frame(&[]), &1_000_u32.to_le_bytes()].concat(),
        [&hello[..], &frame(&[]), &u32::MAX.to_le_bytes()].concat(),
    ] {
        let mut peer = TcpStream::connect(&verifier.address)?;
        peer.write_all(&bytes)?;
    }
    let prove = "zk prove --key k/prover.key --input x.npz --connect";
    folder.cyborg(&format!("{prove} {}", verifier.address))?.ok();
    let seen = verifier.finish()?;
    assert_eq!(seen.status, Some(0), "{seen:?}");
    assert_eq!(seen.stderr.matches("note: ").count(), 9, "{seen:?}");

    // An empty session that ends in an empty proof is complete, and no proof.
    let verifier = Listener::start(&folder, &["k/verifier.key"])?;
    let mut peer = TcpStream::connect(&verifier.address)?;
    peer.write_all(&[&hello[..], &frame(&[]), &frame(&[])].concat())?;
    assert_eq!(verifier.finish()?.status, Some(2));
    Ok(())
}

#[test]
fn a_verifier_that_drops_ends_the_session() -> TestResult {
    let folder = keyed()?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    // Welcomes the prover, takes its first digest, answers once, and goes.
    let verifier = std::thread::spawn(move || -> std::io::Result<[u8; 36]> {
        let (mut peer, _) = listener.accept()?;
        let mut hello = [0; 44];
        peer.read_exact(&mut hello)?;
        peer.write_all(&[&32_u32.to_le_bytes()[..], &[9; 32]].concat())?;
        let mut digest = [0; 36];
        peer.read_exact(&mut digest)?;
        peer.write_all(&[&32_u32.to_le_bytes()[..], &[7; 32]].concat())?;
        Ok(digest)
    });
    let before = folder.listing()?;
    let line = format!("zk prove --key k/prover.key --input x.npz --opening-out o --connect {address}");
    folder.cyborg(&line)?.fails(2, &[&address]);
    assert_eq!(folder.listing()?, before, "nothing of a broken session is kept");
    let first = verifier.join().map_err(|_| "the verifier panicked")??;

    // It comes back: the prover's first message is another one.
    let listener = std::net::TcpListener::bind(&address)?;
    let verifier = std::thread::spawn(move || -> std::io::Result<[u8; 36]> {
        let (mut peer, _) = listener.accept()?;
        let mut hello = [0; 44];
        peer.read_exact(&mut hello)?;
        peer.write_all(&[&32_u32.to_le_bytes()[..], &[9; 32]].concat())?;
        let mut digest = [0; 36];
        peer.read_exact(&mut digest)?;
        Ok(digest)
    });
    folder.cyborg(&line)?.fails(2, &[&address]);
    let second = verifier.join().map_err(|_| "the verifier panicked")??;
    assert_ne!(first, second);
    Ok(())
}

#[test]
fn addresses_that_cannot_be_used_are_named() -> TestResult {
    let folder = keyed()?;
    folder.cyborg("zk verify --key k/verifier.key --listen nowhere")?.fails(2, &["nowhere"]);
    let line = "zk prove --key k/prover.key --input x.npz --connect 127.0.0.1:1";
    folder.cyborg(line)?.fails(2, &["127.0.0.1:1"]);
    Ok(())
}
