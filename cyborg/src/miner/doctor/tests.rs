//! The doctor in a folder without a chain: everything that can be looked at is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::miner::folder::{Holder, Lock};
use crate::miner::process::Health;

fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no {name} in {checks:?}"))
}

fn doctor(folder: &Path) -> Vec<Check> {
    runtime().unwrap().block_on(examine(folder, None, &Sources::default())).checks
}

#[test]
fn a_folder_without_a_miner_is_reported() {
    let root = tempfile::tempdir().unwrap();
    let checks = doctor(&root.path().join("missing"));
    assert_eq!(find(&checks, "folder").outcome, Outcome::Problem);
    let settings = find(&checks, "settings");
    assert_eq!(settings.outcome, Outcome::Problem);
    assert!(settings.remedy.as_ref().unwrap().contains("cyborg miner init"));
}

#[test]
fn who_may_read_the_folder_is_looked_at() {
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let check = folder_is_private(root.path());
    assert_eq!(check.outcome, Outcome::Problem);
    assert!(check.remedy.unwrap().contains("chmod 700"));
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(folder_is_private(root.path()).outcome, Outcome::Ok);
}

#[test]
fn places_that_do_not_answer_are_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = format!("file://{}", root.path().display());
    let missing = format!("{folder}/missing");
    let names =
        ["http://127.0.0.1:1", "not a url", "cess+http://127.0.0.1:1/?territory=t", &missing, &folder]
            .map(str::to_owned);
    let answers = runtime().unwrap().block_on(ask_storage(&names, Vec::new()));
    assert_eq!(answers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names);
    let (there, away) = answers.split_last().unwrap();
    assert_eq!(there.1, None);
    assert!(away.iter().all(|(_, problem)| problem.is_some()), "{answers:?}");
    assert!(away[3].1.as_ref().unwrap().contains("cannot be read"), "{answers:?}");
    assert!(!root.path().join("missing").exists());
}

#[test]
fn the_process_is_told_from_others() {
    let root = tempfile::tempdir().unwrap();
    let miner = [0xab; 32];
    let health = |miner: [u8; 32]| Health {
        version: String::new(),
        miner: format!("0x{}", hex::encode(miner)),
        block: 5,
        serving: Vec::new(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = listener.local_addr().unwrap();
    let found = |held: Held, health: Result<Health, String>| {
        let process = Process { held, url: "http://x".to_owned(), health };
        running(listen, &process, &miner)
    };
    let by = |address| Held::By(Some(Holder { pid: 7, address }));
    let url = "http://x".to_owned();
    assert_eq!(found(by(Some(listen)), Ok(health(miner))), Running::Answers { url: url.clone(), block: 5 });
    assert_eq!(found(Held::By(None), Err("refused".to_owned())), Running::Starting);
    assert_eq!(found(by(None), Err("refused".to_owned())), Running::Starting);
    let problem = "refused".to_owned();
    assert_eq!(found(by(Some(listen)), Err(problem.clone())), Running::Silent { url: url.clone(), problem });
    assert!(matches!(found(by(Some(listen)), Ok(health([1; 32]))), Running::Silent { .. }));
    assert_eq!(found(Held::Free, Ok(health(miner))), Running::Elsewhere { url });
    assert_eq!(found(Held::Free, Ok(health([1; 32]))), Running::Taken { listen: listen.to_string() });
    drop(listener);
    assert_eq!(found(Held::Free, Err("refused".to_owned())), Running::Down);

    // As it is found in a folder.
    let mut lock = Lock::take(root.path()).unwrap();
    lock.say(Some(listen)).unwrap();
    assert!(matches!(folder::held(root.path()), Held::By(Some(_))));
}
