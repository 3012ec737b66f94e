//! Provers' keys.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = zkml_testkit::decoders::prover_key(bytes);
});
