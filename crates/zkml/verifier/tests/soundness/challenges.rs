//! Every challenge is used: when one is another, so is the equation that decides. A challenge that is
//! drawn and then forgotten lets a prover choose what it should not.

use zkml_core::random::Random;
use zkml_core::transcript::{Aborted, Transcript};
use zkml_testkit::liar::Liar;
use zkml_testkit::maker::Maker;
use zkml_testkit::models;
use zkml_verifier::equation::GroupEquation;
use zkml_verifier::{Proof, VerifierKey, Visibility, equation};

/// Challenges that are known before, one of which is another.
struct Altered {
    random: Random,
    drawn: Vec<&'static str>,
    other: Option<usize>,
}

impl Altered {
    fn new(other: Option<usize>) -> Self {
        Self { random: Random::new("altered challenges", &[3; 32], &[]), drawn: Vec::new(), other }
    }
}

impl Transcript for Altered {
    fn absorb(&mut self, _: &'static str, _: &[u8]) {}

    fn squeeze(&mut self, label: &'static str) -> Result<[u8; 64], Aborted> {
        let mut bytes = [0; 64];
        self.random.fill(&mut bytes);
        if self.other == Some(self.drawn.len()) {
            bytes[0] ^= 1;
        }
        self.drawn.push(label);
        Ok(bytes)
    }
}

fn same(one: &GroupEquation, two: &GroupEquation) -> bool {
    (&one.columns, &one.pads, one.blind, one.value, &one.others)
        == (&two.columns, &two.pads, two.blind, two.value, &two.others)
}

#[track_caller]
fn every_challenge_counts(equation: impl Fn(&mut Altered) -> GroupEquation) {
    let mut honest = Altered::new(None);
    let expected = equation(&mut honest);
    assert!(same(&equation(&mut Altered::new(None)), &expected));
    for (index, label) in honest.drawn.iter().enumerate() {
        let other = equation(&mut Altered::new(Some(index)));
        assert!(!same(&other, &expected), "challenge {index}, {label}, is not used");
    }
}

fn of_proofs(maker: Maker) {
    let liar = Liar::new(maker);
    let key: &VerifierKey = &liar.keys.verifier;
    for shown in [Visibility::Committed, Visibility::Public] {
        let bytes = liar.prove(&liar.trace(|_| (), 0), shown);
        let proof = Proof::from_bytes(key.graph(), key.circuit(), &bytes).unwrap();
        every_challenge_counts(|transcript| equation(key, &proof, b"lie", transcript).unwrap());
    }
}

/// Models with several tables: with one table of one column there is nothing for gamma to combine.
#[test]
fn every_challenge_of_a_proof_counts() {
    of_proofs(models::dense(1));
    of_proofs(models::attention(1));
}
