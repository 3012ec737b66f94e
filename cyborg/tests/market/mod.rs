//! A market in one process: an owner, miners and models on a chain that is reached by RPC alone.
#![allow(dead_code, reason = "every test file uses another part")]

use std::time::Duration;

use cyborg_chain_client::runtime::{self, runtime_types};
use cyborg_chain_client::submit::Finalised;
use cyborg_chain_client::subxt::utils::{AccountId32, H256, Static};
use cyborg_chain_client::{Chain, Keypair, keys};
use cyborg_primitives::miner::{Accelerator, Capacity};
use cyborg_primitives::place::{Cell, Location, Region};
use cyborg_primitives::signed::{Authorisation, Payload as _, ProofContext};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{ModelId, RequestNumber, TaskId};
use runtime_types::bounded_collections::bounded_vec::BoundedVec;
use runtime_types::pallet_proofs::types::Submission;
use runtime_types::pallet_tasks::types::{Attestation, AttestationKind, TaskSpec};
use runtime_types::sp_runtime::MultiSignature;
use zkml_core::transcript::HashTranscript;
use zkml_prover::{ProverKey, Request, keygen, prove_opened, system_randomness};
use zkml_testkit::case::Case;
use zkml_testkit::data::digits;
use zkml_verifier::{Opening, PROTOCOL, VerifierKey, Visibility};

/// What a test returns; a failure shows where it happened.
pub(crate) type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// One CYB.
pub(crate) const UNIT: u128 = 1_000_000_000_000;
/// What miners ask per compute hour.
const PRICE: u128 = 10 * UNIT;
/// What a miner stakes.
pub(crate) const BOND: u128 = 1_000 * UNIT;

/// From one heartbeat to the next: chain time flies in a test.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// A model with real keys, and one real input.
pub(crate) struct Deployed {
    pub(crate) id: ModelId,
    pub(crate) key: ProverKey,
    pub(crate) verifier: VerifierKey,
    inputs: Vec<Vec<i64>>,
}

/// An authorised request: what its owner signs and gives to the miner.
pub(crate) struct Asked {
    pub(crate) authorisation: Authorisation,
    /// By sr25519.
    pub(crate) signature: [u8; 64],
    pub(crate) opening: Opening,
}

/// A connection, who acts, and where its miners are: tests that share a chain have other regions.
pub(crate) struct Market {
    pub(crate) chain: Chain,
    pub(crate) owner: Keypair,
    region: Region,
}

pub(crate) fn id(key: &Keypair) -> AccountId32 {
    AccountId32(keys::account(key))
}

/// A key's costs as the chain counts them.
pub(crate) fn cost(key: &VerifierKey) -> TestResult<Cost> {
    Ok(key.cost().try_into()?)
}

impl Market {
    pub(crate) async fn open(url: &str, owner: &str, region: &[u8; 2]) -> TestResult<Self> {
        Ok(Self { chain: Chain::connect(url).await?, owner: keys::load(owner)?, region: Region(*region) })
    }

