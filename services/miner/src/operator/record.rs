//! What the chain says about a miner, its money and its tasks, as of one finalised block.

use cyborg_chain_client::runtime;
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::view::free;
pub use cyborg_chain_client::view::{Duty, MinerView as Record, miner as record};
use cyborg_chain_client::{Chain, ChainError, json as chain_json};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::{Account, Digest, ModelId, Moment, TaskId};
use cyborg_scheduler::{PROBATION_BELOW, SUSPENDED_BELOW};
use serde_json::{Value, json};

use crate::{Standing, view};

/// An account's address.
pub fn address(account: &Account) -> String {
    AccountId32(*account).to_string()
}

/// How a miner stands, in a word or two.
pub fn standing(record: &Record) -> &'static str {
    match record.duty {
        Duty::Over => "has left",
        Duty::Lapsed => "lapsed",
        Duty::Serving if record.reputation < SUSPENDED_BELOW => "suspended",
        Duty::Serving if record.leaves_at.is_some() => "leaving",
        Duty::Serving if record.reputation < PROBATION_BELOW => "on probation",
        Duty::Serving => "serving",
    }
}

/// A task of a miner.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its number.
    pub id: TaskId,
    /// The model that it runs.
    pub model: ModelId,
    /// The account that pays for it.
    pub owner: Account,
    /// Which answers are proven.
    pub policy: ProofPolicy,
    /// Where the miner stands on it.
    pub standing: Standing,
    /// The request up to which everything is settled.
    pub settled: Option<u64>,
}

impl Task {
    /// How the miner stands on it.
    pub fn stands(&self) -> &'static str {
        match self.standing {
            Standing::Gone => "gone",
            Standing::Keyless => "waits for its key",
            Standing::Keyed => "to be confirmed",
            Standing::Confirmed => "confirmed",
            Standing::Liable => "to be settled",
            Standing::Left => "left",
        }
    }

    /// How its answers are proven.
    pub fn proofs(&self) -> String {
        match self.policy {
            ProofPolicy::Every => "every".to_owned(),
            ProofPolicy::Sampled { samples } => format!("sampled:{samples}"),
            ProofPolicy::OnDemand => "on-demand".to_owned(),
        }
    }
}

/// What the chain says about a miner.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The block.
    pub block: u64,
    /// Chain time.
    pub now: Moment,
    /// The first block's hash.
    pub genesis: Digest,
    /// Version of the runtime.
    pub spec_version: u32,
    /// The miner; `None` if the account is not a miner.
    pub record: Option<Record>,
    /// The account's money that is not held.
    pub free: u128,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// Smallest bond of a miner that is offered tasks.
    pub minimum_bond: u128,
    /// Longest silence of a miner, in milliseconds.
    pub heartbeat_timeout: Moment,
}

/// Asks the chain about a miner.
///
/// # Errors
/// Returns an error if the node does not answer, or an answer cannot be decoded.
pub async fn snapshot(chain: &Chain, miner: &Account) -> Result<Snapshot, ChainError> {
    let at = chain.at_finalised().await?;
    let constants = runtime::constants();
    let mut tasks = Vec::new();
    for id in view::tasks_of(&at, miner).await? {
        let Some(task) = view::task(&at, id, miner).await? else { continue };
        let terms = view::terms(&at, id, miner).await?;
        tasks.push(Task {
            id,
            model: task.model,
            owner: task.owner,
            policy: task.policy,
            standing: task.standing,
            settled: terms.map(|terms| terms.settled.through()),
        });
    }
    Ok(Snapshot {
        block: at.block_number(),
        now: view::now(&at).await?,
        genesis: chain.genesis(),
        spec_version: chain.spec_version(),
        record: record(&at, miner).await?,
        free: free(&at, miner).await?,
        tasks,
        minimum_bond: at.constants().entry(constants.miners().minimum_bond())?,
        heartbeat_timeout: at.constants().entry(constants.miners().heartbeat_timeout())?,
    })
}

/// Everything that the chain stores about a miner, undigested.
///
/// # Errors
/// Returns an error if the node does not answer, or an answer cannot be decoded.
pub async fn as_json(chain: &Chain, miner: &Account) -> Result<Value, ChainError> {
    let at = chain.at_finalised().await?;
    let (storage, account) = (runtime::storage(), AccountId32(*miner));
    Ok(json!({
        "block": at.block_number(),
        "miner": chain_json::entry(&at, storage.miners().miners(), (account,)).await?,
        "pulse": chain_json::entry(&at, storage.miners().pulses(), (account,)).await?,
        "account": chain_json::entry(&at, storage.system().account(), (account,)).await?,
    }))
}

/// Tasks as programs read them. `serving` are the tasks that the process answers; `None` if it is
/// unknown.
pub fn tasks_json(tasks: &[Task], serving: Option<&[TaskId]>) -> Value {
    let one = |task: &Task| {
        json!({
            "task": task.id,
            "model": task.model,
            "owner": address(&task.owner),
            "proofs": task.proofs(),
            "standing": task.stands(),
            "settled": task.settled,
            "served": serving.map(|serving| serving.contains(&task.id)),
        })
    };
    tasks.iter().map(one).collect()
}

/// Tasks as a table's rows, below [`TASK_COLUMNS`].
pub fn task_rows(tasks: &[Task], serving: Option<&[TaskId]>) -> Vec<[String; 6]> {
    let served = |task: &Task| match serving {
        Some(serving) if serving.contains(&task.id) => "yes",
        Some(_) => "no",
        None => "-",
    };
    let row = |task: &Task| {
        [
            task.id.to_string(),
            task.model.to_string(),
            task.stands().to_owned(),
            served(task).to_owned(),
            task.proofs(),
            task.settled.map_or("-".to_owned(), |number| number.to_string()),
        ]
    };
    tasks.iter().map(row).collect()
}

/// Headings of the table of tasks.
pub const TASK_COLUMNS: [&str; 6] = ["task", "model", "stands", "served", "proofs", "settled up to"];
