//! Reed–Solomon coding of one stripe.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use reed_solomon_simd::{Error, ReedSolomonDecoder, ReedSolomonEncoder};

use crate::error::StorageError;
use crate::manifest::Code;

/// Bytes of every fragment that are coded at a time, so that the work stays in the processor's own
/// cache. The code is one of 64 bytes: the fragments are the same whatever multiple this is.
const COLUMN_BYTES: usize = 64 << 10;

/// Buffers that are used again, each for all fragments of a stripe: fresh memory costs as much as
/// the code itself.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// A buffer of this size with anything in it.
    fn take(&self, bytes: usize) -> Buffer {
        // A list of buffers is whole between any two statements: what panicked elsewhere is no matter.
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        idle.resize(bytes, 0);
        Buffer { bytes: idle, home: self.clone() }
    }
}

/// Goes home when nobody holds a fragment of it any more.
struct Buffer {
    bytes: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.home.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

/// The fragments of a stripe: its bytes, cut into `data`, then the recovery fragments. `fill` writes
/// the stripe, which is `data × fragment_bytes` long, over whatever was there. Fragments are even.
///
/// # Errors
/// Returns an error if `fill` fails, or the code's parameters are out of the library's range.
pub(crate) fn encode(
    buffers: &Buffers,
    code: Code,
    fragment_bytes: usize,
    fill: impl FnOnce(&mut [u8]) -> io::Result<()>,
) -> Result<Vec<Bytes>, StorageError> {
    let (data, total) = (usize::from(code.data), usize::from(code.total));
    let mut buffer = buffers.take(total * fragment_bytes);
    let (stripe, recovery) = buffer.bytes.split_at_mut(data * fragment_bytes);
    fill(stripe)?;
    if total > data {
        encode_columns(stripe, recovery, fragment_bytes).map_err(io::Error::other)?;
    }
    let fragments = Bytes::from_owner(buffer);
    Ok((0..total).map(|at| fragments.slice(at * fragment_bytes..(at + 1) * fragment_bytes)).collect())
}

fn encode_columns(stripe: &[u8], recovery: &mut [u8], fragment_bytes: usize) -> Result<(), Error> {
    let (data, made) = (stripe.len() / fragment_bytes, recovery.len() / fragment_bytes);
    let mut encoder = ReedSolomonEncoder::new(data, made, fragment_bytes.min(COLUMN_BYTES))?;
    for start in (0..fragment_bytes).step_by(COLUMN_BYTES) {
        let column = start..fragment_bytes.min(start + COLUMN_BYTES);
        encoder.reset(data, made, column.len())?;
        for fragment in stripe.chunks_exact(fragment_bytes) {
            encoder.add_original_shard(&fragment[column.clone()])?;
        }
        let coded = encoder.encode()?;
        for (fragment, bytes) in recovery.chunks_exact_mut(fragment_bytes).zip(coded.recovery_iter()) {
            fragment[column.clone()].copy_from_slice(bytes);
        }
    }
    Ok(())
}

/// The data fragments of a stripe from any `data` of its fragments, given with their indexes.
///
/// # Errors
/// Returns an error if there are too few, or their sizes differ.
pub(crate) fn decode(
    code: Code,
    found: Vec<(usize, Bytes)>,
    fragment_bytes: usize,
) -> Result<Vec<Bytes>, Error> {
    let (data, total) = (usize::from(code.data), usize::from(code.total));
    let mut originals: Vec<Option<Bytes>> = vec![None; data];
    let mut recovery = Vec::new();
    for (index, fragment) in found {
        match originals.get_mut(index) {
            Some(original) => *original = Some(fragment),
            None => recovery.push((index - data, fragment)),
        }
    }
    if originals.iter().any(Option::is_none) {
        if total == data {
            return Err(Error::NotEnoughShards {
                original_count: data,
                original_received_count: originals.iter().flatten().count(),
                recovery_received_count: 0,
            });
        }
        let mut decoder = ReedSolomonDecoder::new(data, total - data, fragment_bytes)?;
        for (index, original) in originals.iter().enumerate() {
            if let Some(original) = original {
                decoder.add_original_shard(index, original)?;
            }
        }
        for (index, fragment) in &recovery {
            decoder.add_recovery_shard(*index, fragment)?;
        }
        let restored = decoder.decode()?;
        for (index, original) in restored.restored_original_iter() {
            originals[index] = Some(Bytes::copy_from_slice(original));
        }
    }
    Ok(originals.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    /// The fragments of these bytes and zeros.
    fn encode_all(code: Code, bytes: &[u8], fragment_bytes: usize) -> Vec<Bytes> {
        encode_in(&Buffers::default(), code, bytes, fragment_bytes)
    }

    fn encode_in(buffers: &Buffers, code: Code, bytes: &[u8], fragment_bytes: usize) -> Vec<Bytes> {
        let fill = |stripe: &mut [u8]| {
            stripe[..bytes.len()].copy_from_slice(bytes);
            stripe[bytes.len()..].fill(0);
            Ok(())
        };
        encode(buffers, code, fragment_bytes, fill).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Any four of twelve give the stripe back; three do not.
        #[test]
        fn any_data_fragments_suffice(
            bytes in prop::collection::vec(any::<u8>(), 1..2000),
            order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let size = bytes.len().div_ceil(4).next_multiple_of(64);
            let fragments = encode_all(Code::DEFAULT, &bytes, size);
            let found = |count: usize| order[..count].iter().map(|&at| (at, fragments[at].clone())).collect();
            let back = decode(Code::DEFAULT, found(4), size).unwrap().concat();
            prop_assert_eq!(&back[..bytes.len()], &bytes[..]);
            prop_assert!(back[bytes.len()..].iter().all(|byte| *byte == 0));
            prop_assert!(decode(Code::DEFAULT, found(3), size).is_err());
        }
    }

    #[test]
    fn a_plain_code_keeps_the_bytes() {
        let fragments = encode_all(Code::PLAIN, &[7; 100], 128);
        assert_eq!(fragments.len(), 1);
        assert_eq!(decode(Code::PLAIN, vec![(0, fragments[0].clone())], 128).unwrap(), fragments);
        assert!(decode(Code::PLAIN, Vec::new(), 128).is_err());
    }

    #[test]
    fn columns_make_the_fragments_that_the_whole_makes() {
        for size in [64, COLUMN_BYTES, COLUMN_BYTES + 64, 3 * COLUMN_BYTES - 64] {
            let bytes: Vec<u8> = (0..4 * size).map(|at| (at * at / 7) as u8).collect();
            let whole = reed_solomon_simd::encode(4, 8, bytes.chunks(size)).unwrap();
            let fragments = encode_all(Code::DEFAULT, &bytes, size);
            assert_eq!(fragments[..4].concat(), bytes);
            assert_eq!(fragments[4..], whole);
        }
    }

    #[test]
    fn buffers_are_used_again_and_tell_nothing() {
        let buffers = Buffers::default();
        let held = encode_in(&buffers, Code::DEFAULT, &[1; 500], 128);
        assert_eq!(
            encode_in(&buffers, Code::DEFAULT, &[2; 900], 256),
            encode_all(Code::DEFAULT, &[2; 900], 256)
        );
        assert_eq!(held, encode_all(Code::DEFAULT, &[1; 500], 128));
        assert_eq!(encode_in(&buffers, Code::DEFAULT, &[3; 10], 64), encode_all(Code::DEFAULT, &[3; 10], 64));
        drop(held);
        assert_eq!(buffers.0.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_stripe_that_cannot_be_read_is_not_coded() {
        let fill = |_: &mut [u8]| Err(io::ErrorKind::UnexpectedEof.into());
        assert!(encode(&Buffers::default(), Code::DEFAULT, 64, fill).is_err());
    }
}
