//! `cyborg chain tasks` and `task show`: tasks, and all that is known of one.

use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::{Chain, json as chain_json, runtime, view};
use serde_json::{Map, Value, json};

use super::money::units;
use super::table;
use super::view::{listing, number, word};
use crate::error::Failure;
use crate::report::{CommandOutput, span};

/// Tasks that are not vacated, and those vacated lately.
pub(crate) async fn list(chain: &Chain, owner: Option<AccountId32>) -> Result<CommandOutput, Failure> {
    let owner = owner.map(|owner| owner.to_string());
    let at = chain.at_finalised().await?;
    let storage = runtime::storage();
    let mut tasks: Vec<(u64, Value)> = Vec::new();
    for ((id,), mut task) in chain_json::entries(&at, storage.tasks().tasks(), ()).await? {
        task["id"] = id.into();
        tasks.push((id, task));
    }
    for ((id,), mut task) in chain_json::entries(&at, storage.tasks().ended(), ()).await? {
        task["id"] = id.into();
        task["state"] = "Vacated".into();
        tasks.push((id, task));
    }
    tasks.retain(|(_, task)| owner.as_deref().is_none_or(|owner| task["owner"] == owner));
    tasks.sort_by_key(|(id, _)| *id);
    let tasks: Vec<Value> = tasks.into_iter().map(|(_, task)| task).collect();
    let rows: Vec<[String; 6]> = tasks
        .iter()
        .map(|task| {
            let parts = task["parts"].as_array();
            let serving =
                parts.map(|parts| parts.iter().filter(|part| part["status"] == "Confirmed").count());
            [
                word(&task["id"]),
                word(&task["state"]),
                word(&task["model"]),
                serving.map_or("-".to_owned(), |count| count.to_string()),
                word(&task["policy"]),
                word(&task["owner"]),
            ]
        })
        .collect();
    Ok(listing("tasks", &["task", "state", "model", "serving", "proofs", "owner"], &rows, tasks))
}

/// One task: who is on it, its money, its proofs, its reports.
pub(crate) async fn show(chain: &Chain, task: u64) -> Result<CommandOutput, Failure> {
    let at = chain.at_finalised().await?;
    let now = view::now(&at).await?;
    let storage = runtime::storage();
    let mut report = CommandOutput::default();
    report.field("task", task, "task", task);
    report.field("block", at.block_number(), "at block", at.block_number());
    let Some(record) = chain_json::entry(&at, storage.tasks().tasks(), (task,)).await? else {
        let ended = chain_json::entry(&at, storage.tasks().ended(), (task,)).await?;
        let Some(ended) = ended else {
            let problem = format!("no task {task}: it was never submitted, or ended long ago");
            return Err(Failure::Usage { flag: "TASK", problem });
        };
        report.field("state", "Vacated", "state", "Vacated");
        fields(&mut report, &ended, now);
        report.json("record", ended);
        return Ok(report);
    };
    report.field("state", record["state"].clone(), "state", word(&record["state"]));
    fields(&mut report, &record, now);

    let parts: Vec<[String; 3]> = record["parts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|part| [word(&part["miner"]), word(&part["role"]), word(&part["status"])])
        .collect();
    report.line("");
    table::lines(&mut report, ["miner", "role", "status"], &parts);
    report.json("record", record);

    if let Some(escrow) = chain_json::entry(&at, storage.payments().escrows(), (task,)).await? {
        report.line("");
        for (label, purse) in [("for answers", &escrow["compute"]), ("for proofs", &escrow["proofs"])] {
            let (left, all) = (units(&purse["left"]), units(&purse["deposited"]));
            report.line(format!("{label:<24} {left} left of {all}"));
        }
        report.json("escrow", escrow);
    }
    let of_miners = |entries: Vec<((u64, AccountId32), Value)>| -> Map<String, Value> {
        entries.into_iter().map(|((_, miner), value)| (miner.to_string(), value)).collect()
    };
    let meters = of_miners(chain_json::entries(&at, storage.payments().meters(), (task,)).await?);
    let reports = of_miners(chain_json::entries(&at, storage.reports().records(), (task,)).await?);
    let rows: Vec<[String; 7]> = meters
        .iter()
        .map(|(miner, meter)| {
            let totals = reports.get(miner).map_or(&Value::Null, |record| &record["totals"]);
            [
                miner.clone(),
                word(&meter["requests"]),
                units(&meter["compute_paid"]).to_string(),
                word(&meter["proofs"]),
                word(&totals["requests"]),
                word(&totals["cpu_ms"]),
                word(&totals["energy_mj"]),
            ]
        })
        .collect();
    if !rows.is_empty() {
        report.line("");
        let head = ["miner", "answers paid", "for", "proofs paid", "answers reported", "CPU ms", "energy mJ"];
        table::lines(&mut report, head, &rows);
    }
    report.json("meters", meters);
    report.json("reports", reports);
    let owed = chain_json::entries(&at, storage.proofs().owed(), (task,)).await?;
    report.json("owed", of_miners(owed));
    Ok(report)
}

/// What a task and its end have in common, for people.
fn fields(report: &mut CommandOutput, record: &Value, now: u64) {
    for (key, label) in [
        ("owner", "owner"),
        ("delegate", "delegate"),
        ("model", "model"),
        ("policy", "proofs"),
        ("cause", "ended by"),
    ] {
        let value = &record[key];
        if !value.is_null() && *value != json!({}) {
            report.line(format!("{label:<24} {}", word(value)));
        }
    }
    let ends = number(&record["ends"]);
    if ends > now {
        report.line(format!("{:<24} in {} of chain time", "ends", span(ends - now)));
    }
}
