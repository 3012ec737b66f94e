//! The steps of a deployment (whitepaper section 3.3), each taken from the chain's events.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::console::Names;
use crate::report::bytes;
use cyborg_localnet::witness::{Event, Ledger};
use cyborg_primitives::money::Cyb;

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Everybody,
    Model,
    Task,
}

/// The steps: number in the whitepaper, what happens, the event that shows it, and about what.
const STEPS: [(&str, &str, &str, About); 9] = [
    ("", "miners register and bond", "Miners.Registered", About::Everybody),
    ("", "model registered, its key checked", "Models.Registered", About::Model),
    ("1", "task submitted, its money held", "Tasks.Submitted", About::Task),
    ("1", "miners chosen", "Tasks.Engaged", About::Task),
    ("2, 3", "content key wrapped; file id on chain", "Tasks.KeyWrapped", About::Task),
    ("4 to 8", "fetched, decrypted, tried, attested", "Tasks.Confirmed", About::Task),
    ("9", "answers proven, verified, paid", "Proofs.Verified", About::Task),
    ("", "task stopped", "Tasks.Stopped", About::Task),
    ("", "settled, the rest given back", "Tasks.Vacated", About::Task),
];

/// A step that the chain has seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// Number in the whitepaper; empty for what comes before and after.
    pub(super) paper: &'static str,
    /// What happens.
    pub(super) what: &'static str,
    /// The event.
    pub(super) event: &'static str,
    /// Number of events.
    pub(super) count: usize,
    /// The last event's block.
    pub(super) block: u64,
    /// Time at which that block was seen to be final, since the demo began.
    pub(super) at: Duration,
    /// Time since the step before.
    pub(super) took: Duration,
    /// Bytes of the keys or proofs that it brought to the chain.
    pub(super) bytes: u64,
    /// What its transactions cost.
    pub(super) fees: Cyb,
    /// The account that it was about, or its result.
    pub(super) outcome: String,
}

/// The steps that a ledger has of a task, in the order in which they are due.
pub(super) fn steps(ledger: &Ledger, task: u64, model: u64, names: &Names) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (paper, what, event, about) in STEPS {
        let seen: Vec<&Event> = ledger
            .of(event)
            .filter(|seen| match about {
                About::Everybody => true,
                About::Model => seen.is("model", model),
                About::Task => seen.is("task", task),
            })
            .collect();
        let Some(last) = seen.last() else { continue };
        let transactions: BTreeSet<(u64, u32)> =
            seen.iter().filter_map(|seen| Some((seen.block, seen.transaction?))).collect();
        let fees = transactions.iter().filter_map(|key| ledger.fees.get(key)).sum();
        let proofs = ledger.proofs.iter().filter(|((of, ..), _)| *of == task).map(|(_, bytes)| bytes);
        let bytes = match event {
            "Proofs.Verified" => proofs.sum(),
            "Models.Registered" => transactions.iter().filter_map(|key| ledger.bytes.get(key)).sum(),
            _ => 0,
        };
        let before = steps.last().map_or(Duration::ZERO, |before| before.at);
        steps.push(Step {
            paper,
            what,
            event,
            count: seen.len(),
            block: last.block,
            at: last.at,
            took: last.at.saturating_sub(before),
            bytes,
            fees: Cyb(fees),
            outcome: outcome(event, &seen, names),
        });
    }
    steps
}

fn outcome(event: &str, seen: &[&Event], names: &Names) -> String {
    let miners = || {
        let mut miners: Vec<&str> = seen.iter().map(|seen| names.of(seen.text("miner"))).collect();
        miners.sort_unstable();
        miners.dedup();
        miners.join(", ")
    };
    let total = |field: &str| Cyb(seen.iter().map(|seen| seen.amount(field).0).sum());
    match event {
        "Miners.Registered" => format!("{}; {} bonded", miners(), total("bond")),
        "Models.Registered" => "key holds".to_owned(),
        "Tasks.Submitted" => "accepted".to_owned(),
        "Proofs.Verified" => format!("{} true; {} to {}", seen.len(), total("paid"), miners()),
        "Tasks.Stopped" => "no new requests".to_owned(),
        "Tasks.Vacated" => format!("{} back", total("refunded")),
        _ => miners(),
    }
}

