//! Blobs: what is read is what was sealed, from anywhere; whatever is altered, moved, cut or
//! extended is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};

use cyborg_disk::sealed::Sealed;
use cyborg_envelope::blob::{
    BlobReader, BlobWriter, Cipher, HEADER_BYTES, SEGMENT_LOG, TAG_BYTES, open, seal,
};
use cyborg_envelope::{ContentKey, EnvelopeError};
use proptest::prelude::*;

const SEGMENT: usize = 1 << SEGMENT_LOG;

fn key() -> ContentKey {
    ContentKey::from_bytes([5; 32])
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file
}

fn stored(blob: &[u8], key: &ContentKey, context: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let mut plaintext = Vec::new();
    BlobReader::new(Cursor::new(blob), key, context)?.read_to_end(&mut plaintext).map_err(
        |error| match error.downcast() {
            Ok(inner) => inner,
            Err(error) => EnvelopeError::Io(error),
        },
    )?;
    Ok(plaintext)
}

/// The format does not change by accident.
#[test]
fn golden_blob() {
    let blob = seal(&ContentKey::from_bytes([1; 32]), b"golden", b"a model").unwrap();
    assert_eq!(blob.len(), HEADER_BYTES + 7 + TAG_BYTES);
    assert_eq!(blob[..16], *b"cybblob\x01\x10\0\0\0\0\0\0\0");
    let digest = blake3::hash(&blob).to_hex();
    assert_eq!(digest.as_str(), GOLDEN);
}

const GOLDEN: &str = "1078e6ce442e43af789cc17c3c9884cdcb1346901dd17bc861a01e83e33aeaf2";

#[test]
fn lengths_around_segments_come_back_in_every_way() {
    for length in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT + 17] {
        let plaintext = bytes(length);
        let blob = seal(&key(), b"c", &plaintext).unwrap();
        assert_eq!(open(&key(), b"c", &blob).unwrap()[..], plaintext, "{length}");
        assert_eq!(stored(&blob, &key(), b"c").unwrap(), plaintext, "{length}");
        let sealed = Sealed::new(file(&plaintext), &key(), b"c").unwrap();
        assert_eq!(sealed.layout().blob_bytes, blob.len() as u64);
        let mut again = vec![0; blob.len()];
        sealed.read_at(0, &mut again).unwrap();
        assert_eq!(again, blob, "{length}");
        assert!(sealed.read_at(1, &mut again).is_err());
        assert!(sealed.read_at(u64::MAX, &mut [0]).is_err());
        assert!(sealed.is_unchanged().unwrap());
    }
}

#[test]
fn every_cut_and_extension_is_refused() {
    let plaintext = bytes(2 * SEGMENT);
    let blob = seal(&key(), b"", &plaintext).unwrap();
    let sealed_segment = SEGMENT + TAG_BYTES;
    let boundaries =
        [0, 1, 79, 80, 95, 96, 97, 80 + sealed_segment, blob.len() - sealed_segment, blob.len() - 1];
    for length in boundaries {
        assert!(open(&key(), b"", &blob[..length]).is_err(), "{length}");
        assert!(stored(&blob[..length], &key(), b"").is_err(), "{length}");
    }
    for extra in [1, TAG_BYTES, TAG_BYTES + 1, sealed_segment] {
        let mut longer = blob.clone();
        longer.extend_from_within(blob.len() - extra..);
        assert!(open(&key(), b"", &longer).is_err(), "{extra}");
        assert!(stored(&longer, &key(), b"").is_err(), "{extra}");
    }
}

#[test]
fn segments_cannot_change_places() {
    let blob = seal(&key(), b"", &bytes(3 * SEGMENT)).unwrap();
    let sealed_segment = SEGMENT + TAG_BYTES;
    let mut swapped = blob[..HEADER_BYTES].to_vec();
    swapped.extend(&blob[HEADER_BYTES + sealed_segment..HEADER_BYTES + 2 * sealed_segment]);
    swapped.extend(&blob[HEADER_BYTES..HEADER_BYTES + sealed_segment]);
    swapped.extend(&blob[HEADER_BYTES + 2 * sealed_segment..]);
    let refused = open(&key(), b"", &swapped);
    assert!(matches!(refused, Err(EnvelopeError::AlteredSegment { segment: 0 })));
    // The last segment alone is not a blob, nor is the first called the last.
    let mut first = blob[..HEADER_BYTES + sealed_segment].to_vec();
    assert!(matches!(open(&key(), b"", &first), Err(EnvelopeError::AlteredSegment { segment: 0 })));
    first.truncate(HEADER_BYTES);
    first.extend(&blob[HEADER_BYTES + 2 * sealed_segment..]);
    assert!(matches!(open(&key(), b"", &first), Err(EnvelopeError::AlteredSegment { segment: 0 })));
}

