//! Folders and buckets as locations; a file over a mixture of them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cyborg_account::{Signing, keys};
use cyborg_envelope::ContentKey;
use cyborg_storage_client::coded::Coded;
use cyborg_storage_client::error::StorageError;
use cyborg_storage_client::manifest::Code;
use cyborg_storage_client::object::{ObjectLocation, S3Settings};
use cyborg_storage_client::storage::{FileStore, fetch, upload};
use cyborg_storage_client::store::{FragmentStore, Kind};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

fn owner() -> Arc<dyn Signing> {
    Arc::new(keys::from_seed(&[1; 32]).unwrap())
}

fn key() -> ContentKey {
    ContentKey::from_bytes([2; 32])
}

fn content(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

async fn obeys_the_contract(location: &dyn FragmentStore) {
    let bytes = Bytes::from(content(5000));
    let id = *blake3::hash(&bytes).as_bytes();
    assert!(!location.has(Kind::Fragment, &id).await.unwrap());
    assert!(matches!(location.get(Kind::Fragment, &id).await, Err(StorageError::NotFound { .. })));
    location.put(Kind::Fragment, &id, bytes.clone()).await.unwrap();
    location.put(Kind::Fragment, &id, bytes.clone()).await.unwrap();
    assert!(location.has(Kind::Fragment, &id).await.unwrap());
    assert!(!location.has(Kind::Manifest, &id).await.unwrap());
    assert_eq!(location.get(Kind::Fragment, &id).await.unwrap(), bytes);
    location.delete(Kind::Fragment, &id).await.unwrap();
    location.delete(Kind::Fragment, &id).await.unwrap();
    assert!(!location.has(Kind::Fragment, &id).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_folders() {
    let home = tempfile::tempdir().unwrap();
    let locations: Vec<Arc<dyn FragmentStore>> = (0..12)
        .map(|index| {
            Arc::new(ObjectLocation::folder(&home.path().join(index.to_string())).unwrap())
                as Arc<dyn FragmentStore>
        })
        .collect();
    obeys_the_contract(&*locations[0]).await;
    let storage = Coded::new(locations, owner(), Code::DEFAULT).unwrap().with_fragment_bytes(8192);
    let (path, content) = (home.path().join("model"), content(100_000));
    fs::write(&path, &content).unwrap();
    let id = upload(&storage, &path, &key(), b"").await.unwrap();
    for index in 4..12 {
        fs::remove_dir_all(home.path().join(index.to_string())).unwrap();
    }
    assert_eq!(fetch(&storage, &id, &key(), b"", Vec::new()).await.unwrap(), content);
    storage.delete(&id).await.unwrap();
    assert!(!storage.has(&id).await.unwrap());
    let left = walk(&home.path().join("0"));
    assert!(left.is_empty(), "{left:?}");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

/// A folder that is redundant itself needs no code; an object that is too long is not read.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_folder_and_what_is_altered_there() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("bucket");
    let location = Arc::new(ObjectLocation::folder(&folder).unwrap());
    location.check().await.unwrap();
    let storage = Coded::new(vec![location.clone()], owner(), Code::PLAIN).unwrap();
    let (path, content) = (home.path().join("model"), content(100_000));
    fs::write(&path, &content).unwrap();
    let id = upload(&storage, &path, &key(), b"").await.unwrap();
    assert_eq!(fetch(&storage, &id, &key(), b"", Vec::new()).await.unwrap(), content);
    location.check().await.unwrap();

    let fragment = walk(&folder.join("fragments")).pop().unwrap();
    let mut bytes = fs::read(&fragment).unwrap();
    bytes[7] ^= 1;
    fs::write(&fragment, &bytes).unwrap();
    let lost = fetch(&storage, &id, &key(), b"", Vec::new()).await.unwrap_err();
    assert!(lost.to_string().contains("altered"), "{lost}");
    fs::File::options().write(true).open(&fragment).unwrap().set_len(17 << 20).unwrap();
    let lost = fetch(&storage, &id, &key(), b"", Vec::new()).await.unwrap_err();
    assert!(lost.to_string().contains("more than"), "{lost}");

    let manifest = walk(&folder.join("manifests")).pop().unwrap();
    let mut bytes = fs::read(&manifest).unwrap();
    bytes[60] ^= 1;
    fs::write(&manifest, &bytes).unwrap();
    let refused = fetch(&storage, &id, &key(), b"", Vec::new()).await.unwrap_err();
    assert!(matches!(refused, StorageError::NoManifest { .. }), "{refused}");
}

/// The few requests of S3's protocol that are used, signed, against a bucket in memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let objects = Arc::new(Mutex::new(BTreeMap::new()));
    let kept = objects.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(bucket(stream, kept.clone()));
        }
    });
    let settings = S3Settings {
        bucket: "models".to_owned(),
        region: "eu-central-1".to_owned(),
        endpoint: Some(endpoint.clone()),
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "secret".to_owned().into(),
    };
    let location = ObjectLocation::s3(&settings).unwrap();
    assert_eq!(location.location(), format!("{endpoint}/models"));
    location.check().await.unwrap();
    let stranger = S3Settings { access_key_id: "AKIDSTRANGER".to_owned(), ..settings.clone() };
    let refused = ObjectLocation::s3(&stranger).unwrap().check().await.unwrap_err();
    assert_eq!(refused.to_string(), format!("{endpoint}/models: AccessDenied"));
    let missing = S3Settings { bucket: "others".to_owned(), ..settings };
    let missing = ObjectLocation::s3(&missing).unwrap().check().await.unwrap_err();
    assert_eq!(missing.to_string(), format!("{endpoint}/others: NoSuchBucket"));
    obeys_the_contract(&location).await;
    location.put(Kind::Manifest, &[7; 32], Bytes::from_static(b"x")).await.unwrap();
    let name = hex::encode([7; 32]);
    assert_eq!(objects.lock().unwrap().keys().collect::<Vec<_>>(), [&format!("/models/manifests/07/{name}")]);
}

