//! What `init` decides before it asks the chain, and what it makes in the folder.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use clap::Parser as _;
use cyborg_primitives::place::{Cell, Region};

use super::*;
use crate::cli::{Cli, Command};
use crate::miner::arguments::MinerCommand;

const FLAGS: &str =
    "--node ws://n:1 --account //Bob --region DE --at 52.52,13.40 --storage http://a:1,http://b:2";

fn flags(line: &str) -> Init {
    let words = ["cyborg", "miner", "init"].into_iter().chain(line.split_whitespace());
    match Cli::try_parse_from(words).unwrap().command {
        Command::Miner(MinerCommand::Init(arguments)) => *arguments,
        other => panic!("{other:?}"),
    }
}

fn measured() -> Measured {
    Measured {
        processor: "A".to_owned(),
        processors: 2,
        memory_bytes: 8 << 30,
        macs_per_second: 7,
        answering_threads: 2,
        prove_ms: 100,
        proofs_per_minute: 600,
        disk_free_bytes: 1,
        disk_write_bytes_per_second: None,
        power: "unknown".to_owned(),
        energy: Vec::new(),
    }
}

fn wanted(line: &str, saved: Option<&Settings>) -> Result<Wanted, String> {
    let sources = Sources::default();
    Wanted::new(&flags(line), saved, Path::new("/miner"), &sources).map_err(|error| error.to_string())
}

#[test]
fn defaults_are_those_of_the_help() {
    let wanted = wanted(FLAGS, None).unwrap();
    assert_eq!((wanted.account.as_str(), wanted.node.as_str()), ("//Bob", "ws://n:1"));
    assert_eq!(wanted.storage, ["http://a:1", "http://b:2"]);
    assert_eq!((wanted.price.to_string(), wanted.bond.to_string()), ("10 CYB".into(), "1000 CYB".into()));
    assert_eq!((wanted.endpoint, wanted.declared_endpoint.as_str()), (None, "http://127.0.0.1:9800"));
    assert_eq!(wanted.unlock, UnlockBy::KeyFile("/miner/unlock.key".into()));
    let cell = Cell { latitude: 5252, longitude: 1340 };
    assert_eq!(wanted.location, Location { region: Region(*b"DE"), cell });
    let there = machine::memory(&Sources::default()).unwrap().total;
    assert_eq!(u64::from(wanted.memory_mib), (there / 2) >> 20);
}

#[test]
fn what_is_missing_or_wrong_is_named_by_its_flag() {
    let without = |name: &str| {
        let mut words: Vec<&str> = FLAGS.split_whitespace().collect();
        let at = words.iter().position(|word| *word == name).unwrap();
        words.drain(at..at + 2);
        words.join(" ")
    };
    for flag in ["--account", "--region", "--at", "--storage"] {
        let problem = wanted(&without(flag), None).unwrap_err();
        assert!(problem.starts_with(flag), "{flag}: {problem}");
    }
    for (more, said) in [
        ("--listen 0.0.0.0:9800", "--endpoint"),
        ("--listen 127.0.0.1:0", "--endpoint"),
        ("--endpoint ftp://x", "--endpoint"),
        ("--memory 1000TiB", "--memory"),
        ("--memory 1KB", "--memory"),
        ("--tls-certificate /no/cert.pem --tls-key /no/key.pem", "cert.pem"),
    ] {
        let problem = wanted(&format!("{FLAGS} {more}"), None).unwrap_err();
        assert!(problem.contains(said), "{more}: {problem}");
    }
    let words = "--listen 0.0.0.0:9800 --endpoint https://m.example --passphrase-file p";
    let wanted = wanted(&format!("{FLAGS} {words}"), None).unwrap();
    assert_eq!(wanted.declared_endpoint, "https://m.example");
    assert!(matches!(wanted.unlock, UnlockBy::PassphraseFile(path) if path.is_absolute()));
}

