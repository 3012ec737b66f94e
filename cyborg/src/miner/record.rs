//! What the chain says of a miner, of its money and of its tasks, as of one finalised block.

use cyborg_chain_client::runtime::{self, runtime_types};
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::{AtBlock, Chain, ChainError, json as chain_json};
use cyborg_miner::{Standing, view};
use cyborg_primitives::miner::Capacity;
use cyborg_primitives::place::Location;
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::{Account, Digest, ModelId, Moment, TaskId};
use cyborg_scheduler::{PROBATION_BELOW, SUSPENDED_BELOW};
use serde_json::{Value, json};

use super::folder;

/// A registered miner.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// The key that owners encrypt to.
    pub(crate) key: [u8; 32],
    /// Where clients reach it. Its owner's words: not to be printed as they are.
    pub(crate) endpoint: String,
    /// Where it says that it is.
    pub(crate) location: Location,
    /// What it says that its machine can do.
    pub(crate) capacity: Capacity,
    /// Asked for an hour of computing.
    pub(crate) price: u128,
    /// Staked.
    pub(crate) bond: u128,
    /// At most 100.
    pub(crate) reputation: u8,
    /// Memory that tasks have, in mebibytes.
    pub(crate) used_mib: u32,
    /// Tasks that have memory.
    pub(crate) load: u32,
    /// When its bond may be withdrawn, where it is leaving.
    pub(crate) leaves_at: Option<Moment>,
    /// When it was last heard of.
    pub(crate) seen: Moment,
    /// Whether it is heard of.
    pub(crate) duty: Duty,
}

/// Whether heartbeats are expected of a miner, and come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Duty {
    /// They come.
    Serving,
    /// They do not.
    Lapsed,
    /// It has left, and has no task.
    Over,
}

impl Record {
    /// How the miner stands, in a word or two.
    pub(crate) fn standing(&self) -> &'static str {
        match self.duty {
            Duty::Over => "has left",
            Duty::Lapsed => "lapsed",
            Duty::Serving if self.reputation < SUSPENDED_BELOW => "suspended",
            Duty::Serving if self.leaves_at.is_some() => "leaving",
            Duty::Serving if self.reputation < PROBATION_BELOW => "on probation",
            Duty::Serving => "serving",
        }
    }
}

/// A task of a miner.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) model: ModelId,
    pub(crate) owner: Account,
    pub(crate) policy: ProofPolicy,
    pub(crate) standing: Standing,
    /// Up to which request everything is settled.
    pub(crate) settled: Option<u64>,
}

impl Task {
    /// How the miner stands on it.
    pub(crate) fn stands(&self) -> &'static str {
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
    pub(crate) fn proofs(&self) -> String {
        match self.policy {
            ProofPolicy::Every => "every".to_owned(),
            ProofPolicy::Sampled { samples } => format!("sampled:{samples}"),
            ProofPolicy::OnDemand => "on-demand".to_owned(),
        }
    }
}

/// What the chain says of a miner.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Snapshot {
    /// The block.
    pub(crate) block: u64,
    /// Chain time.
    pub(crate) now: Moment,
    /// The first block's hash.
    pub(crate) genesis: Digest,
    /// Version of the runtime.
    pub(crate) spec_version: u32,
    /// The miner; `None` where the account is none.
    pub(crate) record: Option<Record>,
    /// Money of the account that nothing holds.
    pub(crate) free: u128,
    /// Its tasks.
    pub(crate) tasks: Vec<Task>,
    /// Least bond of a miner on offer.
    pub(crate) minimum_bond: u128,
    /// Longest silence of a miner, in milliseconds.
    pub(crate) heartbeat_timeout: Moment,
}

/// Asks the chain about a miner.
pub(crate) async fn snapshot(chain: &Chain, miner: &Account) -> Result<Snapshot, ChainError> {
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

/// A registered miner; `None` where the account is none.
pub(crate) async fn record(at: &AtBlock, miner: &Account) -> Result<Option<Record>, ChainError> {
    use runtime_types::pallet_miners::types::Duty as Found;
    let miners = at.storage().entry(runtime::storage().miners().miners())?;
    let pulses = at.storage().entry(runtime::storage().miners().pulses())?;
    let account = AccountId32(*miner);
    let (Some(miner), Some(pulse)) =
        (miners.try_fetch((account,)).await?, pulses.try_fetch((account,)).await?)
    else {
        return Ok(None);
    };
    let (miner, pulse) = (miner.decode()?, pulse.decode()?);
    Ok(Some(Record {
        key: miner.hpke_key,
        endpoint: String::from_utf8_lossy(&miner.endpoint.0).into_owned(),
        location: miner.location.0,
        capacity: miner.capacity.0,
        price: miner.price,
        bond: miner.bond,
        reputation: miner.reputation,
        used_mib: miner.used_mib,
        load: miner.load,
        leaves_at: miner.leaves_at,
        seen: pulse.seen,
        duty: match pulse.duty {
            Found::Serving => Duty::Serving,
            Found::Lapsed => Duty::Lapsed,
            Found::Over => Duty::Over,
        },
    }))
}

/// Money of an account that nothing holds.
pub(crate) async fn free(at: &AtBlock, account: &Account) -> Result<u128, ChainError> {
    let entry = at.storage().entry(runtime::storage().system().account())?;
    match entry.try_fetch((AccountId32(*account),)).await? {
        Some(found) => {
            let data = found.decode()?.data;
            Ok(data.free.saturating_sub(data.frozen))
        }
        None => Ok(0),
    }
}

/// All that the chain keeps of a miner, as it says it.
pub(crate) async fn as_json(chain: &Chain, miner: &Account) -> Result<Value, ChainError> {
    let at = chain.at_finalised().await?;
    let (storage, account) = (runtime::storage(), AccountId32(*miner));
    Ok(json!({
        "block": at.block_number(),
        "miner": chain_json::entry(&at, storage.miners().miners(), (account,)).await?,
        "pulse": chain_json::entry(&at, storage.miners().pulses(), (account,)).await?,
        "account": chain_json::entry(&at, storage.system().account(), (account,)).await?,
    }))
}

/// Tasks as programs read them. `serving` are those that the process answers; `None` where it does not
/// say.
pub(crate) fn tasks_json(tasks: &[Task], serving: Option<&[TaskId]>) -> Value {
    let one = |task: &Task| {
        json!({
            "task": task.id,
            "model": task.model,
            "owner": folder::address(&task.owner),
            "proofs": task.proofs(),
            "standing": task.stands(),
            "settled": task.settled,
            "served": serving.map(|serving| serving.contains(&task.id)),
        })
    };
    tasks.iter().map(one).collect()
}

/// Tasks in a table's rows, below [`TASK_COLUMNS`].
pub(crate) fn task_rows(tasks: &[Task], serving: Option<&[TaskId]>) -> Vec<[String; 6]> {
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

/// Heads of the table of tasks.
pub(crate) const TASK_COLUMNS: [&str; 6] = ["task", "model", "stands", "served", "proofs", "settled up to"];
