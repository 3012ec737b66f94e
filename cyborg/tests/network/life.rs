//! The other ways to prove, and a clock that is off.

use std::time::{SystemTime, UNIX_EPOCH};

use cyborg_chain_client::view;
use cyborg_miner::view;

use crate::TestResult;
use crate::harness::{Plan, run};
use crate::model::digits;
use crate::process::{line, until};
use crate::witness;

#[test]
fn sampled_answers_are_paid_by_their_period_once_the_drawn_ones_are_proven() -> TestResult {
    run(Plan::default(), async |network| {
        const ANSWERS: u64 = 10;
        const SAMPLES: usize = 2;
        let (owner, miner) = (&network.owner, network.miners[0].account());
        let task = network.deploy(owner, &format!("--policy sampled:{SAMPLES} --proofs 20")).await?;
        let keeping = network.begin(owner, "keep", line(&format!("--json task keep {task}"), &[]))?;
        for index in 0..ANSWERS {
            let done = network.infer(owner, task, index as usize, "").await?.json()?;
            assert_eq!(done["number"], index + 1, "{done}");
        }
        // A task that is stopped does not wait for its period to be full.
        network.command(owner, &format!("task stop {task}")).await?.json()?;
        let settled = async || {
            let terms = view::terms(&network.at().await?, task, &miner).await?.ok_or("vacated")?;
            Ok((terms.settled.through() == ANSWERS).then_some(terms))
        };
        let terms = until("the period is paid", settled).await?;
        network.witness.catch_up(&network.chain).await?;
        {
            let seen = network.witness.ledger();
            let (drawn, proven) =
                (seen.of("Proofs.Drawn").count(), witness::verified(&seen, task, &miner).len());
            assert_eq!(drawn, 1, "one period is drawn from");
            assert!((1..=SAMPLES).contains(&proven), "{proven} of {SAMPLES} drawn answers are proven");
            let paid: Vec<_> =
                seen.of("Payments.Paid").filter(|event| witness::is_of(event, task, &miner)).collect();
            assert!(paid.iter().any(|event| event.fields["requests"] == ANSWERS), "{paid:?}");
            let answers: u128 =
                paid.iter().map(|event| event.amount("to_miner").0 + event.amount("to_treasury").0).sum();
            assert!(answers >= u128::from(ANSWERS) * terms.per_request, "{paid:?}");
            assert_eq!(witness::blamed(&seen, &miner).count(), 0);
        }
        assert!(keeping.output().contains("revealed"), "{}", keeping.output());
        network.check_escrow(task).await
    })
}

#[test]
fn answers_on_demand_are_paid_by_the_owners_word_and_proven_when_it_asks() -> TestResult {
    run(Plan::default(), async |network| {
        const ANSWERS: u64 = 5;
        let (owner, miner) = (&network.owner, network.miners[0].account());
        let task = network.deploy(owner, "--policy on-demand --proofs 20").await?;
        for index in 0..ANSWERS {
            network.infer(owner, task, index as usize, "").await?.json()?;
        }
        let settled = async || {
            let terms = view::terms(&network.at().await?, task, &miner).await?.ok_or("vacated")?;
            Ok((terms.settled.through() == ANSWERS).then_some(()))
        };
        until("acknowledged answers are paid", settled).await?;
        assert!(
            witness::verified(&network.witness.ledger(), task, &miner).is_empty(),
            "nothing was demanded"
        );
        let done = network.infer(owner, task, 5, "--wait-proof").await?.json()?;
        assert_eq!(done["proven"], true, "{done}");
        network.witness.catch_up(&network.chain).await?;
        {
            let seen = network.witness.ledger();
            assert_eq!(witness::verified(&seen, task, &miner), [ANSWERS + 1]);
            assert_eq!(witness::blamed(&seen, &miner).count(), 0);
        }
        network.check_escrow(task).await
    })
}

/// The chain of a test is hours ahead of this machine by itself: six seconds of its time are a block,
/// and blocks come faster. Here it is ahead before anybody begins.
#[test]
fn an_hour_between_the_chains_time_and_the_machines_clock_harms_nobody() -> TestResult {
    const HOUR_MS: u64 = 3_600_000;
    let plan = Plan { head_start: HOUR_MS / 6_000 + 20, ..Plan::default() };
    run(plan, async |network| {
        let owner = &network.owner;
        let task = network.deploy(owner, "--proofs 20").await?;
        network.infer_proven(owner, task, 0, "").await?;
        let now = view::now(&network.at().await?).await?;
        let clock = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        assert!(now > clock + HOUR_MS, "the chain's time is {now}, the clock's {clock}");
        network.witness.all_proven(task, &network.miners[0].account(), [1]).await?;

        let words = format!("--json miner doctor --node {} --dir {{}}", network.rpc);
        let mut command = network.program.command(line(&words, &[&network.miners[0].dir]));
        let examined = network.program.run("doctor", &mut command).await?;
        // Whatever else it finds on this machine.
        let report: serde_json::Value =
            serde_json::from_str(examined.output().stdout.lines().last().unwrap_or_default())?;
        let checks = report["checks"].as_array().ok_or("no checks")?;
        let clock = checks.iter().find(|check| check["name"] == "clock");
        let clock = clock.ok_or_else(|| format!("nothing of the clock in {report}"))?.to_string();
        assert!(clock.contains("ahead"), "{clock}");
        assert!(digits()?.shown_in(&network.miners[0].dir)?.is_empty());
        Ok(())
    })
}
