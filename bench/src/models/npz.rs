//! Writes one array as a NumPy `.npz` file.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Writes `values` (row-major, of this shape) under this name.
pub(crate) fn write(path: &Path, name: &str, shape: &[usize], values: &[f32]) -> Result<()> {
    let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", axes.join(", "));
    // Magic, version and length take 10 bytes; data starts at a multiple of 64.
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len())?.to_le_bytes());
    bytes.extend(header.as_bytes());
    for value in values {
        bytes.extend(value.to_le_bytes());
    }
    let file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
    let mut archive = ZipWriter::new(file);
    archive.start_file(format!("{name}.npy"), SimpleFileOptions::default())?;
    archive.write_all(&bytes)?;
    archive.finish()?;
    Ok(())
}
