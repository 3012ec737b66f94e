//! The folder of a network.
//!
//! ```text
//! lock              held while the network runs
//! network.json      what it is: ports, counts, block time
//! env               for the shell: `source` it, and commands find the network
//! node/             the chain
//! storage-1/ …      storage nodes
//! miner-1/ …        miners
//! accounts/         keys: miner-1.key …, owner.key
//! owner/            what the owner must not lose: content keys, requests
//! logs/             node.log, storage-1.log …
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use cyborg_disk::files as durable;

use crate::error::LocalnetError;

const LOCK: &str = "lock";
const SETTINGS: &str = "network.json";
/// The variables that commands find the network by, and only those of this network.
pub const VARIABLES: [&str; 4] = ["CYBORG_NODE", "CYBORG_STORAGE", "CYBORG_ACCOUNT", "CYBORG_OWNER_DIR"];

/// The folder of a network, locked for as long as the network runs.
pub struct Layout {
    root: PathBuf,
    /// Released when the process ends, however it ends.
    _lock: File,
}

impl Layout {
    /// Opens a folder, or makes it; it is for its owner alone (0700).
    ///
    /// # Errors
    /// Returns an error if it cannot be made, holds other things, or another network runs in it.
    pub fn open(folder: &Path) -> Result<Self, LocalnetError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| LocalnetError::io(folder, "cannot make the folder", source))?;
        let used = |source| LocalnetError::io(folder, "cannot be used", source);
        // Absolute, because it goes to other processes and into a file for the shell.
        let root = folder.canonicalize().map_err(used)?;
        let known = [SETTINGS, LOCK].iter().any(|name| root.join(name).exists());
        if !known && fs::read_dir(&root).map_err(used)?.next().is_some() {
            let problem = "is not empty, and holds no network of this program: name another folder";
            return Err(LocalnetError::input(folder, problem));
        }
        fs::set_permissions(&root, Permissions::from_mode(0o700)).map_err(used)?;
        let lock = lock(&root)?;
        for name in ["accounts", "logs", "owner"] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(root.join(name));
            made.map_err(used)?;
        }
        Ok(Self { root, _lock: lock })
    }

    /// The folder itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of the network's settings.
    pub fn settings(&self) -> PathBuf {
        self.root.join(SETTINGS)
    }

    /// The folder of a process: `node`, `storage-1`, `miner-1`.
    pub fn part(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The key of an account: `owner`, `miner-1`.
    pub fn key(&self, name: &str) -> PathBuf {
        self.root.join("accounts").join(format!("{name}.key"))
    }

    /// The log of a process.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// The folder of the logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The owner's records.
    pub fn owner(&self) -> PathBuf {
        self.root.join("owner")
    }

    /// The file that a shell reads the variables from.
    pub fn env(&self) -> PathBuf {
        self.root.join("env")
    }

    /// The variables that commands find the network by, with their values.
    pub fn variables(&self, node: &str, storage: &[String]) -> [(&'static str, String); 4] {
        let [chain, nodes, account, owner] = VARIABLES;
        [
            (chain, node.to_owned()),
            (nodes, storage.join(",")),
            (account, self.key("owner").display().to_string()),
            (owner, self.owner().display().to_string()),
        ]
    }

    /// Writes them for the shell.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn write_env(&self, variables: &[(&str, String)]) -> Result<(), LocalnetError> {
        let mut text = "# Written by `cyborg up`. For the shell: source this file.\n".to_owned();
        for (name, value) in variables {
            text.push_str(&format!("export {name}={}\n", quoted(value)));
        }
        let path = self.env();
        durable::write_private(&path, text.as_bytes())
            .map_err(|source| LocalnetError::io(&path, "cannot write", source))
    }
}

/// Takes the folder's lock, and writes its holder into it.
fn lock(root: &Path) -> Result<File, LocalnetError> {
    let path = root.join(LOCK);
    let failed = |source: io::Error| LocalnetError::io(&path, "cannot lock", source);
    let opened =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = opened.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The lock's content is for the message only.
            let _ = (&file).take(32).read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => String::new(),
                process => format!(" (process {process})"),
            };
            let folder = root.display();
            return Err(LocalnetError::Failed(format!(
                "{folder} is in use by another `cyborg up`{holder}; end that one, or name another folder"
            )));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

/// A word of the shell that is this text and nothing else.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::process::Command;

    use super::*;

    fn problem(folder: &Path) -> String {
        match Layout::open(folder) {
            Ok(_) => panic!("{} was opened", folder.display()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn one_network_has_a_folder_and_nothing_else_is_touched() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("a/network");
        let layout = Layout::open(&folder).unwrap();
        assert!(layout.root().is_absolute());
        for path in [layout.root().to_owned(), layout.owner(), layout.logs()] {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", path.display());
        }
        let refused = problem(&folder);
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(layout);
        // A start that broke off before there were settings can be repeated.
        drop(Layout::open(&folder).unwrap());

        let other = base.path().join("a");
        assert!(problem(&other).contains("holds no network"));
        fs::write(base.path().join("file"), "").unwrap();
        assert!(problem(&base.path().join("file")).contains("cannot make the folder"));
    }

    #[test]
    fn the_shell_reads_the_variables_as_they_are() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("it's $HOME; a `network`");
        let layout = Layout::open(&folder).unwrap();
        let nodes = ["http://127.0.0.1:1".to_owned(), "http://127.0.0.1:2".to_owned()];
        let variables = layout.variables("ws://127.0.0.1:3", &nodes);
        layout.write_env(&variables).unwrap();
        let script = r#". "$1" && printf '%s\n' "$CYBORG_NODE" "$CYBORG_STORAGE" "$CYBORG_ACCOUNT" "$CYBORG_OWNER_DIR""#;
        let shown = Command::new("sh").args(["-c", script, "sh"]).arg(layout.env()).output().unwrap();
        let expected: Vec<String> = variables.into_iter().map(|(_, value)| value).collect();
        assert_eq!(String::from_utf8(shown.stdout).unwrap().lines().collect::<Vec<_>>(), expected);
        let mode = fs::metadata(layout.env()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
