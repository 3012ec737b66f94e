//! Sustained rates: transactions signed before, sent over WebSocket as fast as the node takes them, so many
//! that its pool is never empty and never full, and counted where they are final.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cyborg_chain_client::runtime::{self, runtime_types};
use cyborg_chain_client::subxt::rpcs::rpc_params;
use runtime_types::pallet_reports::Report;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::market::{Engagement, Market};
use super::node::Logged;
use super::session::{ROOM, Session};

/// Blocks without any of them, after which those that are left count as lost.
const EMPTY_BLOCKS: usize = 5;
/// Length of a reporting period in milliseconds of chain time.
const PERIOD_MS: u64 = 600_000;

/// What was sent, and when it was final.
#[derive(Serialize)]
pub(crate) struct Rate {
    pub(crate) what: &'static str,
    pub(crate) block_time_ms: u64,
    pub(crate) transactions: usize,
    /// Final transactions, divided by the time from the first block with any to the last.
    pub(crate) per_second: f64,
    /// Time from the first transaction's sending until the last was final.
    pub(crate) total_s: f64,
    /// Time from the first transaction's sending until the node had taken the last.
    pub(crate) taken_s: f64,
    pub(crate) blocks: usize,
    pub(crate) fullest: Fullest,
}

/// The block with most of the transactions.
#[derive(Serialize)]
pub(crate) struct Fullest {
    pub(crate) transactions: usize,
    /// What users' transactions were charged for.
    pub(crate) charged_ms: f64,
    pub(crate) charged_proof_mb: f64,
    /// What building it took: executing it in wasm, and trying what did not fit any more.
    pub(crate) built_ms: u64,
    /// What sealing it took, until it was final and on the disk.
    pub(crate) sealed_ms: u64,
    /// Why it took no more.
    pub(crate) end: String,
}

/// A block with some of the transactions, and when it was final.
struct Seen {
    number: u64,
    count: usize,
    at: Instant,
}

/// Sends transactions and waits until they are final.
///
/// # Errors
/// Returns an error if one is refused, fails or is lost.
pub(crate) async fn measure(
    session: &Session,
    what: &'static str,
    block_time_ms: u64,
    transactions: Vec<String>,
) -> Result<Rate> {
    let count = transactions.len();
    eprintln!("{count} {what} at a block time of {block_time_ms} ms ...");
    let mut heads = session
        .rpc()
        .subscribe::<Value>("chain_subscribeFinalizedHeads", rpc_params![], "chain_unsubscribeFinalizedHeads")
        .await?;
    // The subscription begins with the block that is final already. It may hold transactions of the
    // measurement before this one, and none of these.
    let before = number(&heads.next().await.context("the node closed the connection")??)?;
    let room = Arc::new(Semaphore::new(ROOM));
    let begun = Instant::now();
    let sending = async {
        session.send(transactions, &room).await?;
        Ok::<_, anyhow::Error>(begun.elapsed())
    };
    let counting = async {
        let (mut blocks, mut left, mut empty) = (Vec::<Seen>::new(), count, 0);
        while left > 0 {
            let head = heads.next().await.context("the node closed the connection")??;
            let at = Instant::now();
            let number = number(&head)?;
            if number <= before {
                continue;
            }
            let found = session.block(&session.hash(number).await?).await?.transactions;
            room.add_permits(found);
            left = left.checked_sub(found).with_context(|| {
                format!("block {number} has {found} transactions, and only {left} {what} were missing")
            })?;
            if found > 0 {
                blocks.push(Seen { number, count: found, at });
                empty = 0;
            } else if !blocks.is_empty() {
                empty += 1;
                ensure!(empty < EMPTY_BLOCKS, "{left} of {count} {what} are in no block");
            }
        }
        Ok::<_, anyhow::Error>(blocks)
    };
    let (taken, blocks) = tokio::try_join!(sending, counting)?;
    let (first, last) = blocks.first().zip(blocks.last()).context("no block")?;
    let between = (last.at - first.at).max(Duration::from_millis(block_time_ms));
    let within = if blocks.len() > 1 { count - first.count } else { count };
    let total = last.at - begun;
    let fullest = blocks.iter().max_by_key(|block| block.count).context("no block")?;
    for block in &blocks {
        session.check(block.number).await?;
    }
    Ok(Rate {
        what,
        block_time_ms,
        transactions: count,
        per_second: within as f64 / between.as_secs_f64(),
        total_s: total.as_secs_f64(),
        taken_s: taken.as_secs_f64(),
        blocks: blocks.len(),
        fullest: describe(session, fullest).await?,
    })
}

/// The number of a head as the RPC writes it.
fn number(head: &Value) -> Result<u64> {
    let number = head["number"].as_str().context("a head without a number")?;
    Ok(u64::from_str_radix(number.trim_start_matches("0x"), 16)?)
}

async fn describe(session: &Session, seen: &Seen) -> Result<Fullest> {
    let charged = session.charged(seen.number).await?;
    let Logged { built_ms, sealed_ms, end } = session.node.logged(seen.number)?;
    Ok(Fullest {
        transactions: seen.count,
        charged_ms: charged.normal_ps as f64 / 1e9,
        charged_proof_mb: charged.normal_proof_bytes as f64 / 1e6,
        built_ms,
        sealed_ms,
        end,
    })
}

/// Reports of every engaged miner on the periods from so many ago, so many of them.
///
/// # Errors
/// Returns an error if they cannot be signed, or the chain's time cannot be read.
pub(crate) async fn reports(
    market: &mut Market,
    engaged: &[Engagement],
    ago: u32,
    count: u32,
) -> Result<Vec<String>> {
    let at = market.session.chain.at_finalised().await?;
    let now = at.storage().entry(runtime::storage().timestamp().now())?.fetch(()).await?.decode()?;
    let first = u32::try_from(now / PERIOD_MS)?.saturating_sub(ago);
    let mut transactions = Vec::new();
    for period in first..first + count {
        for (task, miner) in engaged {
            let consumed =
                Report { memory_peak_bytes: 200 << 20, cpu_ms: 60_000, energy_mj: None, requests: 25 };
            let report = runtime::transactions().reports().report(*task, period, consumed);
            transactions.push(market.miners[*miner].transaction(&market.session.at, report)?);
        }
    }
    Ok(transactions)
}

#[cfg(test)]
mod tests {
    use super::number;
    use serde_json::json;

    #[test]
    fn the_number_of_a_head() -> anyhow::Result<()> {
        assert_eq!(number(&json!({ "number": "0x1f" }))?, 31);
        assert!(number(&json!({})).is_err() && number(&json!({ "number": "0xg" })).is_err());
        Ok(())
    }
}
