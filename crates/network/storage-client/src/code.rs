//! Reed–Solomon coding of one stripe.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use reed_solomon_simd::{Error, ReedSolomonDecoder, ReedSolomonEncoder};

use crate::manifest::Code;

/// Encoders that are used again: each has working space for more than all fragments of a stripe.
#[derive(Default)]
pub(crate) struct Encoders(Mutex<Vec<ReedSolomonEncoder>>);

impl Encoders {
    fn take(&self, data: usize, recovery: usize, fragment_bytes: usize) -> Result<ReedSolomonEncoder, Error> {
        // A list of encoders is whole between any two statements: what panicked elsewhere is no matter.
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            None => ReedSolomonEncoder::new(data, recovery, fragment_bytes),
            Some(mut encoder) => {
                encoder.reset(data, recovery, fragment_bytes)?;
                Ok(encoder)
            }
        }
    }

    fn give_back(&self, encoder: ReedSolomonEncoder) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(encoder);
    }
}

/// The fragments of a stripe: its bytes, cut into `data`, then the recovery fragments. `stripe` is
/// filled with zeros to a multiple of the fragment size, which is even.
///
/// # Errors
/// Where the code's parameters are out of the library's range.
pub(crate) fn encode(
    encoders: &Encoders,
    code: Code,
    mut stripe: Vec<u8>,
    fragment_bytes: usize,
) -> Result<Vec<Bytes>, Error> {
    let (data, total) = (usize::from(code.data), usize::from(code.total));
    stripe.resize(data * fragment_bytes, 0);
    let stripe = Bytes::from(stripe);
    let mut fragments: Vec<Bytes> =
        (0..data).map(|index| stripe.slice(index * fragment_bytes..(index + 1) * fragment_bytes)).collect();
    if total > data {
        let mut encoder = encoders.take(data, total - data, fragment_bytes)?;
        for fragment in &fragments {
            encoder.add_original_shard(fragment)?;
        }
        fragments.extend(encoder.encode()?.recovery_iter().map(Bytes::copy_from_slice));
        encoders.give_back(encoder);
    }
    Ok(fragments)
}

/// The data fragments of a stripe from any `data` of its fragments, given with their indexes.
///
/// # Errors
/// Where there are too few, or their sizes differ.
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Any four of twelve give the stripe back; three do not.
        #[test]
        fn any_data_fragments_suffice(
            bytes in prop::collection::vec(any::<u8>(), 1..2000),
            order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let size = bytes.len().div_ceil(4).next_multiple_of(64);
            let fragments = encode(&Encoders::default(), Code::DEFAULT, bytes.clone(), size).unwrap();
            let found = |count: usize| order[..count].iter().map(|&at| (at, fragments[at].clone())).collect();
            let back = decode(Code::DEFAULT, found(4), size).unwrap().concat();
            prop_assert_eq!(&back[..bytes.len()], &bytes[..]);
            prop_assert!(back[bytes.len()..].iter().all(|byte| *byte == 0));
            prop_assert!(decode(Code::DEFAULT, found(3), size).is_err());
        }
    }

    #[test]
    fn a_plain_code_keeps_the_bytes() {
        let fragments = encode(&Encoders::default(), Code::PLAIN, vec![7; 100], 128).unwrap();
        assert_eq!(fragments.len(), 1);
        assert_eq!(decode(Code::PLAIN, vec![(0, fragments[0].clone())], 128).unwrap(), fragments);
        assert!(decode(Code::PLAIN, Vec::new(), 128).is_err());
    }
}
