//! Requests, from the sealed body to the signed answer: a few threads for each task that is served.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use cyborg_account::Keypair;
use cyborg_account::verify;
use cyborg_envelope::hpke::SecretKey;
use cyborg_envelope::message::Exchange;
use cyborg_envelope::wrap::Recipient;
use cyborg_primitives::signed::{Authorisation, Payload as _, Receipt};
use cyborg_primitives::{Account, Digest, RequestNumber, TaskId};
use tokio::sync::oneshot;
use zkml_engine::Engine;
use zkml_prover::system_randomness;
use zkml_verifier::Opening;

use crate::commit_writer::PendingAnswer;
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::served::{Refused, ServedTask};
use crate::store::{Answered, Store};
use cyborg_protocol::wire::{Answer, Request};

/// A request that waits for a thread.
pub(crate) struct Job {
    pub(crate) number: RequestNumber,
    pub(crate) sealed: Bytes,
    pub(crate) reply: oneshot::Sender<Result<Vec<u8>, Refused>>,
}

/// What every request is answered with: the miner's keys, its store, and the writer of answers.
pub(crate) struct RequestContext {
    pub(crate) genesis: Digest,
    pub(crate) miner: Account,
    pub(crate) signer: Keypair,
    pub(crate) hpke: SecretKey,
    pub(crate) store: Store,
    pub(crate) commits: SyncSender<PendingAnswer>,
    pub(crate) metrics: Arc<Metrics>,
}

/// The tasks that are served, each with its threads.
pub(crate) type WorkerPools = RwLock<BTreeMap<TaskId, Arc<WorkerPool>>>;

/// A task that is served, if it is one.
pub(crate) fn served(pools: &WorkerPools, task: TaskId) -> Option<Arc<ServedTask>> {
    pools.read().unwrap_or_else(PoisonError::into_inner).get(&task).map(|pool| pool.served.clone())
}

/// The threads that answer requests of one task. They end when this is dropped and
/// no request is waiting.
pub(crate) struct WorkerPool {
    pub(crate) served: Arc<ServedTask>,
    pub(crate) pace: Arc<Pace>,
    jobs: SyncSender<Job>,
}

impl WorkerPool {
    /// Starts the threads.
    pub(crate) fn open(
        context: &Arc<RequestContext>,
        served: Arc<ServedTask>,
        threads: usize,
    ) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel(served.limits.waiting);
        let waiting = Arc::new(Mutex::new(waiting));
        let pace = Arc::new(Pace::new(threads));
        for _ in 0..threads.max(1) {
            let (context, served, waiting) = (context.clone(), served.clone(), waiting.clone());
            let pace = pace.clone();
            thread::Builder::new()
                .name(format!("task {}", served.task))
                .spawn(move || work(&context, &served, &pace, &waiting))?;
        }
        Ok(Self { served, pace, jobs })
    }

    /// Gives a request to the threads, unless too many are waiting.
    pub(crate) fn put(&self, job: Job) -> Result<(), Refused> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Busy,
            TrySendError::Disconnected(_) => Refused::Failed,
        })
    }
}

fn work(context: &RequestContext, served: &Arc<ServedTask>, pace: &Pace, waiting: &Mutex<Receiver<Job>>) {
    let engine = match Engine::new(served.loaded.key.graph(), served.loaded.key.weights()) {
        Ok(engine) => engine,
        Err(error) => {
            // The model was tried before it was served.
            tracing::error!(task = served.task, %error, "the model does not run");
            return;
        }
    };
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // Its client is gone.
        if job.reply.is_closed() {
            continue;
        }
        let begun = Instant::now();
        match answer(context, served, &engine, &job) {
            Ok(Made::New(kept)) => {
                context.metrics.busy(served.task, begun.elapsed());
                pace.answered(begun.elapsed());
                let kept = PendingAnswer { reply: job.reply, ..*kept };
                // The commit writer ends after the threads.
                if context.commits.send(kept).is_err() {
                    return;
                }
            }
            Ok(Made::Again(bytes)) => drop(job.reply.send(Ok(bytes))),
            Err(refused) => drop(job.reply.send(Err(refused))),
        }
    }
}

