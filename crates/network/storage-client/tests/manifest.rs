//! Manifests: what is decoded is what was signed; whatever is altered, cut or invented is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use cyborg_account::{Keypair, Signing, keys};
use cyborg_storage_client::error::ManifestError;
use cyborg_storage_client::manifest::{
    Code, Fragment, MAX_FRAGMENT_BYTES, MAX_MANIFEST_BYTES, Manifest, Shape, SignedManifest,
};
use proptest::prelude::*;

fn owner() -> Keypair {
    keys::from_seed(&[3; 32]).unwrap()
}

fn manifest(file_bytes: u64, fragment_bytes: u32, locations: usize) -> Manifest {
    let shape = Shape { code: Code::DEFAULT, fragment_bytes, file_bytes };
    let count = shape.stripes() as usize * 12;
    Manifest {
        shape,
        file_digest: [1; 32],
        owner: owner().account(),
        locations: (0..locations).map(|index| format!("https://node{index}.example:9700")).collect(),
        fragments: (0..count)
            .map(|index| Fragment {
                id: *blake3::hash(&index.to_le_bytes()).as_bytes(),
                location: (index % locations) as u16,
            })
            .collect(),
    }
}

/// The id goes on chain: the format does not change by accident.
#[test]
fn golden_id() {
    let signed = manifest(1000, 128, 12).sign(&owner()).unwrap();
    assert_eq!(blake3::Hash::from_bytes(signed.id).to_hex().as_str(), GOLDEN);
    // Signatures differ from time to time, ids do not.
    assert_eq!(manifest(1000, 128, 12).sign(&owner()).unwrap().id, signed.id);
}

const GOLDEN: &str = "1b98600c3bbf6b0338f0be058af8ae405c46e358f4e1412bf755e668cff5ddc2";

#[test]
fn shapes_follow_from_sizes() {
    let shape = |file_bytes| Shape { code: Code::DEFAULT, fragment_bytes: 128, file_bytes }.check().unwrap();
    for (bytes, stripes, last) in [(1, 1, 64), (256, 1, 64), (257, 1, 128), (512, 1, 128), (513, 2, 64)] {
        let shape = shape(bytes);
        assert_eq!((shape.stripes(), shape.fragment_bytes_of(stripes - 1)), (stripes, last), "{bytes}");
    }
    let bad =
        |code, fragment_bytes, file_bytes| Shape { code, fragment_bytes, file_bytes }.check().unwrap_err();
    let code = |data, total| Code { data, total };
    for (data, total) in [(0, 0), (0, 1), (5, 4)] {
        assert!(matches!(bad(code(data, total), 64, 1), ManifestError::Code { .. }));
    }
    for size in [0, 63, 65, MAX_FRAGMENT_BYTES + 64, u32::MAX] {
        assert!(matches!(bad(Code::DEFAULT, size, 1), ManifestError::FragmentSize { .. }));
    }
    for bytes in [0, u64::MAX, 256 * (MAX_MANIFEST_BYTES as u64 / 408 + 1)] {
        assert!(matches!(bad(Code::DEFAULT, 64, bytes), ManifestError::FileLength { .. }), "{bytes}");
    }
}

#[test]
fn each_check_refuses() {
    let signed = manifest(10_000, 128, 3).sign(&owner()).unwrap();
    let decode = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = signed.bytes.clone();
        change(&mut bytes);
        SignedManifest::decode(bytes).unwrap_err()
    };
    assert_eq!(decode(&|bytes| bytes[0] = 0), ManifestError::NotAManifest);
    assert_eq!(decode(&|bytes| bytes.truncate(100)), ManifestError::NotAManifest);
    assert!(matches!(
        decode(&|bytes| bytes.resize(MAX_MANIFEST_BYTES + 1, 0)),
        ManifestError::TooLong { .. }
    ));
    assert!(matches!(decode(&|bytes| bytes[8] = 13), ManifestError::Code { data: 13, total: 12 }));
    assert!(matches!(decode(&|bytes| bytes[12] = 1), ManifestError::FragmentSize { .. }));
    assert!(matches!(decode(&|bytes| bytes[16..24].fill(0)), ManifestError::FileLength { got: 0 }));
    assert!(matches!(decode(&|bytes| bytes[16..24].fill(0xff)), ManifestError::FileLength { .. }));
    // More locations than fit, a name longer than allowed, a name that is no text.
    assert!(matches!(decode(&|bytes| bytes[10..12].fill(0xff)), ManifestError::Location { .. }));
    assert!(matches!(decode(&|bytes| bytes[89] = 2), ManifestError::Location { index: 0 }));
    assert!(matches!(decode(&|bytes| bytes[90] = 0xff), ManifestError::Location { index: 0 }));
    assert!(matches!(decode(&|bytes| bytes.extend([0; 34])), ManifestError::Length { .. }));
    let entries = signed.bytes.len() - 64 - signed.manifest.fragments.len() * 34;
    assert_eq!(decode(&|bytes| bytes[entries] = 3), ManifestError::UnknownLocation { locations: 3, got: 3 });
    assert_eq!(decode(&|bytes| bytes[entries + 2] ^= 1), ManifestError::Signature);
    assert_eq!(decode(&|bytes| bytes[56] ^= 1), ManifestError::Signature);

    let id = signed.id;
    assert!(SignedManifest::decode_as(signed.bytes.clone(), &id).is_ok());
    let other = SignedManifest::decode_as(signed.bytes.clone(), &[0; 32]);
    assert_eq!(other.unwrap_err(), ManifestError::OtherFile);
    let stranger = keys::from_seed(&[4; 32]).unwrap();
    let mut forged = signed.bytes.clone();
    let at = forged.len() - 64;
    forged[at..].copy_from_slice(&stranger.sign(&[&b"cyborg manifest v1"[..], &id].concat()).0);
    assert_eq!(SignedManifest::decode(forged).unwrap_err(), ManifestError::Signature);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_signed_comes_back(file_bytes in 1_u64..200_000, steps in 1_u32..40, locations in 1_usize..30) {
        let signed = manifest(file_bytes, 64 * steps, locations).sign(&owner()).unwrap();
        prop_assert_eq!(&SignedManifest::decode(signed.bytes.clone()).unwrap(), &signed);
        prop_assert_eq!(signed.manifest, manifest(file_bytes, 64 * steps, locations));
    }

    /// Nothing altered, cut or extended passes, and nothing panics or allocates beyond its input.
    #[test]
    fn hostile_bytes_are_refused(
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let bytes = manifest(5000, 128, 5).sign(&owner()).unwrap().bytes;
        let mut altered = bytes.clone();
        let at = at.index(altered.len());
        prop_assume!(altered[at] != value);
        altered[at] = value;
        prop_assert!(SignedManifest::decode(altered.clone()).is_err());
        altered.truncate(cut.index(bytes.len()));
        altered.extend(&tail);
        prop_assert!(SignedManifest::decode(altered).is_err());
        let mut longer = bytes[..88].to_vec();
        longer.extend(&tail);
        prop_assert!(SignedManifest::decode(longer).is_err());
    }
}
