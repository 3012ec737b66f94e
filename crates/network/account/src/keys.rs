//! Accounts' keys: from a file, from the keyring, or a development name.
//!
//! A key file holds one line: a BIP-39 phrase, or `0x` and the 32 bytes of an sr25519 seed. It is
//! readable by its owner alone (0600); others are refused. The **keyring** is a folder of such
//! files, `accounts` in the program's configuration folder; a key's name there is its file's.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use bip39::Mnemonic;
use cyborg_primitives::Account;
use subxt_signer::SecretUri;
use subxt_signer::sr25519::Keypair;
use thiserror::Error;
use zeroize::Zeroizing;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file exists.
    #[error("{0} exists already; a key is never overwritten")]
    Exists(PathBuf),
    /// Others may read the file.
    #[error("{path} can be read by others (mode {mode:o}); run `chmod 600 {path}`")]
    Readable {
        /// Its path.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds no key.
    #[error("{0} holds neither a phrase of 12 to 24 words nor `0x` and 64 hexadecimal digits")]
    Content(PathBuf),
    /// No such development account.
    #[error(
        "`{0}` is no development account; known are //Alice, //Bob, //Charlie, //Dave, //Eve and //Ferdie, and paths below them"
    )]
    Development(String),
    /// No such name in the keyring.
    #[error(
        "no key `{name}` in the keyring ({folder}), and no file of that name; `cyborg account new {name}` makes one"
    )]
    Unknown {
        /// The name.
        name: String,
        /// Where the keyring is.
        folder: PathBuf,
    },
    /// The home folder is not known.
    #[error("neither XDG_CONFIG_HOME nor HOME is set, so there is no keyring; name a key file")]
    NoHome,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

const DEVELOPMENT: [&str; 6] = ["Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie"];
/// Longest key file, in bytes: 24 words of 8 letters, and some air.
const MAX_FILE_BYTES: u64 = 1024;

/// Where named keys are.
///
/// # Errors
/// Returns an error if there is no home folder.
pub fn keyring() -> Result<PathBuf, KeyError> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    Ok(config.ok_or(KeyError::NoHome)?.join("cyborg").join("accounts"))
}

/// The key that a user names: `//Alice` and the like, a file, or a name in the keyring.
///
/// # Errors
/// Returns an error if there is no such key, or it is not kept secret.
pub fn load(name: &str) -> Result<Keypair, KeyError> {
    if name.starts_with("//") {
        return development(name);
    }
    let path = Path::new(name);
    if path.exists() || name.contains(std::path::MAIN_SEPARATOR) {
        return read(path);
    }
    let folder = keyring()?;
    let kept = folder.join(name);
    if kept.exists() { read(&kept) } else { Err(KeyError::Unknown { name: name.to_owned(), folder }) }
}

/// Makes a key in a new file, from the system's random bytes. The file holds a phrase of 12 words.
///
/// # Errors
/// Returns an error if the file exists or cannot be written.
pub fn create(path: &Path) -> Result<Keypair, KeyError> {
    let mut entropy = Zeroizing::new([0; 16]);
    getrandom::fill(&mut *entropy).map_err(KeyError::Random)?;
    let content = || KeyError::Content(path.to_owned());
    let mnemonic = Mnemonic::from_entropy(&*entropy).map_err(|_| content())?;
    let keypair = Keypair::from_phrase(&mnemonic, None).map_err(|_| content())?;
    let phrase = Zeroizing::new(format!("{mnemonic}\n"));
    let file_error = |error| KeyError::File { path: path.to_owned(), error };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(file_error)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
        _ => file_error(error),
    })?;
    file.write_all(phrase.as_bytes()).and_then(|()| file.sync_all()).map_err(file_error)?;
    Ok(keypair)
}

/// The account of a key.
#[must_use]
pub fn account(keypair: &Keypair) -> Account {
    keypair.public_key().0
}

fn development(name: &str) -> Result<Keypair, KeyError> {
    let unknown = || KeyError::Development(name.to_owned());
    let root = name.trim_start_matches('/').split('/').next().unwrap_or_default();
    if !DEVELOPMENT.contains(&root) {
        return Err(unknown());
    }
    let uri = SecretUri::from_str(name).map_err(|_| unknown())?;
    Keypair::from_uri(&uri).map_err(|_| unknown())
}

/// The key in a file.
///
/// # Errors
/// Returns an error if the file holds no key, or others may read it.
pub fn read(path: &Path) -> Result<Keypair, KeyError> {
    let file_error = |error| KeyError::File { path: path.to_owned(), error };
    let metadata = fs::metadata(path).map_err(file_error)?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Readable { path: path.to_owned(), mode });
        }
    }
    let content = || KeyError::Content(path.to_owned());
    if metadata.len() > MAX_FILE_BYTES {
        return Err(content());
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(file_error)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| content())?.trim();
    if let Some(digits) = text.strip_prefix("0x") {
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, &mut *seed).map_err(|_| content())?;
        return from_seed(&seed).ok_or_else(content);
    }
    let mnemonic = Mnemonic::parse(text).map_err(|_| content())?;
    Keypair::from_phrase(&mnemonic, None).map_err(|_| content())
}

/// The key pair that Substrate makes of a seed of 32 bytes.
#[must_use]
pub fn from_seed(seed: &[u8; 32]) -> Option<Keypair> {
    Keypair::from_secret_key(*seed).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.key");
        let made = create(&path).unwrap();
        assert_eq!(account(&load(path.to_str().unwrap()).unwrap()), account(&made));
        assert!(matches!(create(&path), Err(KeyError::Exists(_))));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path), Err(KeyError::Readable { mode: 0o640, .. })));
    }

    #[test]
    fn content_is_checked_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for text in ["", "abandon abandon", "0x12", "secret words that are no phrase", &"0x".repeat(2000)] {
            let _ = fs::remove_file(&path);
            create(&path).unwrap();
            fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(error, KeyError::Content(_)));
            assert!(!error.to_string().contains("secret words"));
        }
        fs::write(&path, format!("0x{}\n", "0a".repeat(32))).unwrap();
        let expected = Keypair::from_secret_key([10; 32]).unwrap();
        assert_eq!(account(&read(&path).unwrap()), account(&expected));
    }

    #[test]
    fn development_names() {
        assert_eq!(account(&load("//Alice").unwrap()), account(&subxt_signer::sr25519::dev::alice()));
        assert_ne!(account(&load("//Alice//1").unwrap()), account(&load("//Alice").unwrap()));
        for refused in ["//Mallory", "//", "///", "//alice"] {
            assert!(matches!(load(refused), Err(KeyError::Development(_))), "{refused}");
        }
    }
}
