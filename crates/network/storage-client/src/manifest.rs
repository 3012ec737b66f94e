//! The manifest: what a stored file is made of. Its BLAKE3 is the file's id, which goes on chain.
//!
//! ```text
//! magic 8 | data 1 | total 1 | locations 2 | fragment bytes 4 | file bytes 8 | file digest 32 | owner 32
//! locations     each: length 2, name in UTF-8
//! fragments  stripe by stripe, `total` of each: location 2, BLAKE3 of the fragment 32
//! signature  64, sr25519 by the owner over a name and the id
//! ```
//!
//! Numbers are little-endian. The id is BLAKE3 of all but the signature, so that it follows from
//! what is stored and where. The file is the encrypted blob: the manifest says nothing of what is
//! in it. A stripe is `data × fragment bytes` of the file; its fragments are that, cut, and the
//! Reed–Solomon recovery fragments, `total` in all. The last stripe's fragments are as short as its
//! bytes allow, a multiple of 64, filled with zeros.

use cyborg_account::{Signing, verify};
use cyborg_primitives::{Account, Digest};

use crate::error::ManifestError;

/// Longest manifest: that of a file of 215 GB in fragments of 1 MiB, 4 of 12.
pub const MAX_MANIFEST_BYTES: usize = 20 << 20;
/// Longest fragment.
pub const MAX_FRAGMENT_BYTES: u32 = 16 << 20;
/// Longest name of a location.
pub const MAX_LOCATION_BYTES: usize = 256;

const MAGIC: [u8; 8] = *b"cybmanf\x01";
const HEAD_BYTES: usize = 88;
const FRAGMENT_ENTRY_BYTES: usize = 34;
const SIGNATURE_BYTES: usize = 64;
/// Fragments are multiples of this, as the code computes fastest.
const FRAGMENT_STEP: u64 = 64;

/// How many fragments are made of a stripe, and how many suffice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Fragments that suffice; at least 1.
    pub data: u8,
    /// Fragments made.
    pub total: u8,
}

impl Code {
    /// 4 of 12: any 8 may be lost.
    pub const DEFAULT: Self = Self { data: 4, total: 12 };
    /// The bytes as they are, for locations that are redundant themselves.
    pub const PLAIN: Self = Self { data: 1, total: 1 };
}

/// The sizes of a file in stripes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The code.
    pub code: Code,
    /// Bytes of every fragment but the last stripe's.
    pub fragment_bytes: u32,
    /// Bytes of the file.
    pub file_bytes: u64,
}

impl Shape {
    /// Checks code, sizes, and that the file can be listed.
    ///
    /// # Errors
    /// Returns an error if one is out of range.
    pub fn check(self) -> Result<Self, ManifestError> {
        let Self { code: Code { data, total }, fragment_bytes, file_bytes } = self;
        if data == 0 || data > total {
            return Err(ManifestError::Code { data, total });
        }
        let step = FRAGMENT_STEP as u32;
        if fragment_bytes == 0 || !fragment_bytes.is_multiple_of(step) || fragment_bytes > MAX_FRAGMENT_BYTES
        {
            return Err(ManifestError::FragmentSize { max: MAX_FRAGMENT_BYTES, got: fragment_bytes });
        }
        let most = (MAX_MANIFEST_BYTES / (FRAGMENT_ENTRY_BYTES * usize::from(total))) as u64;
        if file_bytes == 0 || self.stripes() > most {
            return Err(ManifestError::FileLength { got: file_bytes });
        }
        Ok(self)
    }

    /// Bytes of the file in every stripe but the last.
    #[must_use]
    pub fn stripe_bytes(&self) -> u64 {
        u64::from(self.code.data) * u64::from(self.fragment_bytes)
    }

    /// Number of stripes.
    #[must_use]
    pub fn stripes(&self) -> u64 {
        self.file_bytes.div_ceil(self.stripe_bytes())
    }

    /// Where a stripe begins in the file, and how many of its bytes it holds.
    #[must_use]
    pub fn stripe(&self, stripe: u64) -> (u64, usize) {
        let start = stripe * self.stripe_bytes();
        (start, (self.file_bytes - start).min(self.stripe_bytes()) as usize)
    }

    /// Bytes of each fragment of a stripe.
    #[must_use]
    pub fn fragment_bytes_of(&self, stripe: u64) -> usize {
        let (_, bytes) = self.stripe(stripe);
        (bytes as u64).div_ceil(u64::from(self.code.data)).next_multiple_of(FRAGMENT_STEP) as usize
    }
}

/// A fragment: its id, and where it was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// BLAKE3 of its bytes.
    pub id: Digest,
    /// Index into the manifest's locations. A hint: it may have moved since.
    pub location: u16,
}

/// What a stored file is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Sizes.
    pub shape: Shape,
    /// BLAKE3 of the file.
    pub file_digest: Digest,
    /// The account that may delete it.
    pub owner: Account,
    /// Names of locations, such as URLs of nodes.
    pub locations: Vec<String>,
    /// `total` of each stripe, in order.
    pub fragments: Vec<Fragment>,
}

/// A manifest with its owner's signature, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedManifest {
    /// The manifest.
    pub manifest: Manifest,
    /// The file's id.
    pub id: Digest,
    /// The bytes that are stored.
    pub bytes: Vec<u8>,
}

