//! `cyborg chain events`: what happened, block by block.

use cyborg_chain_client::{AtBlock, Chain, json as chain_json};
use serde_json::{Value, json};

use super::arguments::Events;
use crate::error::Failure;
use crate::report::{Report, print_json, print_line};

/// Prints events as they are found; nothing is left for a report.
pub(super) async fn run(chain: &Chain, arguments: &Events, json: bool) -> Result<Report, Failure> {
    let latest = chain.at_finalised().await?.block_number();
    let first = arguments.from.unwrap_or(latest);
    if first > latest && !arguments.follow {
        let problem =
            format!("block {first} is not final yet, the latest is {latest}; --follow waits for it");
        return Err(Failure::Usage { flag: "--from", problem });
    }
    let mut blocks = chain.follow(Some(first)).await?;
    while arguments.follow || blocks.upcoming() <= latest {
        print(&blocks.next().await?, arguments.pallet.as_deref(), json).await?;
    }
    Ok(Report::default())
}

async fn print(at: &AtBlock, pallet: Option<&str>, json: bool) -> Result<(), Failure> {
    let block = at.block_number();
    let events = at.events().fetch().await.map_err(cyborg_chain_client::ChainError::from)?;
    for event in events.iter() {
        let event = event.map_err(cyborg_chain_client::ChainError::from)?;
        if pallet.is_some_and(|pallet| !pallet.eq_ignore_ascii_case(event.pallet_name())) {
            continue;
        }
        let fields = chain_json::fields(&event, at.metadata_ref())?;
        let (pallet, name) = (event.pallet_name(), event.event_name());
        if json {
            print_json(&json!({
                "block": block,
                "index": event.index(),
                "pallet": pallet,
                "event": name,
                "fields": fields,
            }));
        } else {
            print_line(&format!("{block:>8}  {pallet}.{name}  {}", words(&fields)));
        }
    }
    Ok(())
}

/// Fields for people: `name value` where they have names.
fn words(fields: &Value) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    match fields {
        Value::Object(fields) => {
            let words: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
            words.join(", ")
        }
        Value::Array(fields) if fields.is_empty() => String::new(),
        other => plain(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_words() {
        assert_eq!(words(&json!({ "task": 1, "owner": "5G" })), "owner 5G, task 1");
        assert_eq!(words(&json!([])), "");
        assert_eq!(words(&json!([1, "a"])), r#"[1,"a"]"#);
        assert_eq!(words(&json!("5G")), "5G");
    }
}
