//! Figure 1's proof convinces, fails where it must, hides what it must; the page shows this run.

use super::*;
use zkml_core::field;
use zkml_core::transcript::HashTranscript;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// The same proof without a verifier: Fiat and Shamir's challenges.
fn prove_alone(witness: [u64; 2]) -> Result<Proof, Aborted> {
    let mut random = Random::new(PROTOCOL, &[2; 32], &[]);
    let mut transcript = HashTranscript::new(PROTOCOL);
    prove(witness.map(F::from), &mut transcript, &mut random)
}

fn verify_alone(proof: &Proof) -> bool {
    verify(proof, &mut HashTranscript::new(PROTOCOL)) == Ok(true)
}

#[test]
fn a_live_verifier_is_convinced_by_every_solution() -> Outcome {
    for witness in [[4, 1], [10, 0]] {
        assert!(run(witness)?.1, "{witness:?}");
        assert!(verify_alone(&prove_alone(witness)?), "{witness:?}");
    }
    Ok(())
}

#[test]
fn what_is_no_solution_is_refused() -> Outcome {
    for witness in [[4, 2], [1, 4], [0, 0], [9, 0]] {
        assert!(!run(witness)?.1, "{witness:?}");
        assert!(!verify_alone(&prove_alone(witness)?), "{witness:?}");
    }
    Ok(())
}

#[test]
fn every_word_of_a_proof_counts() -> Outcome {
    let bytes: [u8; PROOF_BYTES] = prove_alone([4, 1])?.to_bytes().try_into().map_err(|_| "another size")?;
    let accepted =
        |bytes: &[u8; PROOF_BYTES]| Proof::from_bytes(bytes).is_some_and(|proof| verify_alone(&proof));
    assert!(accepted(&bytes));
    for word in 0..PROOF_BYTES / 32 {
        for byte in [0, 31] {
            let mut altered = bytes;
            altered[32 * word + byte] ^= 1;
            assert!(!accepted(&altered), "word {word}");
        }
    }
    Ok(())
}

/// A live proof convinces only the verifier that drew the nonces, and one made alone convinces no
/// live verifier.
#[test]
fn proofs_are_tied_to_their_nonces() -> Outcome {
    assert!(!verify_alone(&run([4, 1])?.0));
    let proof = prove_alone([4, 1])?;
    let mut drawn = LiveTranscript::new(PROTOCOL, |_| Ok([1; 32]));
    assert_eq!(verify(&proof, &mut drawn), Ok(false));
    Ok(())
}

/// A verifier that leaves after its first nonce gets no answer to it, nor to another one later.
#[test]
fn a_verifier_that_leaves_ends_the_proof() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let verifier = std::thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.read_exact(&mut [0; 32])?;
        stream.write_all(&[1; 32])
    });
    let stream = TcpStream::connect(address)?;
    let mut random = Random::new(PROTOCOL, &[1; 32], &[]);
    let outcome = connect(&stream, [4, 1].map(F::from), &mut random);
    assert!(outcome.is_err());
    verifier.join().map_err(|_| "the verifier panicked")??;
    Ok(())
}

/// Challenges that are known beforehand.
struct Programmed<I>(I);

impl<I: Iterator<Item = [u8; 64]>> Transcript for Programmed<I> {
    fn absorb(&mut self, _: &'static str, _: &[u8]) {}

    fn squeeze(&mut self, _: &'static str) -> Result<[u8; 64], Aborted> {
        self.0.next().ok_or(Aborted)
    }
}

/// Zero knowledge: who knows the challenges beforehand, and no witness, writes conversations that
/// convince and have the same distribution: everything is uniform, but for the two commitments of
/// Algorithm 1, which follow from the rest.
#[test]
fn conversations_are_simulated_without_a_witness() -> Outcome {
    let mut random = Random::new("simulator", &[3; 32], &[]);
    let challenges = [7u8, 8, 9].map(|byte| [byte; 64]);
    let [rho, lambda, e] = challenges.map(|bytes| from_uniform(&bytes));
    let generators = Generators::new(HIDDEN, 0);
    let pads = (generators.blind * random.scalar()).into_affine();
    let sent = [(); SENT].map(|()| random.scalar());
    let factors = [(); 2].map(|()| random.scalar());
    let (coefficients, t) = constraints(&sent, rho, factors).combine(&lambda);
    let statement = opening(pads, coefficients, t, &generators);
    let vector: Vec<F> = (0..HIDDEN).map(|_| random.scalar()).collect();
    let (vector_blind, value_blind) = (random.scalar(), random.scalar());
    let commit = msm::msm(&generators.columns, &vector) + generators.blind * vector_blind;
    let product = field::dot(&vector, &statement.coefficients);
    let value = generators.value * product + generators.blind * value_blind;
    let proof = Proof {
        pads,
        sent,
        factors,
        opening: OpeningProof {
            mask: (commit - statement.vector * e).into_affine(),
            mask_value: (value - statement.value * e).into_affine(),
            vector,
            vector_blind,
            value_blind,
        },
    };
    let mut programmed = Programmed(challenges.into_iter());
    assert_eq!(verify(&proof, &mut programmed), Ok(true));
    // With challenges that nobody knew, the same conversation convinces nobody.
    assert!(!verify_alone(&proof));
    Ok(())
}

#[test]
fn the_page_shows_this_run() -> Outcome {
    let page = include_str!("../../../../../docs/figure-1.md");
    let conversation = conversation()?;
    assert!(page.contains(&conversation), "docs/figure-1.md should hold:\n{conversation}");
    Ok(())
}
