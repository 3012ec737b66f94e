//! `cyborg infer`: a request to whoever serves a task, the answer, and its proof on chain.

use std::path::Path;
use std::time::Duration;

use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_owner::Http;
use cyborg_owner::Owner;
use cyborg_owner::ask::{Answered, Asking, Outcome};
use cyborg_owner::ports::Records as _;
use cyborg_primitives::signed::Receipt;
use cyborg_primitives::task::ProofPolicy;
use serde_json::json;
use zkml_graph::Graph;
use zkml_samples::{Ports, Values, npz_bytes};

use super::arguments::Infer;
use super::{http, miner, owner};
use crate::error::Failure;
use crate::files::{self, Output, Secrecy};
use crate::model::{Input, integers_as_json, shown};
use crate::progress::waiting;
use crate::report::{CommandOutput, cyb, seconds};
use cyborg_primitives::money::Cyb;

/// Asks, checks, decrypts; waits for the proof where it is asked to. Or shows an answer that came before.
pub(super) async fn run(arguments: &Infer, json: bool) -> Result<CommandOutput, Failure> {
    let out = arguments.out.as_deref().map(output).transpose()?;
    let chosen = arguments.miner.as_deref().map(miner).transpose()?;
    let owner = owner(&arguments.owner).await?;
    let record = owner.records.task(arguments.task).await?;
    let verifier = owner.records.verifier(&record.key).await?;
    let graph = verifier.graph();
    let Some(sample) = &arguments.sample else {
        let number = arguments.again.unwrap_or_default();
        let kept = owner.kept_answer(arguments.task, number, chosen).await?;
        let mut report = shown_answer(graph, &kept.receipt, &kept.miner, &kept.outputs);
        written(&mut report, out, graph, &kept.outputs)?;
        return Ok(report);
    };
    let asking = Asking {
        miner: chosen,
        price_cap: arguments.price_cap.map(|Cyb(cap)| cap),
        patience: Duration::from_secs(arguments.timeout),
    };
    let http = http(&arguments.http)?;
    let input = Input::read(&Ports::inputs(graph), sample)?;

    let asked = owner.ask(&http, arguments.task, &input.integers, &asking);
    let answered = waiting("an answer of a miner", asked).await?;
    let mut report = shown_answer(graph, &answered.receipt, &answered.miner, &answered.outputs);
    input.describe(&mut report);
    costs(&mut report, &answered);
    let latency = answered.latency.as_secs_f64();
    report.field("latency_seconds", latency, "answered after", seconds(latency));
    written(&mut report, out, graph, &answered.outputs)?;
    if !answered.earlier.is_empty() {
        let numbers: Vec<String> = answered.earlier.iter().map(ToString::to_string).collect();
        let words = format!("{} (cyborg infer {} --again N)", numbers.join(", "), arguments.task);
        report.field("answered_now", answered.earlier.as_slice(), "earlier requests", words);
    }
    // What comes now may take a while, or fail; the answer stands.
    report.print_so_far(json);
    if arguments.wait_proof {
        let outcome = waiting("the proof on chain", proof(&owner, &answered, asking.patience)).await;
        let proven = match outcome {
            Ok(outcome) => judge(&owner, &mut report, &answered, outcome).await,
            Err(unseen) => Err(unseen),
        };
        if let Err(Failure::Unproven { problem, .. }) = proven {
            report.json("proven", json!(null));
            return Err(Failure::Unproven { answer: report.into_json(), problem });
        }
        proven?;
    } else {
        let words = match answered.policy {
            ProofPolicy::Every => "follows on chain",
            ProofPolicy::Sampled { .. } => "follows on chain if it is drawn",
            ProofPolicy::OnDemand => "on demand: --wait-proof",
        };
        report.line(format!("{:<24} {words}", "proof"));
    }
    acknowledge(&owner, &http, &answered, &mut report).await?;
    Ok(report)
}

/// What a miner answered, as its receipt says.
fn shown_answer(graph: &Graph, receipt: &Receipt, miner: &[u8; 32], outputs: &[Vec<i64>]) -> CommandOutput {
    let mut report = CommandOutput::default();
    let who = AccountId32(*miner).to_string();
    report.field("task", receipt.task, "task", receipt.task);
    report.field("miner", who.as_str(), "answered by", &who);
    report.field("number", receipt.number, "request", receipt.number);
    let (lines, values) = shown(&Ports::outputs(graph), outputs);
    lines.into_iter().for_each(|line| {
        report.line(line);
    });
    report.json("outputs", values);
    report.json("input_digest", format!("0x{}", hex::encode(receipt.input)));
    report.json("output_digest", format!("0x{}", hex::encode(receipt.output)));
    report
}

