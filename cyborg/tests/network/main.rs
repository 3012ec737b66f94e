//! The network under faults and attack, end to end: the chain's node, storage nodes, miners and the
//! owner's commands are processes of their own, and what is proven and paid is what the chain's events
//! say, not what a program says.
//!
//! | module | content |
//! |---|---|
//! | `harness` | a network of processes in a folder of its own |
//! | `parts` | storage nodes and miners: started, killed, started again |
//! | `process` | one process: its first line, its log, its end |
//! | `witness` | every event of every block |
//! | `money` | whether a coin was lost, made, or held for nothing |
//! | `model` | the model that is deployed; whether a file shows it |
//! | `client` | an owner that asks a miner itself, while the chain is away or faster than commands |
//! | `liar` | a miner that lies |
//! | `proxy` | a connection that can be cut |
//! | `faults` | what dies: miners, replicas, the chain's node, the connection |
//! | `storage` | fragments gone and altered, disks full, models that are not one's own |
//! | `attackers` | miners that lie |
//! | `users` | owners that do not pay, flood, or send a model whose key lies |
//! | `first_day` | commands given twice, many at once, a node that says nothing, answers shown again |
//! | `life` | the other ways to prove, and a clock that is off |

mod attackers;
mod client;
mod faults;
mod first_day;
mod harness;
mod liar;
mod life;
mod model;
mod money;
mod parts;
mod process;
mod proxy;
mod storage;
mod users;
mod witness;

/// What a test returns; a failure shows where it happened.
type TestResult<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
