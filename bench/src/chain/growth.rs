//! How the database grows: tasks from submission to refund, and the room that their blocks, states and
//! events take on the disk afterwards.

use anyhow::{Result, ensure};
use cyborg_chain_client::runtime;
use cyborg_primitives::task::ProofPolicy;
use serde::Serialize;

use super::market::{Deployed, Engagement, Market, Wanted, spec};
use super::node::{NodeSetup, size_on_disk};
use super::rates;

/// Blocks from one round of heartbeats to the next: 100 are ten minutes of chain time.
const HEARTBEAT_BLOCKS: u64 = 100;
/// Blocks by which stopped tasks are settled and refunded: 700 are the settlement period of 70 minutes,
/// and then so many are due at once that it takes a while.
const MAX_BLOCKS: u64 = 2_000;
/// Tasks that are begun together: their keys must come within 300 blocks of the first submission.
const WAVE: usize = 5_000;

/// What the database grew by.
#[derive(Serialize)]
pub(crate) struct Growth {
    pub(crate) tasks: usize,
    /// Transactions in all, heartbeats included.
    pub(crate) transactions: usize,
    pub(crate) blocks: u64,
    /// Bytes on the disk, after an orderly end of the node.
    pub(crate) bytes: u64,
    /// What one block without any transaction takes.
    pub(crate) bytes_per_empty_block: f64,
}

/// Takes tasks through their life: submitted, keyed, confirmed, reported on once, acknowledged, stopped,
/// settled.
///
/// # Errors
/// Returns an error if the chain refuses something, or a task does not end.
pub(crate) async fn measure(
    setup: &NodeSetup<'_>,
    market: Market,
    model: &Deployed,
    tasks: usize,
) -> Result<Growth> {
    let (before, mut market) = market.restart(setup, None).await?;
    let first = market.session.latest().await?;
    let mut transactions = 0;
    let mut left = tasks;
    while left > 0 {
        let wave = left.min(WAVE);
        eprintln!("{wave} tasks ...");
        transactions += live(&mut market, model, wave).await?;
        left -= wave;
    }
    let last = market.session.latest().await?;
    let (after, mut market) = market.restart(setup, None).await?;

    eprintln!("empty blocks ...");
    beat(&mut market).await?;
    let (with_beats, market) = market.restart(setup, None).await?;
    for _ in 0..HEARTBEAT_BLOCKS {
        market.session.seal().await?;
    }
    market.session.close()?;
    let empty = size_on_disk(setup.folder)?.saturating_sub(with_beats);
    Ok(Growth {
        tasks,
        transactions,
        blocks: last - first,
        bytes: after.saturating_sub(before),
        bytes_per_empty_block: empty as f64 / HEARTBEAT_BLOCKS as f64,
    })
}

/// Sends a heartbeat of every miner. Returns how many were sent.
async fn beat(market: &mut Market) -> Result<usize> {
    let beats = market.heartbeats(1)?;
    let count = beats.len();
    market.session.include(beats).await?;
    Ok(count)
}

/// Takes a wave of tasks through their life. Returns the number of transactions that it took.
async fn live(market: &mut Market, model: &Deployed, tasks: usize) -> Result<usize> {
    let mut sent = beat(market).await?;
    let specs = (0..tasks).map(|_| spec(model.id, ProofPolicy::OnDemand, 1, Wanted::Near(0)));
    let engaged = market.submit(specs).await?;
    ensure!(engaged.len() == tasks, "{} miners for {tasks} tasks", engaged.len());
    sent += beat(market).await?;
    market.start(&engaged, model).await?;
    let reports = rates::reports(market, &engaged, 1, 1).await?;
    market.session.include(reports).await?;
    end(market, &engaged).await?;
    // Submission, keys, confirmation, report, acknowledgement, stop.
    sent += 6 * tasks;
    let stopped = market.session.latest().await?;
    let (mut settled, mut read) = (0, stopped);
    while settled < tasks {
        ensure!(
            read - stopped < MAX_BLOCKS,
            "{settled} of {tasks} tasks are settled after {MAX_BLOCKS} blocks"
        );
        sent += beat(market).await?;
        for _ in 0..HEARTBEAT_BLOCKS {
            market.session.seal().await?;
        }
        let latest = market.session.latest().await?;
        // Blocks with heartbeats count too: tasks end in any block.
        for block in read + 1..=latest {
            settled += market.session.events::<runtime::tasks::events::Vacated>(block).await?.len();
        }
        read = latest;
    }
    Ok(sent)
}

/// The owner acknowledges answers to every task, and stops it.
async fn end(market: &mut Market, engaged: &[Engagement]) -> Result<()> {
    let mut transactions = Vec::new();
    for (task, miner) in engaged {
        let miner = market.miners[*miner].id();
        let acknowledge = runtime::transactions().payments().acknowledge(*task, miner, 10);
        transactions.push(market.owner.transaction(&market.session.at, acknowledge)?);
        let stop = runtime::transactions().tasks().stop(*task);
        transactions.push(market.owner.transaction(&market.session.at, stop)?);
    }
    market.session.include(transactions).await?;
    Ok(())
}
