//! The protocol as a whole, from outside: true statements are accepted, false ones are not, and
//! nothing that a proof carries depends on what it hides.
//!
//! | module | content |
//! |---|---|
//! | [`maker`] | what models made by hand are made with |
//! | [`models`], [`widths`] | the models |
//! | [`batch`] | several proofs at once, and openings |
//! | [`complete`] | a model for every kind of node, proven and verified |
//! | [`hostile`] | graphs that nobody could prove |
//! | [`liar`] | the real prover on a false trace |
//! | [`lying`] | a lie for every check and for every node, each caught |
//! | [`mixed_generators`] | a forger who commits on generators that are not its own |
//! | [`mutate`] | every field of every file changed, cut and extended |
//! | [`negative`] | the twenty mistakes of other systems |
//! | [`openings`] | what opens commitments, and what only seems to |
//! | [`recorder`] | transcripts that remember |
//! | [`simulator`] | proofs without a witness, and what is on the wire |
#![expect(clippy::unwrap_used, reason = "tests")]

mod batch;
mod complete;
mod hostile;
mod liar;
mod lying;
mod maker;
mod mixed_generators;
mod models;
mod mutate;
mod negative;
mod openings;
mod recorder;
mod simulator;
mod widths;
