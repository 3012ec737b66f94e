//! What the end-to-end tests in `tests/` share with each other, with `examples/` and with the fuzz
//! targets in `../fuzz`.

pub mod decoders;
pub mod models;
pub mod mutate;
