//! Why something cannot be sealed or opened.

use std::io;

/// Why something cannot be sealed or opened. One variant per check.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The operating system gave no randomness.
    #[error("the operating system gives no randomness")]
    NoRandomness,
    /// A public key is the wrong length, or of an order that hides nothing.
    #[error("not a public key of X25519")]
    BadPublicKey,
    /// A wrapped key or a message was altered, is for another key, or for another purpose.
    #[error("cannot be opened: altered, or meant for another key or another purpose")]
    NotForThisKey,
    /// A message is too short to hold an encapsulated key and a tag.
    #[error("a message of {got} bytes; at least {expected} are needed")]
    ShortMessage {
        /// Fewest bytes.
        expected: usize,
        /// Bytes found.
        got: usize,
    },
    /// A wrapped key has another length.
    #[error("a wrapped key of {got} bytes; expected {expected}")]
    WrappedKeyLength {
        /// Bytes of a wrapped key.
        expected: usize,
        /// Bytes found.
        got: usize,
    },
    /// A blob does not begin with the magic.
    #[error("not an encrypted blob of this version")]
    NotABlob,
    /// A blob's header names a segment size out of range.
    #[error("segments of 2^{got} bytes; expected 2^{min} to 2^{max}")]
    SegmentSize {
        /// Smallest, as a logarithm.
        min: u8,
        /// Largest, as a logarithm.
        max: u8,
        /// Found, as a logarithm.
        got: u8,
    },
    /// The key is not the one that the blob was sealed with, or its context is another.
    #[error("this key does not open this blob")]
    WrongKey,
    /// A segment does not authenticate: altered, moved, or the blob was cut or extended there.
    #[error("segment {segment} was altered, moved or cut off")]
    AlteredSegment {
        /// The segment's number, from 0.
        segment: u64,
    },
    /// A length that no blob has.
    #[error("no blob has a length of {got} bytes")]
    BlobLength {
        /// Length found.
        got: u64,
    },
    /// More than can be numbered.
    #[error("a blob of {got} bytes is too long")]
    TooLong {
        /// Length asked for.
        got: u64,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}
