//! Requests in their steps: made, sent, checked. As `cyborg_owner` does them, whose `Owner::ask` is
//! measured beside this, but each apart, so that each can be timed, and many can be made before a clock
//! starts.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use codec::Encode as _;
use cyborg_account::keys;
use cyborg_chain_client::Chain;
use cyborg_chain_client::view::{self, Contact, Terms};
use cyborg_envelope::hpke::SecretKey;
use cyborg_owner::{Http, Owner};
use cyborg_primitives::signed::{Acknowledgement, Authorisation, Payload as _};
use cyborg_primitives::{Account, Digest, RequestNumber, TaskId};
use cyborg_protocol::wire::{Answer, Request, exchange};
use zkml_engine::Engine;
use zkml_prover::{ProverKey, system_randomness};
use zkml_testkit::data::digits;
use zkml_verifier::Opening;

use super::local::{Deployment, Network};
use crate::machine;

/// The pause after a refusal that does not say for how long.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that asks one miner of one task the same thing again and again.
pub(crate) struct Asker {
    pub(crate) owner: Owner,
    pub(crate) http: Http,
    pub(crate) task: TaskId,
    pub(crate) miner: Account,
    pub(crate) inputs: Vec<Vec<i64>>,
    /// The outputs of the bare engine.
    pub(crate) outputs: Vec<Vec<i64>>,
    key: ProverKey,
    contact: Contact,
    /// What an answer costs.
    price: u128,
    result_key: SecretKey,
    genesis: Digest,
}

/// A request that is ready to be sent.
pub(crate) struct Prepared {
    pub(crate) authorisation: Authorisation,
    pub(crate) making: Making,
    url: String,
    body: Vec<u8>,
}

/// How long making a request took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Making {
    /// Committing to the input.
    pub(crate) commit: Duration,
    /// Signing for it.
    pub(crate) sign: Duration,
    /// Sealing it to the miner.
    pub(crate) seal: Duration,
}

/// How long checking an answer took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Checking {
    /// Checking that the miner has signed for it.
    pub(crate) receipt: Duration,
    /// Decrypting it.
    pub(crate) open: Duration,
    /// Checking that it is what the miner has signed for.
    pub(crate) digest: Duration,
}

/// What a miner says to a request.
pub(crate) enum Reply {
    /// An answer, not checked yet.
    Answer(Vec<u8>),
    /// The miner is to be asked again after a while.
    Later { status: u16, after: Duration },
    /// The miner will not answer this request.
    No { status: u16, words: String },
    /// No answer came.
    Broken(String),
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(bytes) => write!(f, "an answer of {} bytes", bytes.len()),
            Self::Later { status, after } => write!(f, "{status}, again after {} s", after.as_secs()),
            Self::No { status, words } => write!(f, "{status}: {words}"),
            Self::Broken(reason) => write!(f, "{reason}"),
        }
    }
}

impl Asker {
    /// The owner of a task, ready to ask.
    ///
    /// # Errors
    /// Returns an error if the chain or the deployment's files cannot be read.
    pub(crate) async fn new(network: &Network, model: &str, deployment: &Deployment) -> Result<Self> {
        let task = deployment.task;
        let key = std::fs::read(&deployment.prover)
            .with_context(|| format!("reading {}", deployment.prover.display()))?;
        let key = ProverKey::from_bytes(&key)?;
        let inputs = digits(model).map_err(|error| anyhow!("{error}"))?.inputs;
        let outputs = zkml_engine::run(key.graph(), key.weights(), &inputs)?;
        let chain = Chain::connect(network.node()).await?;
        let owner = Owner::new(chain, keys::read(network.owner_key())?, &network.owner_folder())?;
        let at = owner.chain.at_finalised().await?;
        let view = owner.task(&at, task).await?;
        let miner =
            view.assignments.iter().find(|part| part.serves()).context("nobody serves the task")?.miner;
        let contact = view::contact(&at, &miner).await?.context("the miner is not registered")?;
        let terms = view::terms(&at, task, &miner).await?.context("the miner has no tariff")?;
        let (result_key, genesis) = (owner.result_key(task).await?, owner.chain.genesis());
        Ok(Self {
            owner,
            http: Http::new(&[])?,
            task,
            miner,
            inputs,
            outputs,
            key,
            contact,
            price: terms.per_request,
            result_key,
            genesis,
        })
    }

