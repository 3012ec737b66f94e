//! What the network adds to a bare inference: one client, one request after another, the connection kept
//! alive.
//!
//! There are two ways of asking. `Owner::ask` is all that a user of the library waits for: the chain is
//! looked up, the request is on the owner's disk before it is sent, the answer before it is opened. The same
//! by hand, without chain and records, is the protocol alone, and each of its steps is timed.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cyborg_chain_client::view;
use cyborg_owner::ask::Asking;
use serde::Serialize;

use super::asker::{Asker, Checking, Making, Prepared, Reply};
use super::local::Network;
use super::metrics::Metrics;
use super::spread::Spread;

/// Requests before any is timed.
const WARM_UP: u32 = 20;
/// How long `Owner::ask` may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the network adds for one model.
#[derive(Serialize)]
pub(crate) struct Latency {
    pub(crate) model: String,
    /// The bare engine, in this process.
    pub(crate) engine: Spread,
    /// `Owner::ask`, all of it.
    pub(crate) ask: Spread,
    /// The protocol alone.
    pub(crate) protocol: Spread,
    /// The part of it from sending to the last byte.
    pub(crate) exchange: Spread,
    /// A few hundred bytes written to the disk and synced, as it takes now: a miner does it once for each
    /// answer.
    pub(crate) sync: Spread,
    /// The steps, in their order.
    pub(crate) steps: Vec<Step>,
}

/// A step, on average.
#[derive(Serialize)]
pub(crate) struct Step {
    pub(crate) what: &'static str,
    pub(crate) mean_ms: f64,
}

impl Latency {
    /// What the network adds to the bare engine: the difference of the medians.
    pub(crate) fn added_ms(&self) -> f64 {
        self.ask.median_ms - self.engine.median_ms
    }
}

/// Asks for one model on a network.
///
/// # Errors
/// Returns an error if the task is not deployed, or the miner refuses.
pub(crate) async fn measure(
    network: &Network,
    model: &str,
    requests: u32,
    wrong: &mut Vec<String>,
) -> Result<Latency> {
    let deployment = network.deploy(model, "on-demand", 1_000)?;
    let asker = Asker::new(network, model, &deployment).await?;
    eprintln!("{model}: {requests} requests, twice ...");
    let engine = engine(&asker, requests)?;

    let asking = Asking { miner: Some(asker.miner), price_cap: None, patience: PATIENCE };
    let mut ask = Vec::new();
    for request in 0..WARM_UP + requests {
        let begun = Instant::now();
        let answered = asker.owner.ask(&asker.http, asker.task, &asker.inputs, &asking).await?;
        let took = begun.elapsed();
        if answered.outputs != asker.outputs {
            wrong.push(format!("{model}: answer {} is not the bare engine's", answered.number));
        }
        if request >= WARM_UP {
            ask.push(took);
        }
    }
    let look_up = look_up(&asker, requests.min(100)).await?;
    let sync = sync(&network.owner_folder(), requests)?;

    let first = u64::from(WARM_UP + requests) + 1;
    for number in first..first + u64::from(WARM_UP) {
        one(&asker, number, wrong).await?;
    }
    let before = Metrics::of(&asker.http, network.endpoint()?).await?;
    let mut seen = Vec::new();
    for number in first + u64::from(WARM_UP)..first + u64::from(WARM_UP + requests) {
        seen.push(one(&asker, number, wrong).await?);
    }
    let after = Metrics::of(&asker.http, network.endpoint()?).await?;

    let count = after.since(&before, "latency_seconds_count", &[]);
    if count != f64::from(requests) {
        wrong.push(format!("{model}: the miner counts {count} answers, {requests} came"));
    }
    // The miner's own time, on average: in all, and of the thread that answers.
    let in_miner_ms = 1e3 * after.since(&before, "latency_seconds_sum", &[]) / count.max(1.0);
    let task = asker.task.to_string();
    let at_work_ms = 1e3 * after.since(&before, "busy_seconds_total", &[("task", &task)]) / count.max(1.0);
    let ask = Spread::of(ask);
    let protocol = Spread::of(seen.iter().map(|one| one.total));
    let exchange = Spread::of(seen.iter().map(|one| one.exchange));
    let look_up_ms = look_up.mean_ms;
    let mean = |what, time: fn(&One) -> Duration| Step { what, mean_ms: mean_ms(&seen, time) };
    let step = |what, mean_ms: f64| Step { what, mean_ms: mean_ms.max(0.0) };
    let steps = vec![
        step("client: the chain is asked who serves, where and for how much", look_up_ms),
        step("client: records on its disk", ask.mean_ms - look_up_ms - protocol.mean_ms),
        mean("client: commits to the input", |one| one.making.commit),
        mean("client: signs the authorisation", |one| one.making.sign),
        mean("client: seals the request", |one| one.making.seal),
        step("HTTP and loopback, both ways", exchange.mean_ms - in_miner_ms),
        step("miner: opens, checks, infers, commits, signs, seals", at_work_ms),
        step("miner: the answer on its disk, and waiting", in_miner_ms - at_work_ms),
        mean("client: checks the receipt", |one| one.checking.receipt),
        mean("client: opens the answer", |one| one.checking.open),
        mean("client: compares it with the receipt", |one| one.checking.digest),
    ];
    Ok(Latency { model: model.to_owned(), engine, ask, protocol, exchange, sync, steps })
}

