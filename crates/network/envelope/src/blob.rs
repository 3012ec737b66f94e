//! Encrypted files of any size: constant memory, any part readable on its own.
//!
//! STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015) with AES-256-GCM over segments of equal size:
//! the nonce of a segment is its number (11 bytes, big-endian) and a byte that says whether it is
//! the last. A segment that was altered, moved, dropped or added, and a blob that was cut or
//! extended, fails to open.
//!
//! ```text
//! header   magic 8 | log2 of segment size 1 | zero 7 | salt 32 | check 32
//! segment  ciphertext, of segment size but for the last | tag 16        (at least one segment)
//! ```
//!
//! The segments' key is derived from content key, context and header up to the salt. `check` is
//! derived from the same: it tells a wrong key from an altered blob, and commits to the key, which
//! AES-GCM alone does not.
//!
//! The salt is itself derived from content key and plaintext ([`synthetic_salt`]): sealing the same
//! file under the same key again gives the same bytes, so that an interrupted upload goes on
//! without any state; another file under the same key gets other keys, so that no nonce is used
//! twice. What this gives away is whether two blobs under one key are equal.

mod read;
mod write;

pub use read::BlobReader;
pub use write::BlobWriter;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use cyborg_primitives::Digest;

use crate::{ContentKey, EnvelopeError};

/// Bytes before the first segment.
pub const HEADER_BYTES: usize = 80;
/// Bytes that each segment adds.
pub const TAG_BYTES: usize = 16;
/// Segments of 64 KiB unless said otherwise, as a logarithm.
pub const SEGMENT_LOG: u8 = 16;
/// Smallest segment, as a logarithm.
pub const MIN_SEGMENT_LOG: u8 = 12;
/// Largest segment, as a logarithm.
pub const MAX_SEGMENT_LOG: u8 = 20;

const MAGIC: [u8; 8] = *b"cybblob\x01";
const SALTED_BYTES: usize = HEADER_BYTES - 32;

/// The keys of one blob: seals and opens its segments.
pub struct Cipher {
    header: [u8; HEADER_BYTES],
    segment_log: u8,
    aead: Aes256Gcm,
}

impl Cipher {
    /// The keys of a new blob. `context` is what it is bound to; opening needs the same.
    ///
    /// # Errors
    /// Returns an error if the segment size is out of range.
    pub fn new(
        key: &ContentKey,
        context: &[u8],
        salt: &Digest,
        segment_log: u8,
    ) -> Result<Self, EnvelopeError> {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(&MAGIC);
        header[8] = segment_log;
        header[16..SALTED_BYTES].copy_from_slice(salt);
        let (cipher, check) = Self::derive(key, context, header)?;
        let mut cipher = cipher;
        cipher.header[SALTED_BYTES..].copy_from_slice(&check);
        Ok(cipher)
    }

    /// The keys of a blob that begins with this header.
    ///
    /// # Errors
    /// Returns an error if it is not a header, or key or context are not those of the blob.
    pub fn open(
        key: &ContentKey,
        context: &[u8],
        header: &[u8; HEADER_BYTES],
    ) -> Result<Self, EnvelopeError> {
        if header[..8] != MAGIC || header[9..16] != [0; 7] {
            return Err(EnvelopeError::NotABlob);
        }
        let (cipher, check) = Self::derive(key, context, *header)?;
        // BLAKE3's hash compares in constant time.
        let found = blake3::Hash::from_slice(&header[SALTED_BYTES..]);
        if found.is_ok_and(|found| found == blake3::Hash::from_bytes(check)) {
            Ok(cipher)
        } else {
            Err(EnvelopeError::WrongKey)
        }
    }

    fn derive(
        key: &ContentKey,
        context: &[u8],
        header: [u8; HEADER_BYTES],
    ) -> Result<(Self, Digest), EnvelopeError> {
        let segment_log = header[8];
        if !(MIN_SEGMENT_LOG..=MAX_SEGMENT_LOG).contains(&segment_log) {
            return Err(EnvelopeError::SegmentSize {
                min: MIN_SEGMENT_LOG,
                max: MAX_SEGMENT_LOG,
                got: segment_log,
            });
        }
        let bound_to = [&header[..SALTED_BYTES], context];
        let segments = key.derive("cyborg blob segments v1", &bound_to);
        let check = *key.derive("cyborg blob check v1", &bound_to).expose();
        Ok((Self { header, segment_log, aead: Aes256Gcm::new(segments.expose().into()) }, check))
    }

    /// What the blob begins with.
    #[must_use]
    pub fn header(&self) -> &[u8; HEADER_BYTES] {
        &self.header
    }

    /// Plaintext bytes of every segment but the last.
    #[must_use]
    pub fn segment_bytes(&self) -> usize {
        1 << self.segment_log
    }

    /// Encrypts a segment in place and returns its tag. `last` is true for exactly the last.
    ///
    /// # Errors
    /// Returns an error if the segment is longer than AES-GCM allows, which no segment size in range is.
    pub fn seal_segment(
        &self,
        segment: u64,
        last: bool,
        bytes: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], EnvelopeError> {
        self.aead
            .encrypt_inout_detached(&nonce(segment, last), &[], bytes.into())
            .map(Into::into)
            .map_err(|_| EnvelopeError::TooLong { got: bytes.len() as u64 })
    }