#[test]
fn an_interrupted_attempt_is_remembered_and_flags_come_first() {
    let first = wanted(&format!("{FLAGS} --price 3 --bond 2000 --memory 64MiB --listen 127.0.0.1:7"), None);
    let saved = first.unwrap().settings("5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty", measured());
    saved.check().unwrap();
    let again = wanted("", Some(&saved)).unwrap();
    assert_eq!(again.settings(&saved.address, measured()), saved);
    assert_eq!(again.declared_endpoint, "http://127.0.0.1:7");
    let other =
        wanted("--price 4 --region FR --storage http://c:3 --listen 127.0.0.1:8", Some(&saved)).unwrap();
    assert_eq!((other.price.to_string(), other.bond.to_string()), ("4 CYB".into(), "2000 CYB".into()));
    assert_eq!((other.location.region, other.location.cell.latitude), (Region(*b"FR"), 5252));
    assert_eq!((other.storage, other.memory_mib), (vec!["http://c:3".to_owned()], 64));
    assert_eq!(other.declared_endpoint, "http://127.0.0.1:8");
}

#[test]
fn key_files_are_named_from_anywhere() {
    for name in ["//Bob", "hospital"] {
        assert_eq!(key_name(name).unwrap(), name);
    }
    let here = std::env::current_dir().unwrap();
    assert_eq!(key_name("keys/a.key").unwrap(), here.join("keys/a.key").to_str().unwrap());
}

#[test]
fn memory_is_half_of_the_machines() {
    assert_eq!(memory_mib(None, Some(16 << 30)), Ok(8 << 10));
    assert_eq!(memory_mib(Some(1 << 30), Some(16 << 30)), Ok(1 << 10));
    assert_eq!(memory_mib(Some(1 << 30), None), Ok(1 << 10));
    assert!(memory_mib(Some(17 << 30), Some(16 << 30)).unwrap_err().contains("16384 MiB"));
    assert!(memory_mib(None, None).is_err());
    assert!(memory_mib(Some((1 << 20) - 1), None).is_err());
    assert!(memory_mib(Some(u64::MAX), None).is_err());
}

#[test]
fn keys_are_made_once() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("miner");
    folder::make(&folder).unwrap();
    let unlock = UnlockBy::KeyFile(folder.join(folder::UNLOCK));
    assert_eq!(own_key(&folder, &unlock).unwrap(), None);
    assert!(!folder.join("vault").exists(), "asking makes nothing");
    let key = make_keys(&folder, &unlock).unwrap();
    assert_eq!(own_key(&folder, &unlock).unwrap(), Some(key));
    for file in ["unlock.key", "vault/vault", "vault/hpke.sealed"] {
        assert_eq!(folder::mode(&folder.join(file)).unwrap(), 0o600, "{file}");
    }
    // Killed after the vault was made, before the key was.
    fs::remove_file(folder.join("vault/hpke.sealed")).unwrap();
    assert_eq!(own_key(&folder, &unlock).unwrap(), None);
    let key = make_keys(&folder, &unlock).unwrap();
    assert_eq!(own_key(&folder, &unlock).unwrap(), Some(key));
    // A key file that is out of reach is not replaced.
    fs::rename(folder.join("unlock.key"), root.path().join("aside")).unwrap();
    assert!(own_key(&folder, &unlock).unwrap_err().to_string().contains("unlock.key"));
    assert!(make_keys(&folder, &unlock).unwrap_err().to_string().contains("missing"));
    assert!(!folder.join("unlock.key").exists());
    let elsewhere = UnlockBy::KeyFile(root.path().join("aside"));
    assert_eq!(own_key(&folder, &elsewhere).unwrap(), Some(key));
}

#[test]
fn a_passphrase_unlocks_and_a_disk_that_is_not_there_is_said() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("miner");
    folder::make(&folder).unwrap();
    let away = UnlockBy::KeyFile(root.path().join("media/unlock.key"));
    assert!(make_keys(&folder, &away).unwrap_err().to_string().contains("is the disk there?"));
    let path = root.path().join("passphrase");
    cyborg_disk::files::write_private(&path, b"correct horse\n").unwrap();
    let unlock = UnlockBy::PassphraseFile(path.clone());
    let key = make_keys(&folder, &unlock).unwrap();
    // The newline is not part of it.
    cyborg_disk::files::write_private(&path, b"correct horse").unwrap();
    assert_eq!(own_key(&folder, &unlock).unwrap(), Some(key));
    cyborg_disk::files::write_private(&path, b"wrong horse").unwrap();
    let problem = own_key(&folder, &unlock).unwrap_err().to_string();
    assert!(problem.contains("wrong passphrase") && !problem.contains("wrong horse"), "{problem}");
}
