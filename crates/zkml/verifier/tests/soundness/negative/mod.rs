//! The mistakes that other systems made, one test or more for each, numbered as in the design:
//! each of the first fourteen was made by a real system.

mod claims;
mod relations;

use zkml_core::msm::Native;
use zkml_testkit::liar::Liar;
use zkml_testkit::recorder::Recorder;
use zkml_verifier::{Proof, Visibility, equation};

/// Bytes before a proof's digest, and before its statement's flags.
pub(crate) const DIGEST: usize = 8;
pub(crate) const FLAGS: usize = 40;

pub(crate) fn honest(liar: &Liar, shown: Visibility) -> Vec<u8> {
    liar.prove(&liar.trace(|_| (), 0), shown)
}

pub(crate) fn decoded(liar: &Liar, bytes: &[u8]) -> Proof {
    Proof::from_bytes(&liar.maker.graph, liar.circuit(), bytes).unwrap()
}

/// Whether a proof's equation holds, and what its transcript saw.
pub(crate) fn recorded(liar: &Liar, proof: &Proof, context: &[u8]) -> (bool, Recorder) {
    let mut recorder = Recorder::default();
    let equation = equation(&liar.keys.verifier, proof, context, &mut recorder);
    (equation.is_ok_and(|equation| equation.holds(&Native)), recorder)
}

pub(crate) fn first_challenge(liar: &Liar, proof: &Proof, context: &[u8]) -> Vec<u8> {
    recorded(liar, proof, context).1.challenges()[0].to_vec()
}
