//! Names of every kind, what is wrong with others, and a file through a folder and back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use cyborg_account::keys;
use cyborg_envelope::{ContentKey, blob};
use cyborg_storage_client::coded::Event;
use cyborg_storage_client::storage::{download, upload};
use tokio::runtime::{Builder, Runtime};

use super::*;

const GATEWAY: &str = "cess+https://gateway.example/?territory=models";

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// An environment that has these variables.
fn with<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&'static str) -> Option<String> + 'a {
    |name| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
}

#[test]
fn every_kind_has_its_name() {
    let location = |name: &str| match named(name).unwrap() {
        Named::Location(location) => location,
        other @ Named::Gateway(_) => panic!("{other:?}"),
    };
    for node in ["http://127.0.0.1:9700", "https://storage.example", "https://storage.example/behind/"] {
        assert_eq!(location(node), Location::Node(node.to_owned()));
    }
    assert_eq!(location("file:///mnt/models"), Location::Folder("/mnt/models".into()));
    assert_eq!(location("file:///mnt/my%20share/a%2Cb"), Location::Folder("/mnt/my share/a,b".into()));
    for (name, bucket) in [("s3://models", "models"), ("s3://Our_models.2026-1/", "Our_models.2026-1")] {
        assert_eq!(location(name), Location::Bucket(bucket.to_owned()));
    }
    for (name, url, territory) in [
        (GATEWAY, "https://gateway.example/", "models"),
        ("cess+http://127.0.0.1:8080?territory=a%20b", "http://127.0.0.1:8080", "a b"),
        ("cess+https://x.example/deoss/?territory=t", "https://x.example/deoss/", "t"),
    ] {
        let gateway = Gateway { url: url.to_owned(), territory: territory.to_owned() };
        assert_eq!(named(name).unwrap(), Named::Gateway(gateway));
    }
}

#[test]
fn names_of_no_kind_are_refused_and_not_shown() {
    let long = format!("s3://{}", "a".repeat(64));
    let said = |name: &str| named(name).unwrap_err();
    for name in ["", "hunter2", "ftp://hunter2", "http://", "http://hunter2 x", "s3://a:hunter2/@models"] {
        assert!(matches!(said(name), LocationError::Unknown), "{name}");
        assert!(!said(name).to_string().contains("hunter2"), "{name}");
    }
    for name in ["http://a:1/?key=hunter2", "https://a#hunter2"] {
        assert!(matches!(said(name), LocationError::Node), "{name}");
        assert!(!said(name).to_string().contains("hunter2"), "{name}");
    }
    for name in ["file:", "file://", "file:///", "file:mnt", "file:/mnt", "file://mnt/models", "file:///a?b"]
    {
        assert!(matches!(said(name), LocationError::Folder), "{name}");
    }
    assert!(matches!(said("file:///mnt/%1b[2J"), LocationError::Folder));
    for name in ["s3:", "s3://", "s3://ab", &long, "s3://models/prefix", "s3://models:9000", "s3://a%20b"] {
        assert!(matches!(said(name), LocationError::Bucket), "{name}");
    }
    for name in ["s3://.models", "s3://models-", "s3://models?region=x", "s3://models#x"] {
        assert!(matches!(said(name), LocationError::Bucket), "{name}");
    }
    for name in ["s3://AKID:hunter2@models", "s3://AKID@models", "cess+https://a:hunter2@b/?territory=t"] {
        assert!(matches!(said(name), LocationError::Credentials), "{name}");
        assert!(!said(name).to_string().contains("hunter2"), "{name}");
    }
    for name in [
        "cess+https://gateway.example",
        "cess+https://gateway.example/?",
        "cess+https://gateway.example/?territory=",
        "cess+https://gateway.example/?territory=a%0ab",
        "cess+https://gateway.example/?territory=a&territory=b",
        "cess+https://gateway.example/?name=a",
        "cess+https://gateway.example/?territory=a#b",
        "cess+https:///?territory=a%",
        "cess+http:",
    ] {
        assert!(matches!(said(name), LocationError::Gateway), "{name}");
    }
}

