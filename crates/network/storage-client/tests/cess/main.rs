//! The CESS adapter against a gateway that checks what CESS's checks: accounts, signatures,
//! expiry, territory and ranges; that appends whatever it gets; and that breaks off on demand.
#![expect(clippy::unwrap_used, reason = "tests")]

mod gateway;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use cyborg_account::{Signing, keys};
use cyborg_envelope::ContentKey;
use cyborg_storage_client::cess::CessGateway;
use cyborg_storage_client::error::StorageError;
use cyborg_storage_client::storage::{FileStore, download, fetch, upload};
use gateway::{Fault, Gateway};

const PART: u64 = 64 * 1024;

fn owner() -> Arc<dyn Signing> {
    Arc::new(keys::from_seed(&[5; 32]).unwrap())
}

fn key() -> ContentKey {
    ContentKey::from_bytes([6; 32])
}

fn client(gateway: &Gateway) -> CessGateway {
    CessGateway::new(&gateway.url, "models", owner()).unwrap().with_parts(PART, Duration::from_millis(10))
}

struct Model {
    _home: tempfile::TempDir,
    path: std::path::PathBuf,
    content: Vec<u8>,
}

fn model(count: usize) -> Model {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model");
    let mut content = vec![0; count];
    blake3::Hasher::new().finalize_xof().fill(&mut content);
    fs::write(&path, &content).unwrap();
    Model { _home: home, path, content }
}

/// Every request of the written-out vectors, in their order, with their headers and answers.
#[tokio::test(flavor = "multi_thread")]
async fn requests_are_as_documented() {
    let gateway = Gateway::start(owner().account()).await;
    // The vectors' file has 70,000,000 bytes; so has this blob: 80 of header, 16 for each 64 KiB.
    let plaintext = 70_000_000 - 80 - 16 * 1068;
    let model = model(plaintext);
    let client = CessGateway::new(&gateway.url, "models", owner()).unwrap();
    let id = upload(&client, &model.path, &key(), b"").await.unwrap();
    let back = fetch(&client, &id, &key(), b"", Vec::new()).await.unwrap();
    assert!(back == model.content);
    assert!(client.has(&id).await.unwrap());
    client.delete(&id).await.unwrap();
    assert!(!client.has(&id).await.unwrap());

    let seen = gateway.seen();
    let text = include_str!("requests.txt");
    let blocks = text.split("\n\n").filter(|block| block.starts_with('['));
    let mut checked = 0;
    for block in blocks {
        let mut lines = block.lines().skip(1).filter(|line| !line.starts_with("->"));
        let name = &hex::encode(id)[..40];
        let fill = |line: &str| {
            line.replace("{name}", name).replace("{fid}", &hex::encode(id)).replace("{territory}", "models")
        };
        let request_line = fill(lines.next().unwrap());
        let headers: Vec<String> = lines.map(fill).collect();
        let found = seen.iter().any(|request| {
            request.line == request_line
                && headers.iter().all(|header| {
                    let (name, value) = header.split_once(": ").unwrap();
                    // Placeholders were checked by the gateway itself.
                    request.headers.get(name).is_some_and(|found| value.starts_with('{') || found == value)
                })
        });
        assert!(found, "not sent as documented: {block}");
        checked += 1;
    }
    assert_eq!(checked, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_uploads_go_on_where_they_were() {
    let model = model(500_000);
    for fault in [Fault::Before(2), Fault::Halfway(2), Fault::After(2), Fault::Halfway(0)] {
        let gateway = Gateway::start(owner().account()).await;
        gateway.break_once(fault);
        let id = upload(&client(&gateway), &model.path, &key(), b"").await.unwrap();
        let back = fetch(&client(&gateway), &id, &key(), b"", Vec::new()).await.unwrap();
        assert!(back == model.content, "{fault:?}");
        // No byte was sent twice, but for those of the part that broke off.
        assert!(gateway.received() < 500_000 + 2 * PART, "{fault:?}: {}", gateway.received());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_goes_on_too() {
    let gateway = Gateway::start(owner().account()).await;
    let model = model(500_000);
    gateway.break_from(3);
    let broken = upload(&client(&gateway), &model.path, &key(), b"").await.unwrap_err();
    assert!(broken.is_passing(), "{broken}");
    let before = gateway.received();
    assert!(before >= 3 * PART);
    gateway.heal();
    upload(&client(&gateway), &model.path, &key(), b"").await.unwrap();
    assert!(gateway.received() - before <= 501_000 - 3 * PART);
}

/// The last part arrived, its answer did not.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_last_answer_is_no_loss() {
    let gateway = Gateway::start(owner().account()).await;
    let model = model(100_000);
    gateway.break_once(Fault::After(1));
    let id = upload(&client(&gateway), &model.path, &key(), b"").await.unwrap();
    assert!(client(&gateway).has(&id).await.unwrap());
    assert_eq!(gateway.files(), 1);
}

/// A gateway left in a state that nothing can be added to: the next name is tried.
#[tokio::test(flavor = "multi_thread")]
async fn leftovers_that_fit_nothing_are_left() {
    let gateway = Gateway::start(owner().account()).await;
    let model = model(100_000);
    gateway.litter(1 << 20);
    let id = upload(&client(&gateway), &model.path, &key(), b"").await.unwrap();
    let back = fetch(&client(&gateway), &id, &key(), b"", Vec::new()).await.unwrap();
    assert!(back == model.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stores_something_else_is_caught() {
    let gateway = Gateway::start(owner().account()).await;
    let model = model(100_000);
    gateway.alter_uploads();
    let caught = upload(&client(&gateway), &model.path, &key(), b"").await.unwrap_err();
    assert!(matches!(caught, StorageError::OtherFileId { .. }), "{caught}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_returns_something_else_is_caught() {
    let gateway = Gateway::start(owner().account()).await;
    let model = model(300_000);
    let client = client(&gateway);
    let id = upload(&client, &model.path, &key(), b"").await.unwrap();
    let path = model.path.with_file_name("blob");
    download(&client, &id, &path).await.unwrap();
    let blob = fs::read(&path).unwrap();
    // An interrupted download goes on by range.
    fs::remove_file(&path).unwrap();
    fs::write(path.with_file_name("blob.part"), &blob[..100_000]).unwrap();
    download(&client, &id, &path).await.unwrap();
    assert!(fs::read(&path).unwrap() == blob);
    assert!(client.range(&id, 1000..70_000).await.unwrap() == blob[1000..70_000]);

    gateway.alter_files();
    fs::remove_file(&path).unwrap();
    let caught = download(&client, &id, &path).await.unwrap_err();
    assert!(matches!(caught, StorageError::Altered { .. }), "{caught}");
    assert!(!path.exists());
    assert!(fetch(&client, &id, &key(), b"", Vec::new()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_reported() {
    let gateway = Gateway::start([1; 32]).await;
    let model = model(1000);
    let refused = upload(&client(&gateway), &model.path, &key(), b"").await.unwrap_err();
    assert!(matches!(refused, StorageError::Refused { status: 403, .. }), "{refused}");
    let missing = client(&gateway).get(&[7; 32], 0).await.map(|_| ()).unwrap_err();
    assert!(matches!(missing, StorageError::NotFound { .. }), "{missing}");
    assert!(CessGateway::new("ftp://x", "t", owner()).is_err());
    assert!(CessGateway::new("http://x", "a\nb", owner()).is_err());
}