impl Step {
    /// The step as JSON.
    pub(super) fn json(&self) -> Value {
        json!({
            "paper": self.paper,
            "step": self.what,
            "event": self.event,
            "count": self.count,
            "block": self.block,
            "at_seconds": self.at.as_secs_f64(),
            "took_seconds": self.took.as_secs_f64(),
            "bytes": self.bytes,
            "fees": self.fees.0.to_string(),
            "outcome": self.outcome,
        })
    }

    /// The cells of the step under [`HEAD`].
    pub(super) fn cells(&self) -> [String; 8] {
        [
            self.paper.to_owned(),
            self.what.to_owned(),
            format!("{} × {}", self.count, self.event),
            format!("{:.1} s", self.at.as_secs_f64()),
            format!("{:.1} s", self.took.as_secs_f64()),
            if self.bytes == 0 { String::new() } else { bytes(self.bytes) },
            format!("{:.4}", self.fees.0 as f64 / 1e12),
            self.outcome.clone(),
        ]
    }
}

/// What the cells of a step are.
pub(super) const HEAD: [&str; 8] =
    ["§3.3", "step", "seen on chain", "when", "took", "bytes", "fees", "outcome"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(name: &str, block: u64, transaction: Option<u32>, fields: Value) -> Event {
        let at = Duration::from_millis(500 * block);
        Event { block, at, transaction, name: name.to_owned(), fields }
    }

    #[test]
    fn steps_are_what_the_chain_has_seen_of_one_task() {
        let names =
            Names([("5A".to_owned(), "miner-1".to_owned()), ("5B".to_owned(), "miner-2".to_owned())].into());
        let ledger = Ledger {
            events: vec![
                seen("Miners.Registered", 2, Some(1), json!({ "miner": "5A", "bond": "1000000000000000" })),
                seen("Miners.Registered", 4, Some(2), json!({ "miner": "5B", "bond": "1000000000000000" })),
                seen("Models.Registered", 5, Some(1), json!({ "model": 3 })),
                seen("Models.Registered", 6, Some(1), json!({ "model": 4 })),
                seen("Tasks.Submitted", 7, Some(1), json!({ "task": 9 })),
                seen("Tasks.Engaged", 7, Some(1), json!({ "task": 9, "miner": "5B", "role": "Replica" })),
                seen("Tasks.Engaged", 7, Some(2), json!({ "task": 8, "miner": "5A", "role": "Replica" })),
                seen(
                    "Proofs.Verified",
                    9,
                    Some(1),
                    json!({ "task": 9, "miner": "5B", "number": 1, "paid": "7" }),
                ),
                seen(
                    "Proofs.Verified",
                    9,
                    Some(1),
                    json!({ "task": 9, "miner": "5B", "number": 2, "paid": "8" }),
                ),
            ],
            fees: [((2, 1), 10), ((4, 2), 11), ((7, 1), 5), ((9, 1), 3), ((9, 2), 99)].into(),
            bytes: [((5, 1), 400), ((6, 1), 500), ((9, 1), 600)].into(),
            proofs: [
                ((9, "5B".to_owned(), 1), 40),
                ((9, "5B".to_owned(), 2), 41),
                ((8, "5A".to_owned(), 1), 7),
            ]
            .into(),
            through: 9,
        };
        let steps = steps(&ledger, 9, 3, &names);
        let events: Vec<&str> = steps.iter().map(|step| step.event).collect();
        assert_eq!(
            events,
            ["Miners.Registered", "Models.Registered", "Tasks.Submitted", "Tasks.Engaged", "Proofs.Verified"]
        );
        let [miners, model, submitted, engaged, verified] = &steps[..] else { panic!("{steps:?}") };
        assert_eq!((miners.count, miners.block, miners.fees), (2, 4, Cyb(21)));
        assert_eq!(miners.outcome, "miner-1, miner-2; 2000 CYB bonded");
        assert_eq!((model.block, model.bytes, model.took), (5, 400, Duration::from_millis(500)));
        // One transaction did both: its fee is the fee of each.
        assert_eq!((submitted.fees, engaged.fees, engaged.took), (Cyb(5), Cyb(5), Duration::ZERO));
        assert_eq!(engaged.outcome, "miner-2");
        assert_eq!((verified.count, verified.bytes, verified.fees), (2, 81, Cyb(3)));
        assert!(verified.outcome.starts_with("2 true; 0.000000000015 CYB to miner-2"), "{verified:?}");
        assert_eq!(verified.json()["paper"], "9");
    }
}
