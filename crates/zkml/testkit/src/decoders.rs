//! Every decoder of untrusted bytes, as a function that must return on whatever it is given.
//!
//! The fuzz targets and the short run in the test command call the same functions. Beyond not
//! panicking: what is accepted has exactly one encoding, and no proof is accepted but those that
//! were made.

use std::sync::LazyLock;

use zkml_compile::inspect;
use zkml_float::Model;
use zkml_graph::codec::{decode_graph, decode_model, encode_graph, encode_model};
use zkml_prover::ProverKey;
use zkml_samples::Samples;
use zkml_verifier::circuit::Circuit;
use zkml_verifier::{Opening, VerifierKey, verify};

/// A decoder of untrusted bytes.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    /// Name of the fuzz target.
    pub name: &'static str,
    /// Folder of its seeds, below the repository's root.
    pub seeds: &'static str,
    /// Extension of the seeds' names; empty for any.
    pub extension: &'static str,
    /// Decodes, and uses what was decoded; true if the bytes were accepted.
    pub decode: fn(&[u8]) -> bool,
}

const fn own(name: &'static str, seeds: &'static str, decode: fn(&[u8]) -> bool) -> Decoder {
    Decoder { name, seeds, extension: "", decode }
}

/// All of them. `cargo run --release -p zkml-testkit --example seeds` makes the seeds of our own
/// formats; the float crate's fixtures are seeds as they are.
pub const DECODERS: &[Decoder] = &[
    own("samples", "fuzz/seeds/samples", samples),
    Decoder { name: "onnx", seeds: "crates/zkml/float/tests/fixtures", extension: "onnx", decode: onnx },
    own("graph", "fuzz/seeds/graph", graph),
    own("model", "fuzz/seeds/model", model),
    own("prover_key", "fuzz/seeds/prover_key", prover_key),
    own("verifier_key", "fuzz/seeds/verifier_key", verifier_key),
    own("proof", "fuzz/seeds/proof", proof),
    own("opening", "fuzz/seeds/opening", opening),
];

/// Context of the proofs among the seeds.
pub const CONTEXT: &[u8] = b"seed";

/// The decoder of a name.
#[must_use]
pub fn decoder(name: &str) -> Option<Decoder> {
    DECODERS.iter().copied().find(|decoder| decoder.name == name)
}

/// `.npz` and `.json` samples.
#[must_use]
pub fn samples(bytes: &[u8]) -> bool {
    let Ok(samples) = Samples::from_bytes("fuzz", bytes) else {
        return false;
    };
    for name in samples.names() {
        let size = samples.array(name).map_or(0, |array| array.len());
        // Whatever was accepted can be asked for anything.
        let names = [name.to_owned()];
        let _ = samples.count(&names, &[size]);
        let _ = samples.inputs_for(&names, &[1], size);
        let _ = samples.outputs_for(&names, &[size], 0);
    }
    let _ = samples.labels_for(0);
    true
}

/// ONNX models, read and inspected: shapes, a run on made-up inputs, and what of it is provable.
#[must_use]
pub fn onnx(bytes: &[u8]) -> bool {
    let Ok(model) = Model::read(bytes) else {
        return false;
    };
    let _ = inspect(&model);
    true
}

/// Integer graphs, and their circuits if they can be proven.
///
/// # Panics
/// Panics if a graph has two encodings: a defect.
#[must_use]
pub fn graph(bytes: &[u8]) -> bool {
    let Ok(graph) = decode_graph(bytes) else {
        return false;
    };
    assert_eq!(encode_graph(&graph), bytes, "not canonical");
    if let Ok(circuit) = Circuit::new(&graph) {
        let _ = (circuit.hidden_count(), circuit.statement_lens());
        let _ = Circuit::for_key(&circuit, graph.weight_bits);
    }
    true
}

/// Integer models.
///
/// # Panics
/// Panics if a model has two encodings: a defect.
#[must_use]
pub fn model(bytes: &[u8]) -> bool {
    let Ok((graph, weights)) = decode_model(bytes) else {
        return false;
    };
    let again = encode_model(&graph, &weights);
    assert_eq!(again.as_deref(), Ok(bytes), "not canonical");
    true
}

/// Provers' keys.
///
/// # Panics
/// Panics if a key has two encodings: a defect.
#[must_use]
pub fn prover_key(bytes: &[u8]) -> bool {
    let Ok(key) = ProverKey::from_bytes(bytes) else {
        return false;
    };
    let same = key.to_bytes().is_ok_and(|again| again[..] == *bytes);
    assert!(same, "not canonical");
    true
}

/// Verifiers' keys, with their proof about themselves.
///
/// # Panics
/// Panics if a key has two encodings: a defect.
#[must_use]
pub fn verifier_key(bytes: &[u8]) -> bool {
    let Ok(key) = VerifierKey::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(key.to_bytes(), bytes, "not canonical");
    // What nobody would be ready to pay for.
    key.cost().field_products < 1 << 24 && key.check().is_ok()
}

/// The key that [`proof`] verifies under, among the seeds of [`verifier_key`].
static KEY: LazyLock<Option<VerifierKey>> = LazyLock::new(|| {
    VerifierKey::from_bytes(include_bytes!("../../../../fuzz/seeds/verifier_key/dense.key")).ok()
});

/// The proofs among the seeds.
const PROOFS: [&[u8]; 2] = [
    include_bytes!("../../../../fuzz/seeds/proof/committed.proof"),
    include_bytes!("../../../../fuzz/seeds/proof/public.proof"),
];

/// Proofs, under one key.
///
/// # Panics
/// Panics if a proof is accepted that nobody made: a defect.
#[must_use]
pub fn proof(bytes: &[u8]) -> bool {
    let Some(key) = &*KEY else {
        return false;
    };
    let accepted = verify(key, bytes, CONTEXT).is_ok();
    assert!(!accepted || PROOFS.contains(&bytes), "a proof that nobody made is accepted");
    accepted
}

/// Openings of commitments.
///
/// # Panics
/// Where an opening has two encodings: a defect.
#[must_use]
pub fn opening(bytes: &[u8]) -> bool {
    let Ok(opening) = Opening::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(opening.to_bytes()[..], *bytes, "not canonical");
    true
}
