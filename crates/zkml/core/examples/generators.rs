//! Writes the embedded generator table: `cargo run -p zkml-core --example generators`.

fn main() -> std::io::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/generators.bin");
    std::fs::write(path, zkml_core::group::generator_table())
}
