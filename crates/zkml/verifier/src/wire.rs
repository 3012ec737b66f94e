//! Reading and writing bytes, with every length checked before it is used.
#![deny(clippy::wildcard_enum_match_arm)]

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
    /// Returns an error if the bytes begin with other magic bytes or another version.
    pub fn new(
        bytes: &'a [u8],
        kind: &'static str,
        magic: &[u8; 6],
        version: u16,
    ) -> Result<Self, FormatError> {
        let rest = bytes.strip_prefix(magic).ok_or(FormatError::Magic { expected: kind })?;
        let mut reader = Self { rest };
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
    /// Returns an error if fewer bytes are left.
    pub fn take(&mut self, field: &'static str, needed: usize) -> Result<&'a [u8], FormatError> {
        let Some((taken, rest)) = self.rest.split_at_checked(needed) else {
            return Err(FormatError::Truncated { field, needed, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(taken)
    }

    /// The next bytes, as an array.
    ///
    /// # Errors
    /// Returns an error if fewer bytes are left.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], FormatError> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else {
            return Err(FormatError::Truncated { field, needed: N, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(*taken)
    }

    /// A length-prefixed run of bytes.
    ///
    /// # Errors
    /// Returns an error if fewer bytes are left than the length says.
    pub fn run(&mut self, field: &'static str) -> Result<&'a [u8], FormatError> {
        let len = u32::from_le_bytes(self.array(field)?);
        self.take(field, len as usize)
    }

    /// Scalars.
    ///
    /// # Errors
    /// Returns an error if bytes are missing or not canonical.
    pub fn scalars(&mut self, field: &'static str, count: usize) -> Result<Vec<F>, FormatError> {
        let bytes = self.take(field, count.saturating_mul(SCALAR_BYTES))?;
        let (chunks, _) = bytes.as_chunks::<SCALAR_BYTES>();
        let scalar = |(index, chunk)| field::decode(chunk).ok_or(FormatError::Scalar { field, index });
        chunks.iter().enumerate().map(scalar).collect()
    }

    /// Compressed points.
    ///
    /// # Errors
    /// Returns an error if bytes are missing, or are not those of a point.
    pub fn points(&mut self, field: &'static str, count: usize) -> Result<Vec<Affine>, FormatError> {
        let bytes = self.take(field, count.saturating_mul(POINT_BYTES))?;
        let (chunks, _) = bytes.as_chunks::<POINT_BYTES>();
        let decoded = zkml_core::parallel::map(count, |index| {
            chunks.get(index).and_then(group::decompress).ok_or(FormatError::Point { field, index })
        });
        decoded.into_iter().collect()
    }

    /// Uncompressed points.
    ///
    /// # Errors
    /// Returns an error if bytes are missing, or are not those of a point.
    pub fn raw_points(&mut self, field: &'static str, count: usize) -> Result<Vec<Affine>, FormatError> {
        let bytes = self.take(field, count.saturating_mul(RAW_POINT_BYTES))?;
        let (chunks, _) = bytes.as_chunks::<RAW_POINT_BYTES>();
        let point = |(index, chunk)| group::from_raw(chunk).ok_or(FormatError::Point { field, index });
        chunks.iter().enumerate().map(point).collect()
    }

    /// Demands that nothing is left.
    ///
    /// # Errors
    /// Returns an error if bytes are left.
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
#[expect(
    clippy::cast_possible_truncation,
    reason = "runs are graphs and models: below 4 GiB by their limits"
)]
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
