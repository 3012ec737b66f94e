//! The whitepaper's Figure 1 as a program: a prover knows `w1` and `w2` with
//! `10 = (w1 + w2)(w2 + 1)` and convinces a live verifier over TCP, without showing them.
//!
//! `cargo run -p zkml-core --example figure1` prints the run that `docs/figure-1.md` explains.
//! The pieces are those of the proofs of whole models: hidden scalars under committed one-time
//! pads, a product checked at a random point, linear constraints collapsed to one inner product
//! with the pads; that one is proven here by Algorithm 1, since the vector is short.
//!
//! Randomness is fixed here, so that the numbers are the same in every run. A real prover and a
//! real verifier draw theirs from the system.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use ark_ec::CurveGroup;
use ark_ff::{Field, Zero};
use zkml_core::field::{decode, encode, from_uniform};
use zkml_core::group::{Generators, compress, decompress};
use zkml_core::ledger::{Form, Ledger};
use zkml_core::opening::{OpeningProof, OpeningStatement, OpeningWitness};
use zkml_core::random::Random;
use zkml_core::transcript::{Aborted, LiveTranscript, Transcript};
use zkml_core::{Affine, F, labels, msm};

const PROTOCOL: &str = "figure 1";
/// What is proven, absorbed before anything else.
const STATEMENT: &[u8] = b"10 = (w1 + w2)(w2 + 1)";
/// Hidden scalars: `w1`, `w2`, the masks `l`, `r`, and the coefficients `m1`, `m2`.
const HIDDEN: usize = 6;
/// Hidden scalars that are sent under their pads; `l` and `r` are their own negated pads.
const SENT: usize = 4;
/// Bytes of a proof: three points, and the scalars.
const PROOF_BYTES: usize = 32 * (3 + SENT + 2 + HIDDEN + 2);
/// Challenges: `rho`, `lambda` and Algorithm 1's `e`.
const CHALLENGES: usize = 3;
/// Stands for the system's randomness.
const PROVER_SEED: [u8; 32] = [1; 32];

/// Everything that the prover says, in this order.
#[derive(Clone)]
struct Proof {
    /// `c_S = <pads, G> + r_S H`: the safe box.
    pads: Affine,
    /// `w1`, `w2`, `m1`, `m2`, each plus its pad.
    sent: [F; SENT],
    /// `a = w1 + w2 + rho l` and `b = w2 + 1 + rho r`.
    factors: [F; 2],
    /// Algorithm 1: the pads satisfy what the challenges made of the constraints.
    opening: OpeningProof,
}

/// The linear constraints at `rho`, once for both parties.
///
/// `(w1 + w2 + rho l)(w2 + 1 + rho r) = 10 + rho m1 + rho^2 m2` holds at a random `rho` only if
/// it holds as polynomials, and their constant terms are Figure 1's circuit.
fn constraints(sent: &[F; SENT], rho: F, [a, b]: [F; 2]) -> Ledger {
    let mut ledger = Ledger::default();
    let w1 = ledger.push(sent[0]);
    let w2 = ledger.push(sent[1]);
    let l = ledger.private();
    let r = ledger.private();
    let m1 = ledger.push(sent[2]);
    let m2 = ledger.push(sent[3]);
    let constant = |value: F| Form::constant(value);
    ledger.require_zero(w1.plus(&w2, F::ONE).plus(&l, rho).plus(&constant(a), -F::ONE));
    ledger.require_zero(w2.plus(&r, rho).plus(&constant(F::ONE - b), F::ONE));
    let ten = constant(F::from(10u64) - a * b);
    ledger.require_zero(ten.plus(&m1, rho).plus(&m2, rho * rho));
    ledger
}

/// The commitments of Algorithm 1: `c_S`, and `c_t` to a `t` that both know, without a blind.
fn opening(pads: Affine, coefficients: Vec<F>, t: F, generators: &Generators) -> OpeningStatement {
    OpeningStatement { vector: pads, value: (generators.value * t).into_affine(), coefficients }
}

fn absorb_first(transcript: &mut impl Transcript, pads: &Affine, sent: &[F; SENT]) {
    transcript.absorb(labels::STATEMENT, STATEMENT);
    transcript.absorb(labels::PADS, &compress(pads));
    for scalar in sent {
        transcript.absorb(labels::HIDDEN, &encode(scalar));
    }
}

fn absorb_factors(transcript: &mut impl Transcript, factors: &[F; 2]) {
    for factor in factors {
        transcript.absorb(labels::REVEALED, &encode(factor));
    }
}

