//! Modules that are named by a path: they stay inside of their crate.
//!
//! A file that two crates compile belongs to neither of them. What two crates need is a crate.

use std::path::{Component, Path, PathBuf};

use anyhow::Result;

use super::read;
use crate::workspace::root;

/// Refuses every `path` attribute that leads out of the crate of its file.
pub(super) fn check(files: &[String], problems: &mut Vec<String>) -> Result<()> {
    let root = root()?;
    for name in files.iter().filter(|name| name.ends_with(".rs")) {
        for (line, target) in attributes(&read(&root.join(name))?) {
            if leaves_crate(files, name, &target) {
                problems.push(format!("{name}:{line}: the module `{target}` is in another crate"));
            }
        }
    }
    Ok(())
}

/// The path of every `path` attribute, with its line number.
fn attributes(text: &str) -> Vec<(usize, String)> {
    let target = |line: &str| {
        let rest = line.trim_start().strip_prefix("#[path")?.trim_start().strip_prefix('=')?;
        Some(rest.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned())
    };
    text.lines().enumerate().filter_map(|(index, line)| Some((index + 1, target(line)?))).collect()
}

/// Whether a path that a file names leads to another crate than the file's own.
fn leaves_crate(files: &[String], name: &str, target: &str) -> bool {
    let folder = Path::new(name).parent().unwrap_or_else(|| Path::new(""));
    let Some(named) = normalised(&folder.join(target)) else { return true };
    crate_of(files, Path::new(name)) != crate_of(files, &named)
}

/// A relative path without `.` and `..`, or nothing if it leads out of its root.
fn normalised(path: &Path) -> Option<PathBuf> {
    let mut kept = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => kept.push(part),
            Component::ParentDir if kept.pop() => {}
            Component::ParentDir | Component::Prefix(_) | Component::RootDir => return None,
        }
    }
    Some(kept)
}

/// The folder of the nearest manifest above a file.
fn crate_of(files: &[String], path: &Path) -> Option<PathBuf> {
    let has_manifest = |folder: &&Path| files.iter().any(|file| Path::new(file) == folder.join("Cargo.toml"));
    path.ancestors().skip(1).find(has_manifest).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::{attributes, leaves_crate};

    #[test]
    fn attributes_are_found_with_their_line() {
        let text = concat!("//! Text.\n", "#[pa", "th = \"../b.rs\"]\nmod b;\n// #[path = \"c.rs\"]\n");
        assert_eq!(attributes(text), [(2, "../b.rs".to_owned())]);
    }

    #[test]
    fn a_path_into_another_crate_is_refused() {
        let files = ["Cargo.toml", "a/Cargo.toml", "a/inner/Cargo.toml", "b/Cargo.toml"].map(str::to_owned);
        for (name, target) in [
            ("a/src/lib.rs", "../../b/src/lib.rs"),
            ("a/src/lib.rs", "../inner/src/lib.rs"),
            ("a/inner/src/lib.rs", "../../src/lib.rs"),
            ("a/src/lib.rs", "../../../outside.rs"),
            ("a/src/lib.rs", "/absolute.rs"),
        ] {
            assert!(leaves_crate(&files, name, target), "{name} {target}");
        }
        for (name, target) in [
            ("a/src/lib.rs", "other.rs"),
            ("a/tests/all.rs", "../src/small.rs"),
            ("a/src/lib.rs", "../../a/./x.rs"),
        ] {
            assert!(!leaves_crate(&files, name, target), "{name} {target}");
        }
    }
}
