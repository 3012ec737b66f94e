//! What people do on their first day: give a command twice, ask twenty times at once, lose a node, look at an answer
//! again. Nothing is done twice, and no answer that was paid is lost.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::view;
use serde_json::Value;

use crate::TestResult;
use crate::harness::{Plan, run};
use crate::model::digits;
use crate::parts::Person;
use crate::process::{line, until};

#[test]
fn a_deployment_given_again_takes_up_its_task_and_stores_what_was_lost() -> TestResult {
    run(Plan { storage: 3, ..Plan::default() }, async |network| {
        let owner = &network.owner;
        let deploy = async |more: &str| {
            let words = format!("--json deploy {{}} --keys {{}} --proofs 20 {more}");
            network.begin(owner, "deploy", line(&words, &[&digits()?.file, &digits()?.keys]))?.ended().await
        };
        let tasks = async || TestResult::Ok(view::tasks_of(&network.at().await?, &owner.account()).await?);
        let first = deploy("").await?.json()?;
        assert_eq!(tasks().await?, [0]);

        // All fragments of one place are lost, and more than the code could do without.
        for storage in &network.storage[..2] {
            for file in storage.fragments()? {
                fs::remove_file(file)?;
            }
        }
        network.storage[2].fragments()?.first().map(fs::remove_file).transpose()?;
        let again = deploy("").await?.json()?;
        assert_eq!((&again["task"], &again["model"]), (&first["task"], &first["model"]), "{again}");
        assert_eq!(tasks().await?, [0]);
        for storage in &network.storage {
            assert_eq!(storage.fragments()?.len(), 4, "stored again");
        }

        // Other terms are not what is there; one more has to be asked for.
        deploy("--policy on-demand").await?.fails(2, &["task 0", "--another", "--resume 0"])?;
        assert_eq!(tasks().await?, [0]);
        assert_eq!(deploy("--another").await?.json()?["task"], 1);
        assert_eq!(tasks().await?, [0, 1]);
        // A stopped task is not taken up.
        for task in [0, 1] {
            network.command(owner, &format!("task stop {task}")).await?.json()?;
        }
        assert_eq!(deploy("").await?.json()?["task"], 2);
        Ok(())
    })
}

#[test]
fn twenty_requests_at_once_are_twenty_answers_that_can_be_shown_again() -> TestResult {
    const AT_ONCE: usize = 20;
    run(Plan::default(), async |network| {
        let (owner, miner) = (&network.owner, network.miners[0].account());
        let task = network.deploy(owner, "--proofs 50").await?;
        let asked: Vec<_> = (0..AT_ONCE)
            .map(|index| network.asking(owner, task, index % 8, ""))
            .collect::<TestResult<_>>()?;
        let mut answers = Vec::new();
        for process in asked {
            answers.push(process.ended().await?.json()?);
        }
        let numbers: BTreeSet<u64> = answers.iter().filter_map(|answer| answer["number"].as_u64()).collect();
        assert_eq!(numbers, (1..=AT_ONCE as u64).collect(), "one number each, without a gap");

        let kept = network.command(owner, &format!("task answers {task}")).await?.json()?;
        assert_eq!(kept["answers"].as_array().map(Vec::len), Some(AT_ONCE), "{kept}");
        for answer in &answers {
            let again = network.command(owner, &format!("infer {task} --again {}", answer["number"])).await?;
            let again = again.json()?;
            for field in ["outputs", "miner", "number", "output_digest", "input_digest"] {
                assert_eq!(again[field], answer[field], "{field} of {answer}");
            }
        }
        let missing = network.command(owner, &format!("infer {task} --again 21")).await?;
        missing.fails(2, &["request 21", "task answers"])?;
        network.witness.all_proven(task, &miner, 1..=AT_ONCE as u64).await?;
        network.check_escrow(task).await
    })
}

#[test]
fn an_answer_is_shown_although_the_node_dies_before_its_proof_is_seen() -> TestResult {
    run(Plan::default(), async |network| {
        let owner = network.owner.clone();
        // Nothing is proven unasked, so that the wait for a proof outlasts the node.
        let task = network.deploy(&owner, "--proofs 20 --policy on-demand").await?;
        let text = network.begin(
            &owner,
            "infer",
            line(&format!("infer {task} --input {{}} --wait-proof"), &[&digits()?.samples]),
        )?;
        until("the answer is shown", async || Ok(text.output().contains("answered by").then_some(())))
            .await?;
        network.kill_node()?;
        let shown = text.ended().await?;
        assert!(shown.output().stdout.contains("request                  1"), "{shown:?}");
        if shown.status() != Some(0) {
            shown.fails(2, &["request 1 is answered", "its proof was not seen", "task events"])?;
        }
        network.restart_node().await?;
        let again = network.command(&owner, &format!("infer {task} --again 1")).await?.json()?;
        assert_eq!(again["number"], 1, "{again}");
        Ok(())
    })
}

