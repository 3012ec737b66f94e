//! Writes the key that benchmarks register.

#[path = "../src/small.rs"]
mod small;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = zkml_prover::keygen(small::graph(), small::weights(), &mut |_| ())?;
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/key.bin"), keys.verifier.to_bytes())?;
    Ok(())
}
