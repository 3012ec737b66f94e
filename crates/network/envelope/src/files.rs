//! Reading a file through, and writing that survives a crash: a file is there whole, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 19;

/// Feeds a file from its beginning to a hash, on a thread of its own: while it has some bytes, the
/// next are read. The file's length.
///
/// # Errors
/// Where it cannot be read.
pub fn read_through(file: &mut File, mut take: impl FnMut(&[u8]) + Send) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let (full, filled) = mpsc::channel::<(Vec<u8>, usize)>();
    let (empty, emptied) = mpsc::channel();
    // Two buffers go round, until all is read and nobody takes them back.
    for _ in 0..2 {
        let _ = empty.send(vec![0; READ_BYTES]);
    }
    thread::scope(move |scope| {
        scope.spawn(move || {
            for (buffer, count) in filled {
                take(&buffer[..count]);
                let _ = empty.send(buffer);
            }
        });
        let mut total = 0;
        for mut buffer in emptied {
            let count = read(file, &mut buffer)?;
            total += count as u64;
            if count == 0 || full.send((buffer, count)).is_err() {
                break;
            }
        }
        Ok(total)
    })
}

/// Reads once, whatever signals come.
fn read(file: &mut File, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Writes a file for its owner alone (mode 0600): to a name beside it, to the disk, then under its
/// own name. A crash leaves the old content or the new.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    // What a crash left behind is replaced, not followed or reused with its mode.
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    persist(&part, path)
}

/// Gives a file that is on the disk its final name, and puts the name on the disk too.
///
/// # Errors
/// Where the folder cannot be written.
pub fn persist(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(to)
}

/// Puts the names in a file's folder on the disk.
///
/// # Errors
/// Where the folder cannot be opened.
pub fn sync_folder(of: &Path) -> io::Result<()> {
    let folder = match of.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_file_is_read_through_from_its_beginning_and_in_order() {
        for length in [0, 1, READ_BYTES, READ_BYTES + 1, 5 * READ_BYTES - 1] {
            let bytes: Vec<u8> = (0..length).map(|at| (at / 251) as u8).collect();
            let mut file = tempfile::tempfile().unwrap();
            // Leaves the file at its end.
            file.write_all(&bytes).unwrap();
            let mut taken = Vec::new();
            let total = read_through(&mut file, |piece| taken.extend_from_slice(piece)).unwrap();
            assert_eq!(total, length as u64);
            assert!(taken == bytes);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let mut folder = File::open("/").unwrap();
        assert!(read_through(&mut folder, |_| ()).is_err());
    }
}
