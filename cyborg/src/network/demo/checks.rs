//! What must hold at the end of the demo: its exit status is 0 only if all of it does.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::console::Names;
use cyborg_localnet::witness::Ledger;
use cyborg_primitives::money::Cyb;

/// An answer that was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// Which sample.
    pub(super) index: usize,
    /// The sample's label, if it has one.
    pub(super) label: Option<i64>,
    /// The class of the answer, if the answer is one class.
    pub(super) class: Option<i64>,
    /// Whether its integers are those of the bare engine.
    pub(super) equal: bool,
    /// The address of the miner that answered.
    pub(super) miner: String,
    /// The request's number at that miner.
    pub(super) number: u64,
    /// Digest of the output's part of the statement, as the signed receipt has it.
    pub(super) output: String,
    /// Seconds until the answer was there.
    pub(super) latency: f64,
    /// Seconds until its proof was on chain.
    pub(super) seconds: f64,
}

impl Answer {
    /// The answer of a command, beside the bare engine's integers.
    pub(super) fn new(index: usize, label: Option<i64>, bare: &Value, said: &Value, seconds: f64) -> Self {
        let text = |field: &str| said[field].as_str().unwrap_or_default().to_owned();
        let outputs = integers(said);
        Self {
            index,
            label,
            class: said["outputs"][0]["class"]
                .as_array()
                .filter(|all| all.len() == 1)
                .and_then(|all| all[0].as_i64()),
            equal: outputs.is_some() && outputs == integers(bare),
            miner: text("miner"),
            number: said["number"].as_u64().unwrap_or_default(),
            output: text("output_digest"),
            latency: said["latency_seconds"].as_f64().unwrap_or_default(),
            seconds,
        }
    }

    /// The answer as JSON, with what the chain says of it.
    pub(super) fn json(&self, ledger: &Ledger, task: u64) -> Value {
        let verified = ledger.verified(task, &self.miner, self.number);
        json!({
            "index": self.index,
            "label": self.label,
            "class": self.class,
            "equal": self.equal,
            "miner": self.miner,
            "number": self.number,
            "output_digest": self.output,
            "proven_in_block": verified.map(|seen| seen.block),
            "paid": verified.map(|seen| seen.amount("paid").0.to_string()),
            "proof_bytes": ledger.proofs.get(&(task, self.miner.clone(), self.number)),
            "latency_seconds": self.latency,
            "seconds": self.seconds,
        })
    }
}

/// The integers of all outputs, as commands print them.
fn integers(answer: &Value) -> Option<Vec<&Vec<Value>>> {
    let outputs = answer["outputs"].as_array()?;
    let integers: Option<Vec<_>> = outputs.iter().map(|output| output["integers"].as_array()).collect();
    integers.filter(|integers| !integers.is_empty())
}

/// Everything that is judged.
pub(super) struct Facts<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) names: &'a Names,
    pub(super) task: u64,
    /// Miners of the network.
    pub(super) miners: usize,
    pub(super) replicas: usize,
    pub(super) standbys: usize,
    /// Answers that were wanted.
    pub(super) wanted: usize,
    pub(super) answers: &'a [Answer],
    /// What is held of the owner for escrow now.
    pub(super) held: Cyb,
    /// Files of storage nodes and miners that hold some of the model in the clear, of how many.
    pub(super) clear: (usize, usize),
}

/// One of the things that must hold.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) what: &'static str,
    pub(super) holds: bool,
    pub(super) found: String,
}

impl Check {
    /// The check as JSON.
    pub(super) fn json(&self) -> Value {
        json!({ "what": self.what, "holds": self.holds, "found": self.found })
    }
}

