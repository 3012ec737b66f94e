//! What a service keeps on its disk: named files under one key that is never there in the clear.
//!
//! The vault's key is random. Its file holds it encrypted under what unlocks it: a passphrase,
//! through Argon2id (RFC 9106), or a key file. Changing the passphrase encrypts no file again.
//!
//! ```text
//! vault    magic 8 | unlock 1 | memory, KiB 4 | passes 4 | lanes 4 | salt 16 | nonce 12 | key 32 | tag 16
//! entries  NAME.sealed: a blob (see [`cyborg_envelope::blob`]) under a key derived from vault and name
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use argon2::{Algorithm, Argon2, Params, Version};
use cyborg_envelope::{ContentKey, EnvelopeError, blob};
use zeroize::Zeroizing;

use crate::{DiskError, files};

const MAGIC: [u8; 8] = *b"cybvlt\x00\x01";
const FILE_NAME: &str = "vault";
const SUFFIX: &str = "sealed";
const AAD_BYTES: usize = 37;
const FILE_BYTES: usize = AAD_BYTES + 12 + 32 + 16;
/// Longest name of an entry.
const MAX_NAME_BYTES: usize = 128;
/// Bytes of a key file.
const KEY_FILE_BYTES: u64 = 32;

/// RFC 9106's second recommended choice: 64 MiB, 3 passes, 4 lanes.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;
/// Greatest cost that a file may ask for: it is read before anything is authenticated.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
const MAX_PASSES: u32 = 64;
const MAX_LANES: u32 = 64;

/// What unlocks a vault.
#[derive(Clone)]
pub enum Unlock {
    /// A passphrase.
    Passphrase(Zeroizing<String>),
    /// A file of 32 random bytes that only its owner may read.
    KeyFile(PathBuf),
}

impl Unlock {
    fn code(&self) -> u8 {
        match self {
            Self::Passphrase(_) => 1,
            Self::KeyFile(_) => 2,
        }
    }

    fn name(code: u8) -> Option<&'static str> {
        match code {
            1 => Some("passphrase"),
            2 => Some("key file"),
            _ => None,
        }
    }

    /// The key that encrypts the vault's.
    fn key(&self, kdf: Kdf, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, DiskError> {
        let mut key = Zeroizing::new([0; 32]);
        match self {
            Self::Passphrase(passphrase) => {
                let range = |_| kdf.out_of_range();
                let params = Params::new(kdf.memory_kib, kdf.passes, kdf.lanes, Some(32)).map_err(range)?;
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(passphrase.as_bytes(), salt, &mut key[..])
                    .map_err(range)?;
            }
            Self::KeyFile(path) => {
                let metadata = fs::metadata(path)?;
                let mode = metadata.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(DiskError::ReadableKeyFile { mode });
                }
                if metadata.len() != KEY_FILE_BYTES {
                    return Err(DiskError::KeyFileLength { got: metadata.len() });
                }
                let bytes = Zeroizing::new(fs::read(path)?);
                let derived = ContentKey::from_bytes(
                    bytes[..].try_into().map_err(|_| DiskError::KeyFileLength { got: bytes.len() as u64 })?,
                )
                .derive("cyborg vault key file v1", &[salt]);
                key.copy_from_slice(derived.expose());
            }
        }
        Ok(key)
    }
}

/// Writes a new key file (mode 0600); one that is there stays.
///
/// # Errors
/// Returns an error if there is no randomness, or the file cannot be written.
pub fn make_key_file(path: &Path) -> Result<(), DiskError> {
    if path.exists() {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
    }
    let key = ContentKey::generate()?;
    Ok(files::write_private(path, key.expose())?)
}

/// How hard a passphrase is to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kdf {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Kdf {
    fn out_of_range(self) -> DiskError {
        let Self { memory_kib, passes, lanes } = self;
        DiskError::KdfRange { memory_kib, passes, lanes }
    }
}

/// An unlocked vault: a folder of sealed entries.
pub struct Vault {
    folder: PathBuf,
    key: ContentKey,
}

