//! The types that chain, miners and clients share: identifiers, places, signed payloads, and limits.
//!
//! | module | content |
//! |---|---|
//! | [`place`] | regions, and cells of about a kilometre |
//! | [`miner`] | what a miner declares about its machine, and its possible offences |
//! | [`money`] | amounts of CYB |
//! | [`task`] | what a task requires, and how its answers are proven |
//! | [`signed`] | payloads that are signed outside of transactions, as bytes |
//! | [`receipt`] | a miner's receipts of a period, and their tree |
//! | [`window`] | which request numbers are settled |
//! | [`verification`] | what a verification costs, before it is done |
//!
//! Everything that is signed or hashed begins with a name of its own and the genesis hash, so
//! that a signature for one purpose or one chain is not valid for another.
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;

pub mod miner;
pub mod money;
pub mod place;
pub mod receipt;
pub mod signed;
pub mod task;
pub mod verification;
pub mod window;

/// A registered model. Counted from 0.
pub type ModelId = u64;
/// A submitted task. Counted from 0.
pub type TaskId = u64;
/// A request of one task to one miner, counted from 1, so that "all up to 0" means none.
pub type RequestNumber = u64;
/// Chain time: milliseconds since the Unix epoch.
pub type Moment = u64;
/// A 32-byte hash; each use says which function it is and what it covers.
pub type Digest = [u8; 32];
/// A public key or account as 32 bytes.
pub type Account = [u8; 32];

/// Milliseconds of an hour, the unit of prices.
pub const HOUR_MS: u64 = 3_600_000;
/// Longest proof that is accepted, in bytes.
pub const MAX_PROOF_BYTES: u32 = 128 * 1024;
/// Longest verifying key that is accepted, in bytes.
pub const MAX_KEY_BYTES: u32 = 320 * 1024;
/// Most memory that a verification may take beside key and proof, in bytes. The host's allocator gives 128 MiB in all,
/// rounds each piece up to a power of two, and gives no piece above 32 MiB.
pub const MAX_VERIFICATION_BYTES: u64 = 32 * 1024 * 1024;
/// Most submissions in one call.
pub const MAX_BATCH: u32 = 64;
/// Longest endpoint, in bytes of UTF-8.
pub const MAX_ENDPOINT_BYTES: u32 = 256;
/// Length of a content key wrapped by HPKE (RFC 9180): encapsulated key 32, key 32, tag 16.
pub const WRAPPED_KEY_BYTES: u32 = 80;
