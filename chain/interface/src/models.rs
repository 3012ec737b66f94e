//! The register of models, as tasks and proofs need it.

use alloc::vec::Vec;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Digest, ModelId};

/// A registered model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model<AccountId> {
    /// The account that registered it.
    pub owner: AccountId,
    /// Whether new tasks may use it.
    pub listed: bool,
    /// Digest of its verifying key.
    pub key: Digest,
    /// Memory that running it takes, in mebibytes.
    pub memory_mib: u32,
    /// Multiply-accumulates of an inference.
    pub work_macs: u64,
    /// Work of a proof, as the number of multiply-accumulates that take equally long.
    pub proof_macs: u64,
    /// Cost of a verification.
    pub cost: Cost,
}

/// The register of models.
pub trait Models<AccountId> {
    /// A model.
    fn model(id: ModelId) -> Option<Model<AccountId>>;

    /// Its verifying key, which was checked at registration.
    fn key(id: ModelId) -> Option<Vec<u8>>;

    /// Counts one more task of the model, whose key must stay.
    fn retain(id: ModelId);

    /// Counts one task of the model less.
    fn release(id: ModelId);

    /// Registers a model with a real key.
    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_model(owner: &AccountId) -> ModelId;
}
