//! Looks for a secret file in other files: a process that keeps it encrypted has no part of it in the clear.

use std::fs;
use std::io;
use std::path::Path;

/// Length of what is looked for, in bytes: long enough that no other file has it by chance.
const NEEDLE_BYTES: usize = 48;
/// How many pieces of the secret are looked for.
const NEEDLES: usize = 8;
/// Different bytes that a piece has at least: runs of one value are in many files.
const DIFFERENT: usize = 16;

/// Pieces of a secret, from all of its length, that are not in what is public beside it.
pub(super) fn needles<'a>(secret: &'a [u8], public: &[u8]) -> Vec<&'a [u8]> {
    let telling = |piece: &&[u8]| {
        let mut bytes = piece.to_vec();
        bytes.sort_unstable();
        bytes.dedup();
        bytes.len() >= DIFFERENT
    };
    let pieces: Vec<&[u8]> = secret.chunks_exact(NEEDLE_BYTES).filter(telling).collect();
    let step = pieces.len().div_ceil(NEEDLES).max(1);
    pieces.into_iter().step_by(step).filter(|piece| !holds(public, piece)).collect()
}

/// Files below a folder that hold one of the pieces, and all files below it.
///
/// # Errors
/// Returns an error if something cannot be read.
pub(super) fn holders(folder: &Path, needles: &[&[u8]]) -> io::Result<(usize, usize)> {
    let (mut found, mut files) = (0, 0);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let (more, below) = holders(&entry.path(), needles)?;
            (found, files) = (found + more, files + below);
            continue;
        }
        let bytes = match fs::read(entry.path()) {
            Ok(bytes) => bytes,
            // Its process works on, and may have removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        files += 1;
        found += usize::from(needles.iter().any(|needle| holds(&bytes, needle)));
    }
    Ok((found, files))
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return false };
    // Compare the first byte first: files are megabytes.
    let mut from = 0;
    while let Some(place) = bytes[from..].iter().position(|byte| byte == first) {
        from += place + 1;
        if bytes[from..].starts_with(rest) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_is() {
        let secret: Vec<u8> =
            (0..4_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let needles = super::needles(&secret, b"");
        assert!((4..=NEEDLES).contains(&needles.len()), "{}", needles.len());
        assert!(super::needles(&secret, &secret).is_empty());
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("other"), vec![7; 10_000]).unwrap();
        assert_eq!(holders(folder.path(), &needles).unwrap(), (0, 1));
        fs::write(folder.path().join("below/copy"), [&[1, 2, 3][..], &secret].concat()).unwrap();
        fs::write(folder.path().join("half"), &secret[2_000..]).unwrap();
        assert_eq!(holders(folder.path(), &needles).unwrap(), (2, 3));
        assert!(holders(&folder.path().join("missing"), &needles).is_err());
    }

    #[test]
    fn runs_of_one_value_tell_nothing() {
        assert!(needles(&[0; 10_000], b"").is_empty());
        assert!(needles(&[], b"").is_empty());
    }
}
