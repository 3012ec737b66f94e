//! Answers proven, verified on chain and paid in a minute, with a miner that has always more to prove; and
//! what holds it back.
//!
//! As many requests are open as the task's window admits. Counted are `Proofs.Verified` events of final
//! blocks, from one block's arrival to another's, after the first proofs have come. Requests are made while
//! the clock runs: how much of the processors that takes stands beside the count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cyborg_chain_client::follow::Follow;
use cyborg_chain_client::verdict::{Ruling, Verdict};
use cyborg_chain_client::{AtBlock, runtime};
use cyborg_owner::miner;
use cyborg_primitives::RequestNumber;
use cyborg_primitives::window::WIDTH;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::asker::{Asker, Reply};
use super::local::Network;
use super::metrics::Metrics;
use super::system::Shares;

/// Proofs that are bought: more than any minute brings.
const PROOFS: u32 = 20_000;
/// Requests that are sent at once.
const SENDERS: usize = 4;
/// Time for the flow to become even, after the first proofs.
const WARM_UP: Duration = Duration::from_secs(10);
/// How long a block with something in it, and the rest at the end, may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// Interval of the check whether a number is open.
const LOOK: Duration = Duration::from_millis(20);
/// What users' transactions may take of a block, in picoseconds.
const USABLE_PS: f64 = 1_500_000_000_000.0;

/// A minute of proven answers.
#[derive(Serialize)]
pub(crate) struct Proven {
    pub(crate) model: String,
    pub(crate) block_time_ms: u64,
    /// Verified in final blocks, and paid.
    pub(crate) verified: usize,
    pub(crate) seconds: f64,
    pub(crate) blocks: usize,
    /// Proofs in the fullest block.
    pub(crate) most_in_a_block: usize,
    /// The share of the weight of users' transactions that was used: on average, and in the fullest block.
    pub(crate) weight: f64,
    pub(crate) greatest_weight: f64,
    /// Time of a proof, its verification by the miner included, on average.
    pub(crate) proof_ms: f64,
    /// How much of the time something was being proven.
    pub(crate) proving: f64,
    /// Answers that waited to be proven, on average.
    pub(crate) due: f64,
    /// Proofs that were made and not yet verified in a final block, on average.
    pub(crate) made: f64,
    /// What was paid for them, in the chain's smallest unit.
    pub(crate) paid: u128,
    /// The processor time of each process meanwhile.
    pub(crate) shares: Shares,
}

impl Proven {
    /// Answers a minute.
    pub(crate) fn per_minute(&self) -> f64 {
        60.0 * self.verified as f64 / self.seconds
    }

    /// What holds it back, by these figures.
    pub(crate) fn bound(&self) -> &'static str {
        if self.proving > 0.9 {
            "proving"
        } else if self.greatest_weight > 0.9 {
            "block weight"
        } else {
            "waiting for blocks"
        }
    }
}

/// A final block.
struct Block {
    at: Instant,
    verified: Vec<(RequestNumber, Option<u128>)>,
    punished: usize,
    weight: f64,
    settled: RequestNumber,
}

/// Sends requests as the window opens.
struct Feeder {
    asker: Asker,
    /// All up to this one are settled.
    settled: AtomicU64,
    next: AtomicU64,
    stopped: AtomicBool,
}

/// Keeps the miner busy with one model, and counts.
///
/// # Errors
/// Returns an error if the task is not deployed, an answer is refused for good, or the chain falls silent.
pub(crate) async fn measure(
    network: &Network,
    model: &str,
    block_time_ms: u64,
    seconds: u64,
    wrong: &mut Vec<String>,
) -> Result<Proven> {
    let deployment = network.deploy(model, "every", PROOFS)?;
    let asker = Asker::new(network, model, &deployment).await?;
    eprintln!("{model}: {seconds} s of proven answers at a block time of {block_time_ms} ms ...");
    let mut follow = asker.owner.chain.follow(None).await?;
    let feeder = Arc::new(Feeder {
        asker,
        settled: AtomicU64::new(0),
        next: AtomicU64::new(1),
        stopped: AtomicBool::new(false),
    });
    let mut sending = JoinSet::new();
    for _ in 0..SENDERS {
        let feeder = feeder.clone();
        sending.spawn(async move { feeder.send().await });
    }
    let counted = count(network, &feeder, &mut follow, Duration::from_secs(seconds)).await;
    feeder.stopped.store(true, Ordering::Relaxed);
    let (mut blocks, row) = counted?;
    eprintln!("{model}: what is left ...");
    let mut answered = 0;
    let begun = Instant::now();
    loop {
        while let Some(sent) = sending.try_join_next() {
            answered += sent??;
        }
        let settled = blocks.last().map_or(0, |block| block.settled);
        if sending.is_empty() && settled >= answered || begun.elapsed() > PATIENCE {
            break;
        }
        blocks.push(next(&feeder, &mut follow).await?);
    }
    judge(model, &blocks, answered, wrong);
    Ok(Proven { model: model.to_owned(), block_time_ms, ..row })
}

/// Checks that every answer was proven and paid once, and that no miner was punished.
fn judge(model: &str, blocks: &[Block], last: RequestNumber, wrong: &mut Vec<String>) {
    let punished: usize = blocks.iter().map(|block| block.punished).sum();
    if punished > 0 {
        wrong.push(format!("{model}: {punished} punished"));
    }
    let mut verified: Vec<_> = blocks.iter().flat_map(|block| &block.verified).collect();
    verified.sort_unstable();
    let numbers = verified.iter().map(|(number, _)| *number);
    if !numbers.eq(1..=last) {
        let found = verified.len();
        wrong.push(format!("{model}: {last} answers, and {found} of them verified, not each once"));
    }
    let unpaid = verified.iter().filter(|(_, paid)| paid.is_none()).count();
    if unpaid > 0 {
        wrong.push(format!("{model}: {unpaid} proofs are not paid"));
    }
}