/// The bare engine, on the same input.
fn engine(asker: &Asker, runs: u32) -> Result<Spread> {
    let engine = asker.engine()?;
    let mut times = Vec::new();
    for run in 0..WARM_UP + runs {
        let begun = Instant::now();
        let outputs = engine.run(&asker.inputs)?;
        let took = begun.elapsed();
        ensure!(outputs == asker.outputs, "the engine does not repeat itself");
        if run >= WARM_UP {
            times.push(took);
        }
    }
    Ok(Spread::of(times))
}

/// What `Owner::ask` asks the chain before it sends a request.
async fn look_up(asker: &Asker, runs: u32) -> Result<Spread> {
    let mut times = Vec::new();
    for _ in 0..runs {
        let begun = Instant::now();
        let at = asker.owner.chain.at_finalised().await?;
        asker.owner.task(&at, asker.task).await?;
        view::contact(&at, &asker.miner).await?;
        view::terms(&at, asker.task, &asker.miner).await?;
        times.push(begun.elapsed());
    }
    Ok(Spread::of(times))
}

/// A sync of the disk, alone.
fn sync(folder: &Path, runs: u32) -> Result<Spread> {
    let path = folder.join("sync");
    let mut file = File::create_new(&path).with_context(|| format!("making {}", path.display()))?;
    let mut times = Vec::new();
    for _ in 0..runs {
        file.write_all(&[1; 700])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    fs::remove_file(&path)?;
    Ok(Spread::of(times))
}

/// One request of the protocol.
struct One {
    making: Making,
    exchange: Duration,
    checking: Checking,
    total: Duration,
}

async fn one(asker: &Asker, number: u64, wrong: &mut Vec<String>) -> Result<One> {
    let begun = Instant::now();
    let prepared = asker.prepare(number)?;
    let Prepared { making, authorisation, .. } = &prepared;
    let sent = Instant::now();
    let reply = asker.send(&prepared).await;
    let exchange = sent.elapsed();
    let Reply::Answer(bytes) = reply else {
        anyhow::bail!("request {number} is not answered, and nobody else asks: {reply}");
    };
    let checking = asker.check(authorisation, &bytes).unwrap_or_else(|error| {
        wrong.push(format!("request {number}: {error:#}"));
        Checking::default()
    });
    Ok(One { making: *making, exchange, checking, total: begun.elapsed() })
}

fn mean_ms(seen: &[One], time: fn(&One) -> Duration) -> f64 {
    Spread::of(seen.iter().map(time)).mean_ms
}
