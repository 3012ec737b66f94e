//! The vault: nothing in the clear on disk, nothing exchanged, nothing unlocked with less.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cyborg_disk::DiskError;
use cyborg_disk::vault::{Unlock, Vault, make_key_file};
use cyborg_envelope::EnvelopeError;

fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(text.to_owned().into())
}

fn with_key_file(folder: &Path) -> Unlock {
    let path = folder.join("key");
    make_key_file(&path).unwrap();
    Unlock::KeyFile(path)
}

#[test]
fn entries_come_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("vault");
    let unlock = passphrase("correct horse");
    let vault = Vault::open(&home, &unlock).unwrap();
    assert!(vault.get("state").unwrap().is_none());
    vault.put("state", b"weights in the clear").unwrap();
    vault.put("state", b"weights in the clear, again").unwrap();
    drop(vault);
    let vault = Vault::open(&home, &unlock).unwrap();
    assert_eq!(vault.get("state").unwrap().unwrap()[..], *b"weights in the clear, again");
    for entry in fs::read_dir(&home).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"weights"), "{}", path.display());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(vault.remove("state").unwrap());
    assert!(!vault.remove("state").unwrap());
}

#[test]
fn passphrases_change_without_sealing_again() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path(), &passphrase("old")).unwrap();
    vault.put("a", b"kept").unwrap();
    vault.relock(&passphrase("new")).unwrap();
    assert!(matches!(Vault::open(folder.path(), &passphrase("old")), Err(DiskError::WrongUnlock)));
    let vault = Vault::open(folder.path(), &passphrase("new")).unwrap();
    assert_eq!(vault.get("a").unwrap().unwrap()[..], *b"kept");
}

#[test]
fn key_files_are_private_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let unlock = with_key_file(folder.path());
    let Unlock::KeyFile(path) = &unlock else { unreachable!() };
    assert!(make_key_file(path).is_err(), "an old key is not replaced");
    let home = folder.path().join("vault");
    Vault::open(&home, &unlock).unwrap().put("a", b"x").unwrap();
    let other = Vault::open(&home, &passphrase("x"));
    assert!(matches!(other, Err(DiskError::OtherUnlock { expected: "key file" })));

    fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Vault::open(&home, &unlock), Err(DiskError::ReadableKeyFile { mode: 0o640 })));
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 1;
    fs::write(path, &bytes).unwrap();
    assert!(matches!(Vault::open(&home, &unlock), Err(DiskError::WrongUnlock)));
    fs::write(path, &bytes[1..]).unwrap();
    assert!(matches!(Vault::open(&home, &unlock), Err(DiskError::KeyFileLength { got: 31 })));
}

#[test]
fn entries_cannot_be_exchanged() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(&folder.path().join("vault"), &with_key_file(folder.path())).unwrap();
    vault.put("a", b"of a").unwrap();
    vault.put("b", b"of b").unwrap();
    fs::copy(vault.path("a").unwrap(), vault.path("b").unwrap()).unwrap();
    assert!(matches!(vault.get("b"), Err(DiskError::Envelope(EnvelopeError::WrongKey))));
}

#[test]
fn a_hostile_file_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    Vault::open(folder.path(), &passphrase("p")).unwrap();
    let path = folder.path().join("vault");
    let good = fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Vault::open(folder.path(), &passphrase("p")).map(drop)
    };
    assert!(matches!(open(&good[..good.len() - 1]), Err(DiskError::NotAVault)));
    for (at, value) in [(0, 0), (8, 9)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert!(matches!(open(&bad), Err(DiskError::NotAVault)), "{at}");
    }
    // Memory, passes or lanes without bound, or none.
    for (at, value) in [(12, 0xff), (16, 0xff), (20, 0xff), (17, 0)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert!(matches!(open(&bad), Err(DiskError::KdfRange { .. })), "{at}");
    }
    // Fewer passes would be less work to guess: authenticated.
    let mut bad = good.clone();
    bad[13] = 1;
    assert!(matches!(open(&bad), Err(DiskError::WrongUnlock)));
    assert!(open(&good).is_ok());
}

#[test]
fn names_stay_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path(), &passphrase("p")).unwrap();
    for name in ["", ".", "..", "../x", "a/b", "A", "a\0", &"a".repeat(129)] {
        assert!(matches!(vault.put(name, b""), Err(DiskError::VaultName { .. })), "{name:?}");
    }
    vault.put("task-7_key.v1", b"").unwrap();
}