/// Counts from the first even flow on. All blocks, and the figures of those that count.
async fn count(
    network: &Network,
    feeder: &Arc<Feeder>,
    follow: &mut Follow,
    span: Duration,
) -> Result<(Vec<Block>, Proven)> {
    let mut blocks: Vec<Block> = Vec::new();
    let begun = Instant::now();
    while blocks.iter().all(|block| block.verified.is_empty()) {
        ensure!(begun.elapsed() < PATIENCE, "no proof is verified");
        blocks.push(next(feeder, follow).await?);
    }
    let even = Instant::now() + WARM_UP;
    while blocks.last().is_none_or(|block| block.at < even) {
        blocks.push(next(feeder, follow).await?);
    }
    let (endpoint, http) = (network.endpoint()?, &feeder.asker.http);
    let task = feeder.asker.task.to_string();
    let before = Metrics::of(http, endpoint).await?;
    let watch = network.watch()?;
    let first = blocks.len();
    let start = blocks.last().context("no block")?.at;
    let (mut due, mut made) = (Vec::new(), Vec::new());
    let after = loop {
        let block = next(feeder, follow).await?;
        let at = block.at;
        blocks.push(block);
        let now = Metrics::of(http, endpoint).await?;
        let proofs = |outcome| now.get("proofs_total", &[("task", &task), ("outcome", outcome)]);
        due.push(now.get("proofs_due", &[]));
        made.push(proofs("made") - proofs("verified"));
        if at - start >= span {
            break now;
        }
    };
    let shares = watch.end()?;
    let counted = &blocks[first..];
    let seconds = (counted.last().context("no block")?.at - start).as_secs_f64();
    let (sum, count) = ("proving_seconds_sum", "proving_seconds_count");
    let (proving_s, proofs) = (after.since(&before, sum, &[]), after.since(&before, count, &[]));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let weights: Vec<f64> = counted.iter().map(|block| block.weight).collect();
    let paid = counted.iter().flat_map(|block| &block.verified);
    let row = Proven {
        model: String::new(),
        block_time_ms: 0,
        verified: paid.clone().filter(|(_, paid)| paid.is_some()).count(),
        seconds,
        blocks: counted.len(),
        most_in_a_block: counted.iter().map(|block| block.verified.len()).max().unwrap_or(0),
        weight: mean(&weights),
        greatest_weight: weights.iter().copied().fold(0.0, f64::max),
        proof_ms: 1e3 * proving_s / proofs.max(1.0),
        proving: proving_s / shares.seconds,
        due: mean(&due),
        made: mean(&made),
        paid: paid.filter_map(|(_, paid)| *paid).sum(),
        shares,
    };
    Ok((blocks, row))
}

/// The next final block; the feeder hears what it has settled.
async fn next(feeder: &Feeder, follow: &mut Follow) -> Result<Block> {
    let block = timeout(PATIENCE, follow.next()).await.context("the chain makes no blocks any more")??;
    let at = Instant::now();
    let settled = settled(&feeder.asker, &block).await?;
    feeder.settled.store(settled, Ordering::Relaxed);
    let (task, miner) = (feeder.asker.task, feeder.asker.miner);
    let (mut verified, mut punished) = (Vec::new(), 0);
    for verdict in Verdict::all(&block).await? {
        match verdict.ruling {
            Ruling::Verified { paid, .. } if verdict.task == task && verdict.miner == miner => {
                verified.push((verdict.number, paid));
            }
            Ruling::Punished { .. } => punished += 1,
            Ruling::Verified { .. } | Ruling::Refused { .. } => {}
        }
    }
    let weight = block.storage().entry(runtime::storage().system().block_weight())?.fetch(()).await?;
    let weight = weight.decode()?.normal.ref_time as f64 / USABLE_PS;
    Ok(Block { at, verified, punished, weight, settled })
}

async fn settled(asker: &Asker, block: &AtBlock) -> Result<RequestNumber> {
    let terms = cyborg_chain_client::view::terms(block, asker.task, &asker.miner).await?;
    Ok(terms.context("the miner has no tariff any more")?.settled.through())
}

impl Feeder {
    /// Sends requests one after another until it is stopped. How many were answered.
    async fn send(&self) -> Result<u64> {
        let mut answered = 0;
        while !self.stopped.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            // A number that was taken is asked, also when time is up: a window has no gaps.
            while number > self.settled.load(Ordering::Relaxed) + WIDTH {
                sleep(LOOK).await;
            }
            let prepared = self.asker.prepare(number)?;
            let begun = Instant::now();
            let bytes = loop {
                match self.asker.send(&prepared).await {
                    Reply::Answer(bytes) => break bytes,
                    Reply::Later { after, .. } => sleep(miner::pause(after)).await,
                    other => {
                        ensure!(begun.elapsed() < PATIENCE, "request {number}: {other}");
                        sleep(Duration::from_secs(1)).await;
                    }
                }
            };
            self.asker.check(&prepared.authorisation, &bytes)?;
            answered += 1;
        }
        Ok(answered)
    }
}
