//! `.npz`: a zip archive with one `.npy` entry for each array.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use zip::ZipArchive;

use super::{Array, ArrayError, DataError, MAX_ARRAYS, MAX_ELEMENTS, MAX_NAME_BYTES, npy};

/// Reads every array of an archive; `file` is for messages.
pub(super) fn read(file: &str, reader: impl Read + Seek) -> Result<BTreeMap<String, Array>, DataError> {
    let damaged = |problem: String| DataError::Archive { file: file.to_owned(), problem };
    let mut archive = ZipArchive::new(reader).map_err(|error| damaged(error.to_string()))?;
    if archive.len() > MAX_ARRAYS {
        return Err(DataError::TooManyArrays { file: file.to_owned(), arrays: archive.len() });
    }
    if archive.has_duplicate_names() {
        return Err(damaged("two entries have the same name".to_owned()));
    }
    let mut arrays = BTreeMap::new();
    let mut elements_left = MAX_ELEMENTS;
    for index in 0..archive.len() {
        let name = match archive.name_for_index(index) {
            Some(Ok(name)) => name.into_owned(),
            _ => return Err(damaged(format!("entry {index} has no readable name"))),
        };
        let array = match name.strip_suffix(".npy") {
            Some(array) if !array.is_empty() && array.len() <= MAX_NAME_BYTES => array.to_owned(),
            _ => {
                let entry = name.chars().take(MAX_NAME_BYTES).collect();
                return Err(DataError::EntryName { file: file.to_owned(), entry });
            }
        };
        let wrong = |problem| DataError::Array { file: file.to_owned(), array: array.clone(), problem };
        let entry = archive.by_index(index).map_err(|error| wrong(ArrayError::Damaged(error.to_string())))?;
        let read = npy::read(entry, elements_left).map_err(wrong)?;
        elements_left -= read.len();
        if arrays.insert(array.clone(), read).is_some() {
            return Err(DataError::Duplicate { file: file.to_owned(), array });
        }
    }
    Ok(arrays)
}
