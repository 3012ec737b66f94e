//! False statements are refused.
//!
//! | module | content |
//! |---|---|
//! | [`batch`] | several proofs at once, and openings |
//! | [`hostile`] | graphs that nobody could prove |
//! | [`lying`] | a lie for every check and for every node, each caught |
//! | [`mixed_generators`] | a forger that commits on generators that are not its own |
//! | [`mutate`] | every field of every file changed, cut and extended |
//! | [`negative`] | the twenty mistakes of other systems |
//! | [`openings`] | what opens commitments, and what only seems to |

mod batch;
mod hostile;
mod lying;
mod mixed_generators;
mod mutate;
mod negative;
mod openings;