    /// Decrypts a segment (ciphertext and tag) in place; the plaintext is what is returned.
    ///
    /// # Errors
    /// Returns an error if it was altered, or is not this segment, or is the last and should not be, or the other
    /// way round.
    pub fn open_segment<'a>(
        &self,
        segment: u64,
        last: bool,
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], EnvelopeError> {
        let altered = || EnvelopeError::AlteredSegment { segment };
        let (bytes, tag) = sealed.split_last_chunk_mut::<TAG_BYTES>().ok_or_else(altered)?;
        self.aead
            .decrypt_inout_detached(&nonce(segment, last), &[], (&mut *bytes).into(), &Tag::from(*tag))
            .map_err(|_| altered())?;
        Ok(bytes)
    }

    /// Where the segments of a blob with so many bytes of plaintext lie.
    ///
    /// # Errors
    /// Returns an error if the blob would be longer than a 64-bit length.
    pub fn layout(&self, plaintext_bytes: u64) -> Result<Layout, EnvelopeError> {
        Layout::of_plaintext(plaintext_bytes, self.segment_log)
    }
}

fn nonce(segment: u64, last: bool) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&segment.to_be_bytes());
    nonce[11] = u8::from(last);
    nonce.into()
}

/// Lengths and offsets of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    segment_log: u8,
    /// Bytes of plaintext.
    pub plaintext_bytes: u64,
    /// Bytes of the blob.
    pub blob_bytes: u64,
    /// Segments; at least one, which is empty where the plaintext is.
    pub segments: u64,
}

impl Layout {
    fn of_plaintext(plaintext_bytes: u64, segment_log: u8) -> Result<Self, EnvelopeError> {
        let segments = plaintext_bytes.div_ceil(1 << segment_log).max(1);
        let blob_bytes = (TAG_BYTES as u64)
            .checked_mul(segments)
            .and_then(|tags| tags.checked_add(plaintext_bytes)?.checked_add(HEADER_BYTES as u64))
            .ok_or(EnvelopeError::TooLong { got: plaintext_bytes })?;
        Ok(Self { segment_log, plaintext_bytes, blob_bytes, segments })
    }

    /// The layout of a blob of this length.
    ///
    /// # Errors
    /// Returns an error if no plaintext gives this length.
    fn of_blob(blob_bytes: u64, segment_log: u8) -> Result<Self, EnvelopeError> {
        let bad = || EnvelopeError::BlobLength { got: blob_bytes };
        let body = blob_bytes.checked_sub(HEADER_BYTES as u64).ok_or_else(bad)?;
        let segments = body.div_ceil((1_u64 << segment_log) + TAG_BYTES as u64).max(1);
        let plaintext = body.checked_sub(segments * TAG_BYTES as u64).ok_or_else(bad)?;
        let layout = Self::of_plaintext(plaintext, segment_log)?;
        // A last segment of a tag alone belongs to an empty plaintext only.
        if layout.segments == segments && layout.blob_bytes == blob_bytes { Ok(layout) } else { Err(bad()) }
    }

    /// Whether a segment is the last.
    #[must_use]
    pub fn is_last(&self, segment: u64) -> bool {
        segment + 1 == self.segments
    }

    /// Plaintext bytes of a segment.
    #[must_use]
    pub fn segment_bytes(&self, segment: u64) -> usize {
        let start = segment << self.segment_log;
        (self.plaintext_bytes - start).min(1 << self.segment_log) as usize
    }

    /// Where a segment's ciphertext begins in the blob.
    #[must_use]
    pub fn segment_offset(&self, segment: u64) -> u64 {
        HEADER_BYTES as u64 + segment * ((1 << self.segment_log) + TAG_BYTES as u64)
    }
}

/// The salt of a file under a key: derived from key, context and the file's digest and length.
#[must_use]
pub fn synthetic_salt(
    key: &ContentKey,
    context: &[u8],
    plaintext_digest: &Digest,
    plaintext_bytes: u64,
) -> Digest {
    let bound_to: [&[u8]; 3] = [context, plaintext_digest, &plaintext_bytes.to_le_bytes()];
    *key.derive("cyborg blob salt v1", &bound_to).expose()
}

/// Seals what is in memory.
///
/// # Errors
/// Returns an error if it is too long.
pub fn seal(key: &ContentKey, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let salt = synthetic_salt(key, context, blake3::hash(plaintext).as_bytes(), plaintext.len() as u64);
    let cipher = Cipher::new(key, context, &salt, SEGMENT_LOG)?;
    let layout = cipher.layout(plaintext.len() as u64)?;
    let mut blob = Vec::with_capacity(layout.blob_bytes as usize);
    blob.extend(cipher.header());
    for segment in 0..layout.segments {
        let start = (segment << SEGMENT_LOG) as usize;
        let at = blob.len();
        blob.extend(&plaintext[start..start + layout.segment_bytes(segment)]);
        let tag = cipher.seal_segment(segment, layout.is_last(segment), &mut blob[at..])?;
        blob.extend(tag);
    }
    Ok(blob)
}

/// Opens a blob that is in memory.
///
/// # Errors
/// Returns an error if it is not a blob, key or context are wrong, or it was altered.
pub fn open(
    key: &ContentKey,
    context: &[u8],
    blob: &[u8],
) -> Result<zeroize::Zeroizing<Vec<u8>>, EnvelopeError> {
    let mut plaintext = zeroize::Zeroizing::new(Vec::with_capacity(blob.len()));
    let mut writer = BlobWriter::new(key, context, &mut *plaintext);
    writer.update(blob)?;
    writer.finish()?;
    Ok(plaintext)
}
