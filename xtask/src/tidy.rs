//! `cargo xtask tidy`: the checks that no compiler makes.
//!
//! Every check collects what it finds, so that one run names everything that is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::markdown::{anchors, links, prose};
use crate::workspace::{Metadata, Package, files, root};

mod layers;
mod paths;

/// Licences that a direct dependency may be used under.
const LICENSES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

const MAX_RUST_LINES: usize = 700;
/// Width of documents, in characters.
const MAX_PROSE_WIDTH: usize = 120;
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The folder that may hold larger files.
const LARGE_FILES: &str = "tests/data/";

/// Unfinished work. Written in halves, so that this list does not find itself.
const LEFTOVERS: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("db", "g!("),
    concat!("FIX", "ME"),
    concat!("#[ig", "nore"),
];

/// Runs every check and fails with the list of what is wrong.
pub(crate) fn run() -> Result<()> {
    let metadata = Metadata::read()?;
    let files = files()?;
    let mut problems = Vec::new();
    layers::check(&metadata, &read(&root()?.join(layers::DOCUMENT))?, &mut problems)?;
    paths::check(&files, &mut problems)?;
    check_licenses(&metadata, &mut problems)?;
    check_manifests(&metadata, &mut problems)?;
    check_files(&files, &mut problems)?;
    check_documents(&files, &mut problems)?;
    if problems.is_empty() {
        eprintln!("tidy: {} files, {} packages", files.len(), metadata.members.len());
        return Ok(());
    }
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    bail!("{} problems", problems.len())
}

fn check_licenses(metadata: &Metadata, problems: &mut Vec<String>) -> Result<()> {
    let mut seen: Vec<&str> = Vec::new();
    for (_, dependencies) in &metadata.members {
        for dependency in dependencies {
            let package = metadata.package(&dependency.id)?;
            if seen.contains(&package.id.as_str()) {
                continue;
            }
            seen.push(&package.id);
            if !license_allowed(&package.license) {
                let Package { name, version, license, .. } = package;
                problems.push(format!("licence of {name} {version} is `{license}`"));
            }
        }
    }
    Ok(())
}

/// Whether an SPDX expression can be satisfied by licences of the list. Parentheses are read as
/// cargo's registry has them: around an OR that is one operand of an AND.
fn license_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    split_outside_parentheses(&expression, " AND ").iter().all(|all| {
        split_outside_parentheses(strip_parentheses(all), " OR ").iter().any(|any| {
            let any = any.trim();
            LICENSES.contains(&any) || (any.starts_with('(') && license_allowed(strip_parentheses(any)))
        })
    })
}

fn strip_parentheses(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(text)
}

