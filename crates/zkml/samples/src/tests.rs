//! Files as NumPy writes them, files that lie, and files altered at random.

use std::io::{Cursor, Write};

use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{ArrayError, DataError, MAX_ELEMENTS, Row, Samples, Values};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn header(descr: &str, fortran: bool, shape: &str) -> String {
    let order = if fortran { "True" } else { "False" };
    format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}      \n")
}

fn npz(arrays: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in arrays {
        writer.start_file(*name, options).expect("in memory");
        writer.write_all(bytes).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn one(array: &[u8]) -> Result<Samples, DataError> {
    Samples::from_bytes("x.npz", &npz(&[("inputs.npy", array)], CompressionMethod::Stored))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn stored_and_deflated_archives_give_the_same_samples() -> TestResult {
    let inputs = npy(1, &header("<f4", false, "(2, 1, 2)"), &floats(&[1.0, 2.0, 3.0, -4.5]));
    let labels = npy(
        2,
        &header("<i8", false, "(2,)"),
        &[7, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
    );
    let arrays: &[(&str, &[u8])] = &[("inputs.npy", &inputs), ("labels.npy", &labels)];
    let stored = Samples::from_bytes("x", &npz(arrays, CompressionMethod::Stored))?;
    let deflated = Samples::from_bytes("x", &npz(arrays, CompressionMethod::Deflated))?;
    assert_eq!(stored, deflated);
    let graph = names(&["image"]);
    assert_eq!(stored.count(&graph, &[2])?, 2);
    assert_eq!(stored.inputs_for(&graph, &[2], 1)?, [[3.0, -4.5]]);
    assert_eq!(stored.labels_for(0)?, Some(&[7_i64][..]));
    assert_eq!(stored.labels_for(1)?, Some(&[-1_i64][..]));
    assert_eq!(stored.outputs_for(&names(&["y"]), &[3], 0)?, None);
    Ok(())
}

#[test]
fn samples_saved_by_numpy_are_read() -> TestResult {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/data/digits_cnn_io.npz");
    let samples = Samples::from_bytes(path, &std::fs::read(path)?)?;
    let (input, output) = (names(&["input"]), names(&["output"]));
    assert_eq!(samples.count(&input, &[64])?, 64);
    let images = samples.inputs_for(&input, &[64], 63)?;
    assert!(images.iter().flatten().all(|pixel| (0.0..=1.0).contains(pixel)));
    let outputs = samples.outputs_for(&output, &[10], 63)?;
    let Some([Row::Float(scores)]) = outputs.as_deref() else {
        return Err("no outputs".into());
    };
    let best = (0_i64..10).max_by(|&a, &b| scores[a as usize].total_cmp(&scores[b as usize]));
    assert_eq!(samples.labels_for(63)?, best.as_ref().map(std::slice::from_ref));
    Ok(())
}

#[test]
fn every_dtype_and_version_is_read() -> TestResult {
    let cases: &[(&str, &[u8], Values)] = &[
        ("<f4", &1.5_f32.to_le_bytes(), Values::Float(vec![1.5])),
        ("<f8", &(-0.25_f64).to_le_bytes(), Values::Float(vec![-0.25])),
        ("|i1", &[0x80], Values::Integer(vec![-128])),
        ("<i2", &[0xff, 0xff], Values::Integer(vec![-1])),
        ("<i4", &[0, 0, 0, 0x80], Values::Integer(vec![i64::from(i32::MIN)])),
        ("<i8", &[0, 0, 0, 0, 0, 0, 0, 0x80], Values::Integer(vec![i64::MIN])),
        ("|u1", &[0xff], Values::Integer(vec![255])),
        ("<u2", &[0xff, 0xff], Values::Integer(vec![65535])),
        ("<u4", &[0xff; 4], Values::Integer(vec![i64::from(u32::MAX)])),
        ("<u8", &[1, 0, 0, 0, 0, 0, 0, 0], Values::Integer(vec![1])),
        ("|b1", &[1], Values::Integer(vec![1])),
    ];
    for (descr, data, expected) in cases {
        for version in 1..=3 {
            let samples = one(&npy(version, &header(descr, false, "(1,)"), data))?;
            let array = samples.array("inputs").ok_or("no array")?;
            assert_eq!((array.shape(), array.values()), (&[1][..], expected), "{descr}");
        }
    }
    Ok(())
}

#[test]
fn fortran_order_becomes_row_major() -> TestResult {
    // numpy.asfortranarray([[[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9], [10, 11]]])
    let stored = [0.0, 6.0, 2.0, 8.0, 4.0, 10.0, 1.0, 7.0, 3.0, 9.0, 5.0, 11.0];
    let samples = one(&npy(1, &header("<f4", true, "(2, 3, 2)"), &floats(&stored)))?;
    let rows = samples.inputs_for(&names(&["inputs"]), &[6], 1)?;
    assert_eq!(rows, [[6.0, 7.0, 8.0, 9.0, 10.0, 11.0]]);
    Ok(())
}

#[test]
fn what_is_wrong_is_named() {
    let good = header("<f4", false, "(1, 2)");
    let data = floats(&[1.0, 2.0]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("not in .npy format", b"NUMPY?xxxxxxxxxxxxxx".to_vec()),
        ("truncated header", b"\x93NUMPY\x01".to_vec()),
        ("unsupported .npy version 9.0", npy(9, &good, &data)),
        ("header of 4294967295 bytes", b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec()),
        ("malformed header at byte 0: expected `{`", npy(1, "[]", &data)),
        ("expected a string", npy(1, "{descr}", &data)),
        ("expected an extent", npy(1, &header("<f4", false, "(-1,)"), &data)),
        ("expected an extent", npy(1, &header("<f4", false, "(99999999999999999999,)"), &data)),
        ("expected the end", npy(1, &format!("{good}{good}"), &data)),
        ("header has no `shape`", npy(1, "{'descr': '<f4', 'fortran_order': False}", &data)),
        ("header has `descr` twice", npy(1, "{'descr': '<f4', 'descr': '<f4'}", &data)),
        ("dtype `>f4` is big-endian", npy(1, &header(">f4", false, "(1, 2)"), &data)),
        ("unsupported dtype `<c8`", npy(1, &header("<c8", false, "(1, 2)"), &data)),
        ("unsupported dtype `a record`", npy(1, "{'descr': [('a', '<f4')]}", &data)),
        ("no elements", npy(1, &header("<f4", false, "(0, 2)"), &data)),
        (
            "more than 32 that are read".trim_start_matches("more than 32 "),
            npy(1, &header("<f4", false, &format!("({})", "1, ".repeat(33))), &data),
        ),
        ("in all arrays together", npy(1, &header("<f4", false, "(4294967296, 4294967296)"), &data)),
        ("in all arrays together", npy(1, &header("|u1", false, &format!("({},)", MAX_ELEMENTS + 1)), &data)),
        ("truncated: shape [1, 3] needs 3 elements, found 2", npy(1, &header("<f4", false, "(1, 3)"), &data)),
        (
            "truncated: shape [134217728] needs",
            npy(1, &header("|u1", false, &format!("({MAX_ELEMENTS},)")), &data),
        ),
        ("bytes after the last element", npy(1, &header("<f4", false, "(1, 1)"), &data)),
        ("NaN at position [0, 1]", npy(1, &good, &floats(&[1.0, f32::NAN]))),
        ("inf at position [0, 0]", npy(1, &good, &floats(&[f32::INFINITY, 1.0]))),
        (
            "at position [1, 0]",
            npy(1, &header("<f4", true, "(2, 2)"), &floats(&[0.0, f32::NEG_INFINITY, 0.0, 0.0])),
        ),
        ("at position [0]", npy(1, &header("<f8", false, "(1,)"), &1e300_f64.to_le_bytes())),
        ("boolean of value 2", npy(1, &header("|b1", false, "(1,)"), &[2])),
        (
            "18446744073709551615 at position [0] is too large",
            npy(1, &header("<u8", false, "(1,)"), &[0xff; 8]),
        ),
    ];
    for (expected, bytes) in cases {
        let message = one(&bytes).expect_err(expected).to_string();
        assert!(message.starts_with("x.npz: array `inputs`: "), "{message}");
        assert!(message.contains(expected), "{message} should contain {expected}");
    }
}

#[test]
fn archives_that_lie_are_refused() {
    let array = npy(1, &header("<f4", false, "(1,)"), &floats(&[1.0]));
    let good = npz(&[("inputs.npy", &array)], CompressionMethod::Deflated);
    assert!(matches!(Samples::from_bytes("x", &good[..good.len() - 30]), Err(DataError::Archive { .. })));
    assert!(matches!(
        Samples::from_bytes("x", &npz(&[("readme.txt", b"hi")], CompressionMethod::Stored)),
        Err(DataError::EntryName { .. })
    ));
    assert!(matches!(Samples::from_bytes("x", b"GIF89a"), Err(DataError::UnknownFormat { .. })));
    assert!(matches!(Samples::from_bytes("x", b""), Err(DataError::UnknownFormat { .. })));

    // The checksum of a stored entry is checked although its length is right.
    let mut altered = npz(&[("inputs.npy", &array)], CompressionMethod::Stored);
    let at = altered.windows(4).position(|window| window == 1.0_f32.to_le_bytes());
    altered[at.expect("the element")] ^= 1;
    assert!(matches!(
        Samples::from_bytes("x", &altered),
        Err(DataError::Array { problem: ArrayError::Damaged(_), .. })
    ));
}

#[test]
fn a_zip_bomb_stops_at_the_header() {
    // 256 MiB of zeros compress to 256 KiB; the declared shape is refused before they are read.
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1));
    writer.start_file("inputs.npy", options).expect("in memory");
    writer.write_all(&npy(1, &header("|u1", false, "(268435456,)"), &[])).expect("in memory");
    for _ in 0..256 {
        writer.write_all(&vec![0; 1 << 20]).expect("in memory");
    }
    let bytes = writer.finish().expect("in memory").into_inner();
    assert!(matches!(
        Samples::from_bytes("x", &bytes),
        Err(DataError::Array { problem: ArrayError::TooManyElements, .. })
    ));
}

#[test]
fn json_objects_and_bare_arrays_are_read() -> TestResult {
    let text = br#"{"inputs": [[[1, 2.5], [-3, 4e0]]], "labels": [3], "outputs": [[5, 6]]}"#;
    let samples = Samples::from_bytes("x.json", text)?;
    assert_eq!(samples.names().collect::<Vec<_>>(), ["inputs", "labels", "outputs"]);
    assert_eq!(samples.inputs_for(&names(&["x"]), &[4], 0)?, [[1.0, 2.5, -3.0, 4.0]]);
    assert_eq!(samples.labels_for(0)?, Some(&[3_i64][..]));
    let outputs = samples.outputs_for(&names(&["y"]), &[2], 0)?;
    assert_eq!(outputs, Some(vec![Row::Integer(&[5, 6])]));

    let bare = Samples::from_bytes("x.json", b" [[1, 2], [3, 4], [5, 6]]")?;
    assert_eq!(bare.count(&names(&["x"]), &[2])?, 3);
    let single = Samples::from_bytes("x.json", b"[1, 2, 3]")?;
    assert_eq!(single.inputs_for(&names(&["x"]), &[3], 0)?, [[1.0, 2.0, 3.0]]);
    Ok(())
}

#[test]
fn json_that_does_not_fit_is_refused() {
    for (expected, text) in [
        ("line 1", "{\"inputs\": [1, 2"),
        ("unequal lengths", "[[1, 2], [3]]"),
        ("unequal lengths", "[[1, 2], 3]"),
        ("unequal lengths", "[1, [2]]"),
        ("unequal lengths", "[[[]], [1]]"),
        ("no elements", "[]"),
        ("no elements", "{\"inputs\": [[]]}"),
        ("two arrays are named `a`", "{\"a\": [1], \"a\": [1]}"),
        ("invalid type", "{\"inputs\": [\"one\"]}"),
        ("invalid type", "[null]"),
        ("out of range", "[1e999]"),
        ("too large", "[1e300]"),
        ("too large", "[18446744073709551615]"),
        ("trailing", "[1] [2]"),
        ("line 1", "[NaN]"),
        ("more than 32 axes", &format!("{}1{}", "[".repeat(40), "]".repeat(40))),
        ("x.json", &"[".repeat(100_000)),
    ] {
        let message = Samples::from_bytes("x.json", text.as_bytes()).expect_err(text).to_string();
        assert!(message.starts_with("x.json: ") && message.contains(expected), "{message}");
    }
}

#[test]
fn samples_that_do_not_fit_the_graph_are_named() -> TestResult {
    let text = br#"{"a": [[1, 2], [3, 4]], "b": [[1], [2], [3]], "labels": [0.5, 1]}"#;
    let samples = Samples::from_bytes("x.json", text)?;
    let both = names(&["a", "b"]);
    assert_eq!(samples.inputs_for(&both, &[2, 1], 1)?, [vec![3.0, 4.0], vec![2.0]]);
    for (expected, error) in [
        ("`a` has 2 samples and `b` has 3", samples.count(&both, &[2, 1]).err()),
        ("2 samples, none with index 2", samples.inputs_for(&both, &[2, 1], 2).err()),
        ("none with index 18446744073709551615", samples.inputs_for(&both, &[2, 1], usize::MAX).err()),
        ("must have 5 elements", samples.inputs_for(&both, &[5, 1], 0).err()),
        (
            "no array `c`; it has `a`, `b`, `labels`",
            samples.inputs_for(&names(&["a", "c"]), &[2, 1], 0).err(),
        ),
        ("no array `c` or `inputs`", samples.inputs_for(&names(&["c"]), &[2], 0).err()),
        ("`labels` must hold integers", samples.labels_for(0).err()),
    ] {
        let message = error.ok_or("accepted")?.to_string();
        assert!(message.contains(expected), "{message} should contain {expected}");
    }
    Ok(())
}

/// Whatever was read must be consistent: every sample can be taken, none beyond the last.
fn consistent(samples: &Samples) -> bool {
    samples.names().all(|name| {
        let Some(array) = samples.array(name) else {
            return false;
        };
        let count = array.shape().first().copied().unwrap_or(1);
        let size = array.len() / count.max(1);
        let names = [name.to_owned()];
        array.shape().iter().product::<usize>() == array.len()
            && samples.count(&names, &[size]).is_ok_and(|own| own == count)
            && samples.inputs_for(&names, &[size], count - 1).is_ok()
            && samples.inputs_for(&names, &[size], count).is_err()
    })
}

proptest! {
    #[test]
    fn arrays_survive_a_round_trip(
        shape in prop::collection::vec(1_usize..5, 1..4),
        fortran in any::<bool>(),
        deflate in any::<bool>(),
    ) {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|value| value as f32 - 7.25).collect();
        // Where each row-major element is stored.
        let mut stored = vec![0.0; count];
        for (flat, &value) in values.iter().enumerate() {
            let at = if fortran {
                let (mut rest, mut index) = (flat, 0);
                let mut stride = count;
                for &extent in shape.iter().rev() {
                    stride /= extent;
                    index += rest % extent * stride;
                    rest /= extent;
                }
                index
            } else {
                flat
            };
            stored[at] = value;
        }
        let extents: String = shape.iter().map(|extent| format!("{extent},")).collect();
        let array = npy(1, &header("<f4", fortran, &format!("({extents})")), &floats(&stored));
        let method = if deflate { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let samples = Samples::from_bytes("x", &npz(&[("inputs.npy", &array)], method))?;
        let read = samples.array("inputs").map(|array| (array.shape(), array.values()));
        let expected = Values::Float(values);
        prop_assert_eq!(read, Some((&shape[..], &expected)));
        prop_assert!(consistent(&samples));
    }

    #[test]
    fn altered_archives_never_panic(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
        deflate in any::<bool>(),
    ) {
        let inputs = npy(1, &header("<f4", false, "(3, 2)"), &floats(&[0.0; 6]));
        let labels = npy(1, &header("|u1", true, "(3,)"), &[1, 2, 3]);
        let method = if deflate { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let mut bytes = npz(&[("inputs.npy", &inputs), ("labels.npy", &labels)], method);
        let position = at.index(bytes.len());
        bytes[position] = byte;
        if let Ok(samples) = Samples::from_bytes("x", &bytes) {
            prop_assert!(consistent(&samples));
        }
        bytes.truncate(cut.index(bytes.len()));
        if let Ok(samples) = Samples::from_bytes("x", &bytes) {
            prop_assert!(consistent(&samples));
        }
    }

    #[test]
    fn altered_headers_never_panic(
        at in any::<prop::sample::Index>(),
        text in "[ -~]{0,12}",
        length in 0_usize..40,
    ) {
        let mut text_header = header("<f4", false, "(2, 3)");
        let position = at.index(text_header.len());
        text_header.insert_str(position, &text);
        if let Ok(samples) = one(&npy(1, &text_header, &vec![0; length])) {
            prop_assert!(consistent(&samples));
        }
    }

    #[test]
    fn altered_json_never_panics(text in r#"[\[\]{},:0-9eE.+\- "a]{0,40}"#) {
        for text in [text.clone(), format!("[{text}]"), format!("{{\"inputs\": {text}}}")] {
            if let Ok(samples) = Samples::from_bytes("x", text.as_bytes()) {
                prop_assert!(consistent(&samples));
            }
        }
    }
}