/// The prover. Nothing is tested: who does not know `w1` and `w2` gets a proof that is false.
fn prove([w1, w2]: [F; 2], transcript: &mut impl Transcript, random: &mut Random) -> Result<Proof, Aborted> {
    let generators = Generators::new(HIDDEN, 0);
    let pads: Vec<F> = (0..HIDDEN).map(|_| random.scalar()).collect();
    let blind = random.scalar();
    let safe_box = (msm::msm(&generators.columns, &pads) + generators.blind * blind).into_affine();

    let (l, r) = (-pads[2], -pads[3]);
    let m1 = (w1 + w2) * r + (w2 + F::ONE) * l;
    let m2 = l * r;
    let sent = [w1 + pads[0], w2 + pads[1], m1 + pads[4], m2 + pads[5]];
    absorb_first(transcript, &safe_box, &sent);
    let rho = transcript.challenge(labels::PRODUCTS)?;

    let factors = [w1 + w2 + rho * l, w2 + F::ONE + rho * r];
    absorb_factors(transcript, &factors);
    let lambda = transcript.challenge(labels::CONSTRAINTS)?;

    let (coefficients, t) = constraints(&sent, rho, factors).combine(&lambda);
    let witness = OpeningWitness { vector: pads, vector_blind: blind, value_blind: F::zero() };
    let opening = opening(safe_box, coefficients, t, &generators);
    Ok(Proof {
        pads: safe_box,
        sent,
        factors,
        opening: opening.prove(transcript, &generators, &witness, random)?,
    })
}

/// The verifier: whether the proof holds.
fn verify(proof: &Proof, transcript: &mut impl Transcript) -> Result<bool, Aborted> {
    let generators = Generators::new(HIDDEN, 0);
    absorb_first(transcript, &proof.pads, &proof.sent);
    let rho = transcript.challenge(labels::PRODUCTS)?;
    absorb_factors(transcript, &proof.factors);
    let lambda = transcript.challenge(labels::CONSTRAINTS)?;
    let (coefficients, t) = constraints(&proof.sent, rho, proof.factors).combine(&lambda);
    let opening = opening(proof.pads, coefficients, t, &generators);
    opening.verify(transcript, &generators, &proof.opening)
}

impl Proof {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { pads, sent, factors, opening } = self;
        let points = [pads, &opening.mask, &opening.mask_value];
        let mut bytes: Vec<u8> = points.into_iter().flat_map(compress).collect();
        let scalars = sent.iter().chain(factors).chain(&opening.vector);
        let blinds = [&opening.vector_blind, &opening.value_blind];
        bytes.extend(scalars.chain(blinds).flat_map(encode));
        bytes
    }

    fn from_bytes(bytes: &[u8; PROOF_BYTES]) -> Option<Self> {
        let mut words = bytes.chunks_exact(32).filter_map(|word| word.try_into().ok());
        let mut point = || decompress(&words.next()?);
        let [pads, mask, mask_value] = [point()?, point()?, point()?];
        let scalars: Option<Vec<F>> = words.map(|word| decode(&word)).collect();
        let scalars = scalars?;
        let (sent, rest) = scalars.split_first_chunk()?;
        let (factors, rest) = rest.split_first_chunk()?;
        let (vector, blinds) = rest.split_at_checked(HIDDEN)?;
        Some(Self {
            pads,
            sent: *sent,
            factors: *factors,
            opening: OpeningProof {
                mask,
                mask_value,
                vector: vector.to_vec(),
                vector_blind: *blinds.first()?,
                value_blind: *blinds.get(1)?,
            },
        })
    }
}

/// The prover's end of the connection: a digest of all that it has said goes out before every
/// challenge, the verifier's nonce comes back; what was said follows at the end.
fn connect(mut stream: &TcpStream, witness: [F; 2], random: &mut Random) -> Result<Proof, Aborted> {
    let mut transcript = LiveTranscript::new(PROTOCOL, |digest: [u8; 32]| {
        let mut nonce = [0; 32];
        stream.write_all(&digest).map_err(|_| Aborted)?;
        stream.read_exact(&mut nonce).map_err(|_| Aborted)?;
        Ok(nonce)
    });
    let proof = prove(witness, &mut transcript, random)?;
    stream.write_all(&proof.to_bytes()).map_err(|_| Aborted)?;
    Ok(proof)
}

/// The verifier's end: a nonce is drawn when the digest that it is for has arrived. At the end
/// the proof must lead to the same digests, so that it is what the prover had said by then.
fn listen(mut stream: TcpStream, mut nonce: impl FnMut() -> [u8; 32]) -> io::Result<bool> {
    let mut drawn = Vec::new();
    for _ in 0..CHALLENGES {
        let mut digest = [0; 32];
        stream.read_exact(&mut digest)?;
        drawn.push((digest, nonce()));
        stream.write_all(&drawn[drawn.len() - 1].1)?;
    }
    let mut bytes = [0; PROOF_BYTES];
    stream.read_exact(&mut bytes)?;
    let Some(proof) = Proof::from_bytes(&bytes) else {
        return Ok(false);
    };
    let mut drawn = drawn.into_iter();
    let mut transcript = LiveTranscript::new(PROTOCOL, |digest| match drawn.next() {
        Some((said, nonce)) if said == digest => Ok(nonce),
        _ => Err(Aborted),
    });
    Ok(verify(&proof, &mut transcript) == Ok(true))
}

