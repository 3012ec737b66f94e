//! What owners and miners say to each other, and the owner's side of a task.
//!
//! | module | content |
//! |---|---|
//! | [`bundle`] | the file that a deployment ships to its miners |
//! | [`wire`] | requests, answers and acknowledgements, as bytes |
//! | [`log`] | lines of a task's log, sealed to its owner |
//! | [`status`] | the live status of a task, after a signed challenge |
//! | [`owner`] | who deploys, asks and pays |
//! | [`book`] | what an owner must not lose |
//! | [`market`] | what the chain says of a task and its miners |
//! | [`places`] | where models are stored, as people name it |
//! | [`deploy`] | a model encrypted, stored, registered, given to miners |
//! | [`ask`] | requests and answers, acknowledgements, demands, verdicts |
//! | [`keep`] | keys for whoever takes over, and the owner's part of draws |
//! | [`http`] | HTTP to a miner |
//! | [`error`] | what can stop an owner |

pub mod ask;
pub mod book;
pub mod bundle;
pub mod deploy;
pub mod error;
pub mod http;
pub mod keep;
pub mod log;
pub mod market;
pub mod owner;
pub mod places;
pub mod status;
pub mod wire;

pub use error::OwnerError;
pub use owner::Owner;
