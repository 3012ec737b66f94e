//! The `cyborg` program.
fn main() {}
