//! The doctor's rules: what is right is ok, what is wrong is found, and comes with a remedy.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cyborg_primitives::miner::{Accelerator, Capacity};
use cyborg_primitives::place::{Cell, Location, Region};

use super::*;

const CYB: u128 = 1_000_000_000_000;
const NOW: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;

fn record() -> Record {
    Record {
        key: [7; 32],
        endpoint: "http://127.0.0.1:9800".to_owned(),
        location: Location { region: Region(*b"DE"), cell: Cell { latitude: 0, longitude: 0 } },
        capacity: Capacity { memory_mib: 1024, macs_per_second: 1, accelerator: Accelerator::None },
        price: CYB,
        bond: 1_000 * CYB,
        reputation: 100,
        used_mib: 0,
        load: 0,
        leaves_at: None,
        seen: NOW,
        duty: Duty::Serving,
    }
}

fn watched() -> Watched {
    Watched { block: 9, chain_ms: NOW, local_ms: NOW, interval_ms: Some(6_000), came: 2, watched_ms: 12_000 }
}

#[track_caller]
fn expect(check: &Check, outcome: Outcome, part: &str) {
    assert_eq!(check.outcome, outcome, "{check:?}");
    assert!(check.finding.contains(part), "no `{part}` in {check:?}");
    let advises = matches!(outcome, Outcome::Warning | Outcome::Problem);
    assert_eq!(check.remedy.is_some(), advises, "{check:?}");
}

#[test]
fn blocks_have_to_come() {
    expect(&blocks(&watched()), Outcome::Ok, "one in 6.0 s");
    expect(&blocks(&Watched { interval_ms: None, ..watched() }), Outcome::Ok, "block 9 is final");
    let still = Watched { came: 0, interval_ms: None, watched_ms: 30_100, ..watched() };
    expect(&blocks(&still), Outcome::Problem, "in 30 s");
}

#[test]
fn clocks_are_compared() {
    let at = |local_ms, interval_ms| clock(&Watched { local_ms, interval_ms, ..watched() });
    for local in [NOW, NOW + 60_000, NOW - 30_000] {
        expect(&at(local, Some(6_000)), Outcome::Ok, "agrees");
    }
    expect(&at(NOW + HOUR, Some(6_000)), Outcome::Warning, "60 min ahead of the chain's");
    expect(&at(NOW + 60_001, Some(200)), Outcome::Warning, "60 s ahead");
    expect(&at(NOW - HOUR, Some(6_000)), Outcome::Warning, "60 min behind");
    expect(&at(NOW - 30_001, None), Outcome::Warning, "30 s behind");
    expect(&at(NOW - 30_001, Some(5_000)), Outcome::Warning, "30 s behind");
    // A development chain's time runs fast, which is not an error of the clock.
    expect(&at(NOW - 100 * HOUR, Some(200)), Outcome::Ok, "4 days ahead, as on a development chain");
    expect(&at(0, Some(1_000)), Outcome::Ok, "development");
    expect(&at(u64::MAX, Some(u64::MAX)), Outcome::Warning, "days ahead");
}

#[test]
fn registrations_are_compared_with_the_folder() {
    let leaving = Record { leaves_at: Some(NOW), ..record() };
    let good = record();
    let check = |record: Option<&Record>, own| registered("5Abc", "/m", record, own);
    expect(&check(Some(&good), Some([7; 32])), Outcome::Ok, "with this folder's key");
    expect(&check(Some(&good), None), Outcome::Ok, "not compared");
    expect(&check(Some(&good), Some([8; 32])), Outcome::Problem, "another key");
    expect(&check(Some(&leaving), Some([7; 32])), Outcome::Warning, "deregistered");
    let none = check(None, Some([7; 32]));
    expect(&none, Outcome::Problem, "not registered as a miner");
    assert!(none.remedy.unwrap().contains("cyborg miner init --dir /m"));
}

#[test]
fn bond_reputation_and_money_have_to_suffice() {
    expect(&bond(1_000 * CYB, 1_000 * CYB, "/m"), Outcome::Ok, "1000 CYB");
    let low = bond(998 * CYB, 1_000 * CYB, "/m");
    expect(&low, Outcome::Problem, "less than the 1000 CYB");
    assert!(low.remedy.unwrap().contains("`cyborg miner bond --dir /m 2`"));
    for (points, outcome, part) in [
        (100, Outcome::Ok, "100 of 100"),
        (PROBATION_BELOW, Outcome::Ok, "of 100"),
        (PROBATION_BELOW - 1, Outcome::Warning, "ranked last"),
        (SUSPENDED_BELOW, Outcome::Warning, "ranked last"),
        (SUSPENDED_BELOW - 1, Outcome::Problem, "suspended"),
        (0, Outcome::Problem, "suspended"),
    ] {
        expect(&reputation(points), outcome, part);
    }
    expect(&money("5Abc", CYB), Outcome::Ok, "1 CYB");
    expect(&money("5Abc", LITTLE_MONEY - 1), Outcome::Warning, "CYB");
    expect(&money("5Abc", NO_MONEY - 1), Outcome::Problem, "CYB");
    assert!(money("5Abc", 0).remedy.unwrap().contains("5Abc"));
}

