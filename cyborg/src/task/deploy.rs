//! `cyborg deploy`: a model encrypted, stored, registered, and given to miners, until they serve it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::view::{self, Placement, Workload};
use cyborg_owner::deploy::{Expenses, Offer, Order, Product, Progress};
use cyborg_owner::ports::Records as _;
use cyborg_owner::{Owner, OwnerError, locations};
use cyborg_primitives::TaskId;
use cyborg_primitives::verification::Cost;
use cyborg_storage_client::coded::Event;
use serde_json::{Value, json};
use zeroize::Zeroizing;
use zkml_prover::ProverKey;
use zkml_verifier::VerifierKey;
use zkml_verifier::cost::work;

use super::arguments::Deploy;
use super::owner;
use crate::chain::{account, table};
use crate::error::Failure;
use crate::files;
use crate::model;
use crate::progress::Progress as Bar;
use crate::report::{CommandOutput, bytes, cyb, seconds, span};
use crate::zk::{MAX_KEY_BYTES, verifier_key};
use cyborg_primitives::money::Cyb;

const MIB: u64 = 1 << 20;
/// Memory that a miner needs beside the model: connections, and what a proof takes.
const SPARE_MIB: u64 = 64;

/// The model as its owner has it on the disk.
struct Files {
    prover: ProverKey,
    verifier: VerifierKey,
}

impl Files {
    /// Reads model and keys; all three must be of one model.
    fn read(arguments: &Deploy) -> Result<Self, Failure> {
        let (graph, weights) = model::load(&arguments.model)?;
        let (prover_path, verifier_path) =
            (arguments.keys.join("prover.key"), arguments.keys.join("verifier.key"));
        let prover = Zeroizing::new(files::read(&prover_path, MAX_KEY_BYTES)?);
        let prover = ProverKey::from_bytes(&prover).map_err(|error| Failure::input(&prover_path, error))?;
        let verifier = verifier_key(&verifier_path)?;
        if prover.digest() != verifier.digest() {
            let problem = format!("is not the key that {} proves for", prover_path.display());
            return Err(Failure::input(&verifier_path, problem));
        }
        if *prover.graph() != graph || *prover.weights() != weights {
            let problem = format!("is not the key of {}", arguments.model.display());
            return Err(Failure::input(&prover_path, problem));
        }
        verifier.check().map_err(|error| Failure::is_false(&verifier_path, error))?;
        Ok(Self { prover, verifier })
    }

    /// What the model takes of a miner, and of the chain, which refuses what is too much for it.
    fn workload(&self, arguments: &Deploy) -> Result<Workload, Failure> {
        let (work, cost) = (work(self.verifier.graph(), self.verifier.circuit()), self.verifier.cost());
        let too_much = model::too_much_for_the_chain(&cost);
        let (true, Ok(cost)) = (too_much.is_empty(), Cost::try_from(cost)) else {
            return Err(Failure::input(&arguments.model, too_much.join("; ")));
        };
        let memory_mib = work.memory_bytes.div_ceil(MIB).saturating_add(SPARE_MIB);
        Ok(Workload {
            memory_mib: u32::try_from(memory_mib).unwrap_or(u32::MAX),
            work_macs: work.inference_macs,
            proof_macs: work.proof_macs,
            cost,
        })
    }
}

fn order(arguments: &Deploy) -> Result<Order, Failure> {
    let delegate = arguments.delegate.as_deref().map(account::named).transpose()?;
    Ok(Order {
        placement: Placement {
            replicas: arguments.replicas,
            standbys: arguments.standbys,
            regions: arguments.region.clone(),
            near: arguments.near.zip(arguments.max_distance_km),
            min_reputation: arguments.min_reputation,
        },
        compute_ms: (arguments.hours * 3_600_000.0).round().max(1.0) as u64,
        price_cap: arguments.price_cap.map(|Cyb(cap)| cap),
        proof_cap: arguments.proof_cap.map(|Cyb(cap)| cap),
        max_proofs: arguments.proofs,
        policy: arguments.policy,
        delegate: delegate.map(|AccountId32(account)| account),
        standbys_read_now: arguments.standbys_read,
    })
}

/// Steps on standard error as they are done, and for the report.
struct Steps {
    begun: Instant,
    bar: Arc<Bar>,
    done: Vec<Value>,
}

