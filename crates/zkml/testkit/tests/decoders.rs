//! A short run of every decoder on mutations of its seeds: the same inputs on every machine. Longer, with
//! others: `CYBORG_FUZZ_SECONDS=600`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zkml_testkit::decoders::{DECODERS, Decoder};
use zkml_testkit::dice::Dice;
use zkml_testkit::mutate::mutate;

type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The committed seeds of a decoder, in the order of their names.
fn seeds(decoder: &Decoder) -> TestResult<Vec<(PathBuf, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").join(decoder.seeds);
    let mut seeds = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        let extension = path.extension().unwrap_or_default();
        if path.is_file() && (decoder.extension.is_empty() || extension == decoder.extension) {
            let bytes = fs::read(&path)?;
            seeds.push((path, bytes));
        }
    }
    seeds.sort();
    Ok(seeds)
}

/// Inputs of the short run.
const INPUTS: u64 = 10_000;

/// How long to go on with each decoder after the short run.
fn longer() -> Duration {
    let seconds = std::env::var("CYBORG_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

#[test]
fn every_seed_is_accepted() -> TestResult {
    for decoder in DECODERS {
        let seeds = seeds(decoder)?;
        assert!(!seeds.is_empty(), "{} has no seeds", decoder.name);
        for (path, seed) in &seeds {
            assert!(
                (decoder.decode)(seed),
                "{} refuses its seed {}; after a change of format: \
                 cargo run --release -p zkml-testkit --example seeds",
                decoder.name,
                path.display()
            );
        }
    }
    Ok(())
}

#[test]
fn every_decoder_has_a_fuzz_target() -> TestResult {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/Cargo.toml");
    let manifest = fs::read_to_string(manifest)?;
    for decoder in DECODERS {
        let path = format!("path = \"targets/{}.rs\"", decoder.name);
        assert!(manifest.contains(&path), "fuzz/Cargo.toml has no {}", decoder.name);
    }
    Ok(())
}

#[test]
fn mutations_of_the_seeds_never_panic() -> TestResult {
    for decoder in DECODERS {
        let seeds = seeds(decoder)?;
        let mut dice = Dice::new(1);
        let start = Instant::now();
        let mut runs = 0_u64;
        while runs < INPUTS || start.elapsed() < longer() {
            let mut bytes = seeds[dice.below(seeds.len())].1.clone();
            let (_, other) = &seeds[dice.below(seeds.len())];
            mutate(&mut dice, &mut bytes, other);
            let outcome = catch_unwind(AssertUnwindSafe(|| (decoder.decode)(&bytes)));
            if outcome.is_err() {
                let path = std::env::temp_dir().join(format!("cyborg-fuzz-{}", decoder.name));
                fs::write(&path, &bytes)?;
                return Err(format!("{} panics on {}", decoder.name, path.display()).into());
            }
            runs += 1;
        }
        eprintln!("{}: {runs} inputs in {:.1} s", decoder.name, start.elapsed().as_secs_f64());
    }
    Ok(())
}
