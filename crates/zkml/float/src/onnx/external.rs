//! Weights in files beside the model: `NAME.onnx.data`, as PyTorch writes them by default.

use std::collections::HashMap;
use std::path::{Component, Path};

use super::messages::{GraphProto, TensorProto};
use super::read::External;
use crate::error::FloatError;

/// ONNX's number for data that lies in another file.
const EXTERNAL: i32 = 1;

/// Brings the bytes of every constant into its message.
///
/// # Errors
/// Returns an error if a tensor's file may not or cannot be read, or is too short for it.
pub(super) fn load(graph: &mut GraphProto, read: Option<&External<'_>>) -> Result<(), FloatError> {
    let mut files = HashMap::new();
    for proto in &mut graph.initializer {
        let name = proto.name.clone();
        fill(proto, &name, read, &mut files)?;
    }
    for node in &mut graph.node {
        for attribute in &mut node.attribute {
            let name = format!("{}.{}", node.name, attribute.name);
            if let Some(proto) = &mut attribute.t {
                fill(proto, &name, read, &mut files)?;
            }
        }
    }
    Ok(())
}

fn fill(
    proto: &mut TensorProto,
    name: &str,
    read: Option<&External<'_>>,
    files: &mut HashMap<String, Vec<u8>>,
) -> Result<(), FloatError> {
    if proto.data_location != EXTERNAL && proto.external_data.is_empty() {
        return Ok(());
    }
    let entry =
        |key: &str| proto.external_data.iter().find(|entry| entry.key == key).map(|e| e.value.as_str());
    let location = entry("location").unwrap_or_default().to_owned();
    let failed = |reason: &str| FloatError::ExternalData {
        tensor: name.into(),
        location: location.clone(),
        reason: reason.into(),
    };
    let number = |key: &str| match entry(key).filter(|text| !text.is_empty()) {
        Some(text) => text.parse::<usize>().map(Some).map_err(|_| failed(&format!("{key} is {text:?}"))),
        None => Ok(None),
    };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let beside = Path::new(&location).components().all(|part| matches!(part, Component::Normal(_)));
    if location.is_empty() || !beside {
        return Err(failed("it is not in the model's folder"));
    }
    let read = read.ok_or_else(|| failed("files beside the model are not read here"))?;
    let bytes = match files.get(&location) {
        Some(bytes) => bytes,
        None => {
            let bytes = read(&location).map_err(|error| failed(&error.to_string()))?;
            files.entry(location.clone()).or_insert(bytes)
        }
    };
    let end = length.map_or(Some(bytes.len()), |length| offset.checked_add(length));
    let part = end.and_then(|end| bytes.get(offset..end));
    let part = part.ok_or_else(|| failed(&format!("it has {} bytes, and more are needed", bytes.len())))?;
    proto.raw_data = part.to_vec();
    (proto.data_location, proto.external_data) = (0, Vec::new());
    Ok(())
}
