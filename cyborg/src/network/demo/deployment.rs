//! The deployment: commands as a user would type them, and beside them what the chain says.
//!
//! The network starts while the model is compiled and its keys are made; after that one thing follows
//! the other, but for the answers: the first is asked for alone, the others at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cyborg_account::keys;
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::{Chain, json as chain_json, runtime};
use cyborg_localnet::fund;
use cyborg_localnet::layout::Layout;
use cyborg_localnet::settings::Settings;
use cyborg_localnet::start::{Network, Progress, start};
use cyborg_localnet::supervisor::Supervisor;
use cyborg_localnet::witness::{Ledger, Witness, amount};
use cyborg_primitives::money::Cyb;
use serde_json::Value;
use tokio::task::JoinSet;
use zkml_samples::Ports;

use super::checks::Answer;
use super::console::{Console, Names};
use super::scan;
use super::shell::Shell;
use crate::error::Failure;
use crate::files;
use crate::model;
use crate::network::arguments::Demo;
use crate::report::bytes;
use crate::sample;
use crate::zk::MAX_KEY_BYTES;

/// Longest wait for the chain's events, once a command has said that something is done.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for the task's settlement; with slower blocks it is only said when it comes.
const SETTLEMENT: Duration = Duration::from_secs(20);
/// Chain time of one block, in milliseconds.
const SLOT_MS: u64 = 6_000;
/// Replicas and standbys that are asked for.
pub(super) const REPLICAS: usize = 2;
pub(super) const STANDBYS: usize = 1;

/// The settings of one run of the demo.
pub(super) struct Run<'a> {
    pub(super) arguments: &'a Demo,
    pub(super) layout: &'a Layout,
    pub(super) settings: &'a Settings,
    pub(super) console: Console,
    pub(super) begun: Instant,
}

/// What came of the deployment.
pub(super) struct Outcome {
    pub(super) network: Network,
    pub(super) ledger: Ledger,
    pub(super) names: Names,
    pub(super) task: u64,
    pub(super) model: u64,
    pub(super) answers: Vec<Answer>,
    /// What storage nodes keep: fragments, and bytes.
    pub(super) stored: (u64, u64),
    /// Length of the secret file that was encrypted.
    pub(super) secret_bytes: u64,
    /// Escrow that is held at the end.
    pub(super) held: Cyb,
    /// When that comes back: the block, and how many milliseconds from now.
    pub(super) returns: Option<(u64, u64)>,
    /// Files with some of the model in the clear, of how many.
    pub(super) clear: (usize, usize),
    /// Seconds of each part.
    pub(super) phases: Vec<(&'static str, f64)>,
}

/// The names of the files.
struct Files {
    model: &'static str,
    samples: String,
    compiled: &'static str,
}

/// Deploys a model on a new network, asks for answers, and ends the task.
pub(super) async fn deploy_and_ask(run: &Run<'_>, supervisor: &mut Supervisor) -> Result<Outcome, Failure> {
    let console = run.console;
    let folder = run.layout.part("work");
    let files = files(run.arguments, &folder)?;
    let mut shell = Shell::new(supervisor.program().clone(), &folder, console);
    let mut phases = Phases::begin();

    console.title("A network of its own, and a model of integers with its keys");
    let Begun { network, names, witness } = begin(run, supervisor, &shell, &files).await?;
    phases.end("network");

    console.title("Deployment: encrypted, stored, given to miners that the chain chooses");
    shell.source(Path::new("../env"), &network.variables);
    let (task, model) = deploy(&shell, &files, &witness).await?;
    let stored = stored(&network).await?;
    let keys = folder.join("keys");
    let secret = files::read(&keys.join("prover.key"), MAX_KEY_BYTES)?;
    console.say(&format!(
        "  {} of keys and weights are {} fragments on {} storage nodes: {}, encrypted",
        bytes(secret.len() as u64),
        stored.0,
        network.storage.len(),
        bytes(stored.1)
    ));
    phases.end("deployment");

    console.title("Answers: asked for, decrypted, proven, verified, paid");
    let answers = answers(&shell, &files, task, run.arguments.answers.into(), &names).await?;
    let proven = |ledger: &Ledger| {
        answers.iter().all(|answer| ledger.verified(task, &answer.miner, answer.number).is_some())
    };
    // If a proof is missing the checks say so.
    witness.until(PATIENCE, proven).await;
    phases.end("answers");

    console.title("The end: the task is stopped, and what was not used comes back");
    let returns = stop(run, &shell, &network, &witness, task).await?;
    let held = held(&network).await?;
    let public = files::read(&keys.join("verifier.key"), MAX_KEY_BYTES)?;
    let clear = clear(&network, run.layout, &secret, &public)?;
    phases.end("end");

    let ledger = std::mem::take(&mut *witness.ledger());
    let secret_bytes = secret.len() as u64;
    let phases = phases.ended;
    Ok(Outcome {
        network,
        ledger,
        names,
        task,
        model,
        answers,
        stored,
        secret_bytes,
        held,
        returns,
        clear,
        phases,
    })
}

/// The seconds that each phase took.
struct Phases {
    since: Instant,
    ended: Vec<(&'static str, f64)>,
}

impl Phases {
    fn begin() -> Self {
        Self { since: Instant::now(), ended: Vec::new() }
    }

