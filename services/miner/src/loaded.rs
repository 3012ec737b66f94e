//! A model in memory: checked against what the chain has registered, and tried, before it serves.

pub use cyborg_chain_client::view::Registered;
use cyborg_primitives::Digest;
use cyborg_primitives::verification::Cost;
use thiserror::Error;
use zkml_core::transcript::HashTranscript;
use zkml_engine::{Engine, EngineError};
use zkml_prover::{ProveError, ProverKey, Request, prove_opened, system_randomness};
use zkml_verifier::{
    FormatError, Opening, OpeningError, PROTOCOL, VerifierKey, VerifyError, Visibility, verify,
};

use cyborg_protocol::bundle::{self, BundleError, Deployment, test_digest};

/// The context of the test's proof: no request of any chain.
const TEST_CONTEXT: &[u8] = b"cyborg deployment test v1";

/// Why a model does not serve.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file is not a deployment.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The file is not the one that was registered.
    #[error("the deployment is not the registered file of the model")]
    OtherFile,
    /// The key is not the one that was registered.
    #[error("the deployment's key is not the registered key of the model")]
    OtherKey,
    /// The deployment's key cannot be read.
    #[error("the deployment's key: {0}")]
    ProverKey(Box<ProveError>),
    /// The chain's key is invalid.
    #[error("the model's registered key: {0}")]
    VerifierKey(#[from] FormatError),
    /// Weights, graph or test input do not fit each other.
    #[error("the model's test: {0}")]
    Engine(#[from] EngineError),
    /// The test cannot be proven.
    #[error("the proof of the model's test: {0}")]
    Prove(Box<ProveError>),
    /// The proof of the test is false: every proof would be false, and cost the miner its bond.
    #[error("the proof of the model's test is false: {0}")]
    False(Box<VerifyError>),
}

impl From<OpeningError> for LoadError {
    fn from(error: OpeningError) -> Self {
        ProveError::from(error).into()
    }
}

impl From<ProveError> for LoadError {
    fn from(error: ProveError) -> Self {
        Self::Prove(Box::new(error))
    }
}

/// A model that can serve.
pub struct Loaded {
    /// The prover's key, with graph and weights.
    pub key: ProverKey,
    /// The key that the chain verifies with.
    pub verifier: VerifierKey,
    /// What a verification costs.
    pub cost: Cost,
    /// The owner's test.
    test: Vec<Vec<i64>>,
}

impl Loaded {
    /// Reads a deployment and checks that it is the registered one.
    ///
    /// # Errors
    /// Returns an error if it is another one, or cannot be read.
    pub fn new(bytes: &[u8], registered: &Registered) -> Result<Self, LoadError> {
        if bundle::digest(bytes) != registered.file {
            return Err(LoadError::OtherFile);
        }
        let Deployment { key, test } = Deployment::from_bytes(bytes)?;
        let key = ProverKey::from_bytes(key).map_err(|error| LoadError::ProverKey(Box::new(error)))?;
        let verifier = VerifierKey::from_bytes(&registered.key_bytes)?;
        if key.digest() != registered.key || verifier.digest() != registered.key {
            return Err(LoadError::OtherKey);
        }
        Ok(Self { key, verifier, cost: registered.cost, test })
    }

    /// Runs the test and proves it, which alone shows that the weights are those of the key. Returns the
    /// digest of the test's statement, which the owner can compute too.
    ///
    /// # Errors
    /// Returns an error if the model does not run, or its proof is false.
    pub fn try_out(&self) -> Result<Digest, LoadError> {
        let graph = self.key.graph();
        let outputs = Engine::new(graph, self.key.weights())?.run(&self.test)?;
        let inputs = Opening::of_inputs(graph, self.key.digest(), &self.test, &*system_randomness()?)?;
        let opening = inputs.with_outputs(graph, &outputs, &*system_randomness()?)?;
        let proof = self.prove(&opening, &self.test, TEST_CONTEXT)?;
        verify(&self.verifier, &proof, TEST_CONTEXT).map_err(|error| LoadError::False(Box::new(error)))?;
        Ok(test_digest(graph, &self.test, &outputs)?)
    }

    /// Proves an inference under the blinds of an opening of its inputs and outputs.
    ///
    /// # Errors
    /// Returns an error if the opening is not one of these inputs for this model.
    pub fn prove(
        &self,
        opening: &Opening,
        inputs: &[Vec<i64>],
        context: &[u8],
    ) -> Result<Vec<u8>, ProveError> {
        let request =
            Request { inputs, context, input: Visibility::Committed, output: Visibility::Committed };
        let proved = prove_opened(&self.key, &request, opening, &mut HashTranscript::new(PROTOCOL))?;
        Ok(proved.proof)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use zkml_prover::{Keys, keygen};
    use zkml_testkit::case::dense;

    fn made(seed: u64) -> (Keys, Vec<Vec<i64>>) {
        let case = dense(&[4, 3, 2], seed).unwrap();
        (keygen(case.graph, case.weights, &mut |_| ()).unwrap(), case.inputs)
    }

    fn registered(bytes: &[u8], verifier: &VerifierKey) -> Registered {
        let key_bytes = verifier.to_bytes();
        Registered { key: verifier.digest(), file: bundle::digest(bytes), key_bytes, cost: Cost::default() }
    }

    #[test]
    fn only_the_registered_model_is_loaded_and_only_a_provable_one_serves() {
        let ((keys, test), (others, _)) = (made(1), made(2));
        let key = keys.prover.to_bytes().unwrap();
        let deployment = Deployment { key: &key, test };
        let bytes = deployment.to_bytes();
        let right = registered(&bytes, &keys.verifier);
        let loaded = Loaded::new(&bytes, &right).unwrap();
        let outputs = zkml_engine::run(loaded.key.graph(), loaded.key.weights(), &deployment.test).unwrap();
        let expected = test_digest(loaded.key.graph(), &deployment.test, &outputs).unwrap();
        assert_eq!(loaded.try_out().unwrap(), expected);

        let other_file = Registered { file: [0; 32], ..right.clone() };
        assert!(matches!(Loaded::new(&bytes, &other_file), Err(LoadError::OtherFile)));
        let other_key = registered(&bytes, &others.verifier);
        assert!(matches!(Loaded::new(&bytes, &other_key), Err(LoadError::OtherKey)));

        // A seed that is not the key's: the model runs, and every proof would be false.
        let mut lie = key.clone();
        lie[8 + 32] ^= 1;
        let lie = Deployment { key: &lie, test: deployment.test.clone() };
        let bytes = lie.to_bytes();
        let loaded = Loaded::new(&bytes, &registered(&bytes, &keys.verifier)).unwrap();
        assert!(matches!(loaded.try_out(), Err(LoadError::False(_))));

        // A test that does not fit.
        let odd = Deployment { test: vec![vec![0; 3]], ..lie };
        let bytes = odd.to_bytes();
        let loaded = Loaded::new(&bytes, &registered(&bytes, &keys.verifier)).unwrap();
        assert!(matches!(loaded.try_out(), Err(LoadError::Engine(_))));
    }
}
