//! What is kept is kept once, sealed, and gone when it is to go.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;
use std::fs;

fn answered(number: RequestNumber, output: u8) -> Answered {
    let (task, miner, input) = (7, [1; 32], [2; 32]);
    Answered {
        authorisation: Authorisation { task, miner, number, input, price_cap: 3 },
        signature: [4; 64],
        receipt: Receipt { task, miner, number, input, output: [output; 32] },
        receipt_signature: [5; 64],
        opening: b"what nobody else may read".repeat(40),
    }
}

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("db"), ContentKey::from_bytes([9; 32])).unwrap()
}

#[test]
fn a_number_keeps_its_first_answer_and_nothing_lies_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let write = store.begin().unwrap();
    assert!(store.put_answer(&write, &answered(1, 1), Some(Duty::Every)).unwrap());
    assert!(!store.put_answer(&write, &answered(1, 2), Some(Duty::Every)).unwrap());
    assert!(store.put_answer(&write, &answered(3, 3), None).unwrap());
    write.commit().unwrap();
    drop(store);
    let bytes = fs::read(folder.path().join("db")).unwrap();
    let secret = b"what nobody else may read";
    assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    let database = folder.path().join("db");
    let mode = || fs::metadata(&database).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);

    fs::set_permissions(&database, Permissions::from_mode(0o644)).unwrap();
    let store = open(folder.path());
    assert_eq!(mode(), 0o600);
    assert_eq!(store.answer(7, 1).unwrap().unwrap(), answered(1, 1));
    assert_eq!(store.answer(7, 2).unwrap(), None);
    assert_eq!(store.answered(7, 1).unwrap(), [1, 3]);
    assert_eq!(store.answered(7, 2).unwrap(), [3]);
    let due = Proof { duty: Duty::Every, stage: ProofStage::Due };
    assert_eq!(store.proofs().unwrap(), [(7, 1, due)]);
    drop(store);
    // Another key reads none of it.
    let other = Store::open(&folder.path().join("db"), ContentKey::from_bytes([8; 32])).unwrap();
    assert!(matches!(other.answer(7, 1), Err(Failure::Envelope(_))));
}

#[test]
fn what_is_not_committed_is_not_there_and_an_ended_task_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let record = Record { model: 1, step: Step::Serving, trouble: None };
    let write = store.begin().unwrap();
    Store::put_task(&write, 7, &record).unwrap();
    drop(write);
    assert!(store.tasks().unwrap().is_empty());
    let write = store.begin().unwrap();
    for task in [7, 8] {
        Store::put_task(&write, task, &record).unwrap();
        Store::put_log(&write, task, b"line", 3).unwrap();
        Store::put_period(&write, task, 1, 2).unwrap();
        Store::put_proof_bytes(&write, task, 1, b"proof").unwrap();
    }
    store.put_answer(&write, &answered(1, 1), Some(Duty::Every)).unwrap();
    write.commit().unwrap();
    let write = store.begin().unwrap();
    Store::remove_task(&write, 7).unwrap();
    write.commit().unwrap();
    assert_eq!(store.tasks().unwrap(), [(8, record)]);
    assert!(store.logs(7, 0).unwrap().is_empty() && store.logs(8, 0).unwrap().len() == 1);
    assert!(store.proofs().unwrap().is_empty() && store.answer(7, 1).unwrap().is_none());
    assert_eq!((store.period(7).unwrap(), store.period(8).unwrap()), (None, Some((1, 2))));
    assert_eq!(store.proof_bytes(8, 1).unwrap().unwrap(), b"proof");
    assert!(store.proof_bytes(7, 1).unwrap().is_none());
}

#[test]
fn a_log_keeps_its_last_lines() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for line in 0..5_u8 {
        let write = store.begin().unwrap();
        Store::put_log(&write, 7, &[line], 3).unwrap();
        write.commit().unwrap();
    }
    let expected: Vec<(u64, Vec<u8>)> = (2..5).map(|line| (line, vec![line as u8])).collect();
    assert_eq!(store.logs(7, 0).unwrap(), expected);
    assert_eq!(store.logs(7, 4).unwrap(), expected[2..]);
}
