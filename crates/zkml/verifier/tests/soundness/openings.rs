//! Openings: of what a proof commits to, and of inputs that are named before they are proven.

use zkml_core::F;
use zkml_core::transcript::HashTranscript;
use zkml_prover::{ProveError, Request, prove, prove_opened, system_randomness};
use zkml_testkit::liar::Liar;
use zkml_testkit::models;
use zkml_verifier::{Opening, OpeningError, PROTOCOL, Visibility, public_input_digest, verify};

/// Values that are left out are not zeros, although the commitment is the same.
#[test]
fn a_shorter_vector_opens_nothing() {
    let mut liar = Liar::new(models::concat(1));
    for values in &mut liar.inputs {
        if let Some(last) = values.last_mut() {
            *last = 0;
        }
    }
    let (input, output) = (Visibility::Committed, Visibility::Committed);
    let request = Request { inputs: &liar.inputs, context: b"", input, output };
    let proved = prove(&liar.keys.prover, &request).unwrap();
    let statement = verify(&liar.keys.verifier, &proved.proof, b"").unwrap();
    let graph = liar.keys.prover.graph();
    let mut opening = proved.opening.unwrap();
    assert!(opening.opens(graph, &statement));
    let spoil = |change: &dyn Fn(&mut Vec<i64>, &mut Vec<F>)| {
        let mut other = Opening { key: opening.key, tensors: opening.tensors.clone() };
        if let Some((values, blinds)) = &mut other.tensors[0] {
            change(values, blinds);
        }
        other.opens(graph, &statement)
    };
    assert!(spoil(&|_, _| ()));
    assert!(!spoil(&|values, _| values.truncate(1)));
    assert!(!spoil(&|values, _| values.push(0)));
    assert!(!spoil(&|_, blinds| blinds.push(F::from(0u64))));
    assert!(!spoil(&|_, blinds| blinds.clear()));
    opening.tensors.pop();
    assert!(!opening.opens(graph, &statement));
}

/// The digests by which input and output are named follow from statement and opening alike, before
/// and after the proof.
#[test]
fn an_input_is_named_before_it_is_proven() {
    let liar = Liar::new(models::concat(1));
    let (key, graph) = (&liar.keys.prover, liar.keys.prover.graph());
    let opening =
        Opening::of_inputs(graph, key.digest(), &liar.inputs, &system_randomness().unwrap()).unwrap();
    // As it travels from the owner to the prover.
    let opening = Opening::from_bytes(&opening.to_bytes()).unwrap();
    let named = opening.input_digest(graph).unwrap();
    let request =
        |input| Request { inputs: &liar.inputs, context: b"", input, output: Visibility::Committed };
    let mut outputs = Vec::new();
    for _ in 0..2 {
        let request = request(Visibility::Committed);
        let proved = prove_opened(key, &request, &opening, &mut HashTranscript::new(PROTOCOL)).unwrap();
        let statement = verify(&liar.keys.verifier, &proved.proof, b"").unwrap();
        let (input, output) = statement.digests(graph).unwrap();
        assert_eq!(input, named);
        let returned = proved.opening.unwrap();
        assert!(returned.opens(graph, &statement));
        assert_eq!(returned.input_digest(graph).unwrap(), named);
        outputs.push(output);
    }
    // Outputs are blinded afresh.
    assert_ne!(outputs[0], outputs[1]);
    assert_ne!(outputs[0], named);
    // Left to itself, a prover blinds its inputs afresh.
    let proved = prove(key, &request(Visibility::Committed)).unwrap();
    let statement = verify(&liar.keys.verifier, &proved.proof, b"").unwrap();
    assert_ne!(statement.digests(graph).unwrap().0, named);
    // In public.
    let proved = prove(key, &request(Visibility::Public)).unwrap();
    let statement = verify(&liar.keys.verifier, &proved.proof, b"").unwrap();
    let named = public_input_digest(graph, &liar.inputs).unwrap();
    assert_eq!(statement.digests(graph).unwrap().0, named);
    let mut others = liar.inputs.clone();
    others[0][0] += 1;
    assert_ne!(public_input_digest(graph, &others).unwrap(), named);
}

