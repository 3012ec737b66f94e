//! How each pallet is bound.
//!
//! | module | pallets |
//! |---|---|
//! | [`system`] | system, parachain system, time, weight reclaim |
//! | [`money`] | balances, assets, transaction fees |
//! | [`consensus`] | collators, sessions, Aura |
//! | [`governance`] | referenda, votes, preimages, scheduler, multisig, proxies, batches |
//! | [`xcm`] | messages from and to other chains |
//! | [`cyborg`] | miners, models, payments, tasks, proofs, reports |

pub mod consensus;
pub mod cyborg;
pub mod governance;
pub mod money;
pub mod system;
pub mod xcm;
mod xcm_weights;
