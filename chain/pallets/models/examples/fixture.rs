//! Writes the key that benchmarks register.

use zkml_testkit::case::{Case, small};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Case { graph, weights, .. } = small(-16);
    let keys = zkml_prover::keygen(graph, weights, &mut |_| ())?;
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/key.bin"), keys.verifier.to_bytes())?;
    Ok(())
}
