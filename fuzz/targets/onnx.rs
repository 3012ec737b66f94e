//! ONNX models.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = cyborg_tests::decoders::onnx(bytes);
});