impl Vault {
    /// Unlocks the vault of a folder, or makes one if there is none.
    ///
    /// # Errors
    /// Returns an error if it cannot be unlocked with this, or the folder cannot be written.
    pub fn open(folder: &Path, unlock: &Unlock) -> Result<Self, DiskError> {
        match fs::read(folder.join(FILE_NAME)) {
            Ok(bytes) => Ok(Self { folder: folder.to_owned(), key: decode(&bytes, unlock)? }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder)?;
                let vault = Self { folder: folder.to_owned(), key: ContentKey::generate()? };
                vault.relock(unlock)?;
                Ok(vault)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// From now on the given key or passphrase unlocks the vault, and the former one does not.
    ///
    /// # Errors
    /// Returns an error if there is no randomness, or the file cannot be written.
    pub fn relock(&self, unlock: &Unlock) -> Result<(), DiskError> {
        let kdf = match unlock {
            Unlock::Passphrase(_) => Kdf { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES },
            Unlock::KeyFile(_) => Kdf { memory_kib: 0, passes: 0, lanes: 0 },
        };
        let bytes = encode(&self.key, unlock, kdf)?;
        Ok(files::write_private(&self.folder.join(FILE_NAME), &bytes)?)
    }

    /// The key of an entry, for blobs too large for memory: a [`blob::BlobReader`] on
    /// [`Self::path`], with the name as context.
    ///
    /// # Errors
    /// Returns an error if the name is invalid.
    pub fn entry_key(&self, name: &str) -> Result<ContentKey, DiskError> {
        Ok(self.key.derive("cyborg vault entry v1", &[check_name(name)?.as_bytes()]))
    }

    /// Where an entry lies.
    ///
    /// # Errors
    /// Returns an error if the name is invalid.
    pub fn path(&self, name: &str) -> Result<PathBuf, DiskError> {
        Ok(self.folder.join(format!("{}.{SUFFIX}", check_name(name)?)))
    }

    /// Seals an entry; it replaces one of this name, whole or not at all.
    ///
    /// # Errors
    /// Returns an error if the name is invalid, or the entry cannot be written.
    pub fn put(&self, name: &str, plaintext: &[u8]) -> Result<(), DiskError> {
        let sealed = blob::seal(&self.entry_key(name)?, name.as_bytes(), plaintext)?;
        Ok(files::write_private(&self.path(name)?, &sealed)?)
    }

    /// Opens an entry; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if it was altered or exchanged, or cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, DiskError> {
        match fs::read(self.path(name)?) {
            Ok(sealed) => Ok(Some(blob::open(&self.entry_key(name)?, name.as_bytes(), &sealed)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes an entry; true if there was one.
    ///
    /// # Errors
    /// Returns an error if it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<bool, DiskError> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Ok(()) => {
                files::sync_folder(&path)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn check_name(name: &str) -> Result<&str, DiskError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let good = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.starts_with('.')
        && name.bytes().all(allowed);
    if good { Ok(name) } else { Err(DiskError::VaultName { got: name.to_owned() }) }
}

fn encode(key: &ContentKey, unlock: &Unlock, kdf: Kdf) -> Result<Vec<u8>, DiskError> {
    let mut fresh = [0; 28];
    getrandom::fill(&mut fresh).map_err(|_| EnvelopeError::NoRandomness)?;
    let (salt, nonce) = fresh.split_at(16);
    let mut bytes = Vec::with_capacity(FILE_BYTES);
    bytes.extend(MAGIC);
    bytes.push(unlock.code());
    for number in [kdf.memory_kib, kdf.passes, kdf.lanes] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(salt);
    let aad = bytes.clone();
    bytes.extend(nonce);
    bytes.extend(key.expose());
    let (head, body) = bytes.split_at_mut(AAD_BYTES + 12);
    let tag = Aes256Gcm::new((&*unlock.key(kdf, salt)?).into())
        .encrypt_inout_detached(&nonce_of(&head[AAD_BYTES..]), &aad, body.into())
        .map_err(|_| DiskError::NotAVault)?;
    bytes.extend_from_slice(&tag);
    Ok(bytes)
}

fn decode(bytes: &[u8], unlock: &Unlock) -> Result<ContentKey, DiskError> {
    let bytes: &[u8; FILE_BYTES] = bytes.try_into().map_err(|_| DiskError::NotAVault)?;
    let (aad, rest) = bytes.split_at(AAD_BYTES);
    if aad[..8] != MAGIC {
        return Err(DiskError::NotAVault);
    }
    let expected = Unlock::name(aad[8]).ok_or(DiskError::NotAVault)?;
    if aad[8] != unlock.code() {
        return Err(DiskError::OtherUnlock { expected });
    }
    let number = |at: usize| u32::from_le_bytes([aad[at], aad[at + 1], aad[at + 2], aad[at + 3]]);
    let kdf = Kdf { memory_kib: number(9), passes: number(13), lanes: number(17) };
    if kdf.memory_kib > MAX_MEMORY_KIB || kdf.passes > MAX_PASSES || kdf.lanes > MAX_LANES {
        return Err(kdf.out_of_range());
    }
    let (nonce, rest) = rest.split_at(12);
    let (wrapped, tag) = rest.split_at(32);
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(wrapped);
    let tag = Tag::try_from(tag).map_err(|_| DiskError::NotAVault)?;
    Aes256Gcm::new((&*unlock.key(kdf, &aad[21..])?).into())
        .decrypt_inout_detached(&nonce_of(nonce), aad, (&mut key[..]).into(), &tag)
        .map_err(|_| DiskError::WrongUnlock)?;
    Ok(ContentKey::from_bytes(*key))
}

fn nonce_of(bytes: &[u8]) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    nonce.copy_from_slice(bytes);
    nonce.into()
}
