//! What is kept of models, tasks and requests.

use codec::{Decode, Encode};
use cyborg_envelope::ContentKey;
use cyborg_primitives::signed::Authorisation;
use cyborg_primitives::{Digest, ModelId};
use zeroize::Zeroize;

/// What is kept of a model. Secret.
#[derive(Clone, Encode, Decode)]
pub struct ModelRecord {
    /// Digest of the verifying key.
    pub key: Digest,
    /// Encrypts the model's file.
    pub content_key: [u8; 32],
    /// The input of the test that miners run.
    pub test: Vec<Vec<i64>>,
    /// The stored file and the digest of what is in it, once it is stored.
    pub stored: Option<(Digest, Digest)>,
    /// The model's number, once it is registered.
    pub model: Option<ModelId>,
}

impl ModelRecord {
    /// The key that the file is encrypted under.
    #[must_use]
    pub fn content_key(&self) -> ContentKey {
        ContentKey::from_bytes(self.content_key)
    }
}

impl Drop for ModelRecord {
    fn drop(&mut self) {
        self.content_key.zeroize();
    }
}

/// What is kept of a task. Secret.
#[derive(Clone, Encode, Decode)]
pub struct TaskRecord {
    /// Digest of the model's verifying key.
    pub key: Digest,
    /// What is run.
    pub model: ModelId,
    /// Seed of the key that answers are sealed to.
    pub result_seed: [u8; 32],
    /// Seed of the hash chains that draws depend on.
    pub anchor_seed: [u8; 32],
}

impl Drop for TaskRecord {
    fn drop(&mut self) {
        self.result_seed.zeroize();
        self.anchor_seed.zeroize();
    }
}

/// A request that was signed. Secret: it holds the input.
#[derive(Clone, Encode, Decode)]
pub struct RequestRecord {
    /// What pays the miner for its answer.
    pub authorisation: Authorisation,
    /// Signature of the owner or its delegate.
    pub signature: [u8; 64],
    /// Opens the input.
    pub opening: Vec<u8>,
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        self.opening.zeroize();
    }
}
