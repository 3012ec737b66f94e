//! `cyborg zk …` on a real model: keys, proofs of every visibility, what verification checks.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{Folder, TestResult, compiled};
use zkml_graph::codec::decode_model;
use zkml_prover::key::keygen_unchecked;
use zkml_verifier::circuit::Circuit;

/// A folder with keys of the digits perceptron.
fn keyed() -> TestResult<Folder> {
    let folder = compiled("digits_mlp")?;
    folder.cyborg("zk keygen m.cyb --out k")?.ok();
    Ok(folder)
}

fn mode(folder: &Folder, name: &str) -> TestResult<u32> {
    Ok(fs::metadata(folder.path(name))?.permissions().mode() & 0o777)
}

#[test]
fn a_proof_is_verified_from_two_files_alone() -> TestResult {
    let prover = keyed()?;
    let prove = "zk prove --key k/prover.key --input x.npz --index 3 --context 00ff --out a.proof";
    let made = prover.cyborg(&format!("{prove} --json"))?.ok().json()?;
    assert_eq!(mode(&prover, "k/prover.key")?, 0o600);
    assert_eq!(mode(&prover, "a.opening")?, 0o600);
    assert_eq!(made["proof_bytes"], prover.read("a.proof")?.len());

    let verifier = Folder::new()?;
    for (from, to) in [("k/verifier.key", "v.key"), ("a.proof", "p.proof")] {
        verifier.write(to, prover.read(from)?)?;
    }
    let verify = "zk verify --key v.key --proof p.proof --context 00ff";
    let json = verifier.cyborg(&format!("{verify} --json"))?.ok().json()?;
    assert_eq!(json["valid"], true);
    assert_eq!(json["key"], made["key"]);
    assert_eq!(json["context"], "00ff");
    assert_eq!(json["input_visibility"], "committed");
    assert_eq!(json["output_visibility"], "committed");
    assert!(json.get("outputs").is_none(), "a hidden output is not shown: {json}");
    assert!(verifier.cyborg(verify)?.ok().stdout.contains("valid"));

    let check = verifier.cyborg("zk check-key v.key --json")?.ok().json()?;
    assert_eq!(check["valid"], true);
    Ok(())
}

#[test]
fn every_visibility_shows_exactly_what_is_public() -> TestResult {
    let folder = keyed()?;
    let run = folder.cyborg("model run m.cyb --input x.npz --index 7 --json -o y.json")?.ok().json()?;
    let integers = &run["outputs"][0]["integers"];
    for (flags, input, output) in [
        ("", "committed", "committed"),
        ("--public-input", "public", "committed"),
        ("--public-output", "committed", "public"),
        ("--public-input --public-output", "public", "public"),
    ] {
        let prove = format!("zk prove --key k/prover.key --input x.npz --index 7 {flags} --out p.proof");
        let made = folder.cyborg(&format!("{prove} --json"))?.ok().json()?;
        assert_eq!(&made["outputs"][0]["integers"], integers);
        let open = input == "public" && output == "public";
        assert_eq!(made.get("opening").is_none(), open, "{made}");

        let verify = "zk verify --key k/verifier.key --proof p.proof --json";
        let seen = folder.cyborg(verify)?.ok().json()?;
        assert_eq!(seen["input_visibility"], input);
        assert_eq!(seen["output_visibility"], output);
        assert_eq!(seen.get("inputs").is_some(), input == "public");
        match output {
            "public" => assert_eq!(&seen["outputs"][0]["integers"], integers),
            _ => assert!(seen.get("outputs").is_none(), "{seen}"),
        }

        // What is claimed about values needs them to be public or opened.
        let opening = if open { "" } else { "--opening p.opening" };
        let claims = format!("{verify} --input x.npz --index 7 {opening}");
        folder.cyborg(&claims)?.ok();
        folder.cyborg(&format!("{verify} --output y.json {opening}"))?.ok();
        folder.cyborg(&format!("{verify} --input x.npz --index 8 {opening}"))?.fails(1, &["input"]);
        if input == "committed" {
            let closed = format!("{verify} --input x.npz --index 7");
            folder.cyborg(&closed)?.fails(2, &["--input", "--opening"]);
        }
        if output == "committed" {
            folder.cyborg(&format!("{verify} --output y.json"))?.fails(2, &["--output", "--opening"]);
        }
        if !open {
            fs::remove_file(folder.path("p.opening"))?;
        }
    }
    Ok(())
}

