//! `cyborg chain events`: what happened, block by block.

use cyborg_chain_client::{AtBlock, Chain, json as chain_json};
use serde_json::{Value, json};

use crate::error::Failure;
use crate::report::{CommandOutput, print_json, print_line};

/// Which events are shown.
pub(crate) struct Wanted<'a> {
    /// Only those of this pallet.
    pub(crate) pallet: Option<&'a str>,
    /// Only those that name this task.
    pub(crate) task: Option<u64>,
}

impl Wanted<'_> {
    fn has_pallet(&self, pallet: &str) -> bool {
        self.pallet.is_none_or(|wanted| wanted.eq_ignore_ascii_case(pallet))
    }

    fn has_task(&self, fields: &Value) -> bool {
        // Evidence names its task one level down.
        self.task.is_none_or(|task| fields["task"] == task || fields["evidence"]["task"] == task)
    }
}

/// Prints events as they are found; nothing is left for a report.
pub(crate) async fn run(
    chain: &Chain,
    from: Option<u64>,
    follow: bool,
    wanted: &Wanted<'_>,
    json: bool,
) -> Result<CommandOutput, Failure> {
    let latest = chain.at_finalised().await?.block_number();
    let first = from.unwrap_or(latest);
    if first > latest && !follow {
        let problem =
            format!("block {first} is not final yet, the latest is {latest}; --follow waits for it");
        return Err(Failure::Usage { flag: "--from", problem });
    }
    let mut blocks = chain.follow(Some(first)).await?;
    while follow || blocks.upcoming() <= latest {
        print(&blocks.next().await?, wanted, json).await?;
    }
    Ok(CommandOutput::default())
}

async fn print(at: &AtBlock, wanted: &Wanted<'_>, json: bool) -> Result<(), Failure> {
    let block = at.block_number();
    let events = at.events().fetch().await.map_err(cyborg_chain_client::ChainError::from)?;
    for event in events.iter() {
        let event = event.map_err(cyborg_chain_client::ChainError::from)?;
        let (pallet, name) = (event.pallet_name(), event.event_name());
        if !wanted.has_pallet(pallet) {
            continue;
        }
        let fields = chain_json::fields(&event, at.metadata_ref())?;
        if !wanted.has_task(&fields) {
            continue;
        }
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
    fn events_are_chosen_by_pallet_and_task() {
        let of_task = Wanted { pallet: None, task: Some(3) };
        assert!(of_task.has_pallet("Tasks") && of_task.has_task(&json!({ "task": 3 })));
        assert!(of_task.has_pallet("Proofs") && of_task.has_task(&json!({ "evidence": { "task": 3 } })));
        assert!(!of_task.has_task(&json!({ "task": 4 })) && !of_task.has_task(&json!([])));
        let of_pallet = Wanted { pallet: Some("tasks"), task: None };
        assert!(of_pallet.has_pallet("Tasks") && of_pallet.has_task(&json!({})));
        assert!(!of_pallet.has_pallet("Proofs"));
    }

    #[test]
    fn fields_are_words() {
        assert_eq!(words(&json!({ "task": 1, "owner": "5G" })), "owner 5G, task 1");
        assert_eq!(words(&json!([])), "");
        assert_eq!(words(&json!([1, "a"])), r#"[1,"a"]"#);
        assert_eq!(words(&json!("5G")), "5G");
    }
}
