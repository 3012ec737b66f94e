//! Samples of models: named arrays of numbers out of `.npz` and `.json`, the integers that a graph
//! takes for them, and how good its answers are.
//!
//! A file holds arrays by name; the first axis of each is the sample. An `.npz` is what
//! `numpy.savez` and `numpy.savez_compressed` write; a `.json` is either one object of nested
//! arrays, `{"inputs": [[..], ..], "labels": [..]}`, or the nested array of `inputs` alone.
//! The names `inputs`, `outputs` and `labels` have a meaning (see [`Samples`]); other names are
//! those of a graph's tensors.
//!
//! Files are hostile: every length is checked before anything is allocated for it, sizes are
//! bounded by the `MAX_*` constants whatever a header claims, NaN and infinities are refused with
//! their position, and nothing panics. What the numbers mean is for the caller to decide.
//!
//! | module | content |
//! |---|---|
//! | `npz` | the archive: which entries, how large |
//! | `npy` | one array: its header and its elements |
//! | `json` | nested arrays |
//! | `write` | arrays as an archive |
//! | `ports` | a graph's inputs or outputs, and the samples for them |
//! | `quantize` | real numbers to the integers of a tensor, and back |
//! | `score` | what an output is; accuracy, agreement, distance |
//! | `error` | one variant per check |
//!
//! Bytes come in and arrays go out: there are no files and no threads here, so that a browser can
//! do with a sample what the program does.

mod error;
mod json;
mod npy;
mod npz;
mod ports;
mod quantize;
mod score;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::io::Cursor;

pub use error::{ArrayError, DataError, QuantizeError};
pub use ports::Ports;
pub use quantize::{dequantize, quantize, saturated};
pub use score::{OutputKind, Score, Spread, class_of};
pub use write::npz_bytes;

/// Largest file read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 30;
/// Largest JSON file read, in bytes.
pub const MAX_JSON_BYTES: u64 = 1 << 28;
/// Most arrays in a file.
pub const MAX_ARRAYS: usize = 1024;
/// Most elements in one file, all arrays together: bounds what a small compressed file can grow to.
pub const MAX_ELEMENTS: usize = 1 << 27;
/// Most axes of an array.
pub const MAX_AXES: usize = 32;
/// Longest name of an array, in bytes.
pub const MAX_NAME_BYTES: usize = 1024;

/// The elements of an array or of a sample of it, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// From a floating-point type; every element is finite.
    Float(Vec<f32>),
    /// From an integer type or from booleans (0 and 1).
    Integer(Vec<i64>),
}

/// A named array's shape and elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    values: Values,
}

/// One sample of an array: borrowed elements, row-major.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Row<'a> {
    /// From a floating-point type; every element is finite.
    Float(&'a [f32]),
    /// From an integer type or from booleans (0 and 1).
    Integer(&'a [i64]),
}

/// The arrays of one file.
///
/// Inputs are found under the names of the graph's inputs or, if the graph has one, under
/// `inputs`; outputs likewise under the graph's names or `outputs`; `labels` are class indices.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    file: String,
    arrays: BTreeMap<String, Array>,
}

impl Array {
    /// Extents, slowest axis first; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All elements, row-major.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Float(values) => values.len(),
            Values::Integer(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements `start .. start + len`, or `None` if there are not so many.
    fn row(&self, start: usize, len: usize) -> Option<Row<'_>> {
        let range = start..start.checked_add(len)?;
        match &self.values {
            Values::Float(values) => values.get(range).map(Row::Float),
            Values::Integer(values) => values.get(range).map(Row::Integer),
        }
    }
}

impl Row<'_> {
    /// The elements as `f32`, integers rounded to the nearest.
    pub fn to_f32(self) -> Vec<f32> {
        match self {
            Row::Float(values) => values.to_vec(),
            Row::Integer(values) => values.iter().map(|&value| value as f32).collect(),
        }
    }
}

impl Samples {
    /// Reads the content of a file of this name; `.npz` and `.json` are told apart by their content,
    /// not by their name.
    ///
    /// # Errors
    /// Returns every variant of [`DataError`] that names no index.
    pub fn from_bytes(file: &str, bytes: &[u8]) -> Result<Self, DataError> {
        let limited = |limit| match bytes.len() as u64 {
            bytes if bytes > limit => Err(DataError::TooLarge { file: file.to_owned(), bytes, limit }),
            _ => Ok(()),
        };
        limited(MAX_FILE_BYTES)?;
        let arrays = if bytes.starts_with(b"PK") {
            npz::read(file, Cursor::new(bytes))?
        } else if matches!(bytes.first(), Some(b'{' | b'[' | b' ' | b'\t' | b'\n' | b'\r')) {
            limited(MAX_JSON_BYTES)?;
            json::read(file, bytes)?
        } else {
            return Err(DataError::UnknownFormat { file: file.to_owned() });
        };
        Ok(Self { file: file.to_owned(), arrays })
    }

