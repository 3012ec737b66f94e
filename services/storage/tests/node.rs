//! One node: rot, collection, restarts, tokens, many clients.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{Net, bytes, config, key, owner, rot};
use cyborg_primitives::Digest;
use cyborg_storage::{StartError, StorageNode, Tls};
use cyborg_storage_client::error::StorageError;
use cyborg_storage_client::node::{NodeClient, NodeStatus};
use cyborg_storage_client::storage::upload;
use cyborg_storage_client::store::{FragmentStore, Kind};

fn fragment(count: usize, seed: u8) -> (Digest, Bytes) {
    let bytes = bytes(count, seed);
    (*blake3::hash(&bytes).as_bytes(), bytes.into())
}

fn client(net: &Net) -> NodeClient {
    NodeClient::new(&net.urls[0], Some(owner(1))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let mut net = Net::start(1).await;
    let (id, content) = fragment(100_000, 1);
    client(&net).put(Kind::Fragment, &id, content.clone()).await.unwrap();
    let before = client(&net).status().await.unwrap();
    net.restart(0).await;
    assert_eq!(client(&net).get(Kind::Fragment, &id).await.unwrap(), content);
    let after = client(&net).status().await.unwrap();
    let still = |status: NodeStatus| NodeStatus { now_ms: None, ..status };
    assert_eq!(still(after.clone()), still(before));
    assert_eq!((after.used_bytes, after.fragments), (100_000, 1));
    assert_eq!(client(&net).range(Kind::Fragment, &id, 5..10).await.unwrap(), content.slice(5..10));
    // The same again fills nothing.
    client(&net).put(Kind::Fragment, &id, content).await.unwrap();
    assert_eq!(still(client(&net).status().await.unwrap()), still(after));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_folder_has_one_node() {
    let net = Net::start(1).await;
    let second = StorageNode::start(config(&net.folder(0))).await;
    assert!(matches!(second.map(drop), Err(StartError::InUse(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn rot_is_found_put_aside_and_healed() {
    let net = Net::start(1).await;
    let client = client(&net);
    let (good, content) = fragment(5000, 1);
    let (bad, rotten) = fragment(6000, 2);
    client.put(Kind::Fragment, &good, content.clone()).await.unwrap();
    client.put(Kind::Fragment, &bad, rotten.clone()).await.unwrap();
    let path = net.fragments(0).into_iter().find(|path| fs::metadata(path).unwrap().len() == 6000).unwrap();
    rot(&path);
    // Uploading it again replaces what has rotted.
    client.put(Kind::Fragment, &bad, rotten.clone()).await.unwrap();
    assert_eq!(net.node(0).scrub().await.unwrap().rotten, 0);

    rot(&path);
    let scrubbed = net.node(0).scrub().await.unwrap();
    assert_eq!((scrubbed.read, scrubbed.rotten), (2, 1));
    assert!(matches!(client.get(Kind::Fragment, &bad).await, Err(StorageError::NotFound { .. })));
    assert_eq!(client.get(Kind::Fragment, &good).await.unwrap(), content);
    let status = client.status().await.unwrap();
    assert_eq!((status.quarantined, status.fragments, status.used_bytes), (1, 1, 5000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotten_manifest_stops_collection_until_it_is_back() {
    let net = Net::start_with(3, |_, config| config.grace = Duration::ZERO).await;
    let path = net.home.path().join("model");
    fs::write(&path, bytes(100_000, 3)).unwrap();
    let storage = net.storage();
    let id = upload(&storage, &path, &key(), b"").await.unwrap();
    let manifest = common::files_below(&net.folder(0).join("manifests")).pop().unwrap();
    let kept = net.fragments(0).len();
    rot(&manifest);
    assert!(net.node(0).collect().await.is_err());
    assert_eq!(net.node(0).scrub().await.unwrap().rotten, 1);
    assert!(net.node(0).collect().await.is_err());
    assert_eq!(net.fragments(0).len(), kept);
    assert_eq!(storage.repair(&id, true).await.unwrap().manifests, 1);
    assert_eq!(net.node(0).collect().await.unwrap().removed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_lists_goes_after_its_grace_period() {
    let net = Net::start_with(1, |_, config| config.grace = Duration::from_millis(1500)).await;
    let client = client(&net);
    let (asked, content) = fragment(1000, 1);
    let (forgotten, other) = fragment(1000, 2);
    client.put(Kind::Fragment, &asked, content).await.unwrap();
    client.put(Kind::Fragment, &forgotten, other).await.unwrap();
    assert_eq!(net.node(0).collect().await.unwrap().removed, 0);
    tokio::time::sleep(Duration::from_millis(1600)).await;
    // A client that is told that it is there may rely on it for another grace period.
    assert!(client.has(Kind::Fragment, &asked).await.unwrap());
    assert_eq!(net.node(0).collect().await.unwrap().removed, 1);
    assert!(client.has(Kind::Fragment, &asked).await.unwrap());
    assert!(!client.has(Kind::Fragment, &forgotten).await.unwrap());
    assert_eq!(client.status().await.unwrap().used_bytes, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_node_stores_for_its_owners_only() {
    let owners = vec![owner(1).account()];
    let net = Net::start_with(1, |_, config| config.owners = owners.clone()).await;
    let (id, content) = fragment(1000, 1);
    let try_as = async |signer| {
        let client = NodeClient::new(&net.urls[0], signer).unwrap();
        client.put(Kind::Fragment, &id, content.clone()).await
    };
    assert!(matches!(try_as(None).await, Err(StorageError::Refused { status: 401, .. })));
    assert!(matches!(try_as(Some(owner(2))).await, Err(StorageError::Refused { status: 403, .. })));
    try_as(Some(owner(1))).await.unwrap();
    // Reading is free: an id is known to those who were told it.
    let reader = NodeClient::new(&net.urls[0], None).unwrap();
    assert_eq!(reader.get(Kind::Fragment, &id).await.unwrap(), content);
}

fn machine_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// A token expires by the node's clock, and is made by the node's clock.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_does_not_matter() {
    const HOUR_MS: u64 = 3_600_000;
    let owners = vec![owner(1).account()];
    let net = Net::start_with(1, |_, config| config.owners = owners.clone()).await;
    let clocks: [fn() -> u64; 5] = [
        || machine_ms() - HOUR_MS,
        || machine_ms() + HOUR_MS,
        || machine_ms() - 20 * HOUR_MS,
        || machine_ms() + 20 * HOUR_MS,
        || machine_ms() + 1_000 * HOUR_MS,
    ];
    for (seed, clock) in clocks.into_iter().enumerate() {
        let (id, content) = fragment(6 << 20, seed as u8);
        let client = NodeClient::new(&net.urls[0], Some(owner(1))).unwrap().with_clock(clock);
        client.put(Kind::Fragment, &id, content).await.unwrap();
        let absent = client.delete(Kind::Manifest, &id).await;
        assert!(absent.is_ok(), "{absent:?}");
    }
    // Far behind, the node's word would make a token that lasts for ever: it is not taken.
    let (id, content) = fragment(1000, 9);
    let client = NodeClient::new(&net.urls[0], Some(owner(1))).unwrap().with_clock(|| 0);
    let refused = client.put(Kind::Fragment, &id, content).await.unwrap_err();
    assert!(refused.to_string().contains("has expired by this node's clock"), "{refused}");
}

/// A token that was good is signed once more if the node has become another.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_new_key_gets_a_new_leave() {
    let owners = vec![owner(1).account()];
    let set = |config: &mut cyborg_storage::Config| config.owners = owners.clone();
    let mut net = Net::start_with(1, |_, config| set(config)).await;
    let client = client(&net);
    let (first, content) = fragment(1000, 1);
    client.put(Kind::Fragment, &first, content).await.unwrap();
    net.stop(0).await;
    fs::remove_file(net.folder(0).join("node.key")).unwrap();
    let mut config = config(&net.folder(0));
    set(&mut config);
    config.listen = net.urls[0].strip_prefix("http://").unwrap().parse().unwrap();
    net.nodes[0] = Some(StorageNode::start(config).await.unwrap());
    for (count, seed) in [(1000, 2), (6 << 20, 3)] {
        let (id, content) = fragment(count, seed);
        client.put(Kind::Fragment, &id, content).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_certificate_speaks_https() {
    let data = |name: &str| {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../crates/network/serving/tests/data")
            .join(name)
    };
    let tls = Tls { certificate: data("localhost.pem"), key: data("localhost.key.pem") };
    let net = Net::start_with(1, |_, config| config.tls = Some(tls.clone())).await;
    assert!(client(&net).status().await.is_err());
    let encrypted = NodeClient::new(&net.urls[0].replace("http", "https"), None).unwrap();
    // A client that does not trust the certificate is told so.
    let refused = encrypted.status().await.unwrap_err().to_string();
    assert!(refused.contains("certificate"), "{refused}");
    // A client that names its authority stores there and reads.
    let url = net.urls[0].replace("http://127.0.0.1", "https://localhost");
    let trusting = |pem| NodeClient::new(&url, Some(owner(1))).unwrap().with_roots(&[pem]);
    let trusted = trusting(fs::read(data("localhost.pem")).unwrap()).unwrap();
    let (id, content) = fragment(5_000, 3);
    trusted.put(Kind::Fragment, &id, content.clone()).await.unwrap();
    assert_eq!(trusted.get(Kind::Fragment, &id).await.unwrap(), content);
    for wrong in [&b"no certificate"[..], b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"] {
        let refused = trusting(wrong.to_vec()).err().unwrap();
        assert!(matches!(refused, StorageError::Certificate { .. }), "{refused}");
    }

    let mut config = config(&net.home.path().join("other"));
    config.tls = Some(Tls { key: data("README.md"), ..tls });
    assert!(matches!(StorageNode::start(config).await.map(drop), Err(StartError::Serving(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_at_once() {
    let net = Net::start_with(1, |_, config| config.limits.uploads = 16).await;
    let client = Arc::new(client(&net));
    let (shared, same) = fragment(300_000, 255);
    let mut clients = tokio::task::JoinSet::new();
    for seed in 0..48 {
        let (client, same) = (client.clone(), same.clone());
        clients.spawn(async move {
            let (id, content) = fragment(150_000, seed);
            // Told to come back, it does.
            for _ in 0..20 {
                match client.put(Kind::Fragment, &id, content.clone()).await {
                    Err(StorageError::Refused { status: 503, .. }) => {}
                    done => {
                        done.unwrap();
                        break;
                    }
                }
            }
            while let Err(error) = client.put(Kind::Fragment, &shared, same.clone()).await {
                assert!(matches!(error, StorageError::Refused { status: 503, .. }), "{error}");
            }
            assert_eq!(client.get(Kind::Fragment, &id).await.unwrap(), content);
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    let status = client.status().await.unwrap();
    assert_eq!((status.fragments, status.used_bytes), (49, 48 * 150_000 + 300_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_fragments_go_in_parts() {
    let net = Net::start(1).await;
    let (id, content) = fragment(10 << 20, 1);
    client(&net).put(Kind::Fragment, &id, content.clone()).await.unwrap();
    assert!(client(&net).get(Kind::Fragment, &id).await.unwrap() == content);
    assert_eq!(client(&net).status().await.unwrap().used_bytes, 10 << 20);
    let metrics =
        common::http(&net.urls[0], "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"")
            .await;
    assert!(metrics.contains("cyborg_storage_fragments 1"), "{metrics}");
    // One question and three parts.
    assert!(metrics.contains("{method=\"PUT\",status=\"308\"} 3"), "{metrics}");
    assert!(metrics.contains("{method=\"PUT\",status=\"201\"} 1"), "{metrics}");
}
