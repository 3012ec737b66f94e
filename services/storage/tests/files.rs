//! Files over twelve nodes: what may be lost, what is noticed, what is repaired.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::time::Duration;

use common::{Net, bytes, key, owner, rot, storage};
use cyborg_envelope::{ContentKey, EnvelopeError};
use cyborg_primitives::Digest;
use cyborg_storage_client::coded::Coded;
use cyborg_storage_client::error::StorageError;
use cyborg_storage_client::storage::{FileStore, download, fetch, upload};

async fn store(net: &Net, storage: &Coded, content: &[u8]) -> Digest {
    let path = net.home.path().join("model");
    fs::write(&path, content).unwrap();
    upload(storage, &path, &key(), b"model").await.unwrap()
}

async fn load(storage: &Coded, id: &Digest) -> Result<Vec<u8>, StorageError> {
    fetch(storage, id, &key(), b"model", Vec::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_all_lengths_come_back() {
    let net = Net::start(12).await;
    let storage = net.storage();
    let stripe = 4 * common::FRAGMENT_BYTES as usize;
    for length in [0, 1, 63, stripe - 96, stripe - 95, 3 * stripe, 300_001] {
        let content = bytes(length, 1);
        let id = store(&net, &storage, &content).await;
        assert_eq!(load(&storage, &id).await.unwrap(), content, "{length}");
        assert!(storage.has(&id).await.unwrap());
    }
    assert!(!storage.has(&[0; 32]).await.unwrap());
    assert!(matches!(load(&storage, &[0; 32]).await, Err(StorageError::NoManifest { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_eight_of_twelve_nodes_may_be_gone() {
    let mut net = Net::start(12).await;
    let content = bytes(500_000, 2);
    let id = store(&net, &net.storage(), &content).await;
    // Every window of eight, so that every node is gone in some of them.
    for first in [0, 5, 9] {
        let gone: Vec<usize> = (0..8).map(|offset| (first + offset) % 12).collect();
        for &index in &gone {
            net.stop(index).await;
        }
        assert_eq!(load(&net.storage(), &id).await.unwrap(), content, "without {gone:?}");
        for &index in &gone {
            net.restart(index).await;
        }
    }
    for index in 0..9 {
        net.stop(index).await;
    }
    let lost = load(&net.storage(), &id).await.unwrap_err();
    assert!(matches!(lost, StorageError::Lost { stripe: 0, found: 3, needed: 4, .. }), "{lost}");
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_fragments_are_named_ignored_and_repaired() {
    let net = Net::start(12).await;
    let content = bytes(400_000, 3);
    let id = store(&net, &net.storage(), &content).await;
    for index in 0..8 {
        for fragment in net.fragments(index) {
            rot(&fragment);
        }
    }
    let (storage, heard) = net.watched();
    assert_eq!(load(&storage, &id).await.unwrap(), content);
    let named = heard.lock().unwrap().clone();
    assert!(!named.is_empty());
    for problem in named {
        assert!(problem.contains("altered"), "{problem}");
        assert!(net.urls[..8].iter().any(|url| problem.starts_with(url.as_str())), "{problem}");
    }

    let found = net.storage().repair(&id, false).await.unwrap();
    assert_eq!((found.missing, found.rebuilt), (0, 0));
    assert_eq!(found.altered, found.fragments * 8 / 12);
    // Repair goes by the locations' answers, so it heals what they altered.
    let repaired = net.storage().repair(&id, true).await.unwrap();
    assert_eq!((repaired.altered, repaired.rebuilt), (found.altered, found.altered));
    let clean = net.storage().repair(&id, false).await.unwrap();
    assert_eq!((clean.altered, clean.missing), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_node_is_filled_again() {
    let mut net = Net::start(12).await;
    let content = bytes(300_000, 4);
    let id = store(&net, &net.storage(), &content).await;
    for index in [1, 7] {
        net.stop(index).await;
        fs::remove_dir_all(net.folder(index)).unwrap();
        net.restart(index).await;
        assert!(net.fragments(index).is_empty());
    }
    let repaired = net.storage().repair(&id, true).await.unwrap();
    assert_eq!(repaired.rebuilt, repaired.missing);
    assert_eq!((repaired.missing, repaired.manifests), (repaired.fragments * 2 / 12, 2));
    // Now these two and six others are enough to lose.
    for index in [0, 2, 3, 4, 5, 6, 8, 9] {
        net.stop(index).await;
    }
    assert_eq!(load(&net.storage(), &id).await.unwrap(), content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_down_is_passed_over() {
    let mut net = Net::start(12).await;
    net.stop(3).await;
    let content = bytes(300_000, 5);
    let (storage, heard) = net.watched();
    let id = store(&net, &storage, &content).await;
    assert!(heard.lock().unwrap().iter().all(|problem| problem.starts_with(&net.urls[3])));
    assert_eq!(load(&net.storage(), &id).await.unwrap(), content);
    // Without nine locations for it, the manifest could be lost before the fragments are.
    for index in [0, 1, 2] {
        net.stop(index).await;
    }
    let path = net.home.path().join("model");
    let few = upload(&net.storage(), &path, &key(), b"model").await.unwrap_err();
    assert!(matches!(few, StorageError::ManifestStored { placed: 8, locations: 12, needed: 9, .. }), "{few}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_and_interrupted_downloads() {
    let net = Net::start(12).await;
    let storage = net.storage();
    let content = bytes(400_000, 6);
    let id = store(&net, &storage, &content).await;
    let path = net.home.path().join("blob");
    let total = download(&storage, &id, &path).await.unwrap();
    let blob = fs::read(&path).unwrap();
    assert_eq!(blob.len() as u64, total);
    let stripe = 4 * u64::from(common::FRAGMENT_BYTES);
    for (start, end) in
        [(0, 0), (0, 1), (stripe - 1, stripe + 1), (stripe, 3 * stripe), (total - 5, total), (0, total)]
    {
        let range = storage.range(&id, start..end).await.unwrap();
        assert!(range == blob[start as usize..end as usize], "{start}..{end}");
    }
    assert!(matches!(storage.range(&id, 0..total + 1).await, Err(StorageError::Range { .. })));

    let part = net.home.path().join("blob.part");
    let garbage = vec![7; blob.len() + 10];
    for left in [&blob[..1], &blob[..200_000], &blob, &garbage[..1000], &garbage] {
        fs::remove_file(&path).unwrap();
        fs::write(&part, left).unwrap();
        download(&storage, &id, &path).await.unwrap();
        assert!(fs::read(&path).unwrap() == blob, "after {} bytes", left.len());
        assert!(!part.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_key_opens_and_nobody_sees_plaintext() {
    let net = Net::start(12).await;
    let storage = net.storage();
    let content = b"weights in the clear ".repeat(10_000);
    let id = store(&net, &storage, &content).await;
    let other = ContentKey::from_bytes([8; 32]);
    for (key, context) in [(other, &b"model"[..]), (key(), b"other")] {
        let refused = fetch(&storage, &id, &key, context, Vec::new()).await.unwrap_err();
        assert!(matches!(refused, StorageError::Envelope(EnvelopeError::WrongKey)), "{refused}");
    }
    for index in 0..12 {
        for path in common::files_below(&net.folder(index)) {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(8).any(|window| window == b"weights "), "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_deletes_and_the_rest_is_collected() {
    let net = Net::start_with(12, |_, config| config.grace = Duration::ZERO).await;
    let storage_of_one = net.storage();
    let first = store(&net, &storage_of_one, &bytes(200_000, 7)).await;
    let second = store(&net, &storage_of_one, &bytes(200_000, 8)).await;
    let of_another = storage(&net.urls, owner(2));
    let refused = of_another.delete(&first).await.unwrap_err();
    assert!(matches!(refused, StorageError::Refused { status: 403, .. }), "{refused}");

    storage_of_one.delete(&first).await.unwrap();
    storage_of_one.delete(&first).await.unwrap();
    assert!(!storage_of_one.has(&first).await.unwrap());
    let mut removed = 0;
    for index in 0..12 {
        let collected = net.node(index).collect().await.unwrap();
        assert_eq!(collected.removed, collected.kept);
        removed += collected.removed;
    }
    assert!(removed > 0);
    assert_eq!(load(&storage_of_one, &second).await.unwrap(), bytes(200_000, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn full_nodes_pass_fragments_on() {
    let net = Net::start_with(12, |index, config| {
        if index < 2 {
            config.quota_bytes = 40_000;
        }
    })
    .await;
    let content = bytes(300_000, 9);
    let (storage, heard) = net.watched();
    let path = net.home.path().join("model");
    fs::write(&path, &content).unwrap();
    let id = upload(&storage, &path, &key(), b"model").await.unwrap();
    assert!(heard.lock().unwrap().iter().any(|problem| problem.ends_with("is full")));
    assert_eq!(load(&net.storage(), &id).await.unwrap(), content);

    let full = Net::start_with(12, |_, config| config.quota_bytes = 10_000).await;
    let nowhere = upload(&full.storage(), &path, &key(), b"model").await.unwrap_err();
    assert!(matches!(nowhere, StorageError::Nowhere { .. }), "{nowhere}");
}

/// Three nodes hold four fragments of each stripe: two of them may be lost.
#[tokio::test(flavor = "multi_thread")]
async fn fewer_nodes_than_fragments() {
    let mut net = Net::start(3).await;
    let content = bytes(300_000, 10);
    let id = store(&net, &net.storage(), &content).await;
    net.stop(0).await;
    net.stop(2).await;
    assert_eq!(load(&net.storage(), &id).await.unwrap(), content);
}
