//! What submission and assignment cost with ten thousand miners registered: blocks full of them, in the
//! node's wasm executor, against what was charged.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use cyborg_chain_client::runtime::{self, runtime_types};
use cyborg_primitives::task::ProofPolicy;
use runtime_types::pallet_tasks::types::Reason;
use serde::Serialize;

use super::market::{Deployed, Engagement, MAX_REPLICAS, Market, Spec, Wanted, spec};

/// Number of times that a ranking is asked for.
const RUNS: usize = 5;
/// More submissions than a block takes.
const PLENTY: u32 = 600;

/// Blocks of one kind of call.
#[derive(Serialize)]
pub(crate) struct Calls {
    pub(crate) what: &'static str,
    /// Calls in the block.
    pub(crate) calls: usize,
    /// Miners engaged by them.
    pub(crate) engaged: usize,
    /// What the block was charged for, for each call.
    pub(crate) charged_ms: f64,
    pub(crate) charged_proof_kb: f64,
    /// What building it took beyond an empty block, in wasm, for each call.
    pub(crate) built_ms: f64,
    /// What of state was read, for each call.
    pub(crate) read_kb: f64,
}

/// Costs with so many miners.
#[derive(Serialize)]
pub(crate) struct Scale {
    pub(crate) miners: usize,
    pub(crate) tasks: u64,
    pub(crate) calls: Vec<Calls>,
    /// What a client waits for the runtime's own ranking, over RPC.
    pub(crate) ranking_ms: f64,
}

/// Fills blocks with submissions, and with refusals by the miners that were engaged.
///
/// # Errors
/// Returns an error if the chain refuses something.
pub(crate) async fn measure(market: &mut Market, model: &Deployed) -> Result<Scale> {
    let mut rows = Vec::new();
    let specs =
        (0..PLENTY).map(|number| spec(model.id, ProofPolicy::OnDemand, MAX_REPLICAS, Wanted::Near(number)));
    let (calls, engaged) = submissions(market, "submit, 16 miners anywhere, near a place", specs).await?;
    rows.push(calls);
    let specs = (0..PLENTY).map(|number| spec(model.id, ProofPolicy::OnDemand, 1, Wanted::Within(number)));
    let (calls, _) = submissions(market, "submit, one miner in one region", specs).await?;
    rows.push(calls);
    rows.push(refusals(market, &engaged).await?);
    Ok(Scale {
        miners: market.miners.len(),
        tasks: tasks(market).await?,
        calls: rows,
        ranking_ms: ranking(market).await?,
    })
}

/// A block of submissions. Returns the engagements.
async fn submissions(
    market: &mut Market,
    what: &'static str,
    specs: impl IntoIterator<Item = Spec>,
) -> Result<(Calls, Vec<Engagement>)> {
    eprintln!("{what} ...");
    let transactions = market.submissions(specs)?;
    let (calls, mut engaged, mut left) = block(market, what, transactions).await?;
    while left > 0 {
        let block = market.session.seal().await?;
        ensure!(block.transactions > 0, "{what}: {left} are in no block");
        left = left.saturating_sub(block.transactions);
        engaged.extend(market.engaged(block.number).await?);
    }
    Ok((calls, engaged))
}

/// A block in which a miner of each task declines, so that another is looked for.
async fn refusals(market: &mut Market, engaged: &[Engagement]) -> Result<Calls> {
    let what = "decline, and the next of the ranking";
    eprintln!("{what} ...");
    let mut transactions = Vec::new();
    let (mut last, mut busy) = (None, Vec::new());
    for (task, miner) in engaged {
        // One miner of each task, and no miner twice: a miner may decline only so often.
        if last != Some(*task) && !busy.contains(miner) {
            last = Some(*task);
            busy.push(*miner);
            let decline = runtime::transactions().tasks().decline(*task, Reason::Busy);
            transactions.push(market.miners[*miner].transaction(&market.session.at, decline)?);
        }
    }
    let (calls, _, mut left) = block(market, what, transactions).await?;
    while left > 0 {
        let block = market.session.seal().await?;
        ensure!(block.transactions > 0, "{what}: {left} are in no block");
        left = left.saturating_sub(block.transactions);
    }
    Ok(calls)
}

/// The first block of transactions: its cost, its engagements, and how many transactions did not fit.
async fn block(
    market: &Market,
    what: &'static str,
    transactions: Vec<String>,
) -> Result<(Calls, Vec<Engagement>, usize)> {
    let session = &market.session;
    let empty = session.seal().await?;
    let idle = session.charged(empty.number).await?;
    let sent = transactions.len();
    session.send_all(transactions).await?;
    let block = session.seal().await?;
    session.check(block.number).await?;
    ensure!(block.transactions > 0, "{what}: the block has none");
    let charged = session.charged(block.number).await?;
    let (built, nothing) = (session.node.logged(block.number)?, session.node.logged(empty.number)?);
    let engaged = market.engaged(block.number).await?;
    let each = 1.0 / block.transactions as f64;
    let calls = Calls {
        what,
        calls: block.transactions,
        engaged: engaged.len(),
        charged_ms: charged.normal_ps.saturating_sub(idle.normal_ps) as f64 / 1e9 * each,
        charged_proof_kb: charged.normal_proof_bytes.saturating_sub(idle.normal_proof_bytes) as f64 / 1e3
            * each,
        built_ms: built.built_ms.saturating_sub(nothing.built_ms) as f64 * each,
        read_kb: block.proof_bytes.saturating_sub(empty.proof_bytes) as f64 / 1e3 * each,
    };
    Ok((calls, engaged, sent - block.transactions))
}

/// Tasks that were submitted so far.
async fn tasks(market: &Market) -> Result<u64> {
    let at = market.session.chain.at_finalised().await?;
    Ok(at.storage().entry(runtime::storage().tasks().next_task())?.fetch(()).await?.decode()?)
}

/// The time of the ranking that a client asks for before it submits: the median of several.
async fn ranking(market: &Market) -> Result<f64> {
    let at = market.session.chain.at_finalised().await?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let placement = runtime_types::cyborg_primitives::task::Placement {
            replicas: 16,
            standbys: 0,
            regions: Vec::new(),
            near: None,
            min_reputation: 50,
        };
        let begun = Instant::now();
        let call = runtime::runtime_apis().cyborg_api().ranking(placement, 256, u128::MAX, 16);
        let ranked = at.runtime_apis().call(call).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(ranked.len() == 16, "a ranking of {} miners", ranked.len());
    }
    times.sort_by(f64::total_cmp);
    times.get(RUNS / 2).copied().context("no ranking")
}