/// An empty last segment after full ones would be a second form of the same plaintext.
#[test]
fn a_plaintext_has_one_form() {
    let cipher = Cipher::new(&key(), b"", &[7; 32], SEGMENT_LOG).unwrap();
    let mut blob = cipher.header().to_vec();
    let mut segment = bytes(SEGMENT);
    let tag = cipher.seal_segment(0, false, &mut segment).unwrap();
    blob.extend(segment);
    blob.extend(tag);
    blob.extend(cipher.seal_segment(1, true, &mut []).unwrap());
    assert!(matches!(open(&key(), b"", &blob), Err(EnvelopeError::AlteredSegment { segment: 1 })));
    assert!(matches!(stored(&blob, &key(), b""), Err(EnvelopeError::BlobLength { .. })));
}

#[test]
fn wrong_keys_contexts_and_headers_are_told_apart() {
    let blob = seal(&key(), b"task 7", &bytes(100)).unwrap();
    let other = ContentKey::from_bytes([6; 32]);
    assert!(matches!(open(&other, b"task 7", &blob), Err(EnvelopeError::WrongKey)));
    assert!(matches!(open(&key(), b"task 8", &blob), Err(EnvelopeError::WrongKey)));
    for at in 0..blob.len() {
        let mut altered = blob.clone();
        altered[at] ^= 1;
        let error = open(&key(), b"task 7", &altered).unwrap_err();
        let expected = match at {
            0..8 | 9..16 => matches!(error, EnvelopeError::NotABlob),
            8 => matches!(error, EnvelopeError::WrongKey),
            16..80 => matches!(error, EnvelopeError::WrongKey),
            _ => matches!(error, EnvelopeError::AlteredSegment { segment: 0 }),
        };
        assert!(expected, "{at}: {error}");
        assert!(stored(&altered, &key(), b"task 7").is_err());
    }
    for size in [0, 11, 21, 64, 255] {
        let mut altered = blob.clone();
        altered[8] = size;
        assert!(matches!(open(&key(), b"task 7", &altered), Err(EnvelopeError::SegmentSize { .. })));
    }
}

/// Two files under one key share neither salt nor keys; the same file has the same bytes.
#[test]
fn the_salt_follows_the_file() {
    let one = seal(&key(), b"", b"one").unwrap();
    assert_eq!(seal(&key(), b"", b"one").unwrap(), one);
    let two = seal(&key(), b"", b"two").unwrap();
    assert_ne!(one[16..48], two[16..48]);
    assert_ne!(
        one[80..83].iter().zip(b"one").map(|(a, b)| a ^ b).collect::<Vec<_>>(),
        two[80..83].iter().zip(b"two").map(|(a, b)| a ^ b).collect::<Vec<_>>()
    );
}

#[test]
fn a_file_that_changes_is_noticed() {
    let content = file(&bytes(1000));
    let mut other = content.try_clone().unwrap();
    let sealed = Sealed::new(content, &key(), b"").unwrap();
    other.seek(SeekFrom::Start(500)).unwrap();
    other.write_all(b"x").unwrap();
    assert!(!sealed.is_unchanged().unwrap());
    other.set_len(10).unwrap();
    assert!(sealed.read_at(0, &mut [0; 200]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_range_and_any_pieces(
        length in 0_usize..4 * SEGMENT,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let plaintext = bytes(length);
        let blob = seal(&key(), b"p", &plaintext).unwrap();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(blob.len() + 1)).collect();
        cuts.extend([0, blob.len()]);
        cuts.sort_unstable();

        let sealed = Sealed::new(file(&plaintext), &key(), b"p").unwrap();
        let mut writer = BlobWriter::new(&key(), b"p", Vec::new());
        for pair in cuts.windows(2) {
            let mut range = vec![0; pair[1] - pair[0]];
            sealed.read_at(pair[0] as u64, &mut range).unwrap();
            prop_assert_eq!(&range, &blob[pair[0]..pair[1]]);
            writer.update(&range).unwrap();
        }
        prop_assert_eq!(&writer.finish().unwrap(), &plaintext);

        let mut reader = BlobReader::new(Cursor::new(&blob), &key(), b"p").unwrap();
        for cut in cuts {
            let at = cut.min(plaintext.len());
            reader.seek(SeekFrom::Start(at as u64)).unwrap();
            let mut range = Vec::new();
            reader.by_ref().take(100).read_to_end(&mut range).unwrap();
            prop_assert_eq!(&range, &plaintext[at..plaintext.len().min(at + 100)]);
        }
        prop_assert_eq!(reader.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
        prop_assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        prop_assert!(reader.seek(SeekFrom::Current(i64::MAX)).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(noise in prop::collection::vec(any::<u8>(), 0..400), head in 0_usize..90) {
        let mut blob = seal(&key(), b"", &bytes(50)).unwrap();
        blob.truncate(head);
        blob.extend(&noise);
        let _ = open(&key(), b"", &blob);
        let _ = stored(&blob, &key(), b"");
    }
}