#[test]
fn a_gateway_is_alone_and_the_others_mix() {
    check(&names(&[GATEWAY])).unwrap();
    check(&names(&["http://a:1", "file:///mnt/models", "s3://models", "https://b"])).unwrap();
    for more in ["http://a:1", "file:///mnt/models", "s3://models", GATEWAY] {
        for both in [[more, GATEWAY], [GATEWAY, more]] {
            assert!(matches!(check(&names(&both)), Err(LocationError::NotAlone)), "{both:?}");
        }
    }
    assert!(matches!(check(&[]), Err(LocationError::Nowhere)));
    assert!(matches!(check(&names(&["http://a:1", ""])), Err(LocationError::Unknown)));
}

#[test]
fn one_folder_or_bucket_is_not_coded() {
    let code = |name: &[&str]| match locations(&names(name)).unwrap() {
        Locations::Coded(locations) => super::code(&locations),
        Locations::Gateway(_) => panic!("a gateway"),
    };
    for name in ["file:///mnt/models", "s3://models"] {
        assert_eq!(code(&[name]), Code::PLAIN);
        assert_eq!(code(&[name, "file:///mnt/more"]), Code::DEFAULT);
        assert_eq!(code(&["http://a:1", name]), Code::DEFAULT);
    }
    assert_eq!(code(&["http://a:1"]), Code::DEFAULT);
}