#[test]
fn a_trial_run_does_nothing_and_a_stranger_is_not_waited_for() -> TestResult {
    run(Plan::default(), async |network| {
        let owner = &network.owner;
        let before = view::free(&network.at().await?, &owner.account()).await?;
        let words = line("--json deploy {} --keys {} --dry-run", &[&digits()?.file, &digits()?.keys]);
        let offered = network.begin(owner, "deploy", words)?.ended().await?.json()?;
        assert_eq!(view::free(&network.at().await?, &owner.account()).await?, before, "nothing was paid");
        assert_eq!(network.storage[0].fragments()?.len(), 0, "nothing was stored");

        // What the trial run says comes true.
        let task = network.deploy(owner, "").await?;
        let deployed = network.command(owner, &format!("task show {task}")).await?.json()?;
        let units =
            |value: &Value| value.as_str().and_then(|text| text.parse::<u128>().ok()).ok_or("no amount");
        for (purse, foretold) in [("compute", "for_answers"), ("proofs", "for_proofs")] {
            let held = units(&deployed["escrow"][purse]["deposited"])?;
            // The fee in a proof's price changes a little from block to block.
            let foretold = units(&offered[foretold])?;
            assert!(held.abs_diff(foretold) <= foretold / 100, "{purse}: {held}, {foretold} foretold");
        }
        let spent = before - view::free(&network.at().await?, &owner.account()).await?;
        let (deposit, fees) = (units(&offered["deposit"])?, units(&offered["fees"])?);
        let held = units(&deployed["escrow"]["compute"]["deposited"])?
            + units(&deployed["escrow"]["proofs"]["deposited"])?;
        // Keys for the miner are a third transaction.
        let paid = spent.checked_sub(held + deposit).ok_or("less was spent than is held")?;
        assert!((1..3 * fees).contains(&paid), "{paid} paid, {fees} foretold");

        let stranger = AccountId32(network.person("stranger").await?.account());
        let begun = Instant::now();
        let asked = network.infer(owner, task, 0, &format!("--miner {stranger}")).await?;
        asked.fails(2, &["was never engaged for task 0", "task show 0"])?;
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

        // A node and a region as people write them.
        let http = network.rpc.replace("ws://", "http://");
        let miners =
            network.command(owner, &format!("chain miners --region de --node {http}")).await?.json()?;
        assert_eq!(miners["miners"].as_array().map(Vec::len), Some(1), "{miners}");
        Ok(())
    })
}

#[test]
fn a_node_that_says_nothing_is_given_up_in_seconds() -> TestResult {
    run(Plan { miners: &[], storage: 0, ..Plan::default() }, async |network| {
        let mute = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("ws://{}", mute.local_addr()?);
        for words in ["chain status", "task list", "infer 0 --again 1"] {
            let begun = Instant::now();
            let ended = network.command(&network.owner, &format!("{words} --node {url}")).await?;
            ended.fails(2, &[&url, "it says nothing for 10 s", "is it running?"])?;
            assert!(begun.elapsed() < Duration::from_secs(20), "{words}: {:?}", begun.elapsed());
        }
        Ok(())
    })
}

#[test]
fn who_cannot_pay_is_told_what_is_there() -> TestResult {
    run(Plan { miners: &[], storage: 0, ..Plan::default() }, async |network| {
        let poor = Person::new(&network.program, &network.path(""), "poor").await?;
        let transfer = async |from: &Person, to: &Person, amount: &str| {
            let to = AccountId32(to.account());
            let words = format!("--json chain transfer {to} {amount} --from {{}}");
            network.begin(from, "transfer", line(&words, &[&from.file]))?.ended().await
        };
        transfer(&network.owner, &poor, "0").await?.fails(2, &["AMOUNT"])?;
        transfer(&poor, &network.owner, "1").await?.fails(2, &["has 0 CYB to spend", "its fee"])?;
        let error = transfer(&network.owner, &poor, "99999999999").await?.fails(2, &["CYB to spend"])?;
        assert!(!error.contains("Token error"), "{error}");
        Ok(())
    })
}
