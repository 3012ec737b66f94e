//! The demo's result: the steps, the answers, the money, and what holds of it.

use serde_json::{Value, json};

use super::checks::{Check, Facts, Money, checks};
use super::play::{Played, REPLICAS, STANDBYS, Stage};
use super::steps::{HEAD, Step, steps};
use crate::chain::table;
use crate::network::up::span;
use crate::report::{Report, bytes};
use cyborg_primitives::money::Cyb;

/// The result, and what does not hold.
pub(super) fn verdict(stage: &Stage<'_>, played: &Played) -> (Report, Vec<&'static str>) {
    let steps = steps(&played.ledger, played.task, played.model, &played.names);
    let checks = checks(&Facts {
        ledger: &played.ledger,
        names: &played.names,
        task: played.task,
        miners: stage.settings.miners.len(),
        replicas: REPLICAS,
        standbys: STANDBYS,
        wanted: stage.arguments.answers.into(),
        answers: &played.answers,
        held: played.held,
        clear: played.clear,
    });
    let broken = checks.iter().filter(|check| !check.holds).map(|check| check.what).collect();
    (report(stage, played, &steps, &checks), broken)
}

fn report(stage: &Stage<'_>, played: &Played, steps: &[Step], checks: &[Check]) -> Report {
    let Played { ledger, task, answers, .. } = played;
    let block_ms = stage.settings.block_time_ms;
    let seconds = stage.begun.elapsed().as_secs_f64();
    let holds = checks.iter().all(|check| check.holds);
    let mut report = Report::default();
    report.json("holds", holds).json("seconds", seconds).json("block_time_ms", block_ms);
    report.json("blocks", ledger.through).json("task", *task).json("model", played.model);
    if stage.arguments.keep {
        report.json("network", played.network.json(stage.layout, stage.settings));
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
    let (fragments, kept) = played.stored;
    report.line(format!("{:<24} {} of keys and weights", "model", bytes(played.secret_bytes)));
    report.line(format!("{:<24} {} fragments, {}, encrypted", "storage nodes", fragments, bytes(kept)));
    report.line(format!("{:<24} {} each", "proofs", bytes(proof_bytes)));
    report.json("secret_bytes", played.secret_bytes);
    report.json("storage", json!({ "fragments": fragments, "bytes": kept }));
    labels(&mut report, played);
    money(&mut report, played);
    spent(&mut report, played, seconds, block_ms);

    report.line("");
    for check in checks {
        let verdict = if check.holds { "ok    " } else { "FAILED" };
        report.line(format!("{verdict} {}: {}", check.what, check.found));
    }
    report.json("checks", checks.iter().map(Check::json).collect::<Vec<_>>());
    report
}

/// How often the model was right. That is the model's merit, and no check of the network.
fn labels(report: &mut Report, played: &Played) {
    let labelled: Vec<_> = played.answers.iter().filter(|answer| answer.label.is_some()).collect();
    let right = labelled.iter().filter(|answer| answer.class == answer.label).count();
    if !labelled.is_empty() {
        report.line(format!("{:<24} {right} of {} as labelled", "answers", labelled.len()));
    }
    report.json("labelled", labelled.len()).json("right", right);
}

fn money(report: &mut Report, played: &Played) {
    let money = Money::of(&played.ledger, played.task);
    let fees = Cyb(played.ledger.fees.values().sum());
    let (miners, treasury) = (Cyb(money.to_miners), Cyb(money.to_treasury));
    report.line(format!("{:<24} {}", "escrow", Cyb(money.held_at_first)));
    report.line(format!("{:<24} {miners} to miners, {treasury} to the treasury", "paid"));
    report.line(format!("{:<24} {fees} for all transactions", "fees"));
    let back = match played.returns {
        Some((block, wait_ms)) => {
            format!(
                "{} are held until the task is settled: about block {block}, {} from now",
                played.held,
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
            "held": played.held.0.to_string(),
            "fees": fees.0.to_string(),
            "returns_in_block": played.returns.map(|(block, _)| block),
            "returns_in_ms": played.returns.map(|(_, wait_ms)| wait_ms),
        }),
    );
}

/// Where the time went.
fn spent(report: &mut Report, played: &Played, seconds: f64, block_ms: u64) {
    let parts: Vec<String> =
        played.phases.iter().map(|(name, seconds)| format!("{name} {seconds:.1} s")).collect();
    report.line(format!(
        "{:<24} {seconds:.1} s: {}; {} blocks of {block_ms} ms",
        "time",
        parts.join(", "),
        played.ledger.through
    ));
    let phases = played.phases.iter().map(|(name, seconds)| ((*name).to_owned(), Value::from(*seconds)));
    report.json("phases", Value::Object(phases.collect()));
}