impl Steps {
    fn tell(&mut self, progress: &Progress) {
        let again = |before: &bool| if *before { " (was done before)" } else { "" };
        let address = |account: &[u8; 32]| AccountId32(*account).to_string();
        let (step, words, more) = match progress {
            Progress::Stored { manifest, bytes: count, before } => {
                let words = format!("encrypted and stored: {}{}", bytes(*count), again(before));
                (
                    "stored",
                    words,
                    json!({ "manifest": format!("0x{}", hex::encode(manifest)), "bytes": count, "before": before }),
                )
            }
            Progress::Registered { model, before } => {
                let words = format!("registered: model {model}{}", again(before));
                ("registered", words, json!({ "model": model, "before": before }))
            }
            Progress::Submitted { task, before } => {
                let words = format!("submitted: task {task}{}", again(before));
                ("submitted", words, json!({ "task": task, "before": before }))
            }
            Progress::Wrapped(miner) => {
                let words = format!("content key wrapped for {}", address(miner));
                ("wrapped", words, json!({ "miner": address(miner) }))
            }
            Progress::Confirmed { miner, test } => {
                let test_words = match test {
                    Some(true) => "; its test is as computed here",
                    Some(false) => "; ITS TEST IS ANOTHER THAN COMPUTED HERE",
                    None => "",
                };
                let words = format!("serves: {}{test_words}", address(miner));
                ("confirmed", words, json!({ "miner": address(miner), "test": test }))
            }
            Progress::Left(miner) => {
                ("left", format!("left: {}", address(miner)), json!({ "miner": address(miner) }))
            }
        };
        let elapsed = self.begun.elapsed().as_secs_f64();
        self.bar.say(&format!("{:>8}  {words}", seconds(elapsed)));
        let mut more = more;
        more["step"] = step.into();
        more["seconds"] = elapsed.into();
        self.done.push(more);
    }
}

/// Deploys, from wherever an earlier attempt broke off.
pub(super) async fn run(arguments: &Deploy) -> Result<CommandOutput, Failure> {
    let begun = Instant::now();
    let owner = owner(&arguments.owner).await?;
    if let Some(task) = arguments.resume {
        // What cannot be gone on with is said before anything is stored or paid.
        owner.records.task(task).await?;
    }
    let roots = files::certificates(&arguments.http.ca)?;
    let files = Files::read(arguments)?;
    let order = order(arguments)?;
    let bar = Arc::new(Bar::new("deploying"));
    let stripes = bar.clone();
    let storage = locations::storage(
        &arguments.storage,
        &roots,
        &owner.signer,
        Some(Arc::new(move |event: &Event<'_>| {
            if let Event::Stripe { stripe, of } = event {
                stripes.stage("storing", stripe + 1, *of);
            }
        })),
    )
    .map_err(|error| Failure::Usage { flag: "--storage", problem: error.to_string() })?;

    let mut steps = Steps { begun, bar, done: Vec::new() };
    let workload = files.workload(arguments)?;
    if arguments.dry_run {
        let offer = owner.offer(&workload, &order).await?;
        let expenses = owner.expenses(&files.verifier, workload.memory_mib, &order, &offer).await?;
        return Ok(offered(&offer, &expenses, &order));
    }
    let memory_mib = workload.memory_mib;
    let key = files.verifier.digest();
    let guard = owner.records.guard_model(&key).await?;
    let graph = files.verifier.graph().clone();
    let weights = files.prover.weights().clone();
    let product = Product { prover: files.prover, verifier: &files.verifier };
    let mut record = owner.store(product, &*storage, &mut |progress| steps.tell(&progress)).await?;
    let model = owner
        .register(&mut record, &files.verifier, memory_mib, &mut |progress| steps.tell(&progress))
        .await?;
    let tell = &mut |progress| steps.tell(&progress);
    let there = match (arguments.resume, arguments.another) {
        (Some(task), _) => Some(task),
        (None, true) => None,
        (None, false) => owner.task_of(&record, model, &order, tell).await?,
    };
    let (task, offer) = match there {
        Some(task) => (task, None),
        None => {
            let offer = owner.offer(&workload, &order).await?;
            (owner.submit(&record, model, &order, &offer, tell).await?, Some(offer))
        }
    };
    drop(guard);
    let outputs = zkml_engine::run(&graph, &weights, &record.test).map_err(OwnerError::from)?;
    let patience = Duration::from_secs(arguments.timeout);
    let confirmed =
        owner.until_running(task, Some(&outputs), patience, &mut |progress| steps.tell(&progress)).await?;
    let mut report = report(&owner, task, model, &confirmed).await?;
    match offer {
        Some(offer) => costs(&mut report, &offer),
        None => {
            report.line(format!("Task {task} was there already. One more task of this model: --another"));
        }
    }
    let elapsed = steps.begun.elapsed().as_secs_f64();
    report.field("seconds", elapsed, "time", seconds(elapsed));
    report.json("steps", steps.done);
    report.line(format!("Ask it: cyborg infer {task} --input X.npz"));
    Ok(report)
}