fn split_outside_parentheses<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth == 0
                && index >= start
                && text.as_bytes()[index..].starts_with(separator.as_bytes()) =>
            {
                parts.push(&text[start..index]);
                start = index + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn check_manifests(metadata: &Metadata, problems: &mut Vec<String>) -> Result<()> {
    for (id, _) in &metadata.members {
        let member = metadata.package(id)?;
        let text = read(&member.manifest)?;
        let lints = text.split("[lints]").nth(1).map(str::trim_start);
        if !lints.is_some_and(|rest| rest.starts_with("workspace = true")) {
            problems.push(format!("{} does not use the workspace's lints", member.name));
        }
        if !license_allowed(&member.license) {
            problems.push(format!("{} states no allowed licence", member.name));
        }
    }
    Ok(())
}

fn check_files(files: &[String], problems: &mut Vec<String>) -> Result<()> {
    let root = root()?;
    for name in files {
        let path = root.join(name);
        let bytes = fs::metadata(&path).with_context(|| name.clone())?.len();
        if bytes > MAX_FILE_BYTES && !name.starts_with(LARGE_FILES) {
            problems.push(format!("{name} has {bytes} bytes, more than {MAX_FILE_BYTES}"));
        }
        if !name.ends_with(".rs") {
            continue;
        }
        let text = read(&path)?;
        let lines = text.lines().count();
        if lines > MAX_RUST_LINES {
            problems.push(format!("{name} has {lines} lines, more than {MAX_RUST_LINES}"));
        }
        if !text.starts_with("//!") {
            problems.push(format!("{name} does not open by saying what it is for"));
        }
        for line in documentation_tests(&text) {
            problems.push(format!(
                "{name}:{line}: a test in a comment, which no command runs; make it a #[test]"
            ));
        }
        for (index, line) in text.lines().enumerate() {
            for leftover in LEFTOVERS.iter().filter(|leftover| line.contains(*leftover)) {
                problems.push(format!("{name}:{}: `{leftover}`", index + 1));
            }
        }
    }
    Ok(())
}

/// Lines at which documentation opens a block of code that rustdoc would take for a test. There are none, and the
/// test command does not look for any: that alone would take rustdoc minutes.
fn documentation_tests(text: &str) -> Vec<usize> {
    let mut inside = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let comment = line.trim_start();
        let comment = comment.strip_prefix("//!").or_else(|| comment.strip_prefix("///"));
        let Some(language) = comment.and_then(|comment| comment.trim_start().strip_prefix("```")) else {
            continue;
        };
        if !inside && matches!(language.split(',').next(), Some("" | "rust" | "no_run" | "should_panic")) {
            found.push(index + 1);
        }
        inside = !inside;
    }
    found
}

fn check_documents(files: &[String], problems: &mut Vec<String>) -> Result<()> {
    let root = root()?.canonicalize()?;
    for name in files.iter().filter(|name| name.ends_with(".md")) {
        let path = root.join(name);
        let text = read(&path)?;
        let folder = path.parent().unwrap_or(&root);
        for (line, width) in wide_lines(&text) {
            problems.push(format!("{name}:{line}: {width} characters, more than {MAX_PROSE_WIDTH}"));
        }
        for (line, target) in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let linked = if file.is_empty() { path.clone() } else { folder.join(file) };
            // A file that git ignores exists on this machine alone.
            let kept = |linked: PathBuf| files.iter().any(|file| root.join(file).starts_with(&linked));
            if !linked.canonicalize().is_ok_and(kept) {
                problems.push(format!("{name}:{line}: no file `{file}`"));
                continue;
            }
            if !anchor.is_empty()
                && linked.extension().is_some_and(|extension| extension == "md")
                && !anchors(&read(&linked)?).iter().any(|known| known == anchor)
            {
                problems.push(format!("{name}:{line}: no heading `#{anchor}` in `{target}`"));
            }
        }
    }
    Ok(())
}

/// Lines of prose that are too wide, and their widths. A row of a table cannot be wrapped, nor can a single word.
fn wide_lines(text: &str) -> Vec<(usize, usize)> {
    prose(text)
        .filter(|(_, line)| !line.starts_with('|') && line.trim().contains(' '))
        .map(|(number, line)| (number, line.chars().count()))
        .filter(|(_, width)| *width > MAX_PROSE_WIDTH)
        .collect()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::{MAX_PROSE_WIDTH, documentation_tests, license_allowed, wide_lines};

    #[test]
    fn licence_expressions() {
        for allowed in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(license_allowed(allowed), "{allowed}");
        }
        for refused in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0"] {
            assert!(!license_allowed(refused), "{refused}");
        }
    }

    #[test]
    fn code_that_rustdoc_would_run_is_found() {
        let text =
            "//! ```text\n//! a\n//! ```\n/// ```\n/// b\n/// ```\n    /// ```rust,no_run\n    /// ```\n";
        assert_eq!(documentation_tests(text), [4, 7]);
    }

    #[test]
    fn a_wide_line_of_prose_is_found_and_one_of_a_table_or_of_code_is_not() {
        let wide = "word ".repeat(MAX_PROSE_WIDTH);
        let text = format!("{wide}\n| {wide} |\n```\n{wide}\n```\nshort");
        assert_eq!(wide_lines(&text), [(1, wide.chars().count())]);
    }
}
