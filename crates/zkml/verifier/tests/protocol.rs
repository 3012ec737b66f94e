//! The protocol as a whole, from outside: true statements are accepted, false ones are not, and
//! nothing that a proof carries depends on what it hides.
#![expect(clippy::unwrap_used, reason = "tests")]

mod completeness;
mod inventory;
mod soundness;
