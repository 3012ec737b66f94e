//! What dies: miners at each step, replicas for good, the chain's node under load, the connection
//! between miner and chain.

use cyborg_localnet::witness::{Event, Ledger};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cyborg_primitives::task::Role;

use crate::TestResult;
use crate::client::Client;
use crate::harness::{Network, Plan, pause, run};
use crate::model::digits;
use crate::process::{Process, line, until};
use crate::proxy::Proxy;
use crate::witness;

/// The steps of a task at its miner, as the miner's log names them.
const STEPS: [&str; 6] = ["assigned", "keys provided", "fetching", "prepared", "confirming", "serving"];

#[test]
fn a_miner_killed_at_every_step_goes_on_and_each_answer_is_paid_once() -> TestResult {
    run(Plan { storage: 3, ..Plan::default() }, async |network| {
        let deploying = network.deploying(&network.owner, digits()?, "--proofs 100")?;
        for first in 0..STEPS.len() {
            // It may be further than this when it is looked at.
            let steps: Vec<String> = STEPS[first..].iter().map(|step| format!("step=\"{step}\"")).collect();
            network.miners[0].says(&steps).await?;
            network.restart_miner(0).await?;
        }
        let task = deploying.ended().await?.json()?["task"].as_u64().ok_or("no task")?;
        let miner = network.miners[0].account();

        // Proofs of all these are owed when it dies, and some are on their way when it dies once more.
        const ANSWERS: usize = 24;
        let client = Arc::new(Client::new(network, &network.owner, task, &miner).await?);
        client.ask_many(ANSWERS / 2, 4).await?;
        network.restart_miner(0).await?;
        client.ask_many(ANSWERS / 2, 4).await?;
        network.restart_miner(0).await?;
        let some = |ledger: &Ledger| !witness::verified(ledger, task, &miner).is_empty();
        network.witness.expect("the first proofs are verified", some).await?;
        network.restart_miner(0).await?;
        network.witness.all_proven(task, &miner, 1..=ANSWERS as u64).await?;

        // An owner that asks while the miner is away gets the answer when it is back, under the next number.
        network.miners[0].kill()?;
        let asking = network.asking(&network.owner, task, 3, "--wait-proof")?;
        pause(3_000).await;
        network.start_miner(0).await?;
        let done = asking.ended().await?.json()?;
        assert_eq!(done["number"], ANSWERS + 1, "no number is wasted: {done}");
        network.witness.all_proven(task, &miner, 1..=ANSWERS as u64 + 1).await?;
        network.check_escrow(task).await?;

        let log = network.command(&network.owner, &format!("task logs {task}")).await?;
        assert!(
            log.output().stdout.contains("fetching") && log.output().stdout.contains("serving"),
            "{log:?}"
        );
        let shown = digits()?.shown_in(&network.miners[0].dir)?;
        assert!(shown.is_empty(), "the model is in the clear in {shown:?}");
        assert!(!digits()?.shown_in(&digits()?.keys)?.is_empty(), "a model in the clear is found");
        Ok(())
    })
}

/// The replica that a task has.
async fn replica(network: &Network, task: u64) -> TestResult<usize> {
    let view = network.task(task).await?;
    let serves = |part: &&cyborg_chain_client::view::Assignment| part.role == Role::Replica && part.serves();
    let part = view.assignments.iter().find(serves).ok_or("nobody serves")?;
    network.index_of(&part.miner)
}

