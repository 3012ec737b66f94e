//! The bundle holds what helps, and no secrets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read as _;
use std::path::Path;

use cyborg_disk::files::write_private;
use cyborg_miner::operator::measure::Measured;
use zip::ZipArchive;

use super::super::examine;
use super::*;
use crate::files::Secrecy;
use crate::miner::folder;
use crate::miner::settings::{self, Declared, Settings, UnlockBy};

/// In every secret that lies in the folder.
const SECRETS: [&str; 5] = ["wordwordsecret", "passsecret", "tokensecret", "querysecret", "strayedsecret"];

fn measured() -> Measured {
    Measured {
        processor: "A".to_owned(),
        processors: 1,
        memory_bytes: 1,
        macs_per_second: 1,
        answering_threads: 1,
        prove_ms: 1,
        proofs_per_minute: 1,
        disk_free_bytes: 1,
        disk_write_bytes_per_second: None,
        power: "unknown".to_owned(),
        energy: Vec::new(),
    }
}

/// A miner's folder with secrets in all its files. Nothing answers at its addresses.
fn miner(folder: &Path, unlock: UnlockBy) -> Settings {
    folder::make(folder).unwrap();
    // As long as a key file has to be.
    write_private(&folder.join("unlock.key"), b"wordwordsecretwordwordsecretword").unwrap();
    write_private(&folder.join("passphrase"), b"passsecret\n").unwrap();
    write_private(&folder.join("account.key"), b"wordwordsecret is no phrase of words\n").unwrap();
    cyborg_miner::init(folder, &unlock.load().unwrap()).unwrap();
    let at = cyborg_primitives::place::Location {
        region: cyborg_primitives::place::Region(*b"DE"),
        cell: cyborg_primitives::place::Cell { latitude: 0, longitude: 0 },
    };
    let settings = Settings {
        version: settings::VERSION,
        account: folder.join("account.key").display().to_string(),
        address: "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty".to_owned(),
        node: "ws://operator:passsecret@127.0.0.1:1/tokensecret?key=querysecret".to_owned(),
        storage: vec!["http://127.0.0.1:1/tokensecret".to_owned()],
        storage_ca: Vec::new(),
        listen: "127.0.0.1:1".parse().unwrap(),
        endpoint: None,
        unlock,
        tls: None,
        declared: Declared::new(at, 1, "1".parse().unwrap(), "1".parse().unwrap()),
        measured: measured(),
    };
    settings.write(folder).unwrap();
    settings
}

/// Writes a folder's bundle, and unpacks it.
fn bundle(folder: &Path, to: &Path) -> Vec<(String, String)> {
    let sources = Sources::default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let examined = runtime.block_on(examine(folder, None, &sources));
    let output = Output::new(to, Secrecy::Secret).unwrap();
    write(&output, &entries(&examined, &sources)).unwrap();
    assert_eq!(folder::mode(to).unwrap(), 0o600);
    let mut archive = ZipArchive::new(std::fs::File::open(to).unwrap()).unwrap();
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let name = file.name().unwrap().into_owned();
        files.push((name, text));
    }
    files
}

#[track_caller]
fn holds_no_secret(files: &[(String, String)]) {
    for (name, text) in files {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {name}: {text}");
        }
    }
}

#[test]
fn no_secret_of_the_folder_is_packed() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("miner");
    miner(&folder, UnlockBy::KeyFile(folder.join("unlock.key")));
    let files = bundle(&folder, &root.path().join("a.zip"));
    holds_no_secret(&files);
    let file = |name: &str| &files.iter().find(|(file, _)| file == name).unwrap().1;
    for name in ["doctor.txt", "doctor.json", "miner.json", "versions.json", "meminfo.txt", "cpuinfo.txt"] {
        assert!(!file(name).is_empty(), "{name}");
    }
    // The settings are still settings, and say which node it was.
    let settings: Value = serde_json::from_str(file("miner.json")).unwrap();
    assert!(settings["node"].as_str().unwrap().starts_with("ws://127.0.0.1:1/"), "{settings}");
    let findings: Value = serde_json::from_str(file("doctor.json")).unwrap();
    let chain = findings.as_array().unwrap().iter().find(|check| check["name"] == "chain").unwrap();
    assert_eq!(chain["status"], "problem");

    // A wrong passphrase.
    let folder = root.path().join("other");
    miner(&folder, UnlockBy::PassphraseFile(root.path().join("other/passphrase")));
    write_private(&folder.join("passphrase"), b"strayedsecret").unwrap();
    holds_no_secret(&bundle(&folder, &root.path().join("b.zip")));
}

#[test]
fn a_secret_that_strayed_into_the_settings_is_not_packed() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("miner");
    let settings = miner(&folder, UnlockBy::KeyFile(folder.join("unlock.key")));
    let good = serde_json::to_value(&settings).unwrap();
    for name in ["unlock", "listen", "node", "measured", "address", "tls"] {
        let mut value = good.clone();
        value[name] = "strayedsecret".into();
        write_private(&Settings::path(&folder), value.to_string().as_bytes()).unwrap();
        let files = bundle(&folder, &root.path().join("a.zip"));
        holds_no_secret(&files);
        let (_, findings) = &files[0];
        assert!(findings.contains("settings") && findings.contains(name), "{findings}");
    }
    let cut = serde_json::to_string(&good).unwrap().replace("\"version\"", "\"strayedsecret");
    write_private(&Settings::path(&folder), cut.as_bytes()).unwrap();
    holds_no_secret(&bundle(&folder, &root.path().join("a.zip")));
}
