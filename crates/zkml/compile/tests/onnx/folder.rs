//! Where the cases are, and the files that are generated from what they show.

use std::fs;
use std::path::{Path, PathBuf};

use zkml_testkit::fixtures::Outcome;

/// The folder of the cases, if they were written by the programs of this checkout.
pub(crate) fn cases() -> Outcome<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("the target folder has no parent")?;
    let folder = target.join("onnx-tests");
    let programs = here().join("../../../scripts/onnx_tests");
    let missing = || format!("{} is missing or old: run scripts/onnx-tests.sh", folder.display());
    for entry in fs::read_dir(&programs)? {
        let path = entry?.path();
        if path.is_file() {
            let copy = folder.join("sources").join(path.file_name().unwrap_or_default());
            let same = fs::read(copy).is_ok_and(|copy| fs::read(&path).is_ok_and(|source| source == copy));
            if !same {
                return Err(missing().into());
            }
        }
    }
    Ok(folder)
}

/// What is wrong with a committed file that is generated; it is written anew if that is asked for.
pub(crate) fn differs(file: &str, content: &str) -> Outcome<Option<String>> {
    let path = here().join(file);
    if fs::read_to_string(&path).is_ok_and(|committed| committed == content) {
        return Ok(None);
    }
    if std::env::var_os(super::WRITE).is_some() {
        fs::write(&path, content)?;
        return Ok(None);
    }
    Ok(Some(format!("{file} is not what the cases show; to write it anew, set {}=1", super::WRITE)))
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