    fn end(&mut self, name: &'static str) {
        let since = std::mem::replace(&mut self.since, Instant::now());
        self.ended.push((name, since.elapsed().as_secs_f64()));
    }
}

/// A network that runs and is watched, and a model that is ready to be deployed.
struct Begun {
    network: Network,
    names: Names,
    witness: Witness,
}

/// Starts the network, and meanwhile compiles the model and makes its keys.
async fn begin(
    run: &Run<'_>,
    supervisor: &mut Supervisor,
    shell: &Shell,
    files: &Files,
) -> Result<Begun, Failure> {
    let Run { layout, settings, console, begun, .. } = *run;
    console.say(&format!("$ cd {}", shell.folder().display()));
    let watched = RefCell::new(None);
    let tell = |at: Progress<'_>| match at {
        Progress::Begun(what) => {
            console.say(&format!("  {:>5.1} s  starting {what}", begun.elapsed().as_secs_f64()));
        }
        Progress::Chain(url) => {
            let names = accounts(layout, settings);
            let known = names.clone();
            let witness = Witness::begin(url, begun, move |news| console.tell(&news, &known));
            watched.replace(Some((names, witness)));
        }
    };
    let prepare = async {
        let Files { model, samples, compiled } = files;
        shell.run(&format!("model compile {model} --calibrate {samples} -o {compiled}")).await?;
        shell.run(&format!("zk keygen {compiled} --out keys")).await
    };
    let start = async { Ok(start(supervisor, layout, settings, &tell).await?) };
    let (network, ()) = tokio::try_join!(start, prepare)?;
    let (names, witness) = watched.into_inner().ok_or_else(|| unseen("the chain's node"))?;
    Ok(Begun { network, names, witness })
}

/// Deploys the model, and waits until the chain shows that it is served. The task, and the model's number.
async fn deploy(shell: &Shell, files: &Files, witness: &Witness) -> Result<(u64, u64), Failure> {
    shell
        .run(&format!(
            "deploy {} --keys keys --replicas {REPLICAS} --standbys {STANDBYS} --policy every",
            files.compiled
        ))
        .await?;
    let serving = |ledger: &Ledger| {
        let task = ledger.of("Tasks.Submitted").last().and_then(|event| event.fields["task"].as_u64());
        task.is_some_and(|task| ledger.of_task("Tasks.Confirmed", task).count() >= REPLICAS)
    };
    if !witness.until(PATIENCE, serving).await {
        return Err(unseen("that the task is served"));
    }
    submitted(&witness.ledger()).ok_or_else(|| unseen("a task"))
}

/// Stops the task. When the rest of the escrow comes back, unless it has come back already.
async fn stop(
    run: &Run<'_>,
    shell: &Shell,
    network: &Network,
    witness: &Witness,
    task: u64,
) -> Result<Option<(u64, u64)>, Failure> {
    shell.run(&format!("task stop {task}")).await?;
    if !witness.until(PATIENCE, |ledger| ledger.of_task("Tasks.Stopped", task).next().is_some()).await {
        return Err(unseen("that the task is stopped"));
    }
    let mut returns = returns(run, &network.chain, witness, task).await?;
    if returns.is_some_and(|(_, wait_ms)| Duration::from_millis(wait_ms) < SETTLEMENT)
        && witness
            .until(2 * SETTLEMENT, |ledger| ledger.of_task("Tasks.Vacated", task).next().is_some())
            .await
    {
        returns = None;
    }
    witness.catch_up(&network.chain, PATIENCE).await?;
    Ok(returns)
}

fn unseen(what: &str) -> Failure {
    Failure::Network(format!("the chain does not show {what}"))
}

/// Writes the model and its samples into the folder in which the commands run.
fn files(arguments: &Demo, folder: &Path) -> Result<Files, Failure> {
    fs::create_dir(folder).map_err(|source| Failure::io(folder, "cannot make the folder", source))?;
    let copy = |from: &PathBuf, to: &str| {
        let copied = fs::copy(from, folder.join(to));
        copied.map(drop).map_err(|source| Failure::io(from, "cannot be copied", source))
    };
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(|source| Failure::io(&path, "cannot write", source))
    };
    if let (Some(model), Some(samples)) = (&arguments.model, &arguments.samples) {
        let kind = samples.extension().is_some_and(|kind| kind == "json");
        let files = Files {
            model: "model.onnx",
            samples: if kind { "samples.json" } else { "samples.npz" }.to_owned(),
            compiled: "model.cyb",
        };
        copy(model, files.model)?;
        copy(samples, &files.samples)?;
        return Ok(files);
    }
    let files = Files {
        model: "digits_cnn.onnx",
        samples: "digits_cnn_io.npz".to_owned(),
        compiled: "digits_cnn.cyb",
    };
    put(files.model, sample::MODEL)?;
    put(&files.samples, sample::DIGITS)?;
    Ok(files)
}

