//! The embedded node, through its process, its files and its RPC.
#![cfg(feature = "node")]

mod common;
mod embedded;

use std::fs;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use common::Folder;
use embedded::transaction::Sender;
use embedded::{Rpc, Server, TestResult, get};
use polkadot_sdk::sp_keyring::Sr25519Keyring::{Alice, Bob};
use rustix::process::Signal;
use serde_json::{Value, json};

const SLOT_MS: u64 = 6_000;

/// Chain time advances by one slot from block to block.
fn assert_times(rpc: &Rpc, first: u64, last: u64) -> TestResult {
    let mut time = rpc.time(first)?;
    for number in first + 1..=last {
        let next = rpc.time(number)?;
        assert_eq!(next, time + SLOT_MS, "block {number}");
        time = next;
    }
    Ok(())
}

#[test]
fn a_timed_node_goes_on_where_it_was() -> TestResult {
    let folder = Folder::new()?;
    let path = folder.path("node");
    let (node, rpc, first) = Server::start(&path, &["--block-time", "200"])?;
    assert_eq!(first["finalized"], 0);
    let begun = Instant::now();
    let head = rpc.wait_for(10)?;
    assert!(begun.elapsed() > Duration::from_millis(9 * 200), "sealed faster than asked");
    assert_times(&rpc, 1, head.number)?;
    assert!(node.stop()?.success());

    // Another speed changes nothing for the chain.
    let (node, rpc, again) = Server::start(&path, &["--block-time", "50"])?;
    assert_eq!(again["genesis"], first["genesis"]);
    assert!(again["finalized"].as_u64() >= Some(head.number), "{again} after {head:?}");
    assert_eq!(rpc.hash(head.number)?, Some(head.hash));
    let last = rpc.wait_for(head.number + 10)?;
    assert_times(&rpc, 1, last.number)?;
    node.signal(Signal::INT);
    assert!(node.stop()?.success());
    Ok(())
}

#[test]
fn an_instant_node_seals_for_transactions_and_on_demand() -> TestResult {
    let folder = Folder::new()?;
    let (_node, rpc, ready) = Server::start(&folder.path("node"), &["--instant"])?;
    thread::sleep(Duration::from_millis(300));
    assert_eq!(rpc.finalized()?.number, 0, "a block that nobody asked for");

    let created = rpc.call("engine_createBlock", json!([true, true, null]))?;
    let head = rpc.finalized()?;
    assert_eq!((head.number, Some(head.hash.as_str())), (1, created["hash"].as_str()));
    assert!(rpc.call("engine_createBlock", json!([false, true, null])).is_err(), "an empty block");
    assert!(rpc.call("engine_createBlock", json!([true, false, null])).is_err(), "a block not final");
    assert!(rpc.call("engine_createBlock", json!([true, true, head.hash])).is_err(), "a fork");
    // Every block is final already.
    assert_eq!(rpc.call("engine_finalizeBlock", json!([head.hash, null]))?, json!(true));
    assert!(rpc.call("engine_finalizeBlock", json!([format!("0x{}", "07".repeat(32)), null])).is_err());
    assert_eq!(rpc.finalized()?.number, 1);

    let mut alice = Sender::new(Alice, &rpc, &ready)?;
    rpc.call("author_submitExtrinsic", json!([alice.transfer([1; 32])?]))?;
    rpc.wait_for(2)?;
    for receiver in 2..52 {
        rpc.call("author_submitExtrinsic", json!([alice.transfer([receiver; 32])?]))?;
    }
    let begun = Instant::now();
    while rpc.call("author_pendingExtrinsics", json!([]))? != json!([]) {
        assert!(begun.elapsed() < Duration::from_secs(30), "transactions are left");
        thread::sleep(Duration::from_millis(20));
    }
    let nonce = Sender::new(Alice, &rpc, &ready)?.transfer([99; 32])?;
    rpc.call("author_submitExtrinsic", json!([nonce]))?;
    let head = rpc.finalized()?;
    assert_times(&rpc, 1, head.number)?;

    // A wrong transaction is refused, and seals nothing.
    let mut transaction = Sender::new(Bob, &rpc, &ready)?.transfer([1; 32])?;
    transaction.replace_range(80..82, "00");
    let before = rpc.wait_for(head.number)?.number;
    assert!(rpc.call("author_submitExtrinsic", json!([transaction])).is_err());
    thread::sleep(Duration::from_millis(200));
    assert!(rpc.finalized()?.number <= before + 1);
    Ok(())
}

#[test]
fn one_node_works_in_a_folder() -> TestResult {
    let folder = Folder::new()?;
    let path = folder.path("node");
    let (_node, _, _) = Server::start(&path, &["--instant"])?;
    folder.cyborg("node --dev --base-path node --rpc-port 0")?.fails(2, &["another node is running"]);
    Ok(())
}

#[test]
fn ports_in_use_are_named() -> TestResult {
    let folder = Folder::new()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let address = format!("127.0.0.1:{port}");
    folder.cyborg(&format!("node --dev --tmp --rpc-port {port}"))?.fails(2, &[&address, "RPC"]);
    folder
        .cyborg(&format!("node --dev --tmp --rpc-port 0 --prometheus-port {port}"))?
        .fails(2, &[&address, "in use"]);
    Ok(())
}