/// What the answer costs, with the proof that it causes.
fn costs(report: &mut CommandOutput, answered: &Answered) {
    let Answered { price, proof_price, policy, .. } = *answered;
    let words = match policy {
        ProofPolicy::Every => {
            let sum = price.saturating_add(proof_price);
            format!("{}: proof {}, answer {}", cyb(sum), cyb(proof_price), cyb(price))
        }
        ProofPolicy::Sampled { .. } => {
            format!("{}; its proof, if it is drawn, {}", cyb(price), cyb(proof_price))
        }
        ProofPolicy::OnDemand => format!("{}; a proof, if you demand it, {}", cyb(price), cyb(proof_price)),
    };
    report.field("price", price.to_string(), "costs", words);
    report.json("proof_price", proof_price.to_string());
}

/// Writes the outputs, if a file was named.
fn written(
    report: &mut CommandOutput,
    out: Option<(Output, Kind)>,
    graph: &Graph,
    outputs: &[Vec<i64>],
) -> Result<(), Failure> {
    if let Some((out, kind)) = out {
        files::write(&[(&out, &kind.bytes(graph, outputs)?)])?;
        let path = out.path().display().to_string();
        report.field("out", path.as_str(), "written to", &path);
    }
    Ok(())
}

/// What became of the answer's proof, which is demanded if it does not come by itself; `None` if nothing did in time.
async fn proof(owner: &Owner, answered: &Answered, patience: Duration) -> Result<Option<Outcome>, Failure> {
    let unseen = |error| {
        let number = answered.number;
        Failure::Unproven {
            answer: Default::default(),
            problem: format!(
                "request {number} is answered, and its proof was not seen: {error}; `cyborg task events {}` shows \
             whether it is on chain",
                answered.receipt.task
            ),
        }
    };
    if answered.policy != ProofPolicy::Every {
        owner.demand(answered).await.map_err(unseen)?;
    }
    owner.verdict(answered, patience).await.map_err(unseen)
}

/// What the chain's verdict means for the answer.
async fn judge(
    owner: &Owner,
    report: &mut CommandOutput,
    answered: &Answered,
    outcome: Option<Outcome>,
) -> Result<(), Failure> {
    let who = AccountId32(answered.miner);
    let number = answered.number;
    let is_false = |problem| Failure::False { file: format!("miner {who}, request {number}"), problem };
    match outcome {
        Some(Outcome::Verified { block, paid }) => {
            report.json("proven", true);
            let words = format!("verified by the chain in block {block}");
            report.field("proven_in_block", block, "proof", words);
            report.json("paid", paid.map(|paid| paid.to_string()));
            Ok(())
        }
        Some(Outcome::OtherAnswer { block }) => {
            let problem = match owner.demand(answered).await {
                Ok(()) => "the chain demands what it signed, and takes its bond when that is not proven",
                Err(error) => {
                    tracing::warn!(%error, "the proof of the receipt is not demanded");
                    "its receipt could not be shown to the chain"
                }
            };
            Err(is_false(format!(
                "has proven another answer than it signed, in block {block}: the answer is not to be trusted; \
                 {problem}"
            )))
        }
        Some(Outcome::Punished { block, fault, slashed }) => Err(is_false(format!(
            "found guilty in block {block}: {fault}; its bond lost {}: the answer is not to be trusted",
            cyb(slashed)
        ))),
        None => Err(Failure::Unproven {
            answer: Default::default(),
            problem: format!("{who} has answered request {number}, and its proof is not on chain yet"),
        }),
    }
}

/// Acknowledges what was answered if that pays the miner, but never an answer that was found false: a miner
/// that gets no acknowledgement stops answering.
async fn acknowledge(
    owner: &Owner,
    http: &Http,
    answered: &Answered,
    report: &mut CommandOutput,
) -> Result<(), Failure> {
    if answered.policy == ProofPolicy::OnDemand {
        let through = owner.acknowledge(http, answered.receipt.task, &answered.miner).await?;
        report.json("acknowledged", through);
    }
    Ok(())
}

/// What an output file holds.
enum Kind {
    Npz,
    Json,
}

impl Kind {
    fn bytes(&self, graph: &Graph, outputs: &[Vec<i64>]) -> Result<Vec<u8>, Failure> {
        let ports = Ports::outputs(graph);
        match self {
            Self::Json => Ok(integers_as_json(&ports, outputs).to_string().into_bytes()),
            Self::Npz => {
                let real = ports.real(outputs);
                let arrays =
                    ports.names.iter().zip(&ports.tensors).zip(real).map(|((name, tensor), values)| {
                        let shape: Vec<usize> = tensor.shape.iter().map(|extent| *extent as usize).collect();
                        (name.as_str(), [vec![1], shape].concat(), Values::Float(values))
                    });
                Ok(npz_bytes(arrays)?)
            }
        }
    }
}

/// An output file, and what it is to hold by its name.
fn output(path: &Path) -> Result<(Output, Kind), Failure> {
    let kind = match path.extension().and_then(|extension| extension.to_str()) {
        Some("npz") => Kind::Npz,
        Some("json") => Kind::Json,
        _ => return Err(Failure::input(path, "an output is written as .npz or .json")),
    };
    // An answer belongs to its owner, who kept it secret all the way.
    Ok((Output::new(path, Secrecy::Secret)?, kind))
}