#[test]
fn the_chain_has_to_hear_of_the_miner() {
    let minutes = |minutes: u64| Record { seen: NOW - minutes * 60_000, ..record() };
    let check = |record: &Record, runs| heartbeat(record, NOW, 16 * 60_000, runs);
    expect(&check(&minutes(5), true), Outcome::Ok, "5 min of chain time ago");
    expect(&check(&minutes(9), true), Outcome::Warning, "9 min");
    let down = check(&minutes(9), false);
    expect(&down, Outcome::Warning, "9 min");
    assert!(down.remedy.unwrap().contains("start"));
    let lapsed = Record { duty: Duty::Lapsed, ..minutes(20) };
    expect(&check(&lapsed, true), Outcome::Problem, "lapsed");
    expect(&check(&Record { duty: Duty::Over, ..minutes(99) }, false), Outcome::Skipped, "expected");
    // Asked at an older block than the heartbeat's.
    expect(&check(&Record { seen: NOW + 1, ..record() }, true), Outcome::Ok, "0 s");
}

#[test]
fn memory_and_disk_have_to_be_there() {
    let there = Some(Memory { total: 16 << 30, available: 8 << 30 });
    expect(&memory(8 << 10, there), Outcome::Ok, "8192 MiB offered of 16384 MiB, 8192 MiB are free");
    expect(&memory(15 << 10, there), Outcome::Warning, "offered");
    expect(&memory((16 << 10) + 1, there), Outcome::Problem, "offered");
    expect(&memory(u32::MAX, there), Outcome::Problem, "offered");
    expect(&memory(1, None), Outcome::Skipped, "kernel");

    expect(&disk(100 << 30, Ok(()), 8 << 10), Outcome::Ok, "107.4 GB free");
    expect(&disk(2 << 30, Ok(()), 8 << 10), Outcome::Warning, "less than the 8.6 GB");
    expect(&disk(LEAST_DISK - 1, Ok(()), 1), Outcome::Problem, "free");
    let full = disk(0, Err("No space left on device".to_owned()), 1);
    expect(&full, Outcome::Problem, "cannot be written: No space left");
}

#[test]
fn power_is_said() {
    let rapl = ["RAPL".to_owned()];
    expect(&power(Power::Mains, &rapl, false), Outcome::Ok, "mains, energy is measured (RAPL)");
    expect(&power(Power::Unknown, &[], false), Outcome::Ok, "cannot be measured: reports say so");
    expect(&power(Power::Mains, &[], true), Outcome::Warning, "cannot be measured");
    expect(&power(Power::Battery, &rapl, false), Outcome::Warning, "battery");
}

#[test]
fn locations_have_to_answer() {
    let node = |url: &str, problem: Option<&str>| (url.to_owned(), problem.map(str::to_owned));
    let good = node("http://a", None);
    expect(&storage(std::slice::from_ref(&good)), Outcome::Ok, "1 of 1 locations answer");
    let bad = node("http://b", Some("refused"));
    expect(&storage(&[good, bad.clone()]), Outcome::Warning, "1 of 2 locations answer; http://b: refused");
    expect(&storage(&[bad]), Outcome::Problem, "0 of 1");
}

#[test]
fn the_process_has_to_run_and_to_follow() {
    let url = "http://127.0.0.1:9800".to_owned();
    let check = |running: &Running, head| process(running, "/m", head);
    let answers = Running::Answers { url: url.clone(), block: 100 };
    for head in [None, Some(0), Some(100), Some(100 + BEHIND_BLOCKS)] {
        expect(&check(&answers, head), Outcome::Ok, "answers at");
    }
    expect(&check(&answers, Some(101 + BEHIND_BLOCKS)), Outcome::Warning, "51 blocks behind");
    expect(&check(&Running::Starting, None), Outcome::Warning, "starting");
    let silent = Running::Silent { url: url.clone(), problem: "refused".to_owned() };
    expect(&check(&silent, None), Outcome::Problem, "does not answer");
    let down = check(&Running::Down, None);
    expect(&down, Outcome::Warning, "does not run");
    assert!(down.remedy.unwrap().contains("cyborg miner start --dir /m"));
    let taken = Running::Taken { listen: "127.0.0.1:9800".to_owned() };
    expect(&check(&taken, None), Outcome::Problem, "another program listens");
    expect(&check(&Running::Elsewhere { url }, None), Outcome::Problem, "from another folder");
}

#[test]
fn clients_have_to_find_the_miner() {
    let (here, there) = ("http://a:1", "http://b:2");
    let problem = || "refused".to_owned();
    expect(&endpoint(here, Some(here), Some(&Reached::Yes)), Outcome::Ok, "answers at http://a:1");
    expect(&endpoint(here, None, Some(&Reached::Yes)), Outcome::Ok, "answers");
    expect(&endpoint(here, Some(here), None), Outcome::Skipped, "asked when the miner runs");
    expect(&endpoint(here, Some(there), None), Outcome::Warning, "set up for http://b:2");
    expect(&endpoint(here, Some(there), Some(&Reached::Other)), Outcome::Problem, "another program");
    expect(&endpoint(here, Some(here), Some(&Reached::No(problem()))), Outcome::Problem, "refused");
    let distrusted = Reached::Distrusted("unknown issuer".to_owned());
    expect(&endpoint(here, Some(here), Some(&distrusted)), Outcome::Warning, "unknown issuer");
    // What the chain keeps is anybody's words.
    let hostile = endpoint("http://\u{1b}[2J", None, None);
    assert!(!hostile.finding.contains('\u{1b}'));
}

#[test]
fn findings_are_no_instructions_to_a_terminal() {
    let check = Check::problem("chain", "a\u{1b}[2J\nb", "c\rd");
    let lines = check.lines();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:?}");
    assert!(lines[0].starts_with("problem  chain") && lines[1].trim_start().starts_with("→ c d"));
    let json = Check::ok("clock", "fine").json();
    assert_eq!((&json["status"], &json["remedy"]), (&json!("ok"), &Value::Null));
}
