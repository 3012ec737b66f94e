//! Arrays as an `.npz`: what `numpy.savez` writes and [`super::Samples`] reads.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{DataError, Values};

/// The header of a `.npy` ends at a multiple of this.
const ALIGNMENT: usize = 64;

/// An archive of named arrays, row-major, in the order that is given.
///
/// # Errors
/// Returns an error if a name cannot be that of an entry, or if the archive would be too large.
pub fn npz_bytes<'a>(
    arrays: impl IntoIterator<Item = (&'a str, Vec<usize>, Values)>,
) -> Result<Vec<u8>, DataError> {
    let failed = |error: &dyn std::fmt::Display| DataError::Archive {
        file: "the archive to be written".to_owned(),
        problem: error.to_string(),
    };
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, shape, values) in arrays {
        archive.start_file(format!("{name}.npy"), options).map_err(|error| failed(&error))?;
        archive.write_all(&npy(&shape, &values)).map_err(|error| failed(&error))?;
    }
    Ok(archive.finish().map_err(|error| failed(&error))?.into_inner())
}

/// One array: magic and version 1.0, length of the header, the header, little-endian elements.
fn npy(shape: &[usize], values: &Values) -> Vec<u8> {
    let descr = match values {
        Values::Float(_) => "<f4",
        Values::Integer(_) => "<i8",
    };
    // A tuple of one has a comma after it; more than one may.
    let extents: String = shape.iter().map(|extent| format!("{extent}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
    let unpadded = 10 + header.len() + 1;
    let padding = unpadded.next_multiple_of(ALIGNMENT) - unpadded;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    // At most 32 axes of 20 digits.
    bytes.extend(((header.len() + padding + 1) as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(std::iter::repeat_n(b' ', padding));
    bytes.push(b'\n');
    match values {
        Values::Float(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Values::Integer(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::npz;

    #[test]
    fn what_is_written_is_read_back() {
        let arrays = [
            ("a", vec![1, 3], Values::Float(vec![0.5, -1.0, 2.0])),
            ("b", vec![2], Values::Integer(vec![i64::MIN, 7])),
            ("scalar", vec![], Values::Integer(vec![9])),
        ];
        let bytes = npz_bytes(arrays.clone()).unwrap();
        let read = npz::read("x.npz", Cursor::new(bytes)).unwrap();
        assert_eq!(read.len(), 3);
        for (name, shape, values) in arrays {
            assert_eq!(read[name].shape(), shape);
            assert_eq!(*read[name].values(), values);
        }
    }
}
