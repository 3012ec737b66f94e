//! The graph from outside: its encoding, its functions, and the verdict on every broken one.

mod codec;
mod functions;
mod hostile;
mod validation;