/// The network's accounts by their addresses. An account whose key cannot be read has its address as name.
fn accounts(layout: &Layout, settings: &Settings) -> Names {
    let names = (1..=settings.miners.len()).map(|number| format!("miner-{number}"));
    let named = names.chain(["owner".to_owned()]).filter_map(|name| {
        let key = keys::read(&layout.key(&name)).ok()?;
        Some((fund::account(&key).to_string(), name))
    });
    Names(named.collect::<BTreeMap<_, _>>())
}

/// The task that was submitted, and its model.
fn submitted(ledger: &Ledger) -> Option<(u64, u64)> {
    let seen = ledger.of("Tasks.Submitted").last()?;
    Some((seen.fields["task"].as_u64()?, seen.fields["model"].as_u64()?))
}

/// Fragments and bytes that the storage nodes say they keep.
async fn stored(network: &Network) -> Result<(u64, u64), Failure> {
    let (mut fragments, mut kept) = (0, 0);
    for node in &network.storage {
        let url = node.url.clone();
        let asked = tokio::task::spawn_blocking(move || cyborg_storage::status(&url)).await;
        let status = asked.map_err(|error| Failure::Storage(error.to_string()))?;
        let status = status.map_err(|error| Failure::Storage(format!("{}: {error}", node.name)))?;
        fragments += status.fragments;
        kept += status.used_bytes;
    }
    Ok((fragments, kept))
}