#[test]
fn a_proof_for_something_else_is_false() -> TestResult {
    let folder = keyed()?;
    let prove = "zk prove --key k/prover.key --input x.npz --public-output --context 01";
    folder.cyborg(&format!("{prove} --index 0 --out a.proof"))?.ok();
    folder.cyborg(&format!("{prove} --index 1 --out b.proof"))?.ok();
    folder.cyborg("zk keygen m.cyb --out other")?.ok();
    let verify = "zk verify --proof a.proof";
    let good = format!("{verify} --key k/verifier.key --context 01");
    folder.cyborg(&good)?.ok();

    for (arguments, part) in [
        ("--key k/verifier.key", "a.proof"),
        ("--key k/verifier.key --context 02", "a.proof"),
        ("--key k/verifier.key --context 0100", "a.proof"),
        ("--key other/verifier.key --context 01", "another key"),
        ("--key k/verifier.key --context 01 --opening b.opening", "b.opening"),
        ("--key k/verifier.key --context 01 --opening a.opening --input x.npz --index 2", "input"),
    ] {
        let outcome = folder.cyborg(&format!("{verify} {arguments}"))?.fails(1, &[part]);
        assert!(outcome.stdout.is_empty(), "{outcome:?}");
        let json = folder.cyborg(&format!("{verify} {arguments} --json"))?.fails(1, &[part]).json()?;
        assert_eq!(json["valid"], false);
    }
    // A proof of another name does not put its opening in the place of another's.
    let before = fs::read(folder.path("a.opening"))?;
    folder.cyborg(&format!("{prove} --index 1 --out a.other"))?.ok();
    assert!(fs::read(folder.path("a.opening"))? == before);
    assert!(folder.path("a.other.opening").is_file());
    // An opening that says it is one of a proof for another key; the key follows the header.
    let mut opening = fs::read(folder.path("a.opening"))?;
    opening[10] ^= 1;
    fs::write(folder.path("c.opening"), opening)?;
    folder.cyborg(&format!("{good} --opening c.opening"))?.fails(1, &["c.opening", "another key"]);
    // An output that is not the proven one.
    folder.cyborg("model run m.cyb --input x.npz --index 1 -o wrong.json")?.ok();
    folder.cyborg(&format!("{good} --output wrong.json"))?.fails(1, &["output"]);
    Ok(())
}

#[test]
fn every_altered_byte_of_a_proof_is_noticed() -> TestResult {
    let folder = keyed()?;
    folder.cyborg("zk prove --key k/prover.key --input x.npz --out a.proof")?.ok();
    let proof = folder.read("a.proof")?;
    for step in 0..48 {
        let at = step * proof.len() / 48;
        let mut altered = proof.clone();
        altered[at] ^= 1 << (step % 8);
        folder.write("b.proof", altered)?;
        let outcome = folder.cyborg("zk verify --key k/verifier.key --proof b.proof")?;
        assert!(matches!(outcome.status, Some(1 | 2)), "byte {at}: {outcome:?}");
        assert!(outcome.stderr.starts_with("error: b.proof: "), "byte {at}: {outcome:?}");
    }
    Ok(())
}

#[test]
fn inspecting_says_what_a_file_is() -> TestResult {
    let folder = keyed()?;
    folder.cyborg("zk prove --key k/prover.key --input x.npz --public-output --out a.proof")?.ok();
    let key = folder.cyborg("zk inspect k/verifier.key --json")?.ok().json()?;
    assert_eq!(key["kind"], "verifier key");
    assert_eq!(key["weight_bits"], 8);
    assert!(key["soundness_bits"].as_u64() >= Some(100), "{key}");
    let secret = folder.cyborg("zk inspect k/prover.key --json")?.ok().json()?;
    assert_eq!(secret["kind"], "prover key");
    assert_eq!(secret["key"], key["key"]);
    let proof = folder.cyborg("zk inspect a.proof --json")?.ok().json()?;
    assert_eq!(proof["kind"], "proof");
    assert_eq!(proof["key"], key["key"]);
    assert_eq!(proof["output_visibility"], "public");
    let line = "zk inspect a.proof --key k/verifier.key --json";
    let proof = folder.cyborg(line)?.ok().json()?;
    assert_eq!(proof["soundness_bits"], key["soundness_bits"]);
    assert!(proof["outputs"].is_array() && proof.get("inputs").is_none(), "{proof}");
    let opening = folder.cyborg("zk inspect a.opening --json")?.ok().json()?;
    assert_eq!(opening["kind"], "opening");
    folder.cyborg("zk inspect x.npz")?.fails(2, &["x.npz"]);
    for file in ["k/verifier.key", "k/prover.key", "a.proof", "a.opening"] {
        assert!(!folder.cyborg(&format!("zk inspect {file}"))?.ok().stdout.is_empty());
    }
    Ok(())
}

#[test]
fn a_key_with_weights_out_of_range_is_false() -> TestResult {
    let folder = compiled("digits_mlp")?;
    let (graph, mut weights) = decode_model(&folder.read("m.cyb")?)?;
    assert_eq!(graph.weight_bits, 8);
    weights.0[0][5] = 128;
    let circuit = Circuit::new(&graph)?;
    let keys = keygen_unchecked(graph, circuit, weights, [1; 32], &mut |_| {})?;
    folder.write("lie.key", keys.verifier.to_bytes())?;
    folder.cyborg("zk check-key lie.key")?.fails(1, &["lie.key: "]);
    let json = folder.cyborg("zk check-key lie.key --json")?.fails(1, &["lie.key: "]).json()?;
    assert_eq!(json["valid"], false);

    // Keys are not replaced unasked.
    folder.cyborg("zk keygen m.cyb --out old")?.ok();
    let first = folder.read("old/prover.key")?;
    folder.cyborg("zk keygen m.cyb --out old")?.fails(2, &["old/prover.key", "--force"]);
    assert!(folder.read("old/prover.key")? == first);
    folder.cyborg("zk keygen m.cyb --out old --force")?.ok();
    assert!(folder.read("old/prover.key")? != first);

    // A true key whose own proof was altered.
    folder.cyborg("zk keygen m.cyb --out k")?.ok();
    let mut key = folder.read("k/verifier.key")?;
    let last = key.len() - 40;
    key[last] ^= 1;
    folder.write("altered.key", key)?;
    let outcome = folder.cyborg("zk check-key altered.key")?;
    assert!(matches!(outcome.status, Some(1 | 2)), "{outcome:?}");
    Ok(())
}
