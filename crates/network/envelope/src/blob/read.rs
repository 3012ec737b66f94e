//! Reading the plaintext of a stored blob, from any offset.

use std::io::{self, Read, Seek, SeekFrom};

use zeroize::Zeroizing;

use super::{Cipher, HEADER_BYTES, Layout, TAG_BYTES};
use crate::{ContentKey, EnvelopeError};

/// The plaintext of a blob, decrypted segment by segment as it is read.
pub struct BlobReader<R> {
    blob: R,
    cipher: Cipher,
    layout: Layout,
    /// The segment in `plaintext`.
    loaded: Option<u64>,
    plaintext: Zeroizing<Vec<u8>>,
    position: u64,
}

impl<R: Read + Seek> BlobReader<R> {
    /// Checks key, context and length: the last segment must be the last.
    ///
    /// # Errors
    /// Returns an error if it is not a blob, the key or the context are wrong, or it was cut, extended or altered at
    /// its end.
    pub fn new(mut blob: R, key: &ContentKey, context: &[u8]) -> Result<Self, EnvelopeError> {
        let blob_bytes = blob.seek(SeekFrom::End(0))?;
        blob.seek(SeekFrom::Start(0))?;
        let mut header = [0; HEADER_BYTES];
        if blob_bytes < HEADER_BYTES as u64 {
            return Err(EnvelopeError::NotABlob);
        }
        blob.read_exact(&mut header)?;
        let cipher = Cipher::open(key, context, &header)?;
        let layout = Layout::of_blob(blob_bytes, cipher.segment_log)?;
        let mut reader =
            Self { blob, cipher, layout, loaded: None, plaintext: Zeroizing::default(), position: 0 };
        reader.load(layout.segments - 1)?;
        Ok(reader)
    }

    /// Lengths of plaintext and blob.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    fn load(&mut self, segment: u64) -> Result<(), EnvelopeError> {
        if self.loaded == Some(segment) {
            return Ok(());
        }
        self.loaded = None;
        let bytes = self.layout.segment_bytes(segment);
        self.plaintext.resize(bytes + TAG_BYTES, 0);
        self.blob.seek(SeekFrom::Start(self.layout.segment_offset(segment)))?;
        self.blob.read_exact(&mut self.plaintext)?;
        self.cipher.open_segment(segment, self.layout.is_last(segment), &mut self.plaintext)?;
        self.plaintext.truncate(bytes);
        self.loaded = Some(segment);
        Ok(())
    }
}

impl<R: Read + Seek> Read for BlobReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() || self.position >= self.layout.plaintext_bytes {
            return Ok(0);
        }
        let segment_bytes = self.cipher.segment_bytes() as u64;
        self.load(self.position / segment_bytes).map_err(|error| match error {
            EnvelopeError::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        })?;
        let rest = &self.plaintext[(self.position % segment_bytes) as usize..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for BlobReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.layout.plaintext_bytes.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
