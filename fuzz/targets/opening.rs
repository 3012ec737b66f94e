//! Openings of commitments.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = zkml_testkit::decoders::opening(bytes);
});