    /// A funded, registered miner, whose heart beats until the test ends.
    pub(crate) async fn miner(&self, name: &str, endpoint: u8) -> TestResult<Keypair> {
        let miner = keys::load(name)?;
        let to = id(&miner).into();
        let funds = runtime::transactions().balances().transfer_keep_alive(to, 2 * BOND);
        self.chain.submit(&funds, &self.owner).await?;
        let register = runtime::transactions().miners().register(
            [endpoint.wrapping_add(9); 32],
            BoundedVec(format!("https://127.0.0.1:{}", 7000 + u16::from(endpoint)).into_bytes()),
            Static(Location { region: self.region, cell: Cell { latitude: 5252, longitude: 1340 } }),
            Static(Capacity {
                memory_mib: 8192,
                macs_per_second: 1_000_000_000,
                accelerator: Accelerator::None,
            }),
            PRICE,
            BOND,
        );
        self.chain.submit(&register, &miner).await?;
        let (chain, key) = (self.chain.clone(), miner.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(HEARTBEAT).await;
                // Refused where the miner is suspended.
                let _ = chain.submit(&runtime::transactions().miners().heartbeat(), &key).await;
            }
        });
        Ok(miner)
    }

    /// Makes keys for a model of digits and registers it.
    pub(crate) async fn model(&self, name: &str) -> TestResult<Deployed> {
        let Case { graph, weights, inputs } = digits(name).map_err(|error| error.to_string())?;
        let keys = keygen(graph, weights, &mut |_| ())?;
        let bytes = keys.verifier.to_bytes();
        let claim = cost(&keys.verifier)?;
        let register = runtime::transactions().models().register(
            BoundedVec(bytes),
            Static(claim),
            [1; 32],
            [2; 32],
            256,
            None,
        );
        let done = self.chain.submit(&register, &self.owner).await?;
        let registered = done.events::<runtime::models::events::Registered>()?;
        let id = registered.first().ok_or("no model was registered")?.model;
        Ok(Deployed { id, key: keys.prover, verifier: keys.verifier, inputs })
    }

    /// A task on the best miners, with keys wrapped for all and confirmed by all that are named.
    pub(crate) async fn task(
        &self,
        model: &Deployed,
        miners: &[&Keypair],
        max_proofs: u32,
    ) -> TestResult<TaskId> {
        let spec = TaskSpec {
            model: model.id,
            placement: runtime_types::cyborg_primitives::task::Placement {
                replicas: u8::try_from(miners.len())?,
                standbys: 0,
                regions: BoundedVec(vec![Static(self.region)]),
                near: None,
                min_reputation: 50,
            },
            price_cap: PRICE,
            compute_ms: 3_600_000,
            proof_cap: UNIT,
            max_proofs,
            policy: Static(ProofPolicy::Every),
            delegate: None,
            standbys_read_now: false,
        };
        let done = self.chain.submit(&runtime::transactions().tasks().submit(spec), &self.owner).await?;
        let task = done.events::<runtime::tasks::events::Submitted>()?.first().ok_or("no task")?.task;
        let engaged = done.events::<runtime::tasks::events::Engaged>()?;
        assert_eq!(engaged.len(), miners.len());
        assert!(miners.iter().all(|miner| engaged.iter().any(|other| other.miner == id(miner))));
        let wraps = miners.iter().map(|miner| (id(miner), [5; 80])).collect();
        let provide = runtime::transactions().tasks().provide_keys(task, [1; 32], [3; 32], BoundedVec(wraps));
        self.chain.submit(&provide, &self.owner).await?;
        for miner in miners {
            let at = self.chain.at_finalised().await?;
            let attestation = Attestation {
                kind: AttestationKind::SelfSigned,
                executable: [6; 32],
                model: model.verifier.digest(),
                device: BoundedVec(b"a test's machine".to_vec()),
                block: u32::try_from(at.block_number())?,
                block_hash: H256(at.block_hash().0),
                test: [7; 32],
            };
            let confirm = runtime::transactions().tasks().confirm(task, attestation);
            self.chain.submit(&confirm, miner).await?;
        }
        Ok(task)
    }

    /// The owner's request to a miner: an opening of the input, and leave to be paid.
    pub(crate) fn ask(
        &self,
        model: &Deployed,
        task: TaskId,
        miner: &Keypair,
        number: RequestNumber,
    ) -> TestResult<Asked> {
        let entropy = system_randomness()?;
        let opening = Opening::of_inputs(model.key.graph(), model.key.digest(), &model.inputs, &entropy)?;
        let input = opening.input_digest(model.key.graph())?;
        let authorisation =
            Authorisation { task, miner: keys::account(miner), number, input, price_cap: UNIT };
        let signature = self.sign(&self.owner, &authorisation);
        Ok(Asked { authorisation, signature, opening })
    }

    pub(crate) fn sign(&self, key: &Keypair, authorisation: &Authorisation) -> [u8; 64] {
        key.sign(&authorisation.payload(&self.chain.genesis())).0
    }

    /// The miner's proof of an answer, bound to what the context says.
    pub(crate) fn prove(
        &self,
        model: &Deployed,
        asked: &Asked,
        context: &ProofContext,
    ) -> TestResult<Vec<u8>> {
        let context = context.payload(&self.chain.genesis());
        let request = Request {
            inputs: &model.inputs,
            context: &context,
            input: Visibility::Committed,
            output: Visibility::Committed,
        };
        let proved = prove_opened(&model.key, &request, &asked.opening, &mut HashTranscript::new(PROTOCOL))?;
        Ok(proved.proof)
    }

    /// What an honest miner submits.
    pub(crate) fn answer(&self, model: &Deployed, asked: &Asked) -> TestResult<Submission> {
        let Authorisation { task, miner, number, .. } = asked.authorisation;
        let proof = self.prove(model, asked, &ProofContext { task, miner, model: model.id, number })?;
        Ok(submission(asked, proof))
    }

    /// Submits proofs of one or more models in one call.
    pub(crate) async fn submit(
        &self,
        miner: &Keypair,
        claim: Cost,
        submissions: Vec<Submission>,
    ) -> TestResult<Finalised> {
        let call = runtime::transactions().proofs().submit(Static(claim), BoundedVec(submissions));
        Ok(self.chain.submit(&call, miner).await?)
    }

    /// Free and held balance of an account.
    pub(crate) async fn balance(&self, who: &Keypair) -> TestResult<(u128, u128)> {
        let at = self.chain.at_finalised().await?;
        let account = at.storage().entry(runtime::storage().system().account())?.fetch((id(who),)).await?;
        let data = account.decode()?.data;
        Ok((data.free, data.reserved))
    }

    /// Everything that is in circulation.
    pub(crate) async fn issuance(&self) -> TestResult<u128> {
        let at = self.chain.at_finalised().await?;
        let issuance = at.storage().entry(runtime::storage().balances().total_issuance())?.fetch(()).await?;
        Ok(issuance.decode()?)
    }

    /// A miner's bond.
    pub(crate) async fn bond(&self, miner: &Keypair) -> TestResult<u128> {
        let at = self.chain.at_finalised().await?;
        let record = at.storage().entry(runtime::storage().miners().miners())?.fetch((id(miner),)).await?;
        Ok(record.decode()?.bond)
    }

    /// Waits until a task is vacated; what its owner got back.
    pub(crate) async fn refund(&self, task: TaskId) -> TestResult<u128> {
        for _ in 0..2_000 {
            let at = self.chain.at_finalised().await?;
            let ended = at.storage().entry(runtime::storage().tasks().ended())?.try_fetch((task,)).await?;
            if let Some(ended) = ended {
                return Ok(ended.decode()?.refunded);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err("the task was not vacated".into())
    }
}

/// A proof with the owner's leave.
pub(crate) fn submission(asked: &Asked, proof: Vec<u8>) -> Submission {
    Submission {
        authorisation: Static(asked.authorisation),
        signature: MultiSignature::Sr25519(asked.signature),
        proof: BoundedVec(proof),
    }
}
