//! What the end-to-end tests in `tests/` share with the fuzz targets in `../fuzz`.

pub mod decoders;
pub mod mutate;
