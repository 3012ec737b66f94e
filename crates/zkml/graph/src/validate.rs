//! (being written)
/// Greatest length of a name in bytes.
pub const MAX_NAME: usize = 256;