async fn bucket(stream: TcpStream, objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length, mut signed) = (String::new(), 0, false);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if head.is_empty() {
                head = line.to_owned();
            } else if let Some(value) = lower.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            } else if line.contains("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") {
                signed = line.contains("/eu-central-1/s3/aws4_request");
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap().to_owned());
        let date = "Last-Modified: Sun, 22 Nov 2026 12:00:00 GMT\r\nETag: \"x\"\r\n";
        let (status, body) = {
            let mut objects = objects.lock().unwrap();
            match method {
                _ if !signed => {
                    let code = "<Error><Code>AccessDenied</Code><Key>AKIDSTRANGER</Key></Error>";
                    ("403 Forbidden", code.as_bytes().to_vec())
                }
                // A list of what is there, which nothing here looks into.
                "GET" if path.starts_with("/models?") => {
                    ("200 OK", b"<ListBucketResult></ListBucketResult>".to_vec())
                }
                "GET" if path.contains('?') => {
                    ("404 Not Found", b"<Error><Code>NoSuchBucket</Code></Error>".to_vec())
                }
                "PUT" => {
                    objects.insert(path, body);
                    ("200 OK", Vec::new())
                }
                "GET" | "HEAD" => match objects.get(&path) {
                    Some(bytes) => ("200 OK", bytes.clone()),
                    None => ("404 Not Found", Vec::new()),
                },
                // Deletions come as a list of names.
                "POST" => {
                    let list = String::from_utf8(body).unwrap();
                    let mut deleted = String::new();
                    for (name, _) in list.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"))
                    {
                        objects.remove(&format!("/models/{name}"));
                        deleted += &format!("<Deleted><Key>{name}</Key></Deleted>");
                    }
                    ("200 OK", format!("<DeleteResult>{deleted}</DeleteResult>").into_bytes())
                }
                _ => ("405 Method Not Allowed", Vec::new()),
            }
        };
        let length = body.len();
        let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{date}\r\n").into_bytes();
        if method != "HEAD" {
            answer.extend(body);
        }
        if stream.get_mut().write_all(&answer).await.is_err() {
            return;
        }
    }
}
