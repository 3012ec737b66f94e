//! Real proofs of a small model through the real verifier: what holds for hashes holds for them.

use crate::mock::*;
use crate::{Call, Event, Falsehood, Fault, Submission};
use cyborg_primitives::miner::Offence;
use cyborg_primitives::signed::{Authorisation, Payload, ProofContext};
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Digest, ModelId, TaskId};
use polkadot_sdk::frame_support::assert_ok;
use zkml_prover::{Keys, Request, keygen, prove};
use zkml_testkit::case::{Case, small};
use zkml_verifier::{VerifierKey, Visibility};

/// Two models of one graph, with different weights.
const MODEL: ModelId = 10;
const SISTER: ModelId = 11;
/// A task with [`MODEL`].
const TASK: TaskId = 20;
/// A task with [`MODEL`] too.
const SECOND_TASK: TaskId = 21;
/// A task with [`SISTER`].
const SISTER_TASK: TaskId = 22;

fn keys(weight: i16) -> Keys {
    let Case { graph, weights, .. } = small(weight);
    keygen(graph, weights, &mut |_| ()).unwrap()
}

/// Registers both models and their tasks; the prover's view of [`MODEL`] and [`SISTER`].
fn set_up() -> [Keys; 2] {
    let all = [keys(1), keys(-40)];
    for (id, keys) in [MODEL, SISTER].into_iter().zip(&all) {
        let key = keys.verifier.to_bytes();
        keys.verifier.check().unwrap();
        let cost = Cost { key_bytes: key.len() as u32, proof_bytes: 100_000, ..COST };
        ModelKeys::insert(id, (Some(key), cost));
    }
    for (task, model) in [(TASK, MODEL), (SECOND_TASK, MODEL), (SISTER_TASK, SISTER)] {
        TaskOf::insert(task, Task { model, ..TaskOf::get(EVERY).unwrap() });
        Funds::insert(task, FUNDS);
    }
    all
}

fn context(task: TaskId, miner: &Person, model: ModelId, number: u64) -> ProofContext {
    ProofContext { task, miner: miner.account(), model, number }
}

/// A proof, and the digest of its input.
fn prove_in(keys: &Keys, context: &ProofContext, genesis: &Digest, first: i64) -> (Vec<u8>, Digest) {
    let inputs = [(first..first + 8).collect::<Vec<i64>>()];
    let context = context.payload(genesis);
    let request = Request {
        inputs: &inputs,
        context: &context,
        input: Visibility::Public,
        output: Visibility::Committed,
    };
    let proof = prove(&keys.prover, &request).unwrap().proof;
    let key = VerifierKey::from_bytes(&keys.verifier.to_bytes()).unwrap();
    let statement = zkml_verifier::verify(&key, &proof, &context).unwrap();
    (proof, statement.digests(key.graph()).unwrap().0)
}

fn submission_of(who: &Person, task: TaskId, number: u64, input: Digest, proof: &[u8]) -> Submission {
    let authorisation = Authorisation { input, ..authorise(task, who, number) };
    let signature = owner().sign(&authorisation);
    Submission { authorisation, signature, proof: proof.to_vec().try_into().unwrap() }
}

/// Submits to a claim that covers a batch.
fn send(who: &Person, submissions: Vec<Submission>) -> Vec<Event<Test>> {
    let claim = Cost {
        field_products: 100_000,
        own_points: 10_000,
        generators: 10_000,
        key_bytes: 1_000_000,
        proof_bytes: 10_000_000,
    };
    events();
    assert_ok!(who.call(Call::submit { claim, submissions: submissions.try_into().unwrap() }));
    events()
}

fn is_false(event: &Event<Test>, expected: Falsehood) -> bool {
    matches!(event, Event::Punished { evidence, .. } if evidence.fault == Fault::FalseProof(expected))
}

