//! Every field of a proof and of a key changed, exchanged, cut and extended: never accepted,
//! never a panic; and the decoders on random bytes.

use ark_ff::PrimeField;
use rayon::prelude::*;
use zkml_core::F;
use zkml_core::group::Fq;
use zkml_prover::ProverKey;
use zkml_testkit::dice::Dice;
use zkml_testkit::liar::Liar;
use zkml_testkit::maker::Maker;
use zkml_testkit::models;
use zkml_verifier::proof::{Body, Proof};
use zkml_verifier::{Opening, VerifierKey, VerifyError, Visibility, verify};

/// Bytes before a proof's commitments or values: header, digest, flags.
const HEAD: usize = 42;

/// A model with all kinds of fields and few of each.
fn small() -> Maker {
    let mut maker = Maker::new(1, &[3], -8, 7);
    let terms = maker.dense(0, 2);
    let output = maker.rescale(&[2], terms, 6);
    maker.graph.outputs = vec![output];
    maker
}

fn proofs(liar: &Liar) -> [Vec<u8>; 2] {
    let trace = liar.trace(|_| (), 0);
    [Visibility::Committed, Visibility::Public].map(|shown| liar.prove(&trace, shown))
}

fn modulus<P: PrimeField>() -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_mut(8).zip(P::MODULUS.as_ref()) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    bytes
}

/// Every change of the word that starts at `at`; the next word is the neighbour.
fn changes(bytes: &[u8], at: usize) -> Vec<Vec<u8>> {
    let word: [u8; 32] = bytes[at..at + 32].try_into().unwrap();
    let flipped = |byte: usize, bit: u8| {
        let mut word = word;
        word[byte] ^= 1 << bit;
        word
    };
    let words =
        [flipped(0, 0), flipped(15, 3), flipped(31, 7), [0; 32], [0xff; 32], modulus::<F>(), modulus::<Fq>()];
    let mut changed: Vec<Vec<u8>> = words
        .iter()
        .map(|word| {
            let mut bytes = bytes.to_vec();
            bytes[at..at + 32].copy_from_slice(word);
            bytes
        })
        .collect();
    if at + 64 <= bytes.len() {
        let mut swapped = bytes.to_vec();
        swapped[at..at + 64].rotate_left(32);
        changed.push(swapped);
    }
    changed.retain(|changed| changed != bytes);
    changed
}

#[test]
fn every_word_of_a_proof_changed() {
    let liar = Liar::new(small());
    for bytes in proofs(&liar) {
        assert!(verify(&liar.keys.verifier, &bytes, b"lie").is_ok());
        let body = bytes.len() - Body::size(liar.circuit());
        // The statement byte by byte; the body word by word, where the statement is committed.
        let committed = bytes[HEAD - 2..HEAD] == [0, 0];
        let step = if committed { 32 } else { 32 * 7 };
        let words: Vec<usize> = (HEAD..body).chain((body..bytes.len()).step_by(step)).collect();
        words.par_iter().for_each(|at| {
            if at + 32 > bytes.len() {
                return;
            }
            for changed in changes(&bytes, *at) {
                let verdict = verify(&liar.keys.verifier, &changed, b"lie");
                assert!(verdict.is_err(), "{at}");
            }
        });
        let head: Vec<usize> = (0..HEAD).collect();
        head.par_iter().for_each(|at| {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[*at] ^= 1 << bit;
                let verdict = verify(&liar.keys.verifier, &changed, b"lie");
                assert!(verdict.is_err(), "{at}");
            }
        });
    }
}

#[test]
fn every_word_of_a_proof_deleted_or_doubled_and_every_cut() {
    let liar = Liar::new(small());
    let format = |bytes: &[u8], at: usize| {
        let verdict = verify(&liar.keys.verifier, bytes, b"lie");
        assert!(matches!(verdict, Err(VerifyError::Format(_))), "{at}");
    };
    for bytes in proofs(&liar) {
        for at in (HEAD..bytes.len() - 32).step_by(32) {
            format(&[&bytes[..at], &bytes[at + 32..]].concat(), at);
            format(&[&bytes[..at + 32], &bytes[at..]].concat(), at);
            format(&bytes[..at], at);
            format(&bytes[..at + 31], at);
        }
        (0..HEAD).for_each(|at| format(&bytes[..at], at));
        format(&[&bytes[..], &[0]].concat(), bytes.len());
        format(&[&bytes[..], &[0; 32]].concat(), bytes.len());
        format(&bytes[..bytes.len() - 1], bytes.len());
    }
}

/// A changed key is unreadable, or another key whose own proof is false.
fn refused(bytes: &[u8], digest: [u8; 32], what: usize) {
    if let Ok(key) = VerifierKey::from_bytes(bytes) {
        assert_eq!(key.check(), Err(VerifyError::Equation), "{what}");
        let of_proof_only = key.digest() == digest;
        let proof = bytes.len() - key_body(&key);
        assert_eq!(of_proof_only, what >= proof, "{what}");
    }
}

