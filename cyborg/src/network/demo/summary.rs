//! The demo's result: the steps, the answers, the money, and what holds of it.

use serde_json::{Value, json};

use super::checks::{Check, Facts, Money, checks};
use super::deployment::{Outcome, REPLICAS, Run, STANDBYS};
use super::steps::{HEAD, Step, steps};
use crate::chain::table;
use crate::network::up::span;
use crate::report::{CommandOutput, bytes};
use cyborg_primitives::money::Cyb;

/// The result, and what does not hold.
pub(super) fn summary(run: &Run<'_>, outcome: &Outcome) -> (CommandOutput, Vec<&'static str>) {
    let steps = steps(&outcome.ledger, outcome.task, outcome.model, &outcome.names);
    let checks = checks(&Facts {
        ledger: &outcome.ledger,
        names: &outcome.names,
        task: outcome.task,
        miners: run.settings.miners.len(),
        replicas: REPLICAS,
        standbys: STANDBYS,
        wanted: run.arguments.answers.into(),
        answers: &outcome.answers,
        held: outcome.held,
        clear: outcome.clear,
    });
    let broken = checks.iter().filter(|check| !check.holds).map(|check| check.what).collect();
    (report(run, outcome, &steps, &checks), broken)
}

fn report(run: &Run<'_>, outcome: &Outcome, steps: &[Step], checks: &[Check]) -> CommandOutput {
    let Outcome { ledger, task, answers, .. } = outcome;
    let block_ms = run.settings.block_time_ms;
    let seconds = run.begun.elapsed().as_secs_f64();
    let holds = checks.iter().all(|check| check.holds);
    let mut report = CommandOutput::default();
    report.json("holds", holds).json("seconds", seconds).json("block_time_ms", block_ms);
    report.json("blocks", ledger.through).json("task", *task).json("model", outcome.model);
    if run.arguments.keep {
        report.json("network", outcome.network.json(run.layout, run.settings));
    }

    report.line("");
    let rows: Vec<[String; 8]> = steps.iter().map(Step::cells).collect();
    table::lines(&mut report, HEAD, &rows);
    report.json("steps", steps.iter().map(Step::json).collect::<Vec<_>>());
    report.json("answers", answers.iter().map(|answer| answer.json(ledger, *task)).collect::<Vec<_>>());

    report.line("");
    let proofs: Vec<u64> =
        ledger.proofs.iter().filter(|((of, ..), _)| of == task).map(|(_, bytes)| *bytes).collect();
    let proof_bytes = proofs.iter().sum::<u64>() / (proofs.len() as u64).max(1);
    let (fragments, kept) = outcome.stored;
    report.line(format!("{:<24} {} of keys and weights", "model", bytes(outcome.secret_bytes)));
    report.line(format!("{:<24} {} fragments, {}, encrypted", "storage nodes", fragments, bytes(kept)));
    report.line(format!("{:<24} {} each", "proofs", bytes(proof_bytes)));
    report.json("secret_bytes", outcome.secret_bytes);
    report.json("storage", json!({ "fragments": fragments, "bytes": kept }));
    labels(&mut report, outcome);
    money(&mut report, outcome);
    spent(&mut report, outcome, seconds, block_ms);

    report.line("");
    for check in checks {
        let shown = if check.holds { "ok    " } else { "FAILED" };
        report.line(format!("{shown} {}: {}", check.what, check.found));
    }
    report.json("checks", checks.iter().map(Check::json).collect::<Vec<_>>());
    report
}

/// How often the model was right. That is the model's merit, and no check of the network.
fn labels(report: &mut CommandOutput, outcome: &Outcome) {
    let labelled: Vec<_> = outcome.answers.iter().filter(|answer| answer.label.is_some()).collect();
    let right = labelled.iter().filter(|answer| answer.class == answer.label).count();
    if !labelled.is_empty() {
        report.line(format!("{:<24} {right} of {} as labelled", "answers", labelled.len()));
    }
    report.json("labelled", labelled.len()).json("right", right);
}

fn money(report: &mut CommandOutput, outcome: &Outcome) {
    let money = Money::of(&outcome.ledger, outcome.task);
    let fees = Cyb(outcome.ledger.fees.values().sum());
    let (miners, treasury) = (Cyb(money.to_miners), Cyb(money.to_treasury));
    report.line(format!("{:<24} {}", "escrow", Cyb(money.held_at_first)));
    report.line(format!("{:<24} {miners} to miners, {treasury} to the treasury", "paid"));
    report.line(format!("{:<24} {fees} for all transactions", "fees"));
    let back = match outcome.returns {
        Some((block, wait_ms)) => {
            format!(
                "{} are held until the task is settled: about block {block}, {} from now",
                outcome.held,
                span(wait_ms)
            )
        }
        None => format!("{} came back", Cyb(money.refunded)),
    };
    report.line(format!("{:<24} {back}", "the rest"));
    report.json(
        "money",
        json!({
            "escrow": money.held_at_first.to_string(),
            "to_miners": money.to_miners.to_string(),
            "to_treasury": money.to_treasury.to_string(),
            "refunded": money.refunded.to_string(),
            "held": outcome.held.0.to_string(),
            "fees": fees.0.to_string(),
            "returns_in_block": outcome.returns.map(|(block, _)| block),
            "returns_in_ms": outcome.returns.map(|(_, wait_ms)| wait_ms),
        }),
    );
}

/// How long each phase took.
fn spent(report: &mut CommandOutput, outcome: &Outcome, seconds: f64, block_ms: u64) {
    let parts: Vec<String> =
        outcome.phases.iter().map(|(name, seconds)| format!("{name} {seconds:.1} s")).collect();
    report.line(format!(
        "{:<24} {seconds:.1} s: {}; {} blocks of {block_ms} ms",
        "time",
        parts.join(", "),
        outcome.ledger.through
    ));
    let phases = outcome.phases.iter().map(|(name, seconds)| ((*name).to_owned(), Value::from(*seconds)));
    report.json("phases", Value::Object(phases.collect()));
}
