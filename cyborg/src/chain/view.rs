//! `cyborg chain status`, `miners`, `models`: the chain and its registers.

use cyborg_chain_client::{AtBlock, Chain, ChainError, json as chain_json, runtime};
use serde_json::{Value, json};

use super::arguments::Miners;
use super::money::units;
use super::table;
use crate::error::Failure;
use crate::report::CommandOutput;

/// What the chain is, and how much it holds.
pub(super) async fn status(chain: &Chain, node: &str) -> Result<CommandOutput, Failure> {
    let at = chain.at_finalised().await?;
    let storage = runtime::storage();
    let (block, hash) = (at.block_number(), format!("0x{}", hex::encode(at.block_hash().0)));
    let genesis = format!("0x{}", hex::encode(chain.genesis()));
    let time_ms = number(&entry(&at, storage.timestamp().now()).await?);
    let issuance = entry(&at, storage.balances().total_issuance()).await?;

    let mut report = CommandOutput::default();
    report.field("node", node, "node", node);
    report.field("genesis", genesis.as_str(), "genesis", &genesis);
    report.field("spec_version", chain.spec_version(), "runtime version", chain.spec_version());
    report.field("block", block, "final block", block);
    report.field("block_hash", hash.as_str(), "hash", &hash);
    report.field("time_ms", time_ms, "chain time", format!("{} s", time_ms / 1000));
    report.json("total_issuance", issuance.clone());
    report.line(format!("{:<24} {}", "issuance", units(&issuance)));
    for (key, label, next) in [
        ("miners_ever", "miners registered", entry(&at, storage.miners().next_number()).await?),
        ("models_ever", "models registered", entry(&at, storage.models().next_model()).await?),
        ("tasks_ever", "tasks submitted", entry(&at, storage.tasks().next_task()).await?),
    ] {
        let count = number(&next);
        report.field(key, count, label, format!("{count} so far"));
    }
    Ok(report)
}

/// The register of miners.
pub(super) async fn miners(chain: &Chain, arguments: &Miners) -> Result<CommandOutput, Failure> {
    let at = chain.at_finalised().await?;
    let storage = runtime::storage();
    let pulses = chain_json::entries(&at, storage.miners().pulses(), ()).await?;
    let duty = |miner: &str| {
        let pulse = pulses.iter().find(|((other,), _)| other.to_string() == miner);
        pulse.map_or(Value::Null, |(_, pulse)| pulse["duty"].clone())
    };
    let mut miners: Vec<Value> = chain_json::entries(&at, storage.miners().miners(), ())
        .await?
        .into_iter()
        .map(|((account,), mut miner)| {
            let account = account.to_string();
            miner["duty"] = duty(&account);
            miner["miner"] = account.into();
            miner["endpoint"] = text(&miner["endpoint"]);
            miner
        })
        .filter(|miner| {
            let region = arguments.region.map(|region| String::from_utf8_lossy(&region.0).into_owned());
            region.is_none_or(|region| miner["location"]["region"] == region)
        })
        .collect();
    miners.sort_by_key(|miner| (std::cmp::Reverse(number(&miner["reputation"])), number(&miner["number"])));

    let rows: Vec<[String; 8]> = miners
        .iter()
        .map(|miner| {
            [
                word(&miner["miner"]),
                word(&miner["location"]["region"]),
                word(&miner["duty"]),
                word(&miner["reputation"]),
                units(&miner["price"]).to_string(),
                format!("{} of {} MiB", number(&miner["used_mib"]), number(&miner["capacity"]["memory_mib"])),
                format!("{:.1}", number(&miner["capacity"]["macs_per_second"]) as f64 / 1e9),
                word(&miner["endpoint"]),
            ]
        })
        .collect();
    let head =
        ["miner", "region", "duty", "reputation", "price per hour", "memory used", "GMAC/s", "endpoint"];
    Ok(listing("miners", &head, &rows, miners))
}

/// The register of models.
pub(super) async fn models(chain: &Chain) -> Result<CommandOutput, Failure> {
    let at = chain.at_finalised().await?;
    let mut models: Vec<(u64, Value)> = chain_json::entries(&at, runtime::storage().models().models(), ())
        .await?
        .into_iter()
        .map(|((id,), mut model)| {
            model["id"] = id.into();
            (id, model)
        })
        .collect();
    models.sort_by_key(|(id, _)| *id);
    let models: Vec<Value> = models.into_iter().map(|(_, model)| model).collect();
    let rows: Vec<[String; 8]> = models
        .iter()
        .map(|model| {
            [
                word(&model["id"]),
                word(&model["version"]),
                if model["listed"] == json!(true) { "yes" } else { "no" }.to_owned(),
                word(&model["tasks"]),
                format!("{} MiB", number(&model["memory_mib"])),
                format!("{:.2}", number(&model["work_macs"]) as f64 / 1e6),
                word(&model["owner"]),
                word(&model["key"]),
            ]
        })
        .collect();
    let head = ["model", "version", "listed", "tasks", "memory", "MMAC", "owner", "key"];
    Ok(listing("models", &head, &rows, models))
}

/// A list: a table for people, or a line that there is none; all of it for programs.
pub(super) fn listing<const N: usize>(
    name: &str,
    head: &[&str; N],
    rows: &[[String; N]],
    all: Vec<Value>,
) -> CommandOutput {
    let mut report = CommandOutput::default();
    if rows.is_empty() {
        report.line(format!("no {name}"));
    } else {
        table::lines(&mut report, *head, rows);
    }
    report.json(name, all);
    report
}

/// A value that is stored once for the whole chain.
async fn entry<A>(at: &AtBlock, address: A) -> Result<Value, ChainError>
where
    A: cyborg_chain_client::subxt::storage::Address<KeyParts = ()>,
{
    Ok(chain_json::entry(at, address, ()).await?.unwrap_or_default())
}

/// A number of the chain's JSON.
pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// A value of the chain's JSON in a table's cell.
pub(super) fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Object(fields) => fields.keys().next().cloned().unwrap_or_default(),
        other => other.to_string(),
    }
}

/// Bytes that the chain keeps of a text. Text that cannot be printed stays hexadecimal: it is somebody
/// else's, and goes to a terminal.
fn text(value: &Value) -> Value {
    let decoded = value.as_str().and_then(|digits| digits.strip_prefix("0x")).and_then(|digits| {
        String::from_utf8(hex::decode(digits).ok()?)
            .ok()
            .filter(|text| text.chars().all(|letter| !letter.is_control()))
    });
    decoded.map_or_else(|| value.clone(), Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_text_only_where_they_are_printable() {
        assert_eq!(text(&json!("0x68693a")), json!("hi:"));
        assert_eq!(text(&json!("0x1b5b")), json!("0x1b5b"));
        assert_eq!(text(&json!("0xff")), json!("0xff"));
        assert_eq!(text(&json!("0x")), json!(""));
        assert_eq!(text(&json!(null)), json!(null));
    }

    #[test]
    fn cells_of_a_table() {
        assert_eq!(word(&json!("a")), "a");
        assert_eq!(word(&json!(null)), "-");
        assert_eq!(word(&json!({ "Sampled": { "samples": 2 } })), "Sampled");
        assert_eq!(word(&json!(7)), "7");
    }
}
