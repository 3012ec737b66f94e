//! What owners and miners say to each other, as bytes. Nothing here opens a file or a connection, and all
//! of it builds for a browser.
//!
//! | module | content |
//! |---|---|
//! | [`bundle`] | the file that a deployment ships to its miners |
//! | [`wire`] | requests, answers and acknowledgements |
//! | [`log`] | lines of a task's log, sealed to its owner |
//! | [`status`] | the live status of a task, after a signed challenge |

pub mod bundle;
pub mod log;
pub mod status;
pub mod wire;
