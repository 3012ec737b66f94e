//! The miner's folder: who may read it, who works in it, and what unlocks it.
//!
//! ```text
//! miner.json     settings
//! unlock.key     unlocks the vault, unless something else does
//! lock           held while the miner runs; says where it listens
//! vault/ …       the library's own (docs/miner.md)
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::thread;
use std::time::Duration;

use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_primitives::Account;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::arguments::Home;
use crate::error::Failure;
use crate::{files, folders};

/// Name of the key file that unlocks the vault, if the user names none.
pub(crate) const UNLOCK: &str = "unlock.key";
/// Name of the file that a running miner holds.
const LOCK: &str = "lock";
/// Maximum size of its content.
const MAX_LOCK_BYTES: u64 = 1024;
/// Maximum size of a passphrase file.
const MAX_PASSPHRASE_BYTES: u64 = 4096;
/// A doctor may hold the lock for a moment: attempts to take it, and the pause between them.
const ATTEMPTS: u32 = 10;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(30);

/// The folder that the arguments name, as an absolute path: settings must not depend on the working
/// directory.
pub(crate) fn of(home: &Home) -> Result<PathBuf, Failure> {
    match &home.dir {
        Some(folder) => absolute(folder),
        None => folders::kept("miner", "--dir", "where the miner is"),
    }
}

/// An absolute path.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|source| Failure::io(path, "cannot name", source))
}

/// Makes the folder if it is missing, for its owner alone. A folder that others may read is refused
/// rather than changed: it may not be a miner's.
pub(crate) fn make(folder: &Path) -> Result<(), Failure> {
    let failed = |action| move |source| Failure::io(folder, action, source);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("cannot make the folder"))?;
    let mode = mode(folder).map_err(failed("cannot look at"))?;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let shown = folder.display();
    let problem =
        format!("others may read it (mode {mode:o}); run `chmod 700 {shown}`, or name another folder");
    Err(Failure::input(folder, problem))
}

/// Who may read a file or folder, as the nine bits of its mode.
pub(crate) fn mode(path: &Path) -> std::io::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

/// Whether the folder has a vault. Opening a missing vault would make it.
pub(crate) fn has_vault(folder: &Path) -> bool {
    folder.join("vault").join("vault").exists()
}

