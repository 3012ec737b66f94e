//! Every check, and an attacker that runs into it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod challenge;
mod demand;
mod random;
mod real;
mod sampled;
mod submit;
