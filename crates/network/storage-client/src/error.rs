//! Why a file cannot be stored, fetched or trusted.

use std::io;

/// Why a manifest is refused. One variant per check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It does not begin with the magic.
    #[error("not a manifest of this version")]
    NotAManifest,
    /// It is longer than the longest manifest.
    #[error("a manifest of {got} bytes; at most {max}")]
    TooLong {
        /// Most bytes.
        max: usize,
        /// Bytes found.
        got: usize,
    },
    /// Its length does not follow from its counts.
    #[error("a manifest of {got} bytes; its counts make {expected}")]
    Length {
        /// Bytes that the counts make.
        expected: u64,
        /// Bytes found.
        got: u64,
    },
    /// Fewer fragments than are needed, or none needed.
    #[error("{data} of {total} fragments is not a code")]
    Code {
        /// Fragments that suffice.
        data: u8,
        /// Fragments made.
        total: u8,
    },
    /// A fragment's size is out of range or no multiple of 64.
    #[error("fragments of {got} bytes; expected a multiple of 64 up to {max}")]
    FragmentSize {
        /// Most bytes.
        max: u32,
        /// Bytes found.
        got: u32,
    },
    /// The file is empty, or too long to be listed.
    #[error("a file of {got} bytes cannot be listed")]
    FileLength {
        /// Bytes found.
        got: u64,
    },
    /// A location's name is too long, or no text.
    #[error("location {index} has no valid name")]
    Location {
        /// Its index, from 0.
        index: usize,
    },
    /// A fragment lies at a location that is not listed.
    #[error("a fragment at location {got}; there are {locations}")]
    UnknownLocation {
        /// Locations listed.
        locations: usize,
        /// Location found.
        got: usize,
    },
    /// The signature is not the owner's.
    #[error("the owner did not sign this manifest")]
    Signature,
    /// It is another file's manifest.
    #[error("this is the manifest of another file")]
    OtherFile,
}

/// Why a file cannot be stored or fetched.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Nobody answers, or the answer breaks off.
    #[error("{location}: {reason}")]
    Unreachable {
        /// The side that was asked.
        location: String,
        /// What went wrong.
        reason: String,
    },
    /// The answer is a refusal.
    #[error("{location} refused: {status} {message}")]
    Refused {
        /// The side that was asked.
        location: String,
        /// HTTP status, or the gateway's code.
        status: u16,
        /// What it said.
        message: String,
    },
    /// There is no space left.
    #[error("{location} is full")]
    Full {
        /// The side that was asked.
        location: String,
    },
    /// The other side has no such file or fragment.
    #[error("{location} has no {id}")]
    NotFound {
        /// The side that was asked.
        location: String,
        /// The id that was asked for, in hexadecimal.
        id: String,
    },
    /// An answer is longer than what was asked for.
    #[error("{location} answered with more than {limit} bytes")]
    TooMuch {
        /// The side that was asked.
        location: String,
        /// Most bytes expected.
        limit: u64,
    },
    /// The received bytes are not what was stored.
    #[error("{location} altered {id}")]
    Altered {
        /// The side that was asked.
        location: String,
        /// The id that was asked for, in hexadecimal.
        id: String,
    },
    /// The answer does not follow the protocol.
    #[error("{location} answered {found}")]
    Protocol {
        /// The side that was asked.
        location: String,
        /// What was found.
        found: String,
    },
    /// A manifest is refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// No location has a valid manifest of this file.
    #[error("no location has the manifest of {id}: {tried}")]
    NoManifest {
        /// The file.
        id: String,
        /// What each location said.
        tried: String,
    },
    /// Too few fragments of a stripe are left.
    #[error("stripe {stripe}: {found} of the {needed} fragments needed are left; {lost}")]
    Lost {
        /// Its index, from 0.
        stripe: u64,
        /// Good fragments.
        found: usize,
        /// Fragments needed.
        needed: usize,
        /// What is wrong with the others.
        lost: String,
    },
    /// No location takes a fragment.
    #[error("no location takes fragment {index} of stripe {stripe}: {tried}")]
    Nowhere {
        /// Which stripe, from 0.
        stripe: u64,
        /// Which fragment, from 0.
        index: usize,
        /// What each location said.
        tried: String,
    },
    /// Too few locations took the manifest.
    #[error("{placed} of {locations} locations took the manifest; {needed} are needed: {tried}")]
    ManifestStored {
        /// Locations that took it.
        placed: usize,
        /// Locations asked.
        locations: usize,
        /// Locations needed.
        needed: usize,
        /// What the others said.
        tried: String,
    },
    /// There are no locations.
    #[error("no location to store at")]
    NoLocations,
    /// A range beyond the end of a file.
    #[error("bytes {start} to {end} of a file of {length}")]
    Range {
        /// First byte.
        start: u64,
        /// Byte after the last.
        end: u64,
        /// Bytes of the file.
        length: u64,
    },
    /// The file changed while it was sealed.
    #[error("the file changed while it was uploaded; upload it again")]
    SourceChanged,
    /// The gateway made another file of what it was sent.
    #[error("the gateway stored {found} instead of {expected}")]
    OtherFileId {
        /// Id of what was sent.
        expected: String,
        /// Id it answered with.
        found: String,
    },
    /// A certificate that is to be trusted cannot be read.
    #[error("a certificate to be trusted is invalid: {reason}")]
    Certificate {
        /// Why.
        reason: String,
    },
    /// A name or value that a request cannot carry.
    #[error("{what} cannot be used: {got}")]
    BadSetting {
        /// Which.
        what: &'static str,
        /// Its value.
        got: String,
    },
    /// Sealing or opening failed.
    #[error(transparent)]
    Envelope(#[from] cyborg_envelope::EnvelopeError),
    /// Reading or writing here failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StorageError {
    /// Whether asking again may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 409 | 425 | 429 | 500 | 502..=504),
            _ => false,
        }
    }
}

/// The innermost cause of an error. An HTTP client's own text repeats the URL; the cause is what helps.
#[must_use]
pub fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