    /// The file's name, as errors show it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The names of the arrays, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// An array by its name.
    pub fn array(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name)
    }

    /// How many samples there are for inputs of these names and sizes (elements per sample).
    ///
    /// # Errors
    /// Returns the errors of [`Samples::inputs_for`], and [`DataError::Disagree`] if the arrays do not have the
    /// same number of samples.
    pub fn count(&self, names: &[String], sizes: &[usize]) -> Result<usize, DataError> {
        let mut count = None;
        for (name, array, size) in self.find(names, "inputs", sizes)? {
            let own = self.samples_in(name, array, size)?;
            if let Some((first, samples)) = count.replace((name, own))
                && samples != own
            {
                return Err(DataError::Disagree {
                    file: self.file.clone(),
                    first: first.to_owned(),
                    first_samples: samples,
                    second: name.to_owned(),
                    second_samples: own,
                });
            }
        }
        Ok(count.map_or(0, |(_, samples)| samples))
    }

    /// The inputs of one sample, one vector for each name, each of its size in elements.
    ///
    /// The first axis of an array is the sample and the others may have any shape with as many
    /// elements. An array that is exactly one sample without that axis counts as one sample.
    ///
    /// # Errors
    /// Returns [`DataError::Missing`], [`DataError::SampleSize`] or [`DataError::Index`].
    pub fn inputs_for(
        &self,
        names: &[String],
        sizes: &[usize],
        index: usize,
    ) -> Result<Vec<Vec<f32>>, DataError> {
        Ok(self.rows(names, "inputs", sizes, index)?.into_iter().map(Row::to_f32).collect())
    }

    /// The outputs of one sample as they stand in the file, or `None` if it has none of them.
    ///
    /// # Errors
    /// Returns the errors of [`Samples::inputs_for`]; [`DataError::Missing`] only if some of several are there.
    pub fn outputs_for(
        &self,
        names: &[String],
        sizes: &[usize],
        index: usize,
    ) -> Result<Option<Vec<Row<'_>>>, DataError> {
        let named = names.iter().any(|name| self.arrays.contains_key(name));
        let shared = names.len() == 1 && self.arrays.contains_key("outputs");
        if !named && !shared {
            return Ok(None);
        }
        self.rows(names, "outputs", sizes, index).map(Some)
    }

    /// The labels of one sample (one, or one for each position of a sequence), or `None` if the
    /// file has no array `labels`.
    ///
    /// # Errors
    /// Returns [`DataError::NotIntegers`] or [`DataError::Index`].
    pub fn labels_for(&self, index: usize) -> Result<Option<&[i64]>, DataError> {
        let Some(array) = self.arrays.get("labels") else {
            return Ok(None);
        };
        let Values::Integer(_) = array.values else {
            return Err(DataError::NotIntegers { file: self.file.clone(), array: "labels".to_owned() });
        };
        let samples = array.shape.first().copied().unwrap_or(1);
        let size = array.len() / samples.max(1);
        let row = index.checked_mul(size).and_then(|start| array.row(start, size));
        match row {
            Some(Row::Integer(labels)) if index < samples => Ok(Some(labels)),
            _ => Err(self.no_index("labels", index, samples)),
        }
    }

    fn rows(
        &self,
        names: &[String],
        fallback: &'static str,
        sizes: &[usize],
        index: usize,
    ) -> Result<Vec<Row<'_>>, DataError> {
        self.find(names, fallback, sizes)?
            .into_iter()
            .map(|(name, array, size)| {
                let samples = self.samples_in(name, array, size)?;
                let row = index.checked_mul(size).and_then(|start| array.row(start, size));
                row.filter(|_| index < samples).ok_or_else(|| self.no_index(name, index, samples))
            })
            .collect()
    }

    /// The array for each name, or the fallback's if there is one name.
    fn find<'a, 'n>(
        &'a self,
        names: &'n [String],
        fallback: &'static str,
        sizes: &[usize],
    ) -> Result<Vec<(&'n str, &'a Array, usize)>, DataError> {
        if names.len() != sizes.len() {
            return Err(DataError::Arguments { names: names.len(), sizes: sizes.len() });
        }
        names
            .iter()
            .zip(sizes)
            .map(|(name, &size)| {
                if let Some(array) = self.arrays.get(name) {
                    return Ok((name.as_str(), array, size));
                }
                let shared = (names.len() == 1).then(|| self.arrays.get(fallback)).flatten();
                shared.map(|array| (fallback, array, size)).ok_or_else(|| DataError::Missing {
                    file: self.file.clone(),
                    array: name.clone(),
                    fallback: if names.len() == 1 { fallback } else { "" },
                    present: self.names().map(str::to_owned).collect(),
                })
            })
            .collect()
    }

    fn samples_in(&self, name: &str, array: &Array, size: usize) -> Result<usize, DataError> {
        let samples = array.shape.first().copied().unwrap_or(1);
        if samples.checked_mul(size) == Some(array.len()) {
            return Ok(samples);
        }
        if array.len() == size {
            return Ok(1);
        }
        Err(DataError::SampleSize {
            file: self.file.clone(),
            array: name.to_owned(),
            shape: array.shape.clone(),
            expected: size,
        })
    }

    fn no_index(&self, array: &str, index: usize, samples: usize) -> DataError {
        DataError::Index { file: self.file.clone(), array: array.to_owned(), index, samples }
    }
}