#[test]
fn a_real_proof_pays_and_nothing_else_does() {
    new_test_ext().execute_with(|| {
        let [keys, sister] = set_up();
        let (miner, rival) = (miner(), rival());
        let here = context(TASK, &miner, MODEL, 1);
        let (proof, input) = prove_in(&keys, &here, &GENESIS, 0);

        // Copies and replays, each with a good authorisation for where it is submitted.
        for (who, task, number) in
            [(&rival, TASK, 1), (&miner, SECOND_TASK, 1), (&miner, SISTER_TASK, 1), (&miner, TASK, 2)]
        {
            let found = send(who, vec![submission_of(who, task, number, input, &proof)]);
            assert!(is_false(&found[0], Falsehood::Proof), "{found:?}");
            assert_eq!(punished(), [(who.id(), Offence::FalseProof)]);
        }
        // Proofs made for another model, chain or input.
        let of_sister = prove_in(&sister, &here, &GENESIS, 0).0;
        let for_sister = prove_in(&keys, &context(TASK, &miner, SISTER, 1), &GENESIS, 0).0;
        let elsewhere = prove_in(&keys, &here, &[8; 32], 0).0;
        let other_input = prove_in(&keys, &here, &GENESIS, 1).0;
        for (bytes, expected) in [
            (of_sister, Falsehood::Proof),
            (for_sister, Falsehood::Proof),
            (elsewhere, Falsehood::Proof),
            (other_input, Falsehood::Input),
        ] {
            let found = send(&miner, vec![submission_of(&miner, TASK, 1, input, &bytes)]);
            assert!(is_false(&found[0], expected), "{found:?}");
            assert_eq!(punished(), [(miner.id(), Offence::FalseProof)]);
        }
        assert_eq!(Payments::iter().count(), 0);

        let found = send(&miner, vec![submission_of(&miner, TASK, 1, input, &proof)]);
        assert!(matches!(found[0], Event::Verified { paid: Some(13), .. }), "{found:?}");
        // A replay is no offence, and pays nothing.
        let found = send(&miner, vec![submission_of(&miner, TASK, 1, input, &proof)]);
        assert!(matches!(found[0], Event::Refused { .. }), "{found:?}");
        assert_eq!(Payments::get(TASK, miner.id()), (13, vec![1]));
        assert_eq!(punished(), []);
    });
}

#[test]
fn cut_and_flipped_proofs_are_false() {
    new_test_ext().execute_with(|| {
        let [keys, _] = set_up();
        let miner = miner();
        let (proof, input) = prove_in(&keys, &context(TASK, &miner, MODEL, 1), &GENESIS, 0);
        let is_false = |bytes: &[u8]| {
            let found = send(&miner, vec![submission_of(&miner, TASK, 1, input, bytes)]);
            assert!(is_false(&found[0], Falsehood::Proof), "{found:?}");
            assert_eq!(punished().len(), 1);
        };
        // Undecodable ones of every length; and one that is longer.
        for length in 0..proof.len() {
            is_false(&proof[..length]);
        }
        is_false(&[&proof[..], &[0]].concat());
        // Every byte has its turn over a few runs of the suite's life: the step is coprime to any
        // field's width.
        for position in (0..proof.len()).step_by(37) {
            let mut flipped = proof.clone();
            flipped[position] ^= 1 << (position % 8);
            let found = send(&miner, vec![submission_of(&miner, TASK, 1, input, &flipped)]);
            assert!(matches!(found[0], Event::Punished { .. }), "byte {position}: {found:?}");
        }
        assert_eq!(Payments::iter().count(), 0);
    });
}

#[test]
fn a_false_one_among_real_ones_is_named() {
    new_test_ext().execute_with(|| {
        let [keys, _] = set_up();
        let miner = miner();
        let mut batch: Vec<Submission> = (1..=5)
            .map(|number| {
                let here = context(TASK, &miner, MODEL, number);
                let (proof, input) = prove_in(&keys, &here, &GENESIS, number as i64);
                submission_of(&miner, TASK, number, input, &proof)
            })
            .collect();
        let proof = batch[3].proof.clone();
        batch[2].proof = proof;
        let found = send(&miner, batch);
        for (event, number) in found.iter().zip(1..) {
            match event {
                Event::Verified { number: verified, paid: Some(13), .. } => assert_eq!(*verified, number),
                Event::Punished { evidence, .. } => assert_eq!((evidence.number, number), (3, 3)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(found.len(), 5);
        assert_eq!(punished(), [(miner.id(), Offence::FalseProof)]);
    });
}