/// The passphrase in a file that only its owner reads. A newline at its end is not part of it.
pub(crate) fn passphrase(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mode = mode(path).map_err(|source| Failure::io(path, "cannot read", source))?;
    if mode & 0o077 != 0 {
        let problem = format!("others may read it (mode {mode:o}); run `chmod 600 {}`", path.display());
        return Err(Failure::input(path, problem));
    }
    let bytes = Zeroizing::new(files::read(path, MAX_PASSPHRASE_BYTES)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::input(path, "not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Failure::input(path, "there is no passphrase in it"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// The account of an address.
pub(crate) fn account(address: &str) -> Result<Account, String> {
    AccountId32::from_str(address)
        .map(|account| account.0)
        .map_err(|_| "not the address of an account".to_owned())
}

/// What a running miner says about itself in the file that it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Its process.
    pub(crate) pid: u32,
    /// Where it listens, once it does.
    pub(crate) address: Option<SocketAddr>,
}

/// The folder, held: no other process works in it until this is dropped.
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the folder.
    pub(crate) fn take(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(LOCK);
        let failed = |source| Failure::io(&path, "cannot lock", source);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(failed)?;
        let mut attempt = 0;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(fs::TryLockError::WouldBlock) if attempt < ATTEMPTS => {
                    attempt += 1;
                    thread::sleep(ATTEMPT_PAUSE);
                }
                Err(fs::TryLockError::WouldBlock) => {
                    let pid = said(&file).map(|holder| format!(" (process {})", holder.pid));
                    let problem = format!("another miner runs in this folder{}", pid.unwrap_or_default());
                    return Err(Failure::input(folder, problem));
                }
                Err(fs::TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }

    /// Writes who holds the folder, for other processes.
    pub(crate) fn say(&mut self, address: Option<SocketAddr>) -> std::io::Result<()> {
        let holder = Holder { pid: std::process::id(), address };
        let text = serde_json::to_string(&holder)?;
        self.0.set_len(0)?;
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(text.as_bytes())
    }
}

/// Whether a miner runs in a folder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Held {
    /// No miner runs.
    Free,
    /// A miner runs; `None` if it has not written yet who it is.
    By(Option<Holder>),
}

/// Whether a miner runs in a folder. A folder that cannot be looked at has none.
pub(crate) fn held(folder: &Path) -> Held {
    let Ok(file) = File::open(folder.join(LOCK)) else { return Held::Free };
    match file.try_lock_shared() {
        Err(fs::TryLockError::WouldBlock) => Held::By(said(&file)),
        // Dropping the file gives the lock back.
        _ => Held::Free,
    }
}

fn said(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(MAX_LOCK_BYTES).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Whether a file exists. An unreadable path is an error: a key that is only out of reach must not be
/// made a second time.
pub(crate) fn exists(path: &Path) -> Result<bool, Failure> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Failure::io(path, "cannot look at", source)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use cyborg_miner::operator::record;

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_folder_is_its_owners_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/miner");
        make(&folder).unwrap();
        assert_eq!(mode(&folder).unwrap(), 0o700);
        make(&folder).unwrap();
        chmod(&folder, 0o755);
        let refused = make(&folder).unwrap_err().to_string();
        assert!(refused.contains("755") && refused.contains("chmod 700"), "{refused}");
        assert_eq!(mode(&folder).unwrap(), 0o755);
        fs::write(root.path().join("file"), "").unwrap();
        assert!(make(&root.path().join("file")).is_err());
    }

    #[test]
    fn one_process_holds_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(held(folder.path()), Held::Free);
        let mut lock = Lock::take(folder.path()).unwrap();
        assert_eq!(held(folder.path()), Held::By(None));
        let refused = Lock::take(folder.path()).err().unwrap().to_string();
        assert!(refused.contains("another miner runs"), "{refused}");
        let address = Some("127.0.0.1:9800".parse().unwrap());
        lock.say(None).unwrap();
        lock.say(address).unwrap();
        let pid = std::process::id();
        assert_eq!(held(folder.path()), Held::By(Some(Holder { pid, address })));
        let refused = Lock::take(folder.path()).err().unwrap().to_string();
        assert!(refused.contains(&format!("process {pid}")), "{refused}");
        drop(lock);
        assert_eq!(held(folder.path()), Held::Free);
        Lock::take(folder.path()).unwrap();
        assert_eq!(mode(&folder.path().join(LOCK)).unwrap(), 0o600);
    }

    #[test]
    fn passphrases_come_from_private_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        for (content, expected) in [
            ("correct horse", Some("correct horse")),
            ("correct horse\n", Some("correct horse")),
            ("correct horse\r\n", Some("correct horse")),
            (" a \n\n", Some(" a \n")),
            ("", None),
            ("\n", None),
        ] {
            fs::write(&path, content).unwrap();
            chmod(&path, 0o600);
            assert_eq!(passphrase(&path).ok().as_deref().map(String::as_str), expected, "{content:?}");
        }
        fs::write(&path, "correct horse").unwrap();
        chmod(&path, 0o640);
        let refused = passphrase(&path).unwrap_err().to_string();
        assert!(refused.contains("chmod 600") && !refused.contains("horse"), "{refused}");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        chmod(&path, 0o600);
        assert!(passphrase(&path).is_err());
        assert!(passphrase(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn addresses_and_accounts() {
        let address_of_bob = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";
        assert_eq!(record::address(&account(address_of_bob).unwrap()), address_of_bob);
        assert!(account("0x00").is_err());
    }
}