/// Samples to ask about, with their labels; samples of different labels come first.
fn questions(path: &Path, compiled: &Path, wanted: usize) -> Result<Vec<(usize, Option<i64>)>, Failure> {
    let samples = model::samples(path)?;
    let (graph, _) = model::load(compiled)?;
    let ports = Ports::inputs(&graph);
    let count = ports.count(&samples)?;
    let mut labelled = Vec::with_capacity(count);
    for index in 0..count {
        let label = samples.labels_for(index)?.and_then(|labels| labels.first().copied());
        labelled.push((index, label));
    }
    let chosen = different_first(labelled, wanted);
    if chosen.len() == wanted {
        return Ok(chosen);
    }
    let problem = format!("has {count} samples, and {wanted} answers are wanted");
    Err(Failure::input(path, problem))
}

fn different_first(labelled: Vec<(usize, Option<i64>)>, wanted: usize) -> Vec<(usize, Option<i64>)> {
    let mut known = Vec::new();
    let (mut chosen, others): (Vec<_>, Vec<_>) = labelled.into_iter().partition(|(_, label)| {
        let new = label.is_some() && !known.contains(label);
        if new {
            known.push(*label);
        }
        new
    });
    chosen.extend(others);
    chosen.truncate(wanted);
    chosen
}

/// Asks the bare engine, and then the network: first for one answer, then for the others at once.
async fn answers(
    shell: &Shell,
    files: &Files,
    task: u64,
    wanted: usize,
    names: &Names,
) -> Result<Vec<Answer>, Failure> {
    let Files { samples, compiled, .. } = files;
    let folder = shell.folder();
    let questions = questions(&folder.join(samples), &folder.join(compiled), wanted)?;
    let mut bare = BTreeMap::new();
    for (index, _) in &questions {
        let line = format!("model run {compiled} --input {samples} --index {index}");
        bare.insert(*index, shell.ask(&line).await?.0);
    }
    let ask = |index: usize, label: Option<i64>| {
        let shell = shell.clone();
        let bare = bare.get(&index).cloned().unwrap_or_default();
        let line = format!("infer {task} --input {samples} --index {index} --wait-proof");
        async move {
            let (said, seconds) = shell.ask(&line).await?;
            Ok::<_, Failure>(Answer::new(index, label, &bare, &said, seconds))
        }
    };
    let mut answers = Vec::with_capacity(questions.len());
    let mut questions = questions.into_iter();
    if let Some((index, label)) = questions.next() {
        let answer = ask(index, label).await?;
        shell.console().say(&told(&answer, names));
        answers.push(answer);
    }
    let mut asked = JoinSet::new();
    for (index, label) in questions {
        asked.spawn(ask(index, label));
    }
    while let Some(answer) = asked.join_next().await {
        let answer = answer.map_err(|error| Failure::Network(error.to_string()))??;
        shell.console().say(&told(&answer, names));
        answers.push(answer);
    }
    answers.sort_by_key(|answer| answer.index);
    Ok(answers)
}

/// An answer in one line.
fn told(answer: &Answer, names: &Names) -> String {
    let known = |value: Option<i64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
    let same = if answer.equal { "as the bare engine's" } else { "NOT as the bare engine's" };
    format!(
        "  sample {}: {} (labelled {}), integers {same}; answer {} of {}, here after {:.0} ms, proven after {:.1} s",
        answer.index,
        known(answer.class),
        known(answer.label),
        answer.number,
        names.of(&answer.miner),
        1e3 * answer.latency,
        answer.seconds
    )
}

/// When the rest of the escrow comes back: the block, and the milliseconds until then.
async fn returns(
    run: &Run<'_>,
    chain: &Chain,
    witness: &Witness,
    task: u64,
) -> Result<Option<(u64, u64)>, Failure> {
    let at = chain.at_finalised().await?;
    let now = chain_json::entry(&at, runtime::storage().timestamp().now(), ()).await?;
    let now = now.as_ref().and_then(Value::as_u64).unwrap_or_default();
    let ledger = witness.ledger();
    let stopped = ledger.of_task("Tasks.Stopped", task).next();
    let Some(settles) = stopped.and_then(|seen| seen.fields["settles_by"].as_u64()) else { return Ok(None) };
    let blocks = settles.saturating_sub(now).div_ceil(SLOT_MS);
    // Blocks may come slower than they are meant to.
    let first = ledger.events.first().map_or((0, Duration::ZERO), |seen| (seen.block, seen.at));
    let pace = pace_ms(first, (at.block_number(), run.begun.elapsed()), run.settings.block_time_ms);
    Ok(Some((at.block_number() + blocks, blocks * pace)))
}

