//! Reading and writing bytes, with every length checked before it is used.

use crate::error::FormatError;
use alloc::vec::Vec;
use zkml_core::field::{self, SCALAR_BYTES};
use zkml_core::group::{self, POINT_BYTES, RAW_POINT_BYTES};
use zkml_core::{Affine, F};

/// A cursor over hostile bytes.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte, which must begin with magic bytes and a version.
    ///
    /// # Errors
    /// Where either is another.
    pub fn new(
        bytes: &'a [u8],
        kind: &'static str,
        magic: &[u8; 6],
        version: u16,
    ) -> Result<Self, FormatError> {
        let mut reader = Self { rest: bytes };
        if !bytes.starts_with(magic) {
            return Err(FormatError::Magic { expected: kind });
        }
        reader.take("magic", magic.len())?;
        let got = u16::from_le_bytes(reader.array("version")?);
        if got != version {
            return Err(FormatError::Version { kind, got, expected: version });
        }
        Ok(reader)
    }

    /// Starts at the first byte of a part that has no header.
    #[must_use]
    pub fn over(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next bytes.
    ///
    /// # Errors
    /// Where fewer are left.
    pub fn take(&mut self, field: &'static str, needed: usize) -> Result<&'a [u8], FormatError> {
        if needed > self.rest.len() {
            return Err(FormatError::Truncated { field, needed, left: self.rest.len() });
        }
        let (taken, rest) = self.rest.split_at(needed);
        self.rest = rest;
        Ok(taken)
    }

    /// The next bytes, as an array.
    ///
    /// # Errors
    /// Where fewer are left.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], FormatError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(field, N)?);
        Ok(out)
    }

    /// A length-prefixed run of bytes.
    ///
    /// # Errors
    /// Where fewer are left than the length says.
    pub fn run(&mut self, field: &'static str) -> Result<&'a [u8], FormatError> {
        let len = u32::from_le_bytes(self.array(field)?);
        self.take(field, len as usize)
    }

    /// Scalars.
    ///
    /// # Errors
    /// Where bytes are missing or not canonical.
    pub fn scalars(&mut self, field: &'static str, count: usize) -> Result<Vec<F>, FormatError> {
        let bytes = self.take(field, count.saturating_mul(SCALAR_BYTES))?;
        let chunks = bytes.chunks_exact(SCALAR_BYTES).enumerate();
        chunks
            .map(|(index, chunk)| {
                let mut array = [0; SCALAR_BYTES];
                array.copy_from_slice(chunk);
                field::decode(&array).ok_or(FormatError::Scalar { field, index })
            })
            .collect()
    }

    /// Compressed points.
    ///
    /// # Errors
    /// Where bytes are missing or no point.
    pub fn points(&mut self, field: &'static str, count: usize) -> Result<Vec<Affine>, FormatError> {
        let bytes = self.take(field, count.saturating_mul(POINT_BYTES))?;
        let decoded = zkml_core::parallel::map(count, |index| {
            let mut array = [0; POINT_BYTES];
            array.copy_from_slice(&bytes[index * POINT_BYTES..(index + 1) * POINT_BYTES]);
            group::decompress(&array).ok_or(FormatError::Point { field, index })
        });
        decoded.into_iter().collect()
    }

    /// Uncompressed points.
    ///
    /// # Errors
    /// Where bytes are missing or no point.
    pub fn raw_points(&mut self, field: &'static str, count: usize) -> Result<Vec<Affine>, FormatError> {
        let bytes = self.take(field, count.saturating_mul(RAW_POINT_BYTES))?;
        let chunks = bytes.chunks_exact(RAW_POINT_BYTES).enumerate();
        chunks
            .map(|(index, chunk)| {
                let mut array = [0; RAW_POINT_BYTES];
                array.copy_from_slice(chunk);
                group::from_raw(&array).ok_or(FormatError::Point { field, index })
            })
            .collect()
    }

    /// Demands that nothing is left.
    ///
    /// # Errors
    /// Where bytes are left.
    pub fn finish(self) -> Result<(), FormatError> {
        if self.rest.is_empty() { Ok(()) } else { Err(FormatError::Trailing { count: self.rest.len() }) }
    }
}

/// Starts a file: magic bytes and version.
#[must_use]
pub fn header(magic: &[u8; 6], version: u16) -> Vec<u8> {
    let mut out = magic.to_vec();
    out.extend(version.to_le_bytes());
    out
}

/// Appends a length-prefixed run of bytes.
pub fn put_run(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

/// Appends scalars.
pub fn put_scalars(out: &mut Vec<u8>, scalars: &[F]) {
    out.extend(scalars.iter().flat_map(field::encode));
}

/// Appends compressed points.
pub fn put_points(out: &mut Vec<u8>, points: &[Affine]) {
    out.extend(points.iter().flat_map(group::compress));
}
