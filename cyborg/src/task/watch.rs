//! `cyborg task logs` and `cyborg task status`: what miners say of a task, to its owner alone.

use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::view::{self, Contact};
use cyborg_owner::Http;
use cyborg_owner::Owner;
use cyborg_primitives::{Account, TaskId};
use cyborg_protocol::status::Status as TaskStatus;
use futures::future::join_all;
use serde_json::{Value, json};

use super::arguments::{Logs, Status};
use super::{http, miner, owner};
use crate::error::Failure;
use crate::report::{CommandOutput, print_json, print_line};
use cyborg_primitives::money::Cyb;

/// The miners of a task that were ever given its key, or the one that is asked for.
async fn contacts(
    owner: &Owner,
    task: TaskId,
    only: Option<&str>,
) -> Result<Vec<(Account, Contact)>, Failure> {
    let only = only.map(miner).transpose()?;
    let at = owner.chain.at_finalised().await?;
    let view = owner.task(&at, task).await?;
    let mut found = Vec::new();
    for part in &view.assignments {
        if only.is_some_and(|only| only != part.miner) {
            continue;
        }
        if let Some(contact) = view::contact(&at, &part.miner).await? {
            found.push((part.miner, contact));
        }
    }
    if found.is_empty() {
        let problem = format!("no such miner has a part in task {task}");
        return Err(Failure::Usage { flag: "--miner", problem });
    }
    Ok(found)
}

/// The logs of a task's miners, opened; a miner that does not answer is named.
pub(super) async fn logs(arguments: &Logs, json: bool) -> Result<CommandOutput, Failure> {
    let http = http(&arguments.http)?;
    let owner = owner(&arguments.act.owner).await?;
    let task = arguments.act.task;
    let mut unheard = Vec::new();
    for (miner, contact) in contacts(&owner, task, arguments.miner.as_deref()).await? {
        let address = AccountId32(miner);
        match owner.log(&http, task, &miner, &contact, arguments.from).await {
            Ok(lines) => {
                for (line, text) in lines {
                    // The miner's own words: no instructions to a terminal.
                    let text = text.escape_debug().to_string();
                    if json {
                        print_json(&json!({ "miner": address.to_string(), "line": line, "text": text }));
                    } else {
                        print_line(&format!("{address}  {line:>4}  {text}"));
                    }
                }
            }
            Err(error) => unheard.push(format!("{address}: {error}")),
        }
    }
    match unheard.is_empty() {
        true => Ok(CommandOutput::default()),
        false => Err(Failure::Network(format!("no log of {}", unheard.join("; ")))),
    }
}

/// What miners do for a task, now or as it changes.
pub(super) async fn status(arguments: &Status, json: bool) -> Result<CommandOutput, Failure> {
    let http = http(&arguments.http)?;
    let owner = owner(&arguments.act.owner).await?;
    let task = arguments.act.task;
    let contacts = contacts(&owner, task, arguments.miner.as_deref()).await?;
    let watching = contacts
        .iter()
        .map(|(miner, contact)| watch(&owner, &http, task, miner, contact, arguments.follow, json));
    let unheard: Vec<String> = tokio::select! {
        watched = join_all(watching) => watched.into_iter().filter_map(Result::err).collect(),
        _ = tokio::signal::ctrl_c() => Vec::new(),
    };
    match unheard.is_empty() {
        true => Ok(CommandOutput::default()),
        false => Err(Failure::Network(unheard.join("; "))),
    }
}

/// One miner's stream, printed until it ends; the first event alone where nobody follows.
async fn watch(
    owner: &Owner,
    http: &Http,
    task: TaskId,
    miner: &Account,
    contact: &Contact,
    follow: bool,
    json: bool,
) -> Result<(), String> {
    let address = AccountId32(*miner).to_string();
    let unheard = |error: &dyn std::fmt::Display| format!("{address}: {error}");
    let mut stream = owner.watch(http, task, miner, contact).await.map_err(|error| unheard(&error))?;
    while let Some(status) = stream.next().await.map_err(|error| unheard(&error))? {
        if json {
            let mut line = serde_json::to_value(&status).unwrap_or(Value::Null);
            line["miner"] = address.as_str().into();
            print_json(&line);
        } else {
            print_line(&words(&address, &status));
        }
        if !follow {
            break;
        }
    }
    Ok(())
}

/// A status for people, on one line.
fn words(address: &str, status: &TaskStatus) -> String {
    let TaskStatus { block, answered, proofs_due, proofs_made, proofs_verified, settled_through, .. } =
        status;
    // The miner's own words: no instructions to a terminal.
    let step = status.step.escape_debug();
    let money = |amount: Option<u128>| amount.map_or("-".to_owned(), |amount| Cyb(amount).to_string());
    let trouble = status.trouble.as_deref().map(|trouble| format!("; {}", trouble.escape_debug()));
    format!(
        "{address}  block {block}  {step}  answered {answered}, settled through {settled_through}; proofs due \
         {proofs_due}, made {proofs_made}, verified {proofs_verified}; left {} for answers, {} for proofs; busy \
         {} ms{}",
        money(status.compute_left),
        money(status.proof_money_left),
        status.busy_ms,
        trouble.unwrap_or_default()
    )
}
