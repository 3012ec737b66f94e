//! `cyborg task list`, `show`, `stop`, `top-up`, `keep` and `events`.

use cyborg_account::keys;
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::{AtBlock, Chain, ChainError, runtime, view};
use cyborg_owner::keep::Kept;
use cyborg_owner::ports::Records as _;
use cyborg_primitives::TaskId;
use serde_json::json;

use super::arguments::{Act, Events, OwnerFlags, Show, TopUp};
use super::owner;
use crate::chain::{events, table, tasks};
use crate::error::Failure;
use crate::report::{CommandOutput, cyb, print_json, print_line, printable, span};
use cyborg_primitives::money::Cyb;

/// Tasks of the owner, whichever machine they were submitted from.
pub(super) async fn list(flags: &OwnerFlags) -> Result<CommandOutput, Failure> {
    let account = AccountId32(keys::account(&keys::load(&flags.account)?));
    let chain = Chain::connect(&flags.chain.node).await?;
    tasks::list(&chain, Some(account)).await
}

/// All that the chain knows of a task.
pub(super) async fn show(arguments: &Show) -> Result<CommandOutput, Failure> {
    tasks::show(&Chain::connect(&arguments.node).await?, arguments.task).await
}

/// The answers that are kept here.
pub(super) async fn answers(arguments: &Act) -> Result<CommandOutput, Failure> {
    let owner = owner(&arguments.owner).await?;
    let task = arguments.task;
    owner.records.task(task).await?;
    let kept = owner.records.answers(task)?;
    let mut report = CommandOutput::default();
    let mut rows = Vec::new();
    let mut answers = Vec::new();
    for (asked, at) in &kept {
        let (number, miner) = (asked.number, AccountId32(asked.miner).to_string());
        let age = at.elapsed().unwrap_or_default();
        answers.push(json!({ "number": number, "miner": miner, "seconds_ago": age.as_secs() }));
        rows.push([
            number.to_string(),
            miner,
            format!("{} ago", span(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))),
        ]);
    }
    match rows[..] {
        [] => {
            report.line(format!("no answer of task {task} is kept in {}", owner.records.folder().display()))
        }
        _ => {
            table::lines(&mut report, ["request", "answered by", "when"], &rows);
            report.line(format!("Show one: cyborg infer {task} --again REQUEST"))
        }
    };
    report.json("answers", answers);
    Ok(report)
}

/// Stops a task.
pub(super) async fn stop(arguments: &Act) -> Result<CommandOutput, Failure> {
    let owner = owner(&arguments.owner).await?;
    let task = arguments.task;
    let done = owner.chain.submit(&runtime::transactions().tasks().stop(task), &owner.signer).await?;
    let mut report = CommandOutput::default();
    report.field("task", task, "task", task);
    report.field("block", done.block, "stopped in block", done.block);
    if let Some(stopped) = done.events::<runtime::tasks::events::Stopped>()?.first() {
        let now = view::now(&owner.chain.at_finalised().await?).await?;
        let words = format!("in {} of chain time", span(stopped.settles_by.saturating_sub(now)));
        report.field("settles_by_ms", stopped.settles_by, "settles", words);
        report.line("Until then what was answered can be proven and paid; the rest comes back after that.");
    }
    if let Some(vacated) = done.events::<runtime::tasks::events::Vacated>()?.first() {
        report.field("refunded", vacated.refunded.to_string(), "came back", cyb(vacated.refunded));
    }
    Ok(report)
}

/// Adds money to a task.
pub(super) async fn top_up(arguments: &TopUp) -> Result<CommandOutput, Failure> {
    let (Cyb(answers), Cyb(proofs)) = (arguments.answers, arguments.proofs);
    if answers == 0 && proofs == 0 {
        let problem = "say how much, with --answers or --proofs".to_owned();
        return Err(Failure::Usage { flag: "--answers", problem });
    }
    let owner = owner(&arguments.act.owner).await?;
    let task = arguments.act.task;
    let call = runtime::transactions().payments().top_up(task, answers, proofs);
    let done = owner.chain.submit(&call, &owner.signer).await?;
    let mut report = CommandOutput::default();
    report.field("task", task, "task", task);
    report.field("answers", answers.to_string(), "added for answers", cyb(answers));
    report.field("proofs", proofs.to_string(), "added for proofs", cyb(proofs));
    report.field("block", done.block, "final in block", done.block);
    Ok(report)
}