/// What must hold, and whether it does.
pub(super) fn checks(facts: &Facts<'_>) -> Vec<Check> {
    let &Facts { ledger, names, task, answers, .. } = facts;
    let mut checks = Vec::new();
    let mut check = |what, holds, found: String| checks.push(Check { what, holds, found });
    let who = |event: &'static str| -> BTreeSet<&str> {
        let of_task = event.starts_with("Tasks.");
        let events = ledger.of(event).filter(|seen| !of_task || seen.is("task", task));
        events.map(|seen| names.of(seen.text("miner"))).collect()
    };
    let list = |who: &BTreeSet<&str>| who.iter().copied().collect::<Vec<_>>().join(", ");

    let registered = who("Miners.Registered");
    check("every miner is registered on chain", registered.len() == facts.miners, list(&registered));
    let engaged = who("Tasks.Engaged");
    check(
        "the chain chose replicas and standbys among them",
        engaged.len() == facts.replicas + facts.standbys && engaged.is_subset(&registered),
        list(&engaged),
    );
    let (wrapped, confirmed) = (who("Tasks.KeyWrapped"), who("Tasks.Confirmed"));
    check(
        "the content key is wrapped for every replica, for nobody else",
        wrapped.len() == facts.replicas && wrapped.is_subset(&engaged),
        list(&wrapped),
    );
    check("every replica has attested, and the chain took it", confirmed == wrapped, list(&confirmed));

    let all = facts.wanted;
    let of_all = |count: usize| format!("{count} of {all}");
    let equal = answers.iter().filter(|answer| answer.equal).count();
    check("every answer is decrypted, and equal to the bare engine's", equal == all, of_all(equal));
    let distinct: BTreeSet<(&str, u64)> =
        answers.iter().map(|answer| (answer.miner.as_str(), answer.number)).collect();
    let proofs: Vec<_> =
        distinct.iter().filter_map(|(miner, number)| ledger.verified(task, miner, *number)).collect();
    check("every answer is proven: the chain has verified it", proofs.len() == all, of_all(proofs.len()));
    let same = answers.iter().filter(|answer| {
        let verified = ledger.verified(task, &answer.miner, answer.number);
        verified.is_some_and(|seen| seen.text("output") == answer.output)
    });
    let same = same.count();
    check("what was proven is what was decrypted", same == all, of_all(same));
    let paid = proofs.iter().filter(|seen| seen.amount("paid").0 > 0).count();
    check("every proof is paid", paid == all, of_all(paid));

    let bad: Vec<&str> = ["Proofs.Refused", "Proofs.Punished", "Miners.Punished", "Tasks.Left"]
        .into_iter()
        // At the stop the standbys are released.
        .filter(|event| ledger.of(event).any(|seen| seen.fields["departure"] != "Over"))
        .collect();
    let shown = if bad.is_empty() { "nobody".to_owned() } else { bad.join(", ") };
    check("nobody was refused or punished, or left", bad.is_empty(), shown);
    let money = Money::of(ledger, task);
    check(
        "the escrow adds up: what was held is paid, held still, or back",
        money.held_at_first > 0 && money.held_at_first == money.paid() + money.refunded + facts.held.0,
        format!(
            "{} = {} + {} + {}",
            Cyb(money.held_at_first),
            Cyb(money.paid()),
            facts.held,
            Cyb(money.refunded)
        ),
    );
    let stopped = ledger.of_task("Tasks.Stopped", task).count();
    check("the task is stopped on chain", stopped == 1, format!("{stopped} stop"));
    let (clear, files) = facts.clear;
    check(
        "no file of a storage node or miner holds the model in the clear",
        clear == 0 && files > 0,
        format!("{clear} of {files} files"),
    );
    checks
}

/// A task's money, as the chain's events have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Money {
    /// Escrow that was opened.
    pub(super) held_at_first: u128,
    pub(super) to_miners: u128,
    pub(super) to_treasury: u128,
    pub(super) refunded: u128,
}

impl Money {
    /// What the events of a task add up to.
    pub(super) fn of(ledger: &Ledger, task: u64) -> Self {
        let sum = |event: &str, field: &str| -> u128 {
            ledger.of_task(event, task).map(|seen| seen.amount(field).0).sum()
        };
        Self {
            held_at_first: sum("Payments.Opened", "compute") + sum("Payments.Opened", "proofs"),
            to_miners: sum("Payments.Paid", "to_miner"),
            to_treasury: sum("Payments.Paid", "to_treasury"),
            refunded: sum("Payments.Closed", "refunded"),
        }
    }

