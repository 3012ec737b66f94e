//! Owners that do not pay, flood a miner, or send a model whose key lies.

use cyborg_localnet::witness::Ledger;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;

use cyborg_chain_client::view;
use tokio::task::JoinSet;

use crate::TestResult;
use crate::client::Client;
use crate::harness::{Plan, run};
use crate::model::digits;
use crate::money;
use crate::process::{line, until};
use crate::witness;

#[test]
fn an_owner_that_stops_paying_is_told_to_top_up_and_is_served_again_afterwards() -> TestResult {
    run(Plan::default(), async |network| {
        let (owner, miner) = (&network.owner, network.miners[0].account());
        const PROOFS: usize = 3;
        let task = network.deploy(owner, &format!("--proofs {PROOFS}")).await?;
        for index in 0..PROOFS {
            network.infer(owner, task, index, "").await?.json()?;
        }
        let refused = network.infer(owner, task, 4, "--timeout 20").await?;
        refused.fails(2, &["top it up"])?;
        network.witness.all_proven(task, &miner, 1..=PROOFS as u64).await?;
        let refused = network.infer(owner, task, 4, "--timeout 20").await?;
        refused.fails(2, &["0 CYB for proofs", "top it up"])?;

        // The message says what to do; what it says helps.
        let terms = view::terms(&network.at().await?, task, &miner).await?.ok_or("no terms")?;
        let proofs = 20.0 * terms.per_proof as f64 / money::UNIT as f64;
        network.command(owner, &format!("task top-up {task} --proofs {proofs:.12}")).await?.json()?;
        until("the miner knows of it", async || {
            let asked = network.infer(owner, task, 4, "--wait-proof --timeout 60").await?;
            Ok((asked.status() == Some(0)).then_some(()))
        })
        .await?;
        network.check_escrow(task).await
    })
}

#[test]
fn a_request_for_what_belongs_to_others_is_refused_each_in_its_own_way() -> TestResult {
    run(Plan::default(), async |network| {
        let miner = network.miners[0].account();
        let stranger = network.person("stranger").await?;
        let task = network.deploy(&network.owner, "--proofs 50").await?;
        let client = Client::new(network, &network.owner, task, &miner).await?;
        let first = client.prepare(0).await?;
        let receipt = client.insist(&first).await?;
        // An owner that asks again before the request is settled gets the same answer.
        assert_eq!(client.insist(&first).await?, receipt);
        for (what, path, body, expected) in client.refusals(&stranger.key, 2)? {
            assert_eq!(client.post(&path, body).await?, expected, "{what}");
        }
        // None of it has cost an answer, nor its number.
        client.ask(1).await?;
        network.witness.all_proven(task, &miner, 1..=2).await?;
        network.check_escrow(task).await
    })
}

#[test]
fn a_flood_is_told_to_wait_and_costs_nobody_else_an_answer() -> TestResult {
    run(Plan::default(), async |network| {
        let miner = network.miners[0].account();
        let other = network.person("other").await?;
        let (flooded, quiet) = (
            network.deploy(&network.owner, "--proofs 300").await?,
            network.deploy(&other, "--proofs 50").await?,
        );
        let client = Arc::new(Client::new(network, &network.owner, flooded, &miner).await?);
        let bystander = Client::new(network, &other, quiet, &miner).await?;

        // Connections that say nothing, or nothing sensible, and stay.
        let mut noise = Vec::new();
        for index in 0..200 {
            let mut stream = TcpStream::connect(network.miners[0].url.trim_start_matches("http://"))?;
            let words: &[u8] = if index % 2 == 0 { b"" } else { b"\x16\x03\x01 GET GET /v1/tasks\r\n\r\n" };
            // It may have been closed already.
            let _ = stream.write_all(words);
            noise.push(stream);
        }
        // More valid requests than may be open, many at once, and some far ahead of all.
        const OPEN: u64 = 128;
        const AT_ONCE: usize = 128;
        let mut prepared = Vec::new();
        for number in (1..=OPEN).chain(OPEN + 20..OPEN + 60) {
            prepared.push(client.prepare_number(number, number as usize % 8)?);
        }
        let prepared = Arc::new(prepared);
        let mut running = JoinSet::new();
        for worker in 0..AT_ONCE {
            let (client, prepared) = (client.clone(), prepared.clone());
            running.spawn(async move {
                let mut told = Vec::new();
                for request in prepared.iter().skip(worker).step_by(AT_ONCE) {
                    let said = client.send(request).await.ok_or("the miner hung up")?;
                    match said.status {
                        200 => drop(client.check(request, &said.body)?),
                        429 | 503 => assert!(said.retry, "{} without Retry-After", said.status),
                        other => {
                            return Err(format!("{other}: {}", String::from_utf8_lossy(&said.body)).into());
                        }
                    }
                    told.push((request.number, said.status));
                }
                TestResult::Ok(told)
            });
        }
        for index in 0..10 {
            bystander.ask(index).await?;
        }
        let mut told: BTreeMap<u64, u16> = BTreeMap::new();
        while let Some(done) = running.join_next().await {
            told.extend(done??);
        }
        let count = |status| told.values().filter(|found| **found == status).count();
        eprintln!("{} answered, {} too far ahead, {} told to wait", count(200), count(429), count(503));
        assert!(count(429) > 0 && count(200) > 0);
        drop(noise);

        // Nothing that was answered is lost, for either.
        let answered = count(200);
        let proven = |ledger: &Ledger| witness::verified(ledger, flooded, &miner).len() >= answered;
        network.witness.expect("all that was answered is proven", proven).await?;
        network.infer_proven(&other, quiet, 3, "").await?;
        network.witness.all_proven(quiet, &miner, 1..=11).await?;
        let mut numbers = witness::verified(&network.witness.ledger(), flooded, &miner);
        numbers.sort_unstable();
        let expected: Vec<u64> =
            told.iter().filter(|(_, status)| **status == 200).map(|(number, _)| *number).collect();
        assert_eq!(numbers, expected);
        network.check_escrow(flooded).await
    })
}

#[test]
fn a_model_whose_key_lies_is_declined_and_costs_the_miner_nothing() -> TestResult {
    run(Plan::default(), async |network| {
        let miner = network.miners[0].account();
        let keys = network.path("lying-keys");
        digits()?.lying_keys(&keys)?;
        let before = money::bond(&network.at().await?, &miner).await?;
        let words = "--json deploy {} --keys {} --proofs 20 --timeout 15";
        let done =
            network.begin(&network.owner, "deploy", line(words, &[&digits()?.file, &keys]))?.ended().await?;
        let error = done.fails(2, &[])?;
        assert!(error.contains("vacated") || error.contains("0 of 1 replicas"), "{error}");
        network.witness.catch_up(&network.chain).await?;
        let left: Vec<String> = {
            let seen = network.witness.ledger();
            let left = seen.of("Tasks.Left").map(|event| event.fields["departure"].to_string());
            assert_eq!(witness::blamed(&seen, &miner).count(), 0);
            left.collect()
        };
        assert!(left.len() == 1 && left[0].contains("Declined") && left[0].contains("Model"), "{left:?}");
        assert_eq!(money::bond(&network.at().await?, &miner).await?, before);
        assert!(network.miners[0].log().contains("proof of the model's test is false"));

        // The same miner serves the true one.
        let honest = network.person("honest").await?;
        let task = network.deploy(&honest, "--proofs 20").await?;
        network.infer_proven(&honest, task, 0, "").await?;
        Ok(())
    })
}
