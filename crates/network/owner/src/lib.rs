//! The owner's side of a task: deploy, ask, keep, pay.
//!
//! What the work needs of the world around it are four ports: a carrier of HTTP, records that survive a
//! crash, a clock, and a key that signs. The chain is read and written through `cyborg-chain-client`.
//!
//! | module | content |
//! |---|---|
//! | [`ports`] | the traits [`Carrier`](ports::Carrier), [`Records`](ports::Records), [`Clock`](ports::Clock) |
//! | [`owner`] | the party that deploys, asks and pays |
//! | [`records`] | what an owner must not lose |
//! | [`deploy`] | a model encrypted, stored, registered, given to miners |
//! | [`ask`] | requests and answers, acknowledgements, demands, verdicts |
//! | [`keep`] | keys for miners that take over, and the owner's part of draws |
//! | [`kept`] | answers that came before, opened again |
//! | [`logs`], [`watch`] | a task's log and its live status |
//! | [`miner`] | a miner over HTTP: what a refusal means, when to ask again |
//! | [`native`] | reqwest as carrier, the machine's clock |
//! | [`files`] | records in files |
//! | [`locations`] | where models are stored, as people name it |
//! | [`error`] | what can stop an owner |

pub mod ask;
pub mod deploy;
pub mod error;
pub mod files;
pub mod keep;
pub mod kept;
pub mod locations;
pub mod logs;
pub mod miner;
pub mod native;
pub mod owner;
pub mod ports;
pub mod records;
pub mod watch;

pub use error::OwnerError;
pub use files::OwnerRecords;
pub use native::Http;
pub use owner::Owner;
