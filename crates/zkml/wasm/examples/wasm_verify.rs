//! Times the wasm verifier on files:
//! `cargo run --release -p zkml-wasm --example wasm_verify -- KEY PROOF [CONTEXT_HEX]`.

use std::io::Write;
use std::time::Duration;

use zkml_testkit::wasm::{Called, Host, Outcome, PAGE_BYTES, build};

/// Calls that a median is taken of.
const RUNS: usize = 10;

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Verdict, median time and pages of several calls.
fn report(out: &mut impl Write, name: &str, call: impl Fn() -> Outcome<Called>) -> Outcome<()> {
    let mut calls = (0..RUNS).map(|_| call()).collect::<Outcome<Vec<_>>>()?;
    calls.sort_by_key(|call| call.time);
    let Called { verdict, time, pages, .. } = calls[RUNS / 2];
    let verdict = match verdict {
        0 => "valid",
        1 => "false",
        _ => "malformed",
    };
    writeln!(
        out,
        "{name:<10} {verdict:<9} {:>8.1} ms (least {:.1}), {pages} pages ({:.1} MiB)",
        milliseconds(time),
        milliseconds(calls[0].time),
        (pages * PAGE_BYTES) as f64 / f64::from(1 << 20),
    )?;
    Ok(())
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (key, proof, context) = match &arguments[..] {
        [key, proof] => (key, proof, Vec::new()),
        [key, proof, context] => (key, proof, hex::decode(context)?),
        _ => return Err("usage: wasm_verify KEY PROOF [CONTEXT_HEX]".into()),
    };
    let read = |path: &String| std::fs::read(path).map_err(|error| format!("{path}: {error}"));
    let (key, proof) = (read(key)?, read(proof)?);
    let wasm = std::fs::read(build()?)?;
    let host = Host::new(&wasm)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "compile    {:>18.1} ms for {} bytes of wasm; key {} bytes, proof {} bytes",
        milliseconds(host.compilation),
        wasm.len(),
        key.len(),
        proof.len()
    )?;
    report(&mut out, "verify", || host.verify(&key, &proof, &context))?;
    report(&mut out, "check_key", || host.check_key(&key))
}