#[test]
fn a_bucket_takes_its_key_from_the_environment() {
    let (key, secret) = ((ACCESS_KEY_ID, "AKID"), (SECRET_ACCESS_KEY, "hunter2"));
    let location = |variables: &[(&str, &str)]| {
        bucket("models", &with(variables)).map(|location| location.location().to_owned())
    };
    assert_eq!(location(&[key, secret]).unwrap(), "s3://models");
    let minio = (ENDPOINT_URL, "http://127.0.0.1:9000/");
    assert_eq!(location(&[key, secret, (REGION, "eu"), minio]).unwrap(), "http://127.0.0.1:9000/models");
    for (variables, missing) in
        [(&[secret][..], ACCESS_KEY_ID), (&[key], SECRET_ACCESS_KEY), (&[], ACCESS_KEY_ID)]
    {
        let error = location(variables).unwrap_err();
        assert!(matches!(error, LocationError::Variable(name) if name == missing), "{error}");
        assert!(error.to_string().contains(missing), "{error}");
    }
    for endpoint in ["minio:9000", "ftp://x", "https://a:hunter2@minio", "https://minio/?key=hunter2", "x y"]
    {
        let error = location(&[key, secret, (ENDPOINT_URL, endpoint)]).unwrap_err();
        assert!(matches!(error, LocationError::Endpoint), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let long = format!("https://{}", "a".repeat(MAX_LOCATION_BYTES));
    let variables = [key, secret, (ENDPOINT_URL, &long)];
    let opened = Location::Bucket("models".to_owned()).open(&(Arc::new(Nobody) as _), &[], &with(&variables));
    assert!(matches!(opened.err(), Some(LocationError::TooLong { got }) if got == long.len() + 7));
}

/// Bytes of a model: several stripes, the last one short.
fn model() -> Vec<u8> {
    let mut bytes = vec![0; 3_500_001];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

#[test]
fn a_model_goes_through_a_folder_and_back() {
    let root = tempfile::tempdir().unwrap();
    let (share, mounted) = (root.path().join("our share"), root.path().join("mounted"));
    let name = |folder: &Path| names(&[&format!("file://{}", folder.display()).replace(' ', "%20")]);
    let (owner, miner) = (keys::load("//Alice").unwrap(), keys::load("//Bob").unwrap());

    // A share that is not mounted is no new folder.
    let missing = storage(&name(&share), &[], &owner, None).err().unwrap();
    assert!(matches!(&missing, LocationError::Unreadable { folder, .. } if *folder == share), "{missing}");
    assert!(runtime().block_on(ask(&name(&share)[0], &[])).is_err());
    assert!(!share.exists());
    fs::write(&share, "a file").unwrap();
    assert!(matches!(storage(&name(&share), &[], &owner, None), Err(LocationError::Unreadable { .. })));
    fs::remove_file(&share).unwrap();

    fs::create_dir(&share).unwrap();
    let (path, fetched, model) = (root.path().join("model"), root.path().join("blob"), model());
    fs::write(&path, &model).unwrap();
    let stripes = Arc::new(AtomicU64::new(0));
    let heard = stripes.clone();
    let observer: Observer = Arc::new(move |event: &Event<'_>| {
        if let Event::Stripe { .. } = event {
            heard.fetch_add(1, Ordering::Relaxed);
        }
    });
    let key = ContentKey::from_bytes([2; 32]);
    let there = storage(&name(&share), &[], &owner, Some(observer)).unwrap();
    let id = runtime().block_on(upload(&*there, &path, &key, b"test")).unwrap();
    assert_eq!(stripes.load(Ordering::Relaxed), 4);
    runtime().block_on(ask(&name(&share)[0], &[])).unwrap();

    // Another reads it under the same name, and where the share is mounted elsewhere.
    for folder in [&share, &mounted] {
        if folder == &mounted {
            fs::rename(&share, &mounted).unwrap();
        }
        let back = storage(&name(folder), &[], &miner, None).unwrap();
        runtime().block_on(download(&*back, &id, &fetched)).unwrap();
        let opened = blob::open(&key, b"test", &fs::read(&fetched).unwrap()).unwrap();
        assert!(opened[..] == model[..]);
        fs::remove_file(&fetched).unwrap();
    }
}

#[test]
fn folders_are_mixed_with_a_node_that_is_down() {
    let root = tempfile::tempdir().unwrap();
    let mut locations = names(&["http://127.0.0.1:1"]);
    for index in 0..3 {
        let folder = root.path().join(index.to_string());
        fs::create_dir(&folder).unwrap();
        locations.push(format!("file://{}", folder.display()));
    }
    let signer = keys::load("//Alice").unwrap();
    let (path, fetched, model) = (root.path().join("model"), root.path().join("blob"), model());
    fs::write(&path, &model).unwrap();
    let key = ContentKey::from_bytes([3; 32]);
    let id = runtime()
        .block_on(upload(&*storage(&locations, &[], &signer, None).unwrap(), &path, &key, b""))
        .unwrap();
    // The folder that took the node's fragments as well: six of twelve are left, and four suffice.
    fs::remove_dir_all(root.path().join("0")).unwrap();
    fs::create_dir(root.path().join("0")).unwrap();
    runtime().block_on(download(&*storage(&locations, &[], &signer, None).unwrap(), &id, &fetched)).unwrap();
    let opened = blob::open(&key, b"", &fs::read(&fetched).unwrap()).unwrap();
    assert!(opened[..] == model[..]);
}

/// Answers one request of HTTP with a JSON text, and says what was asked.
fn once(body: &'static str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (address, asked)
}

#[test]
fn a_gateway_is_asked_for_a_file_that_nobody_has() {
    for (body, answers) in [
        (r#"{"code":403,"msg":"The file has not been uploaded to the chain yet","data":null}"#, true),
        (r#"{"code":500,"msg":"no chain","data":null}"#, false),
        ("<html>", false),
    ] {
        let (address, asked) = once(body);
        let answer = runtime().block_on(ask(&format!("cess+http://{address}/?territory=models"), &[]));
        assert_eq!(answer.is_ok(), answers, "{answer:?}");
        let asked = asked.join().unwrap();
        assert!(asked.starts_with(&format!("GET /file/metadata/{} ", "0".repeat(64))), "{asked}");
    }
    let nobody = runtime().block_on(ask("cess+http://127.0.0.1:1/?territory=models", &[]));
    assert!(matches!(nobody, Err(LocationError::Storage(StorageError::Unreachable { .. }))), "{nobody:?}");
}
