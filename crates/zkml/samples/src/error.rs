//! What can be wrong with a file of samples: one variant per check.

use super::{MAX_ARRAYS, MAX_AXES, MAX_ELEMENTS, MAX_NAME_BYTES};

/// Why samples could not be read or do not fit. Every message names the file and the array.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "fields are what the message shows")]
pub enum DataError {
    /// Larger than the limit for its format.
    #[error("{file}: {bytes} bytes, more than the {limit} that are read")]
    TooLarge { file: String, bytes: u64, limit: u64 },
    /// Neither a zip archive nor JSON.
    #[error("{file}: neither an .npz archive nor JSON")]
    UnknownFormat { file: String },
    /// The archive's directory is damaged.
    #[error("{file}: damaged .npz archive: {problem}")]
    Archive { file: String, problem: String },
    /// More entries than the limit.
    #[error("{file}: {arrays} arrays, more than the {MAX_ARRAYS} that are read")]
    TooManyArrays { file: String, arrays: usize },
    /// An entry that is not a `.npy` array.
    #[error("{file}: entry `{entry}` is not a .npy array with a name of at most {MAX_NAME_BYTES} bytes")]
    EntryName { file: String, entry: String },
    /// Two arrays of one name.
    #[error("{file}: two arrays are named `{array}`")]
    Duplicate { file: String, array: String },
    /// One array is wrong.
    #[error("{file}: array `{array}`: {problem}")]
    Array { file: String, array: String, problem: ArrayError },
    /// The text is not JSON of the expected form; the problem names line and column.
    #[error("{file}: {problem}")]
    Json { file: String, problem: String },
    /// Numbers of names and of sizes differ: the caller's mistake.
    #[error("{names} names and {sizes} sizes were asked for")]
    Arguments { names: usize, sizes: usize },
    /// No array of the name.
    #[error("{file}: no array `{array}`{}; it has {}", or(fallback), list(present))]
    Missing { file: String, array: String, fallback: &'static str, present: Vec<String> },
    /// The array's samples do not have as many elements as the graph's tensor.
    #[error(
        "{file}: array `{array}` of shape {shape:?}: a sample (first axis) must have {expected} \
         elements"
    )]
    SampleSize { file: String, array: String, shape: Vec<usize>, expected: usize },
    /// No sample of this number.
    #[error("{file}: array `{array}` has {samples} samples, none with index {index}")]
    Index { file: String, array: String, index: usize, samples: usize },
    /// Two inputs with different numbers of samples.
    #[error("{file}: array `{first}` has {first_samples} samples and `{second}` has {second_samples}")]
    Disagree { file: String, first: String, first_samples: usize, second: String, second_samples: usize },
    /// Integers were needed.
    #[error("{file}: array `{array}` must hold integers")]
    NotIntegers { file: String, array: String },
    /// Numbers that are not those of the graph's tensor.
    #[error("{file}: {problem}")]
    Quantize { file: String, problem: QuantizeError },
}

/// Why real numbers are not the elements of a tensor.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "fields are what the message shows")]
pub enum QuantizeError {
    /// An array has another number of elements than the tensor it is for.
    #[error("{name:?}: shape {shape:?} needs {expected} elements, got {got}")]
    ArraySize { name: String, shape: Vec<usize>, expected: usize, got: usize },
    /// NaN, or an infinity.
    #[error("tensor {tensor:?}: element {index} is {got}, not a finite number")]
    NotFinite { tensor: String, index: usize, got: f32 },
}

/// Why one array could not be read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "fields are what the message shows")]
pub enum ArrayError {
    /// The entry cannot be decompressed, or its checksum is wrong.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The entry ends inside of the header.
    #[error("truncated header")]
    HeaderTruncated,
    /// It does not start as an `.npy` file does.
    #[error("not in .npy format")]
    Magic,
    /// A version of the format that is not read.
    #[error("unsupported .npy version {major}.{minor}, expected 1.0, 2.0 or 3.0")]
    Version { major: u8, minor: u8 },
    /// The header is longer than any header of a plain array.
    #[error("header of {bytes} bytes, more than the {limit} that are read")]
    HeaderTooLong { bytes: u64, limit: u64 },
    /// The header is not the dictionary that it must be.
    #[error("malformed header at byte {position}: expected {expected}")]
    Header { position: usize, expected: &'static str },
    /// A key that is there twice.
    #[error("header has `{0}` twice")]
    FieldTwice(&'static str),
    /// A key that is not there.
    #[error("header has no `{0}`")]
    FieldMissing(&'static str),
    /// Most significant byte first.
    #[error("dtype `{0}` is big-endian, save it as little-endian")]
    BigEndian(String),
    /// Neither a float, an integer nor a boolean.
    #[error("unsupported dtype `{0}`, expected f4, f8, i1 to i8, u1 to u8 or b1")]
    Dtype(String),
    /// Too many axes.
    #[error("{axes} axes, more than the {MAX_AXES} that are read")]
    Axes { axes: usize },
    /// An axis without extent.
    #[error("shape {shape:?} has no elements")]
    Empty { shape: Vec<usize> },
    /// More elements than all arrays of a file may have together.
    #[error("more than {MAX_ELEMENTS} elements in all arrays together")]
    TooManyElements,
    /// Fewer elements than the shape says.
    #[error("truncated: shape {shape:?} needs {expected} elements, found {got}")]
    Truncated { shape: Vec<usize>, expected: usize, got: usize },
    /// Bytes after the last element.
    #[error("bytes after the last element")]
    Trailing,
    /// NaN, an infinity, or a number too large for an `f32`.
    #[error("{value} at position {position:?}, only finite numbers are accepted")]
    NotFinite { value: f64, position: Vec<usize> },
    /// A boolean that is neither 0 nor 1.
    #[error("boolean of value {value} at position {position:?}")]
    NotBoolean { value: u8, position: Vec<usize> },
    /// A `u64` above the greatest `i64`.
    #[error("{value} at position {position:?} is too large")]
    TooLarge { value: u64, position: Vec<usize> },
}

fn or(fallback: &str) -> String {
    if fallback.is_empty() { String::new() } else { format!(" or `{fallback}`") }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return "no arrays".to_owned();
    }
    let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>();
    if names.len() > SHOWN {
        text.push(format!("{} more", names.len() - SHOWN));
    }
    text.join(", ")
}
