//! Requests faster than a miner answers them: what it answers in a second, what it refuses for the moment,
//! and that nothing is lost.
//!
//! Requests are signed and sealed before the clock starts, and answers are opened after it has stopped:
//! what the client does in between is HTTP. Client, miner and node share the processors all the same.
//!
//! Offered **open-loop**, requests come at their times whether earlier ones are answered or not, and
//! latency counts from the time at which each was due. A client that is refused with 503 comes again after
//! at least what `Retry-After` says, and a random time more. The last rate is twice what the miner has just been seen to answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cyborg_primitives::RequestNumber;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::asker::{Asker, Prepared, Reply, in_parallel};
use super::local::Network;
use super::metrics::Metrics;
use super::spread::Spread;
use super::system::Shares;

/// The model that is asked.
const MODEL: &str = "digits_mlp";
/// Rates at which requests are offered: what is to be answered, and twice that.
const RATES: [u32; 2] = [200, 400];
/// Clients that ask one after another as fast as they are answered.
const CLIENTS: usize = 16;
/// Requests prepared for each second; if more are answered the measurement ends earlier.
const FASTEST: u64 = 1_000;
/// Number of times that a request is sent before it counts as lost.
const MAX_ATTEMPTS: u32 = 60;
/// Greatest number of times that the random share of a client's pause doubles.
const MAX_DOUBLINGS: u32 = 4;
/// How long the chain may take to settle what was acknowledged.
const SETTLING: Duration = Duration::from_secs(120);

/// How requests are offered.
#[derive(Clone, Copy, Serialize)]
pub(crate) enum Offered {
    /// At a fixed number of requests a second, whether they are answered or not.
    PerSecond(u32),
    /// By a number of clients, each of which asks one request after another.
    ByClients(usize),
}

/// The result of offering requests in one way.
#[derive(Serialize)]
pub(crate) struct Load {
    pub(crate) offered: Offered,
    pub(crate) sent: usize,
    pub(crate) answered: usize,
    /// From the first that was due to the last answer.
    pub(crate) seconds: f64,
    /// From when a request was due to its answer, all attempts and pauses included.
    pub(crate) latency: Spread,
    /// Latency of requests that were answered at the first attempt.
    pub(crate) at_once: Spread,
    /// Refusals by status.
    pub(crate) refusals: BTreeMap<u16, usize>,
    /// Requests by how often they were refused before they were answered.
    pub(crate) retries: BTreeMap<u32, usize>,
    /// Attempts on which no answer came at all.
    pub(crate) broken: usize,
    /// The processor time of each process meanwhile.
    pub(crate) shares: Shares,
}

/// The result of one request.
struct Outcome {
    prepared: Prepared,
    answer: Option<Vec<u8>>,
    /// When the answer came, and how long after it was due.
    at: Instant,
    latency: Duration,
    refusals: Vec<u16>,
    broken: Vec<String>,
}

/// Offers requests in each way, checks every answer, and has them paid.
///
/// # Errors
/// Returns an error if the task is not deployed or not settled.
pub(crate) async fn measure(
    network: &Network,
    seconds: u32,
    rows: &mut Vec<Load>,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let deployment = network.deploy(MODEL, "on-demand", 1_000)?;
    let asker = Arc::new(Asker::new(network, MODEL, &deployment).await?);
    let mut next: RequestNumber = 1;
    let mut offers: VecDeque<Offered> = RATES.map(Offered::PerSecond).into();
    offers.push_back(Offered::ByClients(CLIENTS));
    while let Some(offered) = offers.pop_front() {
        let rate = if let Offered::PerSecond(rate) = offered { u64::from(rate) } else { FASTEST };
        let count = rate * u64::from(seconds);
        eprintln!("{count} requests are made ...");
        let prepared = asker.prepare_all(next, count)?;
        eprintln!("{offered} ...");
        let before = Metrics::of(&asker.http, network.endpoint()?).await?;
        let watch = network.watch()?;
        let begun = Instant::now();
        let outcomes = match offered {
            Offered::PerSecond(rate) => open_loop(&asker, prepared, rate).await?,
            Offered::ByClients(clients) => {
                let end = begun + Duration::from_secs(seconds.into());
                closed_loop(&asker, prepared, clients, end).await?
            }
        };
        let shares = watch.end()?;
        let after = Metrics::of(&asker.http, network.endpoint()?).await?;
        let load = evaluate(&asker, offered, begun, &outcomes, shares, wrong)?;
        let task = asker.task.to_string();
        let counted = after.since(&before, "answers_total", &[("task", &task)]);
        if counted != load.answered as f64 {
            wrong
                .push(format!("{offered}: the miner has answered {counted}, {} answers came", load.answered));
        }
        if let Offered::ByClients(_) = offered {
            let twice = 2.0 * load.answered as f64 / load.seconds;
            offers.push_back(Offered::PerSecond(twice.round() as u32));
        }
        // If time was up, the last requests were not sent, and their numbers are free.
        next += load.sent as u64;
        rows.push(load);
    }
    settle(&asker, next - 1).await
}

/// Sends each request when it is due.
async fn open_loop(asker: &Arc<Asker>, prepared: Vec<Prepared>, rate: u32) -> Result<Vec<Outcome>> {
    let begun = Instant::now();
    let mut sending = JoinSet::new();
    for (index, prepared) in prepared.into_iter().enumerate() {
        let due = begun + Duration::from_secs(1) * u32::try_from(index)? / rate;
        sleep_until(due).await;
        let asker = asker.clone();
        sending.spawn(async move { until_answered(&asker, prepared, due).await });
    }
    Ok(sending.join_all().await)
}