/// A proof over loopback, with the verifier in a thread of its own; what was said, and whether the
/// verifier is convinced.
fn run(witness: [u64; 2]) -> Result<(Proof, bool), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::scope(|scope| {
        let verifier = scope.spawn(move || {
            let (stream, _) = listener.accept()?;
            let mut count = 0;
            listen(stream, || {
                count += 1;
                [count; 32]
            })
        });
        let stream = TcpStream::connect(address)?;
        let mut random = Random::new(PROTOCOL, &PROVER_SEED, &[]);
        let proof = connect(&stream, witness.map(F::from), &mut random)?;
        let verdict = verifier.join().map_err(|_| "the verifier panicked")??;
        Ok((proof, verdict))
    })
}

/// Remembers the challenges that were drawn.
struct Overheard<T> {
    inner: T,
    challenges: Vec<F>,
}

impl<T: Transcript> Transcript for Overheard<T> {
    fn absorb(&mut self, label: &'static str, data: &[u8]) {
        self.inner.absorb(label, data);
    }

    fn squeeze(&mut self, label: &'static str) -> Result<[u8; 64], Aborted> {
        let bytes = self.inner.squeeze(label)?;
        self.challenges.push(from_uniform(&bytes));
        Ok(bytes)
    }
}

/// The conversation as `docs/figure-1.md` shows it: numbers in hexadecimal, points compressed.
fn conversation() -> Result<String, Box<dyn Error + Send + Sync>> {
    let (proof, verdict) = run([4, 1])?;
    let mut count = 0;
    let mut transcript = Overheard {
        inner: LiveTranscript::new(PROTOCOL, |_| {
            count += 1;
            Ok([count; 32])
        }),
        challenges: Vec::new(),
    };
    verify(&proof, &mut transcript)?;
    let [rho, lambda, e] = transcript.challenges[..] else {
        return Err("another number of challenges".into());
    };
    let (y, t) = constraints(&proof.sent, rho, proof.factors).combine(&lambda);

    // Bytes are little endian; numbers are read the other way.
    let scalar = |value: &F| hex(encode(value).into_iter().rev());
    let point = |value: &Affine| hex(compress(value));
    let numbered = |from, name: &str, values: &[F]| -> Vec<(char, String, String)> {
        let values = values.iter().enumerate();
        let line = |(index, value)| (from, format!("{name}_{}", index + 1), scalar(value));
        values.map(line).collect()
    };
    let one = |from, name: &str, value| vec![(from, name.to_owned(), value)];
    let [w1, w2, m1, m2] = &proof.sent;
    let [a, b] = &proof.factors;
    let opening = &proof.opening;
    let verdict = if verdict { "valid" } else { "false" };
    // What stays with the prover: the same randomness gives the same secrets.
    let mut random = Random::new(PROTOCOL, &PROVER_SEED, &[]);
    let pads: Vec<F> = (0..HIDDEN).map(|_| random.scalar()).collect();
    let lines = [
        one('*', "w1", scalar(&(*w1 - pads[0]))),
        one('*', "w2", scalar(&(*w2 - pads[1]))),
        numbered('*', "p", &pads),
        one('*', "r_S", scalar(&random.scalar())),
        one('P', "c_S", point(&proof.pads)),
        one('P', "w1 + p_1", scalar(w1)),
        one('P', "w2 + p_2", scalar(w2)),
        one('P', "m1 + p_5", scalar(m1)),
        one('P', "m2 + p_6", scalar(m2)),
        one('V', "rho", scalar(&rho)),
        one('P', "a", scalar(a)),
        one('P', "b", scalar(b)),
        one('V', "lambda", scalar(&lambda)),
        numbered('=', "y", &y),
        one('=', "t", scalar(&t)),
        one('P', "c_D", point(&opening.mask)),
        one('P', "c_<D,y>", point(&opening.mask_value)),
        one('V', "e", scalar(&e)),
        numbered('P', "S'", &opening.vector),
        one('P', "r_S'", scalar(&opening.vector_blind)),
        one('P', "r_t'", scalar(&opening.value_blind)),
        one('V', "verdict", verdict.to_owned()),
    ];
    let line = |(from, name, value): &(char, String, String)| format!("{from}  {name:<9} {value}\n");
    Ok(lines.iter().flatten().map(line).collect())
}

fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02x}")).collect()
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    Ok(io::stdout().write_all(conversation()?.as_bytes())?)
}

#[cfg(test)]
#[path = "figure1/tests.rs"]
mod tests;
