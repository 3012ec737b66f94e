//! `cyborg infer`: a request to whoever serves a task, the answer, and its proof on chain.

use std::path::Path;
use std::time::Duration;

use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_owner::Http;
use cyborg_owner::ask::{Answered, Asking, Outcome};
use cyborg_owner::ports::Records as _;
use cyborg_owner::{Owner, OwnerError};
use cyborg_primitives::task::ProofPolicy;
use serde_json::json;
use zkml_graph::Graph;
use zkml_samples::{Ports, Values, npz_bytes};

use super::arguments::Infer;
use super::{http, miner, owner};
use crate::error::Failure;
use crate::files::{self, Output, Secrecy};
use crate::model::{Input, integers_as_json, shown};
use crate::report::{CommandOutput, seconds};
use cyborg_primitives::money::Cyb;

/// Asks, checks, decrypts; waits for the proof where it is asked to.
pub(super) async fn run(arguments: &Infer) -> Result<CommandOutput, Failure> {
    let out = arguments.out.as_deref().map(output).transpose()?;
    let asking = Asking {
        miner: arguments.miner.as_deref().map(miner).transpose()?,
        price_cap: arguments.price_cap.map(|Cyb(cap)| cap),
        patience: Duration::from_secs(arguments.timeout),
    };
    let http = http(&arguments.http)?;
    let owner = owner(&arguments.owner).await?;
    let record = owner.records.task(arguments.task).await?;
    let verifier = owner.records.verifier(&record.key).await?;
    let graph = verifier.graph();
    let input = Input::read(&Ports::inputs(graph), &arguments.sample)?;

    let answered = owner.ask(&http, arguments.task, &input.integers, &asking).await?;
    if let Some((out, kind)) = &out {
        files::write(&[(out, &kind.bytes(graph, &answered.outputs)?)])?;
    }
    let mut report = CommandOutput::default();
    let who = AccountId32(answered.miner).to_string();
    report.field("task", arguments.task, "task", arguments.task);
    report.field("miner", who.as_str(), "answered by", &who);
    report.field("number", answered.number, "request", answered.number);
    let (lines, values) = shown(&Ports::outputs(graph), &answered.outputs);
    lines.into_iter().for_each(|line| {
        report.line(line);
    });
    report.json("outputs", values);
    input.describe(&mut report);
    report.json("input_digest", format!("0x{}", hex::encode(answered.receipt.input)));
    report.json("output_digest", format!("0x{}", hex::encode(answered.receipt.output)));
    report.field("price", answered.price.to_string(), "costs", Cyb(answered.price));
    let latency = answered.latency.as_secs_f64();
    report.field("latency_seconds", latency, "answered after", seconds(latency));
    if let Some((out, _)) = &out {
        let path = out.path().display().to_string();
        report.field("out", path.as_str(), "written to", &path);
    }
    if !arguments.wait_proof {
        let words = match answered.policy {
            ProofPolicy::Every => "follows on chain",
            ProofPolicy::Sampled { .. } => "follows on chain if it is drawn",
            ProofPolicy::OnDemand => "on demand: --wait-proof",
        };
        report.line(format!("{:<24} {words}", "proof"));
        acknowledge(&owner, &http, &answered, &mut report).await?;
        return Ok(report);
    }
    if answered.policy != ProofPolicy::Every {
        owner.demand(&answered).await?;
    }
    match owner.verdict(&answered, asking.patience).await? {
        Some(Outcome::Verified { block, paid }) => {
            report.json("proven", true);
            report.field(
                "proven_in_block",
                block,
                "proof",
                format!("verified by the chain in block {block}"),
            );
            report.json("paid", paid.map(|paid| paid.to_string()));
            acknowledge(&owner, &http, &answered, &mut report).await?;
            Ok(report)
        }
        Some(Outcome::OtherAnswer { block }) => {
            let problem = match owner.demand(&answered).await {
                Ok(()) => "the chain demands what it signed, and takes its bond when that is not proven",
                Err(error) => {
                    tracing::warn!(%error, "the proof of the receipt is not demanded");
                    "its receipt could not be shown to the chain"
                }
            };
            Err(Failure::False {
                file: format!("miner {who}, request {}", answered.number),
                problem: format!(
                    "has proven another answer than it signed, in block {block}: the answer is not to be \
                     trusted; {problem}"
                ),
            })
        }
        Some(Outcome::Punished { block, fault, slashed }) => Err(Failure::False {
            file: format!("miner {who}, request {}", answered.number),
            problem: format!(
                "found guilty in block {block}: {fault}; its bond lost {}: the answer is not to be trusted",
                Cyb(slashed)
            ),
        }),
        None => {
            report.json("proven", json!(null));
            Err(Failure::from(OwnerError::NoAnswer {
                task: arguments.task,
                seconds: arguments.timeout,
                last: format!(
                    "{who} has answered request {}, and its proof is not on chain yet",
                    answered.number
                ),
            }))
        }
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