/// A prover takes an opening only for what it opens.
#[test]
fn a_wrong_opening_is_refused() {
    let liar = Liar::new(models::concat(1));
    let (key, graph) = (&liar.keys.prover, liar.keys.prover.graph());
    let opening =
        Opening::of_inputs(graph, key.digest(), &liar.inputs, &system_randomness().unwrap()).unwrap();
    let attempt = |shown, change: &dyn Fn(&mut Opening)| {
        let mut other = Opening { key: opening.key, tensors: opening.tensors.clone() };
        change(&mut other);
        let request = Request { inputs: &liar.inputs, context: b"", input: shown, output: shown };
        prove_opened(key, &request, &other, &mut HashTranscript::new(PROTOCOL)).err()
    };
    let refused = |change: &dyn Fn(&mut Opening)| attempt(Visibility::Committed, change).unwrap();
    assert!(attempt(Visibility::Committed, &|_| ()).is_none());
    let public = attempt(Visibility::Public, &|_| ()).unwrap();
    assert!(matches!(public, ProveError::Opening(OpeningError::OfPublic)));
    assert!(matches!(refused(&|opening| opening.key[0] ^= 1), ProveError::Opening(OpeningError::Key)));
    let shorter = refused(&|opening| opening.tensors.truncate(1));
    assert!(matches!(shorter, ProveError::Opening(OpeningError::Count { expected: 2, got: 1 })));
    let closed = refused(&|opening| opening.tensors[1] = None);
    assert!(matches!(closed, ProveError::Opening(OpeningError::Closed { input: 1 })));
    fn part(opening: &mut Opening) -> (&mut Vec<i64>, &mut Vec<F>) {
        let (values, blinds) = opening.tensors[0].as_mut().unwrap();
        (values, blinds)
    }
    let fewer = refused(&|opening| part(opening).0.truncate(1));
    assert!(matches!(fewer, ProveError::Opening(OpeningError::Length { .. })));
    let other = refused(&|opening| part(opening).0[0] += 1);
    assert!(matches!(other, ProveError::Opening(OpeningError::Values { input: 0 })));
    let blinds = refused(&|opening| part(opening).1.push(F::from(1u64)));
    assert!(matches!(blinds, ProveError::Opening(OpeningError::Blinds { input: 0, expected: 1, got: 2 })));
}

/// An answer is named before it is proven, and a prover takes no other answer than its own.
#[test]
fn an_output_is_named_before_it_is_proven() {
    let liar = Liar::new(models::concat(1));
    let (key, graph) = (&liar.keys.prover, liar.keys.prover.graph());
    let inputs =
        Opening::of_inputs(graph, key.digest(), &liar.inputs, &system_randomness().unwrap()).unwrap();
    let outputs = zkml_engine::run(graph, key.weights(), &liar.inputs).unwrap();
    let opening = inputs.with_outputs(graph, &outputs, &system_randomness().unwrap()).unwrap();
    let opening = Opening::from_bytes(&opening.to_bytes()).unwrap();
    let named = (opening.input_digest(graph).unwrap(), opening.output_digest(graph).unwrap());
    assert_eq!(named.0, inputs.input_digest(graph).unwrap());
    let request =
        |output| Request { inputs: &liar.inputs, context: b"", input: Visibility::Committed, output };
    let shown = request(Visibility::Committed);
    let proved = prove_opened(key, &shown, &opening, &mut HashTranscript::new(PROTOCOL)).unwrap();
    let statement = verify(&liar.keys.verifier, &proved.proof, b"").unwrap();
    assert_eq!(statement.digests(graph).unwrap(), named);
    assert!(opening.opens(graph, &statement));
    // Shown outputs need no blinds.
    let shown = request(Visibility::Public);
    assert!(prove_opened(key, &shown, &opening, &mut HashTranscript::new(PROTOCOL)).is_ok());
    // Another answer has another name, and is not proven.
    let mut others = outputs.clone();
    others[0][0] += 1;
    let lie = inputs.with_outputs(graph, &others, &system_randomness().unwrap()).unwrap();
    assert_ne!(lie.output_digest(graph).unwrap(), named.1);
    let shown = request(Visibility::Committed);
    let refused = prove_opened(key, &shown, &lie, &mut HashTranscript::new(PROTOCOL)).err().unwrap();
    assert!(matches!(refused, ProveError::Opening(OpeningError::Outputs { output: 0 })));
    // What opens inputs alone names no output; outputs of other lengths are none.
    assert!(matches!(inputs.output_digest(graph), Err(OpeningError::Count { .. })));
    assert!(matches!(
        inputs.with_outputs(graph, &[], &system_randomness().unwrap()),
        Err(OpeningError::Count { .. })
    ));
    others[0].push(0);
    assert!(matches!(
        inputs.with_outputs(graph, &others, &system_randomness().unwrap()),
        Err(OpeningError::Length { .. })
    ));
}

/// The digests by which a chain names inputs and outputs, computed as docs/protocol.md says: the visibility,
/// then length and bytes of each tensor as the proof has them.
#[test]
fn a_digest_is_what_the_page_says() {
    let liar = Liar::new(models::concat(1));
    let graph = &liar.maker.graph;
    for (flag, shown) in [(0, Visibility::Committed), (1, Visibility::Public)] {
        let bytes = liar.prove(&liar.trace(|_| (), 0), shown);
        let statement = verify(&liar.keys.verifier, &bytes, b"lie").unwrap();
        // The statement's tensors follow the header, the digest and the flags.
        let mut rest = &bytes[42..];
        let mut digest = |ids: &[u32]| {
            let mut hasher = blake3::Hasher::new_derive_key("cyborg statement part v1");
            hasher.update(&[flag]);
            for id in ids {
                let tensor = &graph.tensors[*id as usize];
                let len = tensor.shape.iter().product::<u32>() as usize;
                let width = (64 - (tensor.max - tensor.min).leading_zeros()).div_ceil(8) as usize;
                let size = if flag == 0 { 32 * len.div_ceil(256) } else { width * len };
                let (part, after) = rest.split_at(size);
                rest = after;
                hasher.update(&(size as u64).to_le_bytes());
                hasher.update(part);
            }
            *hasher.finalize().as_bytes()
        };
        let expected = (digest(&graph.inputs), digest(&graph.outputs));
        assert_eq!(statement.digests(graph).unwrap(), expected);
    }
}
