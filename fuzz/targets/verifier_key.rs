//! Verifiers' keys, with their proof about themselves.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = zkml_testkit::decoders::verifier_key(bytes);
});
