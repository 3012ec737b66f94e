//! Opening a blob as it arrives, in order.

use std::io::Write;

use zeroize::Zeroizing;

use super::{Cipher, HEADER_BYTES, TAG_BYTES};
use crate::{ContentKey, EnvelopeError};

/// Takes a blob in pieces of any size and writes its plaintext, segment by segment. Nothing is
/// written that does not authenticate; but only [`Self::finish`] says that nothing is missing.
pub struct BlobWriter<W> {
    key: ContentKey,
    context: Vec<u8>,
    cipher: Option<Cipher>,
    out: W,
    /// The header, or a segment that may be the last.
    pending: Zeroizing<Vec<u8>>,
    segment: u64,
}

impl<W: Write> BlobWriter<W> {
    /// A writer for a blob that was sealed under this key and context.
    pub fn new(key: &ContentKey, context: &[u8], out: W) -> Self {
        Self {
            key: key.clone(),
            context: context.to_vec(),
            cipher: None,
            out,
            pending: Zeroizing::default(),
            segment: 0,
        }
    }

    /// Takes the next bytes of the blob.
    ///
    /// # Errors
    /// Returns an error if they do not authenticate, or the plaintext cannot be written.
    pub fn update(&mut self, mut bytes: &[u8]) -> Result<(), EnvelopeError> {
        while !bytes.is_empty() {
            let full = match &self.cipher {
                None => HEADER_BYTES,
                Some(cipher) => cipher.segment_bytes() + TAG_BYTES,
            };
            // What is pending is full, and more follows: it is not the last.
            if self.pending.len() == full {
                self.take_pending(false)?;
                continue;
            }
            let count = (full - self.pending.len()).min(bytes.len());
            let (head, rest) = bytes.split_at(count);
            self.pending.extend_from_slice(head);
            bytes = rest;
        }
        Ok(())
    }

    /// The blob is over: opens its last segment and returns what was written to.
    ///
    /// # Errors
    /// Returns an error if the last segment is missing, cut or not the last.
    pub fn finish(mut self) -> Result<W, EnvelopeError> {
        if self.cipher.is_none() {
            self.take_pending(false)?;
        }
        self.take_pending(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn take_pending(&mut self, last: bool) -> Result<(), EnvelopeError> {
        match &self.cipher {
            None => {
                let header = self.pending.first_chunk().ok_or(EnvelopeError::NotABlob)?;
                self.cipher = Some(Cipher::open(&self.key, &self.context, header)?);
            }
            Some(cipher) => {
                let plaintext = cipher.open_segment(self.segment, last, &mut self.pending)?;
                // An empty segment is the only one.
                if plaintext.is_empty() && self.segment > 0 {
                    return Err(EnvelopeError::AlteredSegment { segment: self.segment });
                }
                self.out.write_all(plaintext)?;
                self.segment += 1;
            }
        }
        self.pending.clear();
        Ok(())
    }
}
