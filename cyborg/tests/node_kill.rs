//! A node under load, killed fifty times at moments that nobody chose: no block that it has called
//! final is lost, and it always starts again.
#![cfg(feature = "node")]

mod embedded;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use embedded::transaction::Sender;
use embedded::{Final, Rpc, Server, TestResult};
use polkadot_sdk::sp_keyring::Sr25519Keyring::Alice;
use polkadot_sdk::sp_runtime::traits::{BlakeTwo256, Hash};
use serde_json::{Value, json};

const KILLS: u64 = 50;
/// Every so many rounds the node is killed while it starts.
const EARLY: u64 = 7;

/// Numbers from a seed, which a failure shows.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        let digest = BlakeTwo256::hash(&self.0.to_le_bytes());
        self.0 += 1;
        let mut word = [0; 8];
        word.copy_from_slice(&digest.as_bytes()[..8]);
        u64::from_le_bytes(word) % bound
    }
}

/// Everything that was ever called final is still there.
fn assert_kept(rpc: &Rpc, seen: &[Final]) -> TestResult {
    for block in seen {
        assert_eq!(rpc.hash(block.number)?.as_ref(), Some(&block.hash), "block {} is lost", block.number);
    }
    if let Some(last) = seen.last() {
        assert!(rpc.finalized()?.number >= last.number, "{last:?} is not final any more");
        // Its state is there as well as its header.
        rpc.time(last.number)?;
    }
    Ok(())
}

/// Sends transfers, each to a new account, until the node dies.
fn load(rpc: &Rpc, ready: &Value, round: u64) {
    let Ok(mut alice) = Sender::new(Alice, rpc, ready) else { return };
    for count in 0_u64.. {
        let receiver = BlakeTwo256::hash(&[round.to_le_bytes(), count.to_le_bytes()].concat()).into();
        let Ok(transaction) = alice.transfer(receiver) else { return };
        if rpc.call("author_submitExtrinsic", json!([transaction])).is_err() {
            return;
        }
    }
}

/// Notes every final block that the node reports, until it dies.
fn watch(rpc: &Rpc, seen: &Mutex<Vec<Final>>, dead: &AtomicBool) {
    while !dead.load(Ordering::Relaxed) {
        let Ok(head) = rpc.finalized() else { return };
        if let Ok(mut seen) = seen.lock()
            && seen.last() != Some(&head)
        {
            seen.push(head);
        }
    }
}

#[test]
fn no_final_block_is_lost_to_fifty_kills() -> TestResult {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    eprintln!("seed {seed}");
    let mut chance = Chance(seed);
    let folder = tempfile::tempdir()?;
    let arguments = ["--block-time", "25"];
    let seen = Mutex::new(Vec::new());
    for round in 0..KILLS {
        if round % EARLY == EARLY - 1 {
            let node = Server::spawn(folder.path(), &arguments)?;
            thread::sleep(Duration::from_millis(chance.below(600)));
            node.kill()?;
            continue;
        }
        let (node, rpc, ready) = Server::start(folder.path(), &arguments)?;
        let known = seen.lock().map_err(|_| "poisoned")?.clone();
        assert_kept(&rpc, &known[known.len().saturating_sub(50)..])?;
        let dead = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| load(&rpc, &ready, round));
            scope.spawn(|| watch(&rpc, &seen, &dead));
            thread::sleep(Duration::from_millis(100 + chance.below(700)));
            let killed = node.kill();
            dead.store(true, Ordering::Relaxed);
            killed
        })?;
    }
    let (node, rpc, _) = Server::start(folder.path(), &arguments)?;
    let seen = seen.into_inner()?;
    let last = seen.last().ok_or("no block was ever final")?;
    eprintln!("{} final blocks seen, the last of them {}", seen.len(), last.number);
    assert_kept(&rpc, &seen)?;
    rpc.wait_for(last.number + 20)?;
    assert!(node.stop()?.success());
    // What was written between the kills is what follows from the blocks.
    let verified = Server::verify(folder.path())?;
    assert!(verified["blocks"].as_u64() >= Some(last.number), "{verified}");
    Ok(())
}
