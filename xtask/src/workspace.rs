//! What cargo and git know about the workspace: its root, packages, dependencies and files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The root of the checkout that this program was built from.
pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.parent().context("xtask has no parent folder")?.to_path_buf())
}

/// Runs a command in the root and returns what it printed.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let done = Command::new(program)
        .args(arguments)
        .current_dir(root()?)
        .output()
        .with_context(|| format!("cannot run `{program}`"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("`{program} {}` failed: {}", arguments.join(" "), said.trim());
    }
    String::from_utf8(done.stdout).with_context(|| format!("`{program}` printed no UTF-8"))
}

/// Every file that git tracks or would track, relative to the root, sorted.
pub(crate) fn files() -> Result<Vec<String>> {
    let listed = output("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    let root = root()?;
    let mut files: Vec<String> = listed
        .split('\0')
        .filter(|name| !name.is_empty() && root.join(name).is_file())
        .map(str::to_owned)
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// A package that is a member of the workspace or a direct dependency of one.
pub(crate) struct Package {
    /// Identifier, unique in one run of `cargo metadata`.
    pub(crate) id: String,
    /// Name as in its manifest.
    pub(crate) name: String,
    /// Version as in its manifest.
    pub(crate) version: String,
    /// SPDX expression; empty where the manifest has none.
    pub(crate) license: String,
    /// Path of the manifest.
    pub(crate) manifest: PathBuf,
}

/// One direct dependency of a member.
pub(crate) struct Dependency {
    /// [`Package::id`] of the package depended on.
    pub(crate) id: String,
    /// Whether only tests, examples and benchmarks see it.
    pub(crate) only_dev: bool,
}

/// The dependency graph, as far as the checks need it.
pub(crate) struct Metadata {
    /// Every package in the lock file's resolution.
    pub(crate) packages: Vec<Package>,
    /// Members and what they depend on.
    pub(crate) members: Vec<(String, Vec<Dependency>)>,
}

impl Metadata {
    /// Asks cargo.
    pub(crate) fn read() -> Result<Self> {
        let text = output("cargo", &["metadata", "--format-version", "1", "--locked"])?;
        let json: Value = serde_json::from_str(&text).context("cargo metadata is no JSON")?;
        let packages = list(&json["packages"])
            .map(|package| Package {
                id: string(&package["id"]),
                name: string(&package["name"]),
                version: string(&package["version"]),
                license: string(&package["license"]),
                manifest: PathBuf::from(string(&package["manifest_path"])),
            })
            .collect();
        let mut members = Vec::new();
        for member in list(&json["workspace_members"]) {
            let id = string(member);
            let node = list(&json["resolve"]["nodes"])
                .find(|node| node["id"] == *member)
                .with_context(|| format!("cargo metadata does not resolve {id}"))?;
            let dependencies = list(&node["deps"])
                .map(|dependency| Dependency {
                    id: string(&dependency["pkg"]),
                    only_dev: list(&dependency["dep_kinds"]).all(|kind| kind["kind"] == "dev"),
                })
                .collect();
            members.push((id, dependencies));
        }
        Ok(Self { packages, members })
    }

    /// The package with an identifier.
    pub(crate) fn package(&self, id: &str) -> Result<&Package> {
        self.packages
            .iter()
            .find(|package| package.id == id)
            .with_context(|| format!("cargo metadata lists no package {id}"))
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
