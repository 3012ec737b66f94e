//! What the demo says while it goes on: its own lines, and the chain's events in plain words.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};

use cyborg_localnet::witness::{Event, News};

use crate::report::print_line;

/// Lines for people, on standard output; on standard error if standard output is for a program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Console {
    json: bool,
    bold: bool,
}

impl Console {
    /// With `json`, standard output is left to one object.
    pub(super) fn new(json: bool) -> Self {
        Self { json, bold: !json && io::stdout().is_terminal() }
    }

    /// Prints a line.
    pub(super) fn say(self, line: &str) {
        if self.json {
            crate::network::say(line);
        } else {
            print_line(line);
        }
    }

    /// Prints what a witness has seen.
    pub(super) fn tell(self, news: &News<'_>, names: &Names) {
        match news {
            News::Event(event) => {
                if let Some(text) = described(event, names) {
                    let (seconds, block, name) = (event.at.as_secs_f64(), event.block, &event.name);
                    self.say(&format!("  {seconds:>5.1} s  block {block:<4} {name:<18} {text}"));
                }
            }
            News::Broken(error) => self.say(&format!("the chain cannot be followed for a moment: {error}")),
        }
    }

    /// Prints the title of what comes now.
    pub(super) fn title(self, title: &str) {
        self.say("");
        if self.bold { self.say(&format!("\u{1b}[1m{title}\u{1b}[0m")) } else { self.say(title) }
    }
}

/// Accounts by their addresses: `miner-1`, `owner`.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(pub(super) BTreeMap<String, String>);

impl Names {
    /// The name of an account, or its address.
    pub(super) fn of<'a>(&'a self, address: &'a str) -> &'a str {
        self.0.get(address).map_or(address, String::as_str)
    }
}

/// An event in plain words; `None` for what belongs to no deployment.
fn described(seen: &Event, names: &Names) -> Option<String> {
    let miner = || names.of(seen.text("miner"));
    let word = |field: &str| plain(&seen.fields[field]);
    let (number, amount) =
        (|field: &str| seen.fields[field].as_u64().unwrap_or_default(), |field| seen.amount(field));
    Some(match seen.name.as_str() {
        "Miners.Registered" => format!("{} is on offer, with a bond of {}", miner(), amount("bond")),
        "Models.Registered" => {
            format!("model {} is registered: the proof about its key holds", number("model"))
        }
        "Tasks.Submitted" => {
            format!("task {} of {} is submitted", number("task"), names.of(seen.text("owner")))
        }
        "Payments.Opened" => {
            format!("{} are held for answers, {} for proofs", amount("compute"), amount("proofs"))
        }
        "Tasks.Engaged" => format!("{} is chosen as {}", miner(), word("role")),
        "Tasks.Promoted" => format!("{} takes over", miner()),
        "Tasks.KeyWrapped" => format!("the content key is wrapped for {}", miner()),
        "Tasks.Confirmed" => format!("{} has attested, and serves", miner()),
        "Tasks.Left" if seen.fields["departure"] == "Over" => format!("{} is not needed any more", miner()),
        "Tasks.Left" => format!("{} has left: {}", miner(), word("departure")),
        "Proofs.Verified" => match &seen.fields["paid"] {
            serde_json::Value::Null => {
                format!("answer {} of {} is proven, and cannot be paid", number("number"), miner())
            }
            _ => format!("answer {} of {} is proven, and paid {}", number("number"), miner(), amount("paid")),
        },
        "Proofs.Refused" => {
            format!("a proof of answer {} of {} is refused: {}", number("number"), miner(), word("reason"))
        }
        "Proofs.Punished" | "Miners.Punished" => {
            format!("{} is punished, and loses {}", miner(), amount("slashed"))
        }
        "Tasks.Stopped" => format!("task {} takes no new requests", number("task")),
        "Tasks.Vacated" => format!("task {} is over, {} go back", number("task"), amount("refunded")),
        _ => return None,
    })
}

/// A variant of the chain's: `replica`, `declined key`.
fn plain(value: &serde_json::Value) -> String {
    let words: String =
        value.to_string().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    fn seen(name: &str, fields: Value) -> Event {
        Event { block: 7, at: Duration::ZERO, transaction: None, name: name.to_owned(), fields }
    }

    #[test]
    fn events_are_told_with_the_names_of_accounts() {
        let names = Names([("5A".to_owned(), "miner-1".to_owned())].into());
        let told = |name: &str, fields: Value| described(&seen(name, fields), &names).unwrap();
        let engaged = json!({ "task": 0, "miner": "5A", "role": "Replica" });
        assert_eq!(told("Tasks.Engaged", engaged), "miner-1 is chosen as replica");
        let verified = json!({ "task": 0, "miner": "5B", "number": 3, "paid": "2500000000000" });
        assert_eq!(told("Proofs.Verified", verified), "answer 3 of 5B is proven, and paid 2.5 CYB");
        let unpaid = json!({ "task": 0, "miner": "5A", "number": 3, "paid": null });
        assert!(told("Proofs.Verified", unpaid).contains("cannot be paid"));
        let left = json!({ "task": 0, "miner": "5A", "departure": { "Declined": "Key" } });
        assert_eq!(told("Tasks.Left", left), "miner-1 has left: declined key");
        assert!(described(&seen("Reports.Reported", json!({})), &names).is_none());
    }
}
