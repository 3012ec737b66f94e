//! What owners and miners say to each other, and the owner's side of a task.
//!
//! | module | content |
//! |---|---|
//! | [`bundle`] | the file that a deployment ships to its miners |
//! | [`wire`] | requests, answers and acknowledgements, as bytes |
//! | [`log`] | lines of a task's log, sealed to its owner |

pub mod bundle;
pub mod log;
pub mod wire;