#[test]
fn a_standby_takes_over_from_a_replica_that_is_dead_for_good() -> TestResult {
    // A heartbeat is missed after a quarter of an hour of chain time: after 15 seconds here.
    run(Plan { block_ms: 100, miners: &["DE", "DE"], ..Plan::default() }, async |network| {
        // One owner has a program that keeps its task, beside its requests; the other only asks.
        let keeper = network.person("keeper").await?;
        let alone = network.deploy(&network.owner, "--standbys 1 --proofs 50").await?;
        let kept = network.deploy(&keeper, "--standbys 1 --proofs 50").await?;
        let keeping: Process =
            network.begin(&keeper, "keep", line(&format!("--json task keep {kept}"), &[]))?;
        let dead = replica(network, alone).await?;
        // The miner that is ranked first is first for both tasks, because they are alike.
        assert_eq!(replica(network, kept).await?, dead);
        let (first, second) = (network.miners[dead].account(), network.miners[1 - dead].account());
        network.infer_proven(&network.owner, alone, 0, "").await?;
        network.miners[dead].kill()?;

        let (one, other) = (
            network.asking(&network.owner, alone, 1, "--wait-proof")?,
            network.asking(&keeper, kept, 2, "--wait-proof")?,
        );
        for asking in [one, other] {
            let done = asking.ended().await?.json()?;
            assert_eq!(network.index_of(&address(&done["miner"])?)?, 1 - dead, "{done}");
            assert_eq!(done["proven"], true, "{done}");
        }
        assert_eq!(replica(network, alone).await?, 1 - dead);
        assert!(keeping.output().contains("wrapped") || replica(network, kept).await? == 1 - dead);
        let seen = network.witness.ledger();
        for task in [alone, kept] {
            let promoted =
                seen.of("Tasks.Promoted").filter(|event| witness::is_of(event, task, &second)).count();
            assert_eq!(promoted, 1, "task {task}");
        }
        // The dead one is punished for its silence, and by both owners' tasks for nothing else.
        let blamed: Vec<_> =
            witness::blamed(&seen, &first).map(|event| event.fields["offence"].to_string()).collect();
        assert_eq!(blamed, ["\"Inactive\""]);
        assert_eq!(witness::blamed(&seen, &second).count(), 0);
        Ok(())
    })
}

/// An account, from its address.
fn address(value: &serde_json::Value) -> TestResult<[u8; 32]> {
    use std::str::FromStr as _;
    let text = value.as_str().ok_or("no address")?;
    let account = cyborg_chain_client::subxt::utils::AccountId32::from_str(text);
    Ok(account.map_err(|error| format!("{text}: {error}"))?.0)
}

#[test]
fn the_chains_node_dies_under_load_and_every_answer_is_paid_once() -> TestResult {
    run(Plan::default(), async |network| {
        let task = network.deploy(&network.owner, "--proofs 200").await?;
        let miner = network.miners[0].account();
        let client = Arc::new(Client::new(network, &network.owner, task, &miner).await?);
        const ROUNDS: usize = 3;
        const ANSWERS: usize = 20;
        for round in 0..ROUNDS {
            let load = client.clone();
            let asking = tokio::spawn(async move { load.ask_many(ANSWERS, 4).await });
            // Some of this round's answers are given, and proofs of the round before are under way.
            let enough = (round * ANSWERS) as u64 + 5;
            until("the miner answers", async || Ok((client.answered() >= enough).then_some(()))).await?;
            network.kill_node()?;
            // Nobody needs the chain to get an answer.
            asking.await??;
            network.restart_node().await?;
        }
        network.witness.all_proven(task, &miner, 1..=(ROUNDS * ANSWERS) as u64).await?;
        network.check_escrow(task).await?;
        network.infer_proven(&network.owner, task, 0, "").await?;
        Ok(())
    })
}

#[test]
fn a_miner_that_is_cut_off_from_the_chain_for_a_minute_goes_on_answering() -> TestResult {
    const CUT: Duration = Duration::from_secs(60);
    // With a block a second this minute is six of chain time: the chain takes nobody for dead. The test
    // waits most of the time.
    run(Plan { block_ms: 1_000, miners: &[], ..Plan::default() }, async |network| {
        let proxy = Proxy::before(&network.rpc)?;
        network.add_miner("DE").await?;
        network.miners[0].start(&network.program, &proxy.url).await?;
        let task = network.deploy(&network.owner, "--proofs 200").await?;
        let miner = network.miners[0].account();
        let client = Arc::new(Client::new(network, &network.owner, task, &miner).await?);
        client.ask_many(8, 4).await?;
        proxy.cut();
        let begun = Instant::now();
        let before = network.at().await?.block_number();
        while begun.elapsed() < CUT {
            client.ask(0).await?;
            pause(1_000).await;
        }
        // The chain went on, and heard nothing of this miner.
        network.witness.catch_up(&network.chain).await?;
        let heard = |seen: &Ledger| {
            let later = |event: &&Event| event.block > before + 5;
            seen.of("Proofs.Verified").filter(later).count()
        };
        assert!(network.at().await?.block_number() > before + 40);
        assert_eq!(heard(&network.witness.ledger()), 0);
        proxy.mend();
        network.witness.all_proven(task, &miner, 1..=client.answered()).await?;
        network.check_escrow(task).await
    })
}