    /// What was paid, the treasury's share included.
    pub(super) fn paid(&self) -> u128 {
        self.to_miners + self.to_treasury
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use cyborg_localnet::witness::Event;

    fn seen(name: &str, fields: Value) -> Event {
        Event { block: 1, at: Duration::ZERO, transaction: Some(1), name: name.to_owned(), fields }
    }

    fn said(number: u64, integers: &[i64]) -> Value {
        json!({
            "miner": "5A",
            "number": number,
            "outputs": [{ "integers": integers, "class": [1] }],
            "output_digest": format!("0x{number}"),
        })
    }

    /// A deployment in which everything went well.
    fn story() -> (Ledger, Vec<Answer>, Event) {
        let mut events = vec![
            seen("Miners.Registered", json!({ "miner": "5A" })),
            seen("Miners.Registered", json!({ "miner": "5B" })),
            seen("Payments.Opened", json!({ "task": 0, "compute": "70", "proofs": "30" })),
            seen("Tasks.Engaged", json!({ "task": 0, "miner": "5A", "role": "Replica" })),
            seen("Tasks.Engaged", json!({ "task": 0, "miner": "5B", "role": "Standby" })),
            seen("Tasks.KeyWrapped", json!({ "task": 0, "miner": "5A" })),
            seen("Tasks.Confirmed", json!({ "task": 0, "miner": "5A" })),
            seen("Tasks.Stopped", json!({ "task": 0 })),
        ];
        let stood_by = json!({ "task": 0, "miner": "5B", "departure": "Over" });
        let at_the_stop = seen("Tasks.Left", stood_by);
        let mut answers = Vec::new();
        for number in [1, 2] {
            let output = format!("0x{number}");
            let fields = json!({ "task": 0, "miner": "5A", "number": number, "paid": "9", "output": output });
            events.push(seen("Proofs.Verified", fields));
            events.push(seen("Payments.Paid", json!({ "task": 0, "to_miner": "9", "to_treasury": "1" })));
            answers.push(Answer::new(5, Some(1), &said(9, &[1, 2]), &said(number, &[1, 2]), 0.1));
        }
        (Ledger { events, ..Ledger::default() }, answers, at_the_stop)
    }

    /// What does not hold.
    fn broken(ledger: &Ledger, answers: &[Answer], held: u128, clear: (usize, usize)) -> Vec<&'static str> {
        let facts = Facts {
            ledger,
            names: &Names::default(),
            task: 0,
            miners: 2,
            replicas: 1,
            standbys: 1,
            wanted: 2,
            answers,
            held: Cyb(held),
            clear,
        };
        checks(&facts).into_iter().filter(|check| !check.holds).map(|check| check.what).collect()
    }

    #[test]
    fn a_story_that_went_well_holds_and_every_change_of_it_is_found() {
        let (mut ledger, answers, at_the_stop) = story();
        assert_eq!(broken(&ledger, &answers, 80, (0, 9)), Vec::<&str>::new());
        ledger.events.push(at_the_stop);
        assert_eq!(broken(&ledger, &answers, 80, (0, 9)), Vec::<&str>::new());

        // Each event that is missing is missed.
        for index in 0..story().0.events.len() {
            let mut less = story().0;
            let gone = less.events.remove(index);
            assert!(!broken(&less, &answers, 80, (0, 9)).is_empty(), "{gone:?}");
        }
        for worse in [
            seen("Proofs.Refused", json!({ "task": 0, "miner": "5A" })),
            seen("Miners.Punished", json!({ "miner": "5A", "slashed": "1" })),
            seen("Tasks.KeyWrapped", json!({ "task": 0, "miner": "5B" })),
            seen("Tasks.Left", json!({ "task": 0, "miner": "5A", "departure": "Abandoned" })),
            seen("Payments.Paid", json!({ "task": 0, "to_miner": "1", "to_treasury": "0" })),
        ] {
            let mut more = story().0;
            more.events.push(worse.clone());
            assert!(!broken(&more, &answers, 80, (0, 9)).is_empty(), "{worse:?}");
        }
        assert!(broken(&ledger, &answers, 79, (0, 9))[0].starts_with("the escrow"));
        assert!(broken(&ledger, &answers, 80, (1, 9))[0].contains("in the clear"));
        assert!(broken(&ledger, &answers, 80, (0, 0))[0].contains("in the clear"));
        assert!(!broken(&ledger, &answers[..1], 80, (0, 9)).is_empty());
        for change in [
            |answer: &mut Answer| answer.equal = false,
            |answer: &mut Answer| answer.number = 3,
            |answer: &mut Answer| answer.miner = "5B".to_owned(),
            |answer: &mut Answer| answer.output = "0x3".to_owned(),
            // Two answers cannot be one.
            |answer: &mut Answer| answer.number = 1,
        ] {
            let mut other = answers.clone();
            change(&mut other[1]);
            assert!(!broken(&ledger, &other, 80, (0, 9)).is_empty(), "{other:?}");
        }
        let mut unpaid = story().0;
        let paid = unpaid.events.iter_mut().find(|seen| seen.name == "Proofs.Verified");
        paid.into_iter().for_each(|seen| seen.fields["paid"] = Value::Null);
        assert!(broken(&unpaid, &answers, 80, (0, 9)).contains(&"every proof is paid"));
    }

    #[test]
    fn an_answer_is_equal_only_to_the_same_integers() {
        let equal = |bare: &Value, said: &Value| Answer::new(0, None, bare, said, 0.0).equal;
        assert!(equal(&said(1, &[1, 2]), &said(2, &[1, 2])));
        assert!(!equal(&said(1, &[1, 2]), &said(1, &[1, 3])));
        assert!(!equal(&said(1, &[1, 2]), &said(1, &[1])));
        for nothing in [json!({}), json!({ "outputs": [] }), json!({ "outputs": [{}] })] {
            assert!(!equal(&nothing, &nothing), "{nothing}");
        }
        assert_eq!(Answer::new(0, None, &json!({}), &said(1, &[1]), 0.0).class, Some(1));
    }
}
