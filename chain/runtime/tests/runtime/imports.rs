//! What the runtime's wasm asks of the node that runs it.

use sp_maybe_compressed_blob::{CODE_BLOB_BOMB_LIMIT, decompress};

/// Nodes as published offer no group operations, and do not start a runtime that asks for them.
#[test]
fn only_a_runtime_with_the_feature_asks_for_group_operations() {
    let wasm = decompress(cyborg_runtime::WASM_BINARY.unwrap(), CODE_BLOB_BOMB_LIMIT).unwrap();
    let asks = |function: &[u8]| wasm.windows(function.len()).any(|bytes| bytes == function);
    assert!(asks(b"ext_storage_get_version_1"), "imports are found by name");
    assert_eq!(asks(b"pallas_msm"), cfg!(feature = "host-msm"));
    assert!(!asks(b"pallas_mul"), "of the calls only the sum is asked for");
}

/// The builder keeps all runtimes of a target folder in one place, and must not mistake one for another.
#[test]
fn a_runtime_with_the_feature_has_a_file_name_of_its_own() {
    let path = cyborg_runtime::WASM_BINARY_PATH.unwrap();
    assert_eq!(path.contains("/cyborg_runtime_host_msm."), cfg!(feature = "host-msm"), "{path}");
    assert_eq!(path.contains("/cyborg_runtime."), !cfg!(feature = "host-msm"), "{path}");
}
