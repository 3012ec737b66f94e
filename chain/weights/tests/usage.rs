//! The program says what is wrong with what it is given.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;

fn complaint(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_cyborg-weights")).args(arguments).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_is_missing_is_named() {
    assert!(complaint(&[]).contains("<WASM>"));
    assert!(complaint(&["no-such.wasm", "pallet_tasks"]).contains("no-such.wasm"));
    assert!(complaint(&["Cargo.toml", "pallet_tasks"]).contains("genesis"));
    assert!(complaint(&["Cargo.toml", "pallet_tasks", "--steps", "1"]).contains("--steps"));
}