enum Made {
    /// It is written to the disk before it is sent.
    New(Box<PendingAnswer>),
    /// It is on the disk already.
    Again(Vec<u8>),
}

fn answer(
    context: &RequestContext,
    served: &Arc<ServedTask>,
    engine: &Engine<'_>,
    job: &Job,
) -> Result<Made, Refused> {
    let number = job.number;
    let recipient = Recipient { genesis: context.genesis, task: served.task, miner: context.miner };
    let exchange = Exchange { recipient, number };
    let request = Request::open(&exchange, &context.hpke, &job.sealed)
        .map_err(|error| Refused::Malformed(error.to_string()))?;
    let authorisation = request.authorisation;
    let named = (authorisation.task, authorisation.miner, authorisation.number);
    if named != (served.task, context.miner, number) {
        return Err(Refused::OtherRequest);
    }
    let payload = authorisation.payload(&context.genesis);
    if !served.signers.iter().any(|signer| verify(signer, &payload, &request.signature)) {
        return Err(Refused::NotAuthorised);
    }
    let under_way = match served.admit(number, authorisation.price_cap) {
        Ok(under_way) => under_way,
        Err(refused) => {
            // A client that lost an answer asks again, and gets the same one.
            let before = context.store.answer(served.task, number).map_err(|error| failed(served, &error))?;
            return match before {
                Some(before) if before.authorisation.input == authorisation.input => {
                    seal(served, &exchange, &before).map(Made::Again)
                }
                Some(_) => Err(Refused::Used { number }),
                None => Err(refused),
            };
        }
    };
    let answered = run(context, served, engine, request)?;
    let bytes = seal(served, &exchange, &answered)?;
    let (reply, _) = oneshot::channel();
    Ok(Made::New(Box::new(PendingAnswer { answered, bytes, reply, under_way })))
}

/// Runs the model on the authorised input, and signs the result.
fn run(
    context: &RequestContext,
    served: &ServedTask,
    engine: &Engine<'_>,
    request: Request,
) -> Result<Answered, Refused> {
    let graph = served.loaded.key.graph();
    let Request { authorisation, signature, opening } = request;
    let Authorisation { task, miner, number, input, .. } = authorisation;
    let bad_input = |error: &dyn std::fmt::Display| Refused::Input(error.to_string());
    if opening.key != served.loaded.key.digest() {
        return Err(bad_input(&"the opening is for another model"));
    }
    if opening.input_digest(graph).map_err(|error| bad_input(&error))? != input {
        return Err(bad_input(&"the opening is not that of the authorised input"));
    }
    let inputs = inputs_of(&opening, graph.inputs.len());
    let outputs = engine.run(&inputs).map_err(|error| bad_input(&error))?;
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(task, number, %error, "an answer cannot be named");
        Refused::Failed
    };
    let entropy = system_randomness().map_err(|error| failed(&error))?;
    let full = opening.with_outputs(graph, &outputs, &entropy).map_err(|error| failed(&error))?;
    let output = full.output_digest(graph).map_err(|error| failed(&error))?;
    let receipt = Receipt { task, miner, number, input, output };
    let receipt_signature = context.signer.sign(&receipt.payload(&context.genesis)).0;
    let opening = full.to_bytes().to_vec();
    Ok(Answered { authorisation, signature, receipt, receipt_signature, opening })
}

/// The inputs of an opening that was checked against a graph.
pub(crate) fn inputs_of(opening: &Opening, count: usize) -> Vec<Vec<i64>> {
    opening.tensors.iter().take(count).flatten().map(|(values, _)| values.clone()).collect()
}

fn seal(served: &ServedTask, exchange: &Exchange, answered: &Answered) -> Result<Vec<u8>, Refused> {
    let opening = answered.opening().map_err(|error| failed(served, &error))?;
    let inputs = served.loaded.key.graph().inputs.len();
    let Answered { receipt, receipt_signature, .. } = answered;
    Answer::seal(exchange, &served.result_key, *receipt, *receipt_signature, &opening, inputs)
        .map(|answer| answer.to_bytes())
        .map_err(|error| failed(served, &error))
}

fn failed(served: &ServedTask, error: &dyn std::fmt::Display) -> Refused {
    tracing::error!(task = served.task, %error, "a request failed");
    Refused::Failed
}