impl Manifest {
    /// The fragments of a stripe.
    #[must_use]
    pub fn stripe(&self, stripe: u64) -> &[Fragment] {
        let total = usize::from(self.shape.code.total);
        let start = stripe as usize * total;
        &self.fragments[start..start + total]
    }

    fn body(&self) -> Vec<u8> {
        let Shape { code, fragment_bytes, file_bytes } = self.shape;
        let mut bytes =
            Vec::with_capacity(HEAD_BYTES + self.fragments.len() * FRAGMENT_ENTRY_BYTES + SIGNATURE_BYTES);
        bytes.extend(MAGIC);
        bytes.extend([code.data, code.total]);
        bytes.extend((self.locations.len() as u16).to_le_bytes());
        bytes.extend(fragment_bytes.to_le_bytes());
        bytes.extend(file_bytes.to_le_bytes());
        bytes.extend(self.file_digest);
        bytes.extend(self.owner);
        for location in &self.locations {
            bytes.extend((location.len() as u16).to_le_bytes());
            bytes.extend(location.as_bytes());
        }
        for fragment in &self.fragments {
            bytes.extend(fragment.location.to_le_bytes());
            bytes.extend(fragment.id);
        }
        bytes
    }

    /// Signs the manifest as its owner.
    ///
    /// # Errors
    /// Returns an error if it would be refused when read.
    pub fn sign(mut self, signer: &dyn Signing) -> Result<SignedManifest, ManifestError> {
        self.owner = signer.account();
        let mut bytes = self.body();
        let id = *blake3::hash(&bytes).as_bytes();
        bytes.extend(signer.sign(&payload(&id)));
        SignedManifest::decode(bytes)
    }
}

fn payload(id: &Digest) -> Vec<u8> {
    [&b"cyborg manifest v1"[..], id].concat()
}

impl SignedManifest {
    /// Reads a manifest and checks its owner's signature.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a manifest, the counts contradict the length, or the owner did not
    /// sign it.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLong { max: MAX_MANIFEST_BYTES, got: bytes.len() });
        }
        let (body, signature) =
            bytes.split_last_chunk::<SIGNATURE_BYTES>().ok_or(ManifestError::NotAManifest)?;
        let manifest = decode_body(body)?;
        let id = *blake3::hash(body).as_bytes();
        if !verify(&manifest.owner, &payload(&id), signature) {
            return Err(ManifestError::Signature);
        }
        Ok(Self { manifest, id, bytes })
    }

    /// The same, for one file.
    ///
    /// # Errors
    /// Returns an error as there, and if it is another file's manifest.
    pub fn decode_as(bytes: Vec<u8>, id: &Digest) -> Result<Self, ManifestError> {
        let signed = Self::decode(bytes)?;
        if signed.id == *id { Ok(signed) } else { Err(ManifestError::OtherFile) }
    }
}

fn decode_body(body: &[u8]) -> Result<Manifest, ManifestError> {
    let (head, mut rest) = body.split_first_chunk::<HEAD_BYTES>().ok_or(ManifestError::NotAManifest)?;
    if head[..8] != MAGIC {
        return Err(ManifestError::NotAManifest);
    }
    let location_count = u16::from_le_bytes([head[10], head[11]]);
    let shape = Shape {
        code: Code { data: head[8], total: head[9] },
        fragment_bytes: u32::from_le_bytes([head[12], head[13], head[14], head[15]]),
        file_bytes: head[16..24].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)),
    }
    .check()?;
    let [mut file_digest, mut owner] = [[0; 32]; 2];
    file_digest.copy_from_slice(&head[24..56]);
    owner.copy_from_slice(&head[56..]);

    let mut locations = Vec::with_capacity(usize::from(location_count).min(rest.len() / 2));
    for index in 0..usize::from(location_count) {
        let bad = ManifestError::Location { index };
        let Some((length, tail)) = rest.split_first_chunk::<2>() else { return Err(bad) };
        let length = usize::from(u16::from_le_bytes(*length));
        let Some((name, tail)) = tail.split_at_checked(length) else { return Err(bad) };
        match str::from_utf8(name) {
            Ok(name) if name.len() <= MAX_LOCATION_BYTES => locations.push(name.to_owned()),
            _ => return Err(bad),
        }
        rest = tail;
    }

    let count = shape.stripes() * u64::from(shape.code.total);
    let expected = count * FRAGMENT_ENTRY_BYTES as u64;
    if rest.len() as u64 != expected {
        return Err(ManifestError::Length { expected, got: rest.len() as u64 });
    }
    let mut fragments = Vec::with_capacity(rest.len() / FRAGMENT_ENTRY_BYTES);
    for entry in rest.chunks_exact(FRAGMENT_ENTRY_BYTES) {
        let location = u16::from_le_bytes([entry[0], entry[1]]);
        if usize::from(location) >= locations.len() {
            return Err(ManifestError::UnknownLocation { locations: locations.len(), got: location.into() });
        }
        let mut id = [0; 32];
        id.copy_from_slice(&entry[2..]);
        fragments.push(Fragment { id, location });
    }
    Ok(Manifest { shape, file_digest, owner, locations, fragments })
}
