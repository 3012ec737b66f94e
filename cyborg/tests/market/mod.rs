//! A market in one process: an owner, miners and models on a chain that is reached by RPC alone.
#![allow(dead_code, reason = "every test file uses another part")]

use std::time::Duration;

use cyborg_account::{Keypair, keys};
use cyborg_chain_client::Chain;
use cyborg_chain_client::runtime::{self, runtime_types};
use cyborg_chain_client::submit::Finalised;
use cyborg_chain_client::subxt::utils::{AccountId32, Static};
use cyborg_localnet::market::{self, HOME, Offer, TaskOrder};
use cyborg_primitives::money::UNIT;
use cyborg_primitives::place::{Location, Region};
use cyborg_primitives::signed::{Authorisation, Payload as _, ProofContext};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{ModelId, RequestNumber, TaskId};
use runtime_types::bounded_collections::bounded_vec::BoundedVec;
use runtime_types::pallet_proofs::types::Submission;
use zkml_core::transcript::HashTranscript;
use zkml_prover::{ProverKey, Request, keygen, prove_opened, system_randomness};
use zkml_testkit::case::Case;
use zkml_testkit::data::digits;
use zkml_verifier::{Opening, PROTOCOL, VerifierKey, Visibility};

pub(crate) use cyborg_localnet::market::BOND;

/// What a test returns; a failure shows where it happened.
pub(crate) type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// What miners ask per compute hour.
const PRICE: u128 = 10 * UNIT;
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

/// A connection, the owner, and the region of the miners: tests that share a chain have different regions.
pub(crate) struct Market {
    pub(crate) chain: Chain,
    pub(crate) owner: Keypair,
    region: Region,
}

pub(crate) fn id(key: &Keypair) -> AccountId32 {
    AccountId32(keys::account(key))
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
        let register = market::register_miner(Offer {
            hpke: [endpoint.wrapping_add(9); 32],
            endpoint: format!("https://127.0.0.1:{}", 7000 + u16::from(endpoint)),
            location: Location { region: self.region, cell: HOME },
            memory_mib: 8192,
            macs_per_second: 1_000_000_000,
            price: PRICE,
        });
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
        let register =
            market::register_model(keys.verifier.to_bytes(), Cost::try_from(keys.verifier.cost())?);
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
        let spec = market::task_spec(TaskOrder {
            model: model.id,
            replicas: u8::try_from(miners.len())?,
            regions: vec![self.region],
            near: None,
            price_cap: PRICE,
            max_proofs,
            policy: ProofPolicy::Every,
        });
        let done = self.chain.submit(&runtime::transactions().tasks().submit(spec), &self.owner).await?;
        let task = done.events::<runtime::tasks::events::Submitted>()?.first().ok_or("no task")?.task;
        let engaged = done.events::<runtime::tasks::events::Engaged>()?;
        assert_eq!(engaged.len(), miners.len());
        assert!(miners.iter().all(|miner| engaged.iter().any(|other| other.miner == id(miner))));
        let provide = market::provide_keys(task, miners.iter().map(|miner| id(miner)));
        self.chain.submit(&provide, &self.owner).await?;
        for miner in miners {
            let at = self.chain.at_finalised().await?;
            let confirm = market::confirm(task, model.verifier.digest(), &at)?;
            self.chain.submit(&confirm, *miner).await?;
        }
        Ok(task)
    }

    /// The owner's request to a miner: an opening of the input, and the authorisation to be paid.
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

/// A proof with the owner's authorisation.
pub(crate) fn submission(asked: &Asked, proof: Vec<u8>) -> Submission {
    market::submission(asked.authorisation, asked.signature, proof)
}