#[test]
fn an_empty_range_of_blocks_is_refused_before_anything_is_opened() -> TestResult {
    let folder = Folder::new()?;
    let refused = folder.cyborg("node verify --base-path node --from 5 --to 3")?;
    refused.fails(2, &["--to", "block 3 comes before --from 5", "no block to verify"]);
    assert_eq!(folder.listing()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_temporary_node_leaves_nothing_and_shows_its_metrics() -> TestResult {
    let folder = Folder::new()?;
    // Below the ports that the system gives to the other tests' nodes.
    let port = (20_000 + std::process::id() % 10_000).to_string();
    let words = ["node", "--dev", "--tmp", "--json", "--rpc-port", "0", "--block-time", "100"];
    let mut command = embedded::program().command(words);
    command.args(["--prometheus-port", &port]).env("TMPDIR", folder.path("."));
    let mut node = Server::run(&mut command)?;
    let ready = node.ready()?;
    assert_eq!(folder.listing()?.len(), 1);
    // Some appear with the first block.
    let address = ready["prometheus"].as_str().ok_or("no metrics")?;
    let names = ["substrate_block_height", "substrate_ready_transactions_number", "substrate_proposer"];
    let begun = Instant::now();
    loop {
        let page = get(address)?;
        let missing: Vec<_> = names.iter().filter(|name| !page.contains(*name)).collect();
        if missing.is_empty() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no {missing:?} in {page}");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(node.stop()?.success());
    assert_eq!(folder.listing()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn no_web_page_may_read() -> TestResult {
    let folder = Folder::new()?;
    let (_node, rpc, _) = Server::start(&folder.path("node"), &["--instant"])?;
    for origin in ["http://localhost:3000", "https://example.org"] {
        let (head, _) = rpc.post("system_health", json!([]), &[&format!("Origin: {origin}")])?;
        assert!(head.contains("200"), "{head}");
        assert!(!head.to_lowercase().contains("access-control-allow-origin"), "{head}");
    }
    let health = rpc.call("system_health", json!([]))?;
    assert_eq!((&health["peers"], &health["isSyncing"]), (&json!(0), &json!(false)));
    assert!(rpc.call("system_localPeerId", json!([])).is_err(), "a name in a network that is not there");
    Ok(())
}

#[test]
fn without_dev_it_says_what_to_do() -> TestResult {
    let folder = Folder::new()?;
    folder.cyborg("node")?.fails(2, &["--dev", "export-chain-spec", "polkadot-omni-node"]);
    for wrong in ["--instant --block-time 5", "--tmp --base-path d", "--block-time 0", "--prometheus-port 0"]
    {
        let outcome = folder.cyborg(&format!("node --dev {wrong}"))?;
        assert_eq!(outcome.status, Some(2), "{wrong}: {outcome:?}");
    }
    Ok(())
}

fn exported(folder: &Folder, arguments: &str) -> TestResult<Value> {
    folder.cyborg(&format!("node export-chain-spec {arguments} --out spec.json"))?.ok();
    Ok(serde_json::from_slice(&folder.read("spec.json")?)?)
}

#[test]
fn specifications_are_what_the_stock_node_reads() -> TestResult {
    let folder = Folder::new()?;
    let raw = exported(&folder, "")?;
    assert_eq!((&raw["para_id"], &raw["relay_chain"]), (&json!(2000), &json!("paseo")));
    assert_eq!(raw["properties"]["tokenSymbol"], "CYB");
    let state = raw["genesis"]["raw"]["top"].as_object().ok_or("no state")?;
    assert!(state.contains_key("0x3a636f6465"), "no code");

    // The genesis state holds the number too.
    let other = exported(&folder, "--preset production --para-id 3333 --relay-chain polkadot")?;
    assert_eq!((&other["para_id"], &other["relay_chain"]), (&json!(3333), &json!("polkadot")));
    let key = "0x0d715f2646c8f85767b5d2764bb2782604a74d81251e398fd8a0a4d55023bb3f";
    assert_eq!(other["genesis"]["raw"]["top"][key], "0x050d0000");
    assert_eq!(raw["genesis"]["raw"]["top"][key], "0xd0070000");

    let plain = exported(&folder, "--plain --para-id 7")?;
    let patch = &plain["genesis"]["runtimeGenesis"]["patch"];
    assert_eq!(patch["parachainInfo"]["parachainId"], 7);
    assert!(patch["balances"]["balances"].as_array().is_some_and(|all| all.len() > 2));
    folder.cyborg("node export-chain-spec --out none/spec.json")?.fails(2, &["none/spec.json"]);
    Ok(())
}

#[test]
fn a_damaged_folder_is_an_error_and_not_a_new_chain() -> TestResult {
    let folder = Folder::new()?;
    let path = folder.path("node");
    let (node, rpc, _) = Server::start(&path, &["--block-time", "50"])?;
    rpc.wait_for(3)?;
    assert!(node.stop()?.success());
    fs::write(path.join("chain-spec.json"), "{")?;
    folder.cyborg("node --dev --base-path node --rpc-port 0")?.fails(2, &["chain specification"]);
    fs::write(path.join("db/metadata"), "nonsense")?;
    folder.cyborg("node --dev --base-path node --rpc-port 0")?.fails(2, &["database cannot be opened"]);
    Ok(())
}
