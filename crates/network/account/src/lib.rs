//! Accounts: sr25519 keys, what they sign, and how people read them. Builds for a browser.
//!
//! | module | content |
//! |---|---|
//! | [`signing`] | the [`Signing`] trait, verification, `Authorization` headers |
//! | [`keys`] | key pairs from files, from the keyring, from seeds |
//! | [`address`] | SS58 addresses |

pub mod address;
pub mod keys;
pub mod signing;

pub use address::Address;
pub use signing::{Signing, verify};
pub use subxt_signer::sr25519::Keypair;
