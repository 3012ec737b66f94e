//! The layers of ARCHITECTURE.md's map, held against what the crates depend on.
//!
//! The map is the only place where layers stand. Each of its rows begins with a link to a crate's
//! folder and the crate's layer; a row with a dash for a layer is of no crate.

use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace::{Metadata, root};

/// The document that holds the map.
pub(super) const DOCUMENT: &str = "ARCHITECTURE.md";

/// Dependencies that only the chain and the program may have.
const CHAIN_ONLY: &[&str] = &["frame-", "pallet-", "polkadot-", "sc-", "sp-", "substrate-"];
/// Packages that may have them, beside every package whose manifest is below `chain/`.
const CHAIN_USERS: &[&str] = &["cyborg"];

/// A row of the map.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// Line number in the document.
    line: usize,
    /// Folder of the crate, relative to the root.
    folder: String,
    layer: u8,
}

/// Refuses a member without a row, a row without a member, and a dependency on a higher layer.
pub(super) fn check(metadata: &Metadata, document: &str, problems: &mut Vec<String>) -> Result<()> {
    let root = root()?;
    let rows = rows(document);
    let mut used = Vec::new();
    for (id, dependencies) in &metadata.members {
        let member = metadata.package(id)?;
        let folder = folder(&member.manifest, &root)?;
        let matching: Vec<&Row> = rows.iter().filter(|row| row.folder == folder).collect();
        let [own] = matching[..] else {
            problems.push(format!("{folder} has {} rows in {DOCUMENT}'s map, not one", matching.len()));
            continue;
        };
        used.push(own.line);
        for dependency in dependencies.iter().filter(|dependency| !dependency.only_dev) {
            let package = metadata.package(&dependency.id)?;
            let name = &package.name;
            let theirs = self::folder(&package.manifest, &root).ok();
            let higher =
                rows.iter().find(|row| Some(&row.folder) == theirs.as_ref() && row.layer > own.layer);
            if let Some(Row { layer, .. }) = higher {
                problems
                    .push(format!("{} (layer {}) depends on {name} (layer {layer})", member.name, own.layer));
            }
            let chains = CHAIN_ONLY.iter().any(|prefix| name.starts_with(prefix));
            if chains && !folder.starts_with("chain/") && !CHAIN_USERS.contains(&member.name.as_str()) {
                problems.push(format!("{} depends on the chain's crate {name}", member.name));
            }
        }
    }
    for row in rows.iter().filter(|row| !used.contains(&row.line)) {
        problems.push(format!("{DOCUMENT}:{}: `{}` is not a member of the workspace", row.line, row.folder));
    }
    Ok(())
}

/// The folder of a manifest, relative to the root.
///
/// # Errors
/// Returns an error if the manifest is not below the root.
fn folder(manifest: &Path, root: &Path) -> Result<String> {
    let folder = manifest.parent().context("a manifest without a folder")?;
    let relative = folder.strip_prefix(root).with_context(|| manifest.display().to_string())?;
    Ok(relative.display().to_string())
}

/// The rows of every table whose first column links to a folder and whose second is a number.
fn rows(document: &str) -> Vec<Row> {
    let row = |(index, line): (usize, &str)| {
        let mut columns = line.strip_prefix("| [")?.split('|');
        let (_, target) = columns.next()?.trim().strip_suffix(')')?.split_once("](")?;
        let layer = columns.next()?.trim().parse().ok()?;
        Some(Row { line: index + 1, folder: target.trim_end_matches('/').to_owned(), layer })
    };
    document.lines().enumerate().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::Result;

    use super::{Row, check, rows};
    use crate::workspace::{Dependency, Metadata, Package, root};

    #[test]
    fn rows_are_links_with_a_number() {
        let text = "| Crate | Layer |\n|---|---|\n| [a/b](a/b) | 2 | text |\n| [fuzz](fuzz/) | – | text |\n";
        assert_eq!(rows(text), [Row { line: 3, folder: "a/b".to_owned(), layer: 2 }]);
    }

    /// What is wrong with a workspace of two crates, the first of which depends on the second.
    fn problems(first: (&str, &str), second: (&str, &str), document: &str) -> Result<Vec<String>> {
        let root = root()?;
        let package = |(name, folder): (&str, &str)| Package {
            id: name.to_owned(),
            name: name.to_owned(),
            version: String::new(),
            license: String::new(),
            manifest: root.join(folder).join("Cargo.toml"),
        };
        let uses = vec![Dependency { id: second.0.to_owned(), only_dev: false }];
        let metadata = Metadata {
            packages: vec![package(first), package(second)],
            members: vec![(first.0.to_owned(), uses), (second.0.to_owned(), Vec::new())],
        };
        let mut problems = Vec::new();
        check(&metadata, document, &mut problems)?;
        Ok(problems)
    }

    const MAP: &str = "| [low](low) | 1 |\n| [chain/high](chain/high) | 2 |\n";

    #[test]
    fn a_dependency_on_a_higher_layer_is_refused() -> Result<()> {
        let (low, high) = (("low", "low"), ("high", "chain/high"));
        assert_eq!(problems(low, high, MAP)?, ["low (layer 1) depends on high (layer 2)"]);
        assert!(problems(high, low, MAP)?.is_empty());
        Ok(())
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_refused() -> Result<()> {
        let found = problems(("low", "low"), ("new", "new"), MAP)?;
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("new has 0 rows"), "{found:?}");
        assert!(found[1].contains("`chain/high` is not a member"), "{found:?}");
        Ok(())
    }

    #[test]
    fn only_the_chain_may_depend_on_substrate() -> Result<()> {
        let map = "| [low](low) | 1 |\n| [chain/p](chain/p) | 1 |\n";
        let found = problems(("low", "low"), ("pallet-p", "chain/p"), map)?;
        assert_eq!(found, ["low depends on the chain's crate pallet-p"]);
        assert_eq!(super::folder(&PathBuf::from("/elsewhere/Cargo.toml"), &root()?).ok(), None);
        Ok(())
    }
}