/// Who would be chosen, and what it would cost.
fn offered(offer: &Offer, expenses: &Expenses, order: &Order) -> CommandOutput {
    let mut report = CommandOutput::default();
    let candidates = &offer.candidates;
    let rows: Vec<[String; 6]> = candidates
        .iter()
        .map(|candidate| {
            let region = String::from_utf8_lossy(&candidate.region.0).into_owned();
            [
                AccountId32(candidate.miner).to_string(),
                region,
                candidate.distance_km.map_or("-".to_owned(), |km| format!("{km} km")),
                candidate.reputation.to_string(),
                cyb(candidate.per_request),
                cyb(candidate.per_proof),
            ]
        })
        .collect();
    let head = ["miner", "region", "distance", "reputation", "an answer", "a proof"];
    table::lines(&mut report, head, &rows);
    let miners: Vec<Value> = candidates
        .iter()
        .map(|candidate| {
            json!({
                "miner": AccountId32(candidate.miner).to_string(),
                "price": candidate.price.to_string(),
                "per_request": candidate.per_request.to_string(),
                "per_proof": candidate.per_proof.to_string(),
                "reputation": candidate.reputation,
                "distance_km": candidate.distance_km,
            })
        })
        .collect();
    report.json("candidates", miners);
    costs(&mut report, offer);
    let Expenses { deposit, registering, submitting } = *expenses;
    report.field("deposit", deposit.to_string(), "held for the model's key", cyb(deposit));
    let fees = registering.saturating_add(submitting);
    report.field("fees", fees.to_string(), "fees", format!("about {}", cyb(fees)));
    let wanted = u32::from(order.placement.replicas) + u32::from(order.placement.standbys);
    report.line(format!("Nothing was stored, registered or submitted. The best {wanted} would be engaged."));
    report
}

fn costs(report: &mut CommandOutput, offer: &Offer) {
    let Offer { price_cap, proof_cap, for_answers, for_proofs, .. } = *offer;
    report.field("price_cap", price_cap.to_string(), "most per compute hour", cyb(price_cap));
    report.field("proof_cap", proof_cap.to_string(), "most per proof", cyb(proof_cap));
    report.field("for_answers", for_answers.to_string(), "held for answers", cyb(for_answers));
    report.field("for_proofs", for_proofs.to_string(), "held for proofs", cyb(for_proofs));
}

async fn report(
    owner: &Owner,
    task: TaskId,
    model: u64,
    confirmed: &[[u8; 32]],
) -> Result<CommandOutput, Failure> {
    let mut report = CommandOutput::default();
    report.field("task", task, "task", task);
    report.field("model", model, "model", model);
    let record = owner.records.task(task).await?;
    report.field("key", format!("0x{}", hex::encode(record.key)), "key", hex::encode(record.key));
    let miners: Vec<String> = confirmed.iter().map(|miner| AccountId32(*miner).to_string()).collect();
    for miner in &miners {
        report.line(format!("{:<24} {miner}", "served by"));
    }
    report.json("miners", miners);
    let at = owner.chain.at_finalised().await?;
    if let (Some(view), now) = (view::task(&at, task).await?, view::now(&at).await?) {
        let words = format!("in {} of chain time at the latest", span(view.ends.saturating_sub(now)));
        report.field("ends_ms", view.ends, "ends", words);
    }
    let folder = owner.records.folder().display().to_string();
    report.field("records", folder.as_str(), "secrets", &folder);
    Ok(report)
}