/// Milliseconds from block to block between two moments, and not less than they are meant to be.
fn pace_ms(first: (u64, Duration), now: (u64, Duration), meant: u64) -> u64 {
    let elapsed = now.1.saturating_sub(first.1).as_millis();
    let pace = elapsed / u128::from(now.0.saturating_sub(first.0).max(1));
    u64::try_from(pace).unwrap_or(meant).max(meant)
}

/// What is held of the owner for escrow.
async fn held(network: &Network) -> Result<Cyb, Failure> {
    let at = network.chain.at_finalised().await?;
    let owner: AccountId32 = network
        .owner
        .parse()
        .map_err(|_| Failure::Network(format!("{} is not an address", network.owner)))?;
    let holds = chain_json::entry(&at, runtime::storage().balances().holds(), (owner,)).await?;
    Ok(escrow(&holds.unwrap_or_default()))
}

fn escrow(holds: &Value) -> Cyb {
    let of_tasks = |hold: &&Value| hold["id"].get("Payments").is_some();
    let holds = holds.as_array().into_iter().flatten().filter(of_tasks);
    Cyb(holds.map(|hold| amount(&hold["amount"]).0).sum())
}

/// Files of storage nodes and miners that hold pieces of the secret, and all their files.
fn clear(
    network: &Network,
    layout: &Layout,
    secret: &[u8],
    public: &[u8],
) -> Result<(usize, usize), Failure> {
    let needles = scan::needles(secret, public);
    if needles.is_empty() {
        return Err(Failure::Network("the prover's key has nothing to be looked for".to_owned()));
    }
    let processes = network.storage.iter().chain(network.miners.iter().map(|miner| &miner.running));
    let (mut found, mut files) = (0, 0);
    for process in processes {
        let folder = layout.part(&process.name);
        let (more, seen) = scan::holders(&folder, &needles)
            .map_err(|source| Failure::io(&folder, "cannot be searched", source))?;
        (found, files) = (found + more, files + seen);
    }
    Ok((found, files))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn different_samples_come_first() {
        let labelled = vec![(0, Some(3)), (1, Some(3)), (2, None), (3, Some(1)), (4, Some(3))];
        let chosen = |wanted| {
            let chosen = different_first(labelled.clone(), wanted);
            chosen.into_iter().map(|(index, _)| index).collect::<Vec<_>>()
        };
        assert_eq!(chosen(2), [0, 3]);
        assert_eq!(chosen(4), [0, 3, 1, 2]);
        assert_eq!(chosen(9), [0, 3, 1, 2, 4]);
    }

    #[test]
    fn a_slow_chain_is_taken_as_it_is() {
        let seconds = Duration::from_secs;
        assert_eq!(pace_ms((10, seconds(5)), (30, seconds(25)), 300), 1_000);
        assert_eq!(pace_ms((10, seconds(5)), (30, seconds(6)), 300), 300);
        assert_eq!(pace_ms((10, seconds(5)), (10, seconds(5)), 300), 300);
    }

    #[test]
    fn only_escrow_is_counted() {
        let holds = json!([
            { "id": { "Payments": "Escrow" }, "amount": "5" },
            { "id": { "Models": "Deposit" }, "amount": "7" },
            { "id": { "Payments": "Escrow" }, "amount": "1" },
        ]);
        assert_eq!(escrow(&holds), Cyb(6));
        assert_eq!(escrow(&Value::Null), Cyb(0));
    }
}