fn key_body(key: &VerifierKey) -> usize {
    let mut bytes = Vec::new();
    key.proof().write(&mut bytes);
    bytes.len()
}

#[test]
fn every_word_of_a_key_changed() {
    let liar = Liar::new(small());
    let key = &liar.keys.verifier;
    let (bytes, digest) = (key.to_bytes(), key.digest());
    assert!(key.check().is_ok());
    let proof = bytes.len() - key_body(key);
    let points = proof - 64 * key.rows().len();
    let words: Vec<usize> = (points..bytes.len()).step_by(32).collect();
    words.par_iter().for_each(|at| {
        for changed in changes(&bytes, *at) {
            if changed[..proof] != bytes[..proof] && changed[proof..] != bytes[proof..] {
                // The last commitment and the first word of the proof exchanged.
                assert!(VerifierKey::from_bytes(&changed).is_err());
                continue;
            }
            refused(&changed, digest, *at);
        }
    });
    // The graph, byte by byte.
    let graph: Vec<usize> = (0..points).collect();
    graph.par_iter().for_each(|at| {
        for bit in [0, 3, 7] {
            let mut changed = bytes.clone();
            changed[*at] ^= 1 << bit;
            refused(&changed, digest, *at);
        }
    });
    for at in (0..points).chain((points..bytes.len()).step_by(32)) {
        assert!(VerifierKey::from_bytes(&bytes[..at]).is_err(), "{at}");
    }
    assert!(VerifierKey::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
}

/// Two commitments of a key exchanged: the weights of two rows.
#[test]
fn rows_of_a_key_exchanged() {
    let liar = Liar::new(zkml_testkit::widths::large(1));
    let key = &liar.keys.verifier;
    let bytes = key.to_bytes();
    let points = bytes.len() - key_body(key) - 64 * key.rows().len();
    let mut changed = bytes.clone();
    changed[points..points + 128].rotate_left(64);
    refused(&changed, key.digest(), points);
}

struct Hostile {
    dice: Dice,
}

impl Hostile {
    fn byte(&mut self) -> u8 {
        self.dice.roll(0, 255) as u8
    }

    fn below(&mut self, len: usize) -> usize {
        self.dice.roll(0, len as i64 - 1) as usize
    }

    /// Random bytes, or honest ones with a few changes.
    fn bytes(&mut self, honest: &[u8]) -> Vec<u8> {
        let mut bytes = match self.below(4) {
            0 => {
                let len = self.below(400);
                let random = (0..len).map(|_| self.byte()).collect::<Vec<u8>>();
                let head = self.below(HEAD);
                [&honest[..head], &random].concat()
            }
            _ => honest.to_vec(),
        };
        for _ in 0..self.below(4) {
            if bytes.is_empty() {
                break;
            }
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes[at] = self.byte(),
                1 => bytes.truncate(at),
                2 => bytes.insert(at, 0xff),
                3 => {
                    let len = self.below(40).min(bytes.len() - at);
                    bytes.drain(at..at + len);
                }
                _ => {
                    let from = self.below(bytes.len());
                    let len = self.below(65).min(bytes.len() - at.max(from));
                    bytes.copy_within(from..from + len, at);
                }
            }
        }
        bytes
    }
}

#[test]
fn decoders_on_random_bytes() {
    let liar = Liar::new(models::concat(1));
    let mut hostile = Hostile { dice: Dice::new(17) };
    let key = &liar.keys.verifier;
    let honest = proofs(&liar);
    let key_bytes = key.to_bytes();
    let secret = liar.keys.prover.to_bytes().unwrap();
    let opening = {
        let request = zkml_prover::Request {
            inputs: &liar.inputs,
            context: b"lie",
            input: Visibility::Committed,
            output: Visibility::Committed,
        };
        let proved = zkml_prover::prove(&liar.keys.prover, &request).unwrap();
        proved.opening.unwrap().to_bytes()
    };
    for round in 0..1500 {
        let shown = &honest[round % 2];
        let bytes = hostile.bytes(shown);
        if bytes != *shown {
            assert!(verify(key, &bytes, b"lie").is_err());
        }
        let bytes = hostile.bytes(&key_bytes);
        if let Ok(other) = VerifierKey::from_bytes(&bytes) {
            assert!(bytes == key_bytes || other.check().is_err());
        }
        // Secret files have no proof; whatever they hold, reading them does not panic.
        if let Ok(other) = ProverKey::from_bytes(&hostile.bytes(&secret)) {
            assert!(other.to_bytes().is_ok());
        }
        if let Ok(other) = Opening::from_bytes(&hostile.bytes(&opening)) {
            let statement = Proof::from_bytes(&liar.maker.graph, liar.circuit(), &honest[0]);
            assert!(!other.opens(&liar.maker.graph, &statement.unwrap().statement));
        }
    }
}
