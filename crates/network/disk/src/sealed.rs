//! A blob that is not stored anywhere: any range of it is encrypted when it is asked for.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use cyborg_envelope::blob::{Cipher, HEADER_BYTES, Layout, SEGMENT_LOG, TAG_BYTES, synthetic_salt};
use cyborg_envelope::{ContentKey, EnvelopeError};
use cyborg_primitives::Digest;

use crate::files::read_through;

/// BLAKE3 of a file from its beginning, and its length.
///
/// # Errors
/// Returns an error if it cannot be read.
pub fn digest_of(file: &File) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let bytes = read_through(file, |bytes| {
        hasher.update(bytes);
    })?;
    Ok((*hasher.finalize().as_bytes(), bytes))
}

/// The blob of a file, encrypted range by range: the whole is never in memory or on disk.
pub struct Sealed {
    plaintext: File,
    cipher: Cipher,
    layout: Layout,
    digest: Digest,
}

impl Sealed {
    /// Reads a file once, for its digest, and fixes the blob's keys. The file must not change from
    /// here on: ranges of two contents under one salt would share nonces.
    /// [`Self::is_unchanged`] tells afterwards.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub fn new(plaintext: File, key: &ContentKey, context: &[u8]) -> Result<Self, EnvelopeError> {
        let (digest, bytes) = digest_of(&plaintext)?;
        let salt = synthetic_salt(key, context, &digest, bytes);
        let cipher = Cipher::new(key, context, &salt, SEGMENT_LOG)?;
        let layout = cipher.layout(bytes)?;
        Ok(Self { plaintext, cipher, layout, digest })
    }

    /// Lengths of plaintext and blob.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// BLAKE3 of the plaintext.
    #[must_use]
    pub fn plaintext_digest(&self) -> Digest {
        self.digest
    }

    /// The bytes of the blob from an offset on.
    ///
    /// # Errors
    /// Returns an error if the range ends beyond the blob, or the file cannot be read or became shorter.
    pub fn read_at(&self, mut offset: u64, mut into: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(into.len() as u64);
        if end.is_none_or(|end| end > self.layout.blob_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(header) = self.cipher.header().get(offset.min(HEADER_BYTES as u64) as usize..) {
            let count = header.len().min(into.len());
            let (head, rest) = into.split_at_mut(count);
            head.copy_from_slice(&header[..count]);
            into = rest;
            offset += count as u64;
        }
        let sealed_bytes = self.cipher.segment_bytes() + TAG_BYTES;
        let mut buffer = Vec::new();
        while !into.is_empty() {
            let segment = (offset - HEADER_BYTES as u64) / sealed_bytes as u64;
            let skip = (offset - self.layout.segment_offset(segment)) as usize;
            let total = self.layout.segment_bytes(segment) + TAG_BYTES;
            let count = (total - skip).min(into.len());
            let (head, rest) = into.split_at_mut(count);
            if count == total {
                self.seal_into(segment, head)?;
            } else {
                buffer.resize(total, 0);
                self.seal_into(segment, &mut buffer)?;
                head.copy_from_slice(&buffer[skip..skip + count]);
            }
            into = rest;
            offset += count as u64;
        }
        Ok(())
    }

    fn seal_into(&self, segment: u64, sealed: &mut [u8]) -> io::Result<()> {
        let (bytes, tag) = sealed.split_at_mut(sealed.len() - TAG_BYTES);
        self.plaintext.read_exact_at(bytes, segment * self.cipher.segment_bytes() as u64)?;
        let made = self
            .cipher
            .seal_segment(segment, self.layout.is_last(segment), bytes)
            .map_err(io::Error::other)?;
        tag.copy_from_slice(&made);
        Ok(())
    }

    /// Reads the file again: whether it is still what was sealed.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub fn is_unchanged(&self) -> io::Result<bool> {
        Ok(digest_of(&self.plaintext)? == (self.digest, self.layout.plaintext_bytes))
    }
}
