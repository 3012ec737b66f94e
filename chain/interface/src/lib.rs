//! What the chain's pallets ask of each other. No pallet knows another: each names here what it
//! needs, and the runtime binds them.
//!
//! | trait | implemented by | asked by |
//! |---|---|---|
//! | [`Registry`] | miners | tasks, proofs |
//! | [`Departures`] | tasks | miners |
//! | [`Models`] | models | tasks, proofs |
//! | [`Verifier`] | the chain's zero-knowledge verifier | models, proofs |
//! | [`Escrow`] | payments | tasks, proofs |
//! | [`Engagements`] | tasks | payments, proofs, reports |
//! | [`Vacated`] | proofs, reports | tasks |
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;

mod departures;
mod engagements;
mod escrow;
mod models;
mod registry;
mod vacated;
mod verifier;

pub use departures::Departures;
pub use engagements::{Engagement, Engagements};
pub use escrow::{Escrow, SettleError, Settled, Tariff};
pub use models::{Model, Models};
pub use registry::{Demand, Ranking, Registry, Terms};
pub use vacated::Vacated;
pub use verifier::{Claim, KeyError, KeyFacts, Proven, Verifier};
