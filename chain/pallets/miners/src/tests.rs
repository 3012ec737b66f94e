//! Every check of the pallet, broken; attackers; and random sequences of calls.
#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod index;
mod leaving;
mod profile;
mod random;
mod standing;
mod watch;