/// Each client takes the next request when its last is answered, until time is up.
async fn closed_loop(
    asker: &Arc<Asker>,
    prepared: Vec<Prepared>,
    clients: usize,
    end: Instant,
) -> Result<Vec<Outcome>> {
    let prepared: Arc<Vec<std::sync::Mutex<Option<Prepared>>>> =
        Arc::new(prepared.into_iter().map(|prepared| std::sync::Mutex::new(Some(prepared))).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let mut asking = JoinSet::new();
    for _ in 0..clients {
        let (asker, prepared, next) = (asker.clone(), prepared.clone(), next.clone());
        asking.spawn(async move {
            let mut outcomes = Vec::new();
            while Instant::now() < end {
                let taken = prepared.get(next.fetch_add(1, Ordering::Relaxed));
                // No other client takes this request.
                let Some(taken) = taken.and_then(|taken| taken.lock().ok()?.take()) else { break };
                outcomes.push(until_answered(&asker, taken, Instant::now()).await);
            }
            outcomes
        });
    }
    Ok(asking.join_all().await.into_iter().flatten().collect())
}

/// Sends a request until it is answered, with the pauses that the miner asks for.
async fn until_answered(asker: &Asker, prepared: Prepared, due: Instant) -> Outcome {
    let (mut refusals, mut broken) = (Vec::new(), Vec::new());
    let mut answer = None;
    for _ in 0..MAX_ATTEMPTS {
        match asker.send(&prepared).await {
            Reply::Answer(bytes) => {
                answer = Some(bytes);
                break;
            }
            Reply::Later { status, after } => {
                sleep(pause(after, refusals.len(), random())).await;
                refusals.push(status);
            }
            Reply::Broken(reason) => {
                broken.push(reason);
                sleep(Duration::from_secs(1)).await;
            }
            Reply::No { status, words } => {
                broken.push(format!("{status}: {words}"));
                break;
            }
        }
    }
    let at = Instant::now();
    Outcome { prepared, answer, at, latency: at - due, refusals, broken }
}

/// The pause of a client that was refused: what the miner asks for, and a random share (0 to 1) of as much
/// again, which doubles with every earlier refusal of the request. Without it clients that are refused together
/// come back together, and most are refused again.
fn pause(after: Duration, earlier_refusals: usize, share: f64) -> Duration {
    let doublings = u32::try_from(earlier_refusals).unwrap_or(u32::MAX).min(MAX_DOUBLINGS);
    after + (after * 2_u32.pow(doublings)).mul_f64(share.clamp(0.0, 1.0))
}

/// A number between 0 and 1; 0.5 on a machine without randomness.
fn random() -> f64 {
    let mut bytes = [0; 4];
    if getrandom::fill(&mut bytes).is_err() {
        return 0.5;
    }
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

fn evaluate(
    asker: &Asker,
    offered: Offered,
    begun: Instant,
    outcomes: &[Outcome],
    shares: Shares,
    wrong: &mut Vec<String>,
) -> Result<Load> {
    let checked = in_parallel(outcomes.iter().collect(), |outcome: &Outcome| {
        let number = outcome.prepared.authorisation.number;
        Ok(match &outcome.answer {
            None => Some(format!("{offered}: request {number} is lost: {}", outcome.broken.join("; "))),
            Some(bytes) => {
                let checked = asker.check(&outcome.prepared.authorisation, bytes);
                checked.err().map(|error| format!("{offered}: request {number}: {error:#}"))
            }
        })
    })?;
    wrong.extend(checked.into_iter().flatten());
    let answered = || outcomes.iter().filter(|outcome| outcome.answer.is_some());
    let last = answered().map(|outcome| outcome.at).max().context("nothing was answered")?;
    let (mut refusals, mut retries) = (BTreeMap::new(), BTreeMap::new());
    for outcome in answered() {
        *retries.entry(u32::try_from(outcome.refusals.len())?).or_default() += 1;
    }
    for status in outcomes.iter().flat_map(|outcome| &outcome.refusals) {
        *refusals.entry(*status).or_default() += 1;
    }
    let at_once = answered().filter(|outcome| outcome.refusals.is_empty() && outcome.broken.is_empty());
    Ok(Load {
        offered,
        sent: outcomes.len(),
        answered: answered().count(),
        seconds: (last - begun).as_secs_f64(),
        latency: Spread::of(answered().map(|outcome| outcome.latency)),
        at_once: Spread::of(at_once.map(|outcome| outcome.latency)),
        refusals,
        retries,
        broken: outcomes.iter().map(|outcome| outcome.broken.len()).sum(),
        shares,
    })
}

/// Acknowledges all that was answered, and waits until the chain has paid it: it pays for numbers without a
/// gap only.
async fn settle(asker: &Asker, through: RequestNumber) -> Result<()> {
    eprintln!("{through} answers are acknowledged ...");
    asker.acknowledge(through).await?;
    let begun = Instant::now();
    while asker.terms().await?.settled.through() < through {
        ensure!(begun.elapsed() < SETTLING, "{through} acknowledged answers are not settled");
        sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

impl std::fmt::Display for Offered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PerSecond(rate) => write!(f, "{rate} a second"),
            Self::ByClients(clients) => write!(f, "{clients} clients, as fast as they can"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_DOUBLINGS, pause, random};
    use std::time::Duration;

    #[test]
    fn a_refused_client_waits_at_least_as_long_as_asked_and_ever_less_predictably() {
        let second = Duration::from_secs(1);
        assert_eq!(pause(second, 0, 0.0), second);
        assert_eq!(pause(second, 0, 1.0), 2 * second);
        assert_eq!(pause(second, 2, 0.5), 3 * second);
        assert_eq!(pause(second, 1_000, 1.0), second + second * 2_u32.pow(MAX_DOUBLINGS));
        assert!((0..100).all(|_| (0.0..=1.0).contains(&random())));
    }
}
