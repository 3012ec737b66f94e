//! Test vectors of encodings, generators, transcript and inner-product argument, in the form of
//! docs/bytes.md. The committed file is what the code gives, and a second verifier in Python, written from
//! that page, agrees with every line of it.
#![expect(clippy::unwrap_used, reason = "a test: failures end it")]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use ark_ec::CurveGroup;
use zkml_core::field::{dot, encode, from_uniform};
use zkml_core::group::{Generators, ShortChallenge, compress, decompress, derive_generator};
use zkml_core::ipa::{self, Bases, InnerProductProof};
use zkml_core::msm::msm;
use zkml_core::random::Random;
use zkml_core::transcript::{HashTranscript, Transcript};
use zkml_core::{Affine, F};

/// Set to write the file instead of comparing with it.
const WRITE: &str = "ZKML_WRITE_VECTORS";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Absorbed and squeezed in turn; data longer than a chunk of the hash among them.
fn transcript(out: &mut String) {
    let mut transcript = HashTranscript::new("vectors");
    for (label, data) in [("a", &b"12"[..]), ("", b""), ("key digest", &[7; 32]), ("statement", &[9; 5000])] {
        transcript.absorb(label, data);
        writeln!(out, "absorb\t{label}\t{}", hex(data)).unwrap();
        let bytes = transcript.squeeze("sum-check round").unwrap();
        writeln!(out, "squeeze\tsum-check round\t{}", hex(&bytes)).unwrap();
    }
}

fn scalars(out: &mut String, random: &mut Random) {
    let mut cases = vec![[0; 64], [0xff; 64]];
    cases.extend([(); 4].map(|()| {
        let mut bytes = [0; 64];
        random.fill(&mut bytes);
        bytes
    }));
    for bytes in cases {
        writeln!(out, "uniform\t{}\t{}", hex(&bytes), hex(&encode(&from_uniform(&bytes)))).unwrap();
        let short = ShortChallenge::from_uniform(&bytes).scalar();
        writeln!(out, "short\t{}\t{}", hex(&bytes), hex(&encode(&short))).unwrap();
    }
    let greatest = encode(&-F::from(1u64));
    let mut modulus = greatest;
    modulus[0] += 1;
    for bytes in [[0; 32], greatest, modulus, [0xff; 32]] {
        let verdict = if zkml_core::field::decode(&bytes).is_some() { "valid" } else { "refused" };
        writeln!(out, "scalar\t{}\t{verdict}", hex(&bytes)).unwrap();
    }
}

fn points(out: &mut String, random: &mut Random) {
    for index in [0, 1, 2, 3, 257, 2 + 4095, 2 + 4096, 2 + 4096 + 2047] {
        writeln!(out, "generator\t{index}\t{}", hex(&compress(&derive_generator(index)))).unwrap();
    }
    let mut sign = [0; 32];
    sign[31] = 0x80;
    let mut cases =
        vec![[0; 32], sign, [0xff; 32], compress(&derive_generator(9)), compress(&-derive_generator(9))];
    for _ in 0..6 {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        bytes[31] &= 0xbf;
        cases.push(bytes);
    }
    for bytes in cases {
        let verdict = if decompress(&bytes).is_some() { "valid" } else { "refused" };
        writeln!(out, "point\t{}\t{verdict}", hex(&bytes)).unwrap();
    }
}

fn argument(
    out: &mut String,
    commitment: &Affine,
    coefficients: &[F],
    value: &F,
    proof: &InnerProductProof,
    verdict: &str,
) {
    writeln!(out, "commitment\t{}", hex(&compress(commitment))).unwrap();
    for coefficient in coefficients {
        writeln!(out, "coefficient\t{}", hex(&encode(coefficient))).unwrap();
    }
    writeln!(out, "value\t{}", hex(&encode(value))).unwrap();
    for (left, right) in &proof.rounds {
        writeln!(out, "round\t{}\t{}", hex(&compress(left)), hex(&compress(right))).unwrap();
    }
    writeln!(out, "last\t{}", hex(&compress(&proof.last))).unwrap();
    writeln!(out, "response\t{}\nblind\t{}", hex(&encode(&proof.scalar)), hex(&encode(&proof.blind)))
        .unwrap();
    writeln!(out, "argument\t{verdict}").unwrap();
}

/// The verdict of this crate's own verifier.
fn verdict(commitment: &Affine, b: &[F], value: F, proof: &InnerProductProof) -> &'static str {
    let generators = Generators::new(b.len(), 0);
    let equation = ipa::verify(&mut HashTranscript::new("vectors"), b, value, proof).unwrap();
    let mut points = generators.columns;
    let mut scalars = equation.generators;
    points.extend([generators.value, generators.blind, *commitment, proof.last]);
    scalars.extend([equation.value, equation.blind, equation.commitment, equation.last]);
    for ((left, right), (x, y)) in proof.rounds.iter().zip(&equation.rounds) {
        points.extend([*left, *right]);
        scalars.extend([*x, *y]);
    }
    if msm(&points, &scalars).into_affine() == Affine::default() { "valid" } else { "false" }
}

fn arguments(out: &mut String, random: &mut Random) {
    for len in [1, 2, 5, 8] {
        let generators = Generators::new(len, 0);
        let bases =
            Bases { generators: &generators.columns, value: generators.value, blind: generators.blind };
        let a: Vec<F> = (0..len).map(|_| random.scalar()).collect();
        let b: Vec<F> = (0..len).map(|_| random.scalar()).collect();
        let (blind, value) = (random.scalar(), dot(&a, &b));
        let commitment = (msm(&generators.columns, &a) + generators.blind * blind).into_affine();
        let mut transcript = HashTranscript::new("vectors");
        let proof = ipa::prove(&mut transcript, &bases, a, blind, b.clone(), random).unwrap();
        let other = value + F::from(1u64);
        let mut spoilt = proof.clone();
        spoilt.scalar += F::from(1u64);
        for (value, proof, expected) in
            [(value, &proof, "valid"), (other, &proof, "false"), (value, &spoilt, "false")]
        {
            assert_eq!(verdict(&commitment, &b, value, proof), expected);
            argument(out, &commitment, &b, &value, proof, expected);
        }
    }
}

fn vectors() -> String {
    let mut out = String::new();
    let mut random = Random::new("vectors", &[1; 32], &[]);
    transcript(&mut out);
    scalars(&mut out, &mut random);
    points(&mut out, &mut random);
    arguments(&mut out, &mut random);
    out
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/second"))
}

#[test]
fn the_vectors_are_what_the_code_gives() {
    let path = folder().join("vectors.txt");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, vectors()).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    let first = expected.lines().zip(vectors().lines()).position(|(a, b)| a != b).map(|line| line + 1);
    assert!(
        expected == vectors(),
        "vectors.txt, line {first:?}: encodings, transcript or argument are not what docs/bytes.md says; \
         if the change is meant, describe it there and write the file anew with {WRITE}=1"
    );
}

/// The second verifier shares no code with this one.
#[test]
fn a_second_verifier_agrees() {
    let output =
        Command::new("python3").current_dir(folder()).args(["-B", "verify.py", "vectors.txt"]).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), "51 vectors agree");
}
