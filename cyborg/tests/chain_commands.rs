//! `cyborg chain …` and `cyborg account …`, as people and programs use them.
#![cfg(feature = "node")]

mod common;
mod embedded;
mod market;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::{Folder, Outcome};
use cyborg_account::keys;
use cyborg_primitives::money::UNIT;
use embedded::Server;
use market::{BOND, Market, TestResult, id};
use serde_json::{Value, json};

/// The address of a development account with money.
const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

fn units(value: &Value) -> u128 {
    value.as_str().and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no amount: {value}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registers_tasks_and_money_are_shown() -> TestResult {
    let folder = Folder::new()?;
    let (_node, _, ready) = Server::start(&folder.path("node"), &["--block-time", "60"])?;
    let url = ready["rpc"].as_str().ok_or("no address")?.to_owned();
    let chain = |line: &str| -> TestResult<Outcome> { folder.cyborg(&format!("chain --node {url} {line}")) };
    let json = |line: &str| -> TestResult<Value> { chain(&format!("{line} --json"))?.ok().json() };

    // An empty chain says so.
    let status = json("status")?;
    assert_eq!(status["genesis"], ready["genesis"]);
    assert_eq!((&status["miners_ever"], &status["tasks_ever"]), (&json!(0), &json!(0)));
    for list in ["miners", "models", "tasks"] {
        assert_eq!(json(list)?[list], json!([]));
        assert_eq!(chain(list)?.ok().stdout, format!("no {list}\n"));
    }

    let market = Market::open(&url, "//Alice", b"DE").await?;
    let bob = market.miner("//Bob//1", 1).await?;
    let model = market.model("digits_mlp").await?;
    let task = market.task(&model, &[&bob], 5).await?;
    let bob_address = id(&bob).to_string();

    let miners = json("miners")?;
    let miner = &miners["miners"][0];
    assert_eq!(miner["miner"], bob_address);
    assert_eq!(miner["location"]["region"], "DE");
    assert_eq!((units(&miner["bond"]), &miner["reputation"]), (BOND, &json!(100)));
    assert_eq!(miner["endpoint"], "https://127.0.0.1:7001");
    assert_eq!(json("miners --region FR")?["miners"], json!([]));
    assert!(chain("miners --region DE")?.ok().stdout.contains(&bob_address));

    let models = json("models")?;
    assert_eq!(
        (&models["models"][0]["id"], &models["models"][0]["owner"]),
        (&json!(model.id), &json!(ALICE))
    );
    assert!(chain("models")?.ok().stdout.contains(ALICE));

    assert_eq!(json("tasks --owner //Alice")?["tasks"][0]["id"], task);
    assert_eq!(json("tasks --owner //Bob")?["tasks"], json!([]));
    let shown = json(&format!("task show {task}"))?;
    assert_eq!((&shown["task"], &shown["state"]), (&json!(task), &json!("Running")));
    assert!(shown["meters"].get(&bob_address).is_some(), "{shown}");
    let text = chain(&format!("task show {task}"))?.ok().stdout;
    for word in ["Running", &bob_address, "Confirmed", "left of"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    chain("task show 99")?.fails(2, &["no task 99"]);

    // Money: what is held is named, and a transfer is final when it says so.
    let balance = json("balance //Alice")?;
    assert!(balance["holds"].to_string().contains("Escrow"), "{balance}");
    assert!(chain(&format!("balance {ALICE}"))?.ok().stdout.contains("Payments.Escrow"));
    folder.cyborg("account new --out new.key")?.ok();
    let address = keys::account(&keys::read(&folder.path("new.key"))?);
    let sent = json("transfer --from //Alice new.key 2.5")?;
    assert_eq!(units(&sent["amount"]), 5 * UNIT / 2);
    assert!(units(&sent["fee"]) > 0 && sent["block"].as_u64() > Some(0));
    let got = json("balance new.key")?;
    assert_eq!((units(&got["free"]), &got["holds"]), (5 * UNIT / 2, &json!([])));
    assert_eq!(got["account"], cyborg_chain_client::subxt::utils::AccountId32(address).to_string());
    chain("transfer --from new.key //Bob 100")?.fails(2, &["CYB to spend"]);

    // Events, of the past and as they come.
    let block = sent["block"].as_u64().ok_or("no block")?;
    let past = chain(&format!("events --from {block} --pallet balances --json"))?.ok().stdout;
    let transfers: Vec<Value> = past.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    // Fees are shared out by transfers too.
    let amount = |event: &Value| event["fields"]["amount"].as_str().map(str::to_owned);
    let wanted = (5 * UNIT / 2).to_string();
    let transfer = transfers
        .iter()
        .find(|event| event["event"] == "Transfer" && amount(event).as_ref() == Some(&wanted))
        .ok_or("no transfer")?;
    assert_eq!((&transfer["block"], &transfer["fields"]["from"]), (&json!(block), &json!(ALICE)));
    let mut following = Command::new(env!("CARGO_BIN_EXE_cyborg"))
        .args(["chain", "--node", &url, "events", "--follow", "--pallet", "Balances", "--json"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(following.stdout.take().ok_or("no output")?).lines();
    chain("transfer --from //Alice new.key 1")?.ok();
    let found = lines.find_map(|line| {
        let event: Value = serde_json::from_str(&line.ok()?).ok()?;
        (event["event"] == "Transfer" && units(&event["fields"]["amount"]) == UNIT).then_some(event)
    });
    following.kill()?;
    following.wait()?;
    assert!(found.is_some(), "the transfer was not shown");
    let late = json("status")?["block"].as_u64().ok_or("no block")? + 100_000;
    chain(&format!("events --from {late}"))?.fails(2, &["--from", "not final yet", "--follow"]);
    Ok(())
}

#[test]
fn what_cannot_be_asked_is_said() -> TestResult {
    let folder = Folder::new()?;
    folder
        .cyborg("chain --node ws://127.0.0.1:1 status")?
        .fails(2, &["ws://127.0.0.1:1", "cyborg node --dev"]);
    folder.cyborg("chain --node nonsense status")?.fails(2, &["nonsense"]);
    for wrong in
        ["chain", "chain task", "chain transfer --from //Alice //Bob -1", "chain task show x", "account"]
    {
        assert_eq!(folder.cyborg(wrong)?.status, Some(2), "{wrong}");
    }
    Ok(())
}

#[test]
fn keys_are_kept_by_name_and_never_shown() -> TestResult {
    let folder = Folder::new()?;
    assert!(folder.cyborg("account list")?.ok().stdout.contains("no keys"));
    let made = folder.cyborg("account new hospital --json")?.ok().json()?;
    folder.cyborg("account new hospital")?.fails(2, &["hospital", "never overwritten"]);
    let listed = folder.cyborg("account list --json")?.ok().json()?;
    assert_eq!(listed["accounts"], json!([{ "name": "hospital", "account": made["account"] }]));
    folder.cyborg("account export hospital --out copy.key")?.ok();
    folder.cyborg("account export hospital --out copy.key")?.fails(2, &["copy.key", "never overwritten"]);
    folder.cyborg("account export clinic --out other.key")?.fails(2, &["clinic", "account new"]);
    assert_eq!(keys::account(&keys::read(&folder.path("copy.key"))?).len(), 32);

    // No output has a word of the phrase.
    let phrase = String::from_utf8(folder.read("copy.key")?)?;
    let outputs = format!("{made}{listed}");
    assert!(phrase.split_whitespace().filter(|word| word.len() > 4).all(|word| !outputs.contains(word)));
    for wrong in ["a/b", "..", ".hidden"] {
        folder.run(&["account", "new", wrong])?.fails(2, &["NAME"]);
    }
    folder.cyborg("account new")?.fails(2, &["--out"]);
    Ok(())
}
