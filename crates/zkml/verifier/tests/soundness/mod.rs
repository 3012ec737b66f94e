//! False statements are refused.
//!
//! | module | content |
//! |---|---|
//! | [`adaptive`] | a liar whose later messages fit its lie |
//! | [`batch`] | several proofs at once, and openings |
//! | [`challenges`] | every challenge is used |
//! | [`forged`] | what breaks one constraint and holds all others |
//! | [`forger`] | a second prover, over field elements, that keeps to no rule |
//! | [`hostile`] | graphs that nobody could prove |
//! | [`lengths`] | lists that belong together, of different lengths |
//! | [`lying`] | a lie for every check and for every node, each caught |
//! | [`mixed_generators`] | a forger that commits on generators that are not its own |
//! | [`mutate`] | every field of every file changed, cut and extended |
//! | [`negative`] | the twenty mistakes of other systems |
//! | [`openings`] | what opens commitments, and what only seems to |
//! | [`random_models`] | random models: what the engine computes, and nothing one off |
//! | [`spans`] | no pad and no row hides from all challenges |
//! | [`tampering`] | a change of every field of proof, statement, key and opening |

mod adaptive;
mod batch;
mod challenges;
mod forged;
mod forger;
mod hostile;
mod lengths;
mod lying;
mod mixed_generators;
mod mutate;
mod negative;
mod openings;
mod random_models;
mod spans;
mod tampering;