/// Does what a task needs of its owner, until it ends. A node that goes away is waited for.
pub(super) async fn keep(arguments: &Act, json: bool) -> Result<CommandOutput, Failure> {
    const PAUSE: std::time::Duration = std::time::Duration::from_secs(2);
    let mut tell = |kept: Kept| {
        let address = |account: [u8; 32]| AccountId32(account).to_string();
        let (name, words, miner) = match kept {
            Kept::Wrapped(miner) => ("wrapped", "content key wrapped for", Some(address(miner))),
            Kept::Anchored(miner) => ("anchored", "hash chain fixed for", Some(address(miner))),
            Kept::Revealed(miner, _) => ("revealed", "draw revealed for", Some(address(miner))),
            Kept::Stopped => ("stopped", "stopped; settling", None),
            Kept::Vacated => ("vacated", "vacated: over", None),
        };
        if json {
            print_json(&json!({ "task": arguments.task, "did": name, "miner": miner }));
        } else {
            print_line(format!("task {}: {words} {}", arguments.task, miner.unwrap_or_default()).trim_end());
        }
    };
    // The first connection must succeed, so that a mistake is seen at once.
    let mut owner = owner(&arguments.owner).await?;
    owner.records.task(arguments.task).await?;
    eprintln!("keeping task {} until it ends; Ctrl-C ends this earlier", arguments.task);
    let work = async {
        loop {
            match owner.keep(arguments.task, &mut tell).await {
                Ok(()) => return Ok(CommandOutput::default()),
                Err(cyborg_owner::OwnerError::Chain(error)) => {
                    eprintln!("{}", printable(&format!("waiting: {error}")));
                }
                Err(error) => return Err(Failure::from(error)),
            }
            tokio::time::sleep(PAUSE).await;
            if let Ok(chain) = Chain::connect(&arguments.owner.chain.node).await {
                owner.chain = chain;
            }
        }
    };
    tokio::select! {
        done = work => done,
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => Ok(CommandOutput::default()),
            Err(source) => Err(Failure::Io { file: "Ctrl-C".to_owned(), action: "wait for", source }),
        },
    }
}

/// The chain's events of a task.
pub(super) async fn events(arguments: &Events, json: bool) -> Result<CommandOutput, Failure> {
    let chain = Chain::connect(&arguments.node).await?;
    let from = match arguments.from {
        Some(from) => from,
        None => submitted_in(&chain, arguments.task).await?,
    };
    let wanted = events::Wanted { pallet: None, task: Some(arguments.task) };
    events::run(&chain, Some(from), arguments.follow, &wanted, json).await
}

/// The block in which a task got its number: the first that counts more tasks.
async fn submitted_in(chain: &Chain, task: TaskId) -> Result<u64, Failure> {
    let head = chain.at_finalised().await?;
    if !is_submitted(&head, task).await? {
        let problem = format!("no task {task} was submitted yet");
        return Err(Failure::Usage { flag: "TASK", problem });
    }
    let (mut first, mut last) = (0, head.block_number());
    while first < last {
        let middle = first.midpoint(last);
        if is_submitted(&chain.at(middle).await?, task).await? {
            last = middle;
        } else {
            first = middle + 1;
        }
    }
    Ok(first)
}

async fn is_submitted(at: &AtBlock, task: TaskId) -> Result<bool, ChainError> {
    let next = at.storage().entry(runtime::storage().tasks().next_task())?;
    Ok(next.fetch(()).await?.decode()? > task)
}