    /// The bare engine.
    ///
    /// # Errors
    /// Returns an error if the model does not run.
    pub(crate) fn engine(&self) -> Result<Engine<'_>> {
        Ok(Engine::new(self.key.graph(), self.key.weights())?)
    }

    /// Makes a request: commits to the input, signs for it, seals both.
    ///
    /// # Errors
    /// Returns an error if the input does not fit, or there is no randomness.
    pub(crate) fn prepare(&self, number: RequestNumber) -> Result<Prepared> {
        let Self { task, miner, .. } = *self;
        let begun = Instant::now();
        let entropy = system_randomness()?;
        let opening = Opening::of_inputs(self.key.graph(), self.key.digest(), &self.inputs, &entropy)?;
        let input = opening.input_digest(self.key.graph())?;
        let commit = begun.elapsed();
        let authorisation = Authorisation { task, miner, number, input, price_cap: self.price };
        let signature = self.owner.signer.sign(&authorisation.payload(&self.genesis)).0;
        let sign = begun.elapsed() - commit;
        let body = Request { authorisation, signature, opening }.seal(self.genesis, &self.contact.hpke)?;
        let seal = begun.elapsed() - commit - sign;
        let url = format!("{}/v1/tasks/{task}/requests/{number}", self.contact.endpoint);
        Ok(Prepared { authorisation, making: Making { commit, sign, seal }, url, body })
    }

    /// Makes many requests, with all processors.
    ///
    /// # Errors
    /// Returns the errors of [`prepare`](Self::prepare).
    pub(crate) fn prepare_all(&self, first: RequestNumber, count: u64) -> Result<Vec<Prepared>> {
        let numbers: Vec<RequestNumber> = (first..first + count).collect();
        in_parallel(numbers, |number| self.prepare(number))
    }

    /// Sends a request once.
    pub(crate) async fn send(&self, prepared: &Prepared) -> Reply {
        let request = self.http.client().post(&prepared.url).body(prepared.body.clone()).timeout(PATIENCE);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Reply::Broken(format!("{error:?}")),
        };
        let status = response.status().as_u16();
        let after = response.headers().get("retry-after").map(|after| {
            let seconds = after.to_str().ok().and_then(|after| after.parse().ok());
            seconds.map_or(PAUSE, Duration::from_secs)
        });
        match (response.bytes().await, after) {
            (Err(error), _) => Reply::Broken(format!("{error:?}")),
            (Ok(body), _) if status == 200 => Reply::Answer(body.to_vec()),
            (Ok(_), Some(after)) => Reply::Later { status, after },
            (Ok(body), None) => Reply::No { status, words: String::from_utf8_lossy(&body).trim().to_owned() },
        }
    }

    /// Checks an answer: its receipt, that it opens, that it is what was signed for, and that it is what
    /// the bare engine says.
    ///
    /// # Errors
    /// Returns an error if the answer is any other.
    pub(crate) fn check(&self, authorisation: &Authorisation, bytes: &[u8]) -> Result<Checking> {
        let graph = self.key.graph();
        let begun = Instant::now();
        let answer = Answer::from_bytes(bytes, &self.genesis, authorisation)?;
        let receipt = begun.elapsed();
        let opened = answer.open(&exchange(self.genesis, authorisation), &self.result_key)?;
        let open = begun.elapsed() - receipt;
        ensure!(
            opened.output_digest(graph).ok() == Some(answer.receipt.output),
            "the miner has signed for another output than it sent"
        );
        let outputs: Vec<&Vec<i64>> =
            opened.tensors.iter().skip(graph.inputs.len()).flatten().map(|(values, _)| values).collect();
        ensure!(outputs == self.outputs.iter().collect::<Vec<_>>(), "the answer is not the bare engine's");
        let digest = begun.elapsed() - receipt - open;
        Ok(Checking { receipt, open, digest })
    }

    /// What the miner is paid, and what is settled.
    ///
    /// # Errors
    /// Returns an error if the node does not answer.
    pub(crate) async fn terms(&self) -> Result<Terms> {
        let at = self.owner.chain.at_finalised().await?;
        view::terms(&at, self.task, &self.miner).await?.context("the miner has no tariff any more")
    }

    /// Tells the miner that all up to a number is answered.
    ///
    /// # Errors
    /// Returns an error if the miner does not take it.
    pub(crate) async fn acknowledge(&self, through: RequestNumber) -> Result<()> {
        let word = Acknowledgement { task: self.task, miner: self.miner, through };
        let mut body = word.encode();
        body.extend(self.owner.signer.sign(&word.payload(&self.genesis)).0);
        let url = format!("{}/v1/tasks/{}/acknowledgements", self.contact.endpoint, self.task);
        let answer = self.http.client().post(url).body(body).send().await?;
        ensure!(answer.status().is_success(), "an acknowledgement: {}", answer.status());
        Ok(())
    }
}

/// Applies a function to many values with all processors, and keeps their order.
///
/// # Errors
/// Returns the first error.
pub(crate) fn in_parallel<T: Copy + Send + Sync, U: Send>(
    things: Vec<T>,
    work: impl Fn(T) -> Result<U> + Sync,
) -> Result<Vec<U>> {
    let each = things.len().div_ceil(machine::processors()).max(1);
    tokio::task::block_in_place(|| {
        thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = things
                .chunks(each)
                .map(|chunk| {
                    scope.spawn(move || chunk.iter().map(|thing| work(*thing)).collect::<Result<Vec<U>>>())
                })
                .collect();
            let mut all = Vec::with_capacity(things.len());
            for thread in threads {
                all.extend(thread.join().map_err(|_| anyhow!("a thread panicked"))??);
            }
            Ok(all)
        })
    })
}
