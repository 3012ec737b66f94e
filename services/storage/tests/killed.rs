//! SIGKILL: of the client that uploads, and of the node that receives. Each is a process of its own:
//! this test's program, started again for one of the tests that only act when they are told to.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Net, bytes, config, key, owner, storage};
use cyborg_storage::StorageNode;
use cyborg_storage_client::node::NodeClient;
use cyborg_storage_client::storage::{fetch, upload};

const FOLDER: &str = "CYBORG_TEST_FOLDER";
const LISTEN: &str = "CYBORG_TEST_LISTEN";
const NODES: &str = "CYBORG_TEST_NODES";

fn again(test: &str, variables: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A node, as a process.
#[tokio::test(flavor = "multi_thread")]
async fn act_as_node() {
    let (Ok(folder), Ok(listen)) = (std::env::var(FOLDER), std::env::var(LISTEN)) else { return };
    let mut config = config(Path::new(&folder));
    config.listen = listen.parse().unwrap();
    let node = StorageNode::start(config).await.unwrap();
    println!("\nlistening at {}", node.address());
    std::future::pending::<()>().await;
}

/// A client, as a process.
#[tokio::test(flavor = "multi_thread")]
async fn act_as_client() {
    let (Ok(folder), Ok(nodes)) = (std::env::var(FOLDER), std::env::var(NODES)) else { return };
    let urls: Vec<String> = nodes.split(' ').map(str::to_owned).collect();
    let storage = storage(&urls, owner(1));
    upload(&storage, &Path::new(&folder).join("model"), &key(), b"").await.unwrap();
}

fn start_node(folder: &Path, listen: &str) -> (Child, String) {
    let folder = folder.to_str().unwrap();
    let mut child = again("act_as_node", &[(FOLDER, folder), (LISTEN, listen)]);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening at ").map(str::to_owned))
        .unwrap();
    (child, address)
}

async fn used(url: &str) -> u64 {
    let client = NodeClient::new(url, None).unwrap();
    client.status().await.map_or(0, |status| status.used_bytes)
}

async fn wait_until(what: &str, check: impl AsyncFn() -> bool) {
    for _ in 0..2000 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited too long: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_killed_while_it_uploads_goes_on_afterwards() {
    let net = Net::start(3).await;
    let content = bytes(16 << 20, 1);
    fs::write(net.home.path().join("model"), &content).unwrap();
    let nodes = net.urls.join(" ");
    let folder = net.home.path().to_str().unwrap();
    let mut client = again("act_as_client", &[(FOLDER, folder), (NODES, &nodes)]);
    wait_until("the upload to begin", async || used(&net.urls[0]).await > 3 << 20).await;
    client.kill().unwrap();
    client.wait().unwrap();
    let left = used(&net.urls[0]).await;
    assert!(left < 16 << 20, "killed too late");

    let id = upload(&net.storage(), &net.home.path().join("model"), &key(), b"").await.unwrap();
    assert!(fetch(&net.storage(), &id, &key(), b"", Vec::new()).await.unwrap() == content);
    // What was there was not sent again: less came than twice the part of this node.
    let metrics =
        common::http(&net.urls[0], "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"")
            .await;
    let received =
        metrics.lines().find_map(|line| line.strip_prefix("cyborg_storage_received_bytes_total ")).unwrap();
    let received: u64 = received.parse().unwrap();
    assert!(received < used(&net.urls[0]).await + (2 << 20), "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_while_it_receives_has_what_it_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model");
    let content = bytes(12 << 20, 2);
    fs::write(&path, &content).unwrap();
    let mut children = Vec::new();
    let mut urls = Vec::new();
    for index in 0..3 {
        let (child, address) = start_node(&home.path().join(format!("node{index}")), "127.0.0.1:0");
        children.push(child);
        urls.push(format!("http://{address}"));
    }
    let storing = {
        let (storage, path) = (storage(&urls, owner(1)), path.clone());
        tokio::spawn(async move { upload(&storage, &path, &key(), b"").await })
    };
    // Twice while it receives: killed, and started again on the same folder.
    for round in 1..=2 {
        wait_until("the upload to go on", async || used(&urls[1]).await > round << 20).await;
        children[1].kill().unwrap();
        children[1].wait().unwrap();
        let address = urls[1].strip_prefix("http://").unwrap();
        children[1] = start_node(&home.path().join("node1"), address).0;
    }
    // Fragments went elsewhere while it was away; the upload goes through, or says what is wrong and
    // goes through when it is called again.
    let id = match storing.await.unwrap() {
        Ok(id) => id,
        Err(_) => upload(&storage(&urls, owner(1)), &path, &key(), b"").await.unwrap(),
    };
    let whole = storage(&urls, owner(1));
    assert!(fetch(&whole, &id, &key(), b"", Vec::new()).await.unwrap() == content);
    // Nothing that it keeps is half.
    assert_eq!(whole.repair(&id, false).await.unwrap().altered, 0);
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut reopened = config(&home.path().join("node1"));
    reopened.quota_bytes = u64::MAX;
    let node = StorageNode::start(reopened).await.unwrap();
    assert_eq!(node.scrub().await.unwrap().rotten, 0);
    node.stop().await;
}
