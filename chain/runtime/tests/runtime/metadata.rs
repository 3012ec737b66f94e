//! The description of the runtime that clients are generated from is this runtime's.
//!
//! With `CYBORG_WRITE_METADATA` set, as `cargo xtask metadata` does, it is written instead of
//! compared.

use std::{env, fs};

use cyborg_runtime::Runtime;
use polkadot_sdk::sp_io::TestExternalities;

/// The newest version of the format that clients read.
const VERSION: u32 = 16;
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/network/chain-client/metadata.scale");

#[test]
fn clients_have_this_runtimes_metadata() {
    // Some constants are read from the state, which is empty.
    let metadata =
        TestExternalities::new_empty().execute_with(|| Runtime::metadata_at_version(VERSION)).unwrap();
    if env::var_os("CYBORG_WRITE_METADATA").is_some() {
        fs::write(FILE, &**metadata).unwrap();
    }
    let kept = fs::read(FILE).unwrap();
    assert!(kept == **metadata, "the runtime has changed: run `cargo xtask metadata`");
}
