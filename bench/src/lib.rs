//! The three benchmarks, each a program of its own: commands on models, a node of the chain, a whole
//! network. They measure the `cyborg` program as its users meet it, in processes of its own.
//!
//! | module | content |
//! |---|---|
//! | `models` | keys, proofs and verifications of models, as whole commands |
//! | `chain` | a node of the chain, over its JSON-RPC |
//! | `network` | a network: latency, load, proven answers, storage, the demo |
//! | `program` | the program that is measured |
//! | `machine` | the machine that measures |

pub mod chain;
mod machine;
pub mod models;
pub mod network;
mod program;
