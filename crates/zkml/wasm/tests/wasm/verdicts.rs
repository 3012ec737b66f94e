//! The same bytes that verify natively verify inside wasm, as a chain would run it.

use zkml_prover::{Request, keygen, prove};
use zkml_testkit::case::{self, Case};
use zkml_testkit::data;
use zkml_verifier::{VerifierKey, Visibility, verify};

use zkml_testkit::wasm::{Called, Host, Outcome, PAGE_BYTES, build};

const VALID: u32 = 0;
const FALSE: u32 = 1;
const MALFORMED: u32 = 2;
const CONTEXT: &[u8] = b"task 7, miner 3";

struct Proven {
    key: Vec<u8>,
    proof: Vec<u8>,
}

fn proven(case: Case) -> Outcome<Proven> {
    let keys = keygen(case.graph, case.weights, &mut |_| ())?;
    let request = Request {
        inputs: &case.inputs,
        context: CONTEXT,
        input: Visibility::Committed,
        output: Visibility::Committed,
    };
    let proof = prove(&keys.prover, &request)?.proof;
    let key = keys.verifier.to_bytes();
    verify(&VerifierKey::from_bytes(&key)?, &proof, CONTEXT)?;
    Ok(Proven { key, proof })
}

fn host() -> Outcome<Host> {
    Host::new(&std::fs::read(build()?)?)
}

fn expect(what: &str, called: Called, verdict: u32) {
    eprintln!(
        "{what}: verdict {}, {:.1} ms, {:.1} MiB of linear memory",
        called.verdict,
        called.time.as_secs_f64() * 1e3,
        (called.pages * PAGE_BYTES) as f64 / f64::from(1 << 20)
    );
    assert_eq!(called.verdict, verdict, "{what}");
}

/// Accepts what is true and checks the key; times and memory are printed, not judged.
fn accepts(name: &str, case: Case) -> Outcome<()> {
    let host = host()?;
    let Proven { key, proof } = proven(case)?;
    eprintln!(
        "{name}: module compiled in {:.0} ms; key {} bytes, proof {} bytes",
        host.compilation.as_secs_f64() * 1e3,
        key.len(),
        proof.len()
    );
    let verified = host.verify(&key, &proof, CONTEXT)?;
    expect(&format!("{name}, proof"), verified, VALID);
    expect(&format!("{name}, key"), host.check_key(&key)?, VALID);
    Ok(())
}

#[test]
fn digits_mlp_verifies() -> Outcome<()> {
    accepts("digits_mlp", data::digits("digits_mlp")?)
}

#[test]
fn digits_cnn_verifies() -> Outcome<()> {
    accepts("digits_cnn", data::digits("digits_cnn")?)
}

/// Four million parameters in one matrix.
#[test]
fn a_wide_dense_layer_verifies() -> Outcome<()> {
    accepts("dense 4M", case::dense(&[2048, 2056, 10], 1)?)
}

#[test]
fn what_is_false_or_malformed_is_told_apart() -> Outcome<()> {
    let host = host()?;
    let Proven { key, proof } = proven(case::dense(&[20, 33, 5], 2)?)?;
    let check = |what: &str, proof: &[u8], context: &[u8], verdict: u32| -> Outcome<()> {
        expect(what, host.verify(&key, proof, context)?, verdict);
        Ok(())
    };
    check("true", &proof, CONTEXT, VALID)?;
    check("another context", &proof, b"task 8, miner 3", FALSE)?;
    check("no context", &proof, b"", FALSE)?;

    // The last scalar is a response of the inner-product argument: its lowest byte may be anything.
    let mut altered = proof.clone();
    let at = altered.len() - 32;
    altered[at] ^= 1;
    check("altered response", &altered, CONTEXT, FALSE)?;
    let other = proven(case::dense(&[20, 33, 5], 3)?)?;
    check("proof for another key", &other.proof, CONTEXT, FALSE)?;

    check("empty", b"", CONTEXT, MALFORMED)?;
    check("truncated", &proof[..proof.len() - 1], CONTEXT, MALFORMED)?;
    let longer = [&proof[..], &[0]].concat();
    check("extended", &longer, CONTEXT, MALFORMED)?;
    let mut altered = proof.clone();
    altered[at..].fill(0xff);
    check("scalar above the modulus", &altered, CONTEXT, MALFORMED)?;

    expect("own key", host.check_key(&key)?, VALID);
    let mut altered = key.clone();
    let at = altered.len() - 32;
    altered[at] ^= 1;
    expect("altered key", host.check_key(&altered)?, FALSE);
    let truncated = &key[..key.len() / 2];
    expect("truncated key", host.check_key(truncated)?, MALFORMED);
    let refused = host.verify(truncated, &proof, CONTEXT)?;
    expect("proof under a truncated key", refused, MALFORMED);
    Ok(())
}
