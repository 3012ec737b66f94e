//! Reading a file through, and writing that survives a crash: a file is there whole, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 19;
/// Threads that read, each every second block: cached or not, two get a file sooner than one.
const READERS: usize = 2;

/// Feeds a file from its beginning to a hash, while what follows is read. Returns the file's length.
///
/// # Errors
/// Returns an error if it cannot be read.
pub fn read_through(file: &File, mut take: impl FnMut(&[u8])) -> io::Result<u64> {
    thread::scope(|scope| {
        let mut readers = Vec::with_capacity(READERS);
        for first in 0..READERS as u64 {
            let (fill, emptied) = mpsc::channel();
            let (give, filled) = mpsc::channel();
            scope.spawn(move || {
                for (block, buffer) in (first..).step_by(READERS).zip(emptied) {
                    let _ = give.send(read_block(file, block, buffer));
                }
            });
            // Two buffers go round: one is filled while the other is taken from.
            let _ = fill.send(vec![0; READ_BYTES]);
            let _ = fill.send(vec![0; READ_BYTES]);
            readers.push((fill, filled));
        }
        let mut total = 0;
        for (fill, filled) in readers.iter().cycle() {
            let (buffer, count) = filled.recv().map_err(io::Error::other)??;
            take(&buffer[..count]);
            total += count as u64;
            if count < READ_BYTES {
                break;
            }
            let _ = fill.send(buffer);
        }
        Ok(total)
    })
}

/// Fills a buffer, as far as the file goes.
fn read_block(file: &File, block: u64, mut buffer: Vec<u8>) -> io::Result<(Vec<u8>, usize)> {
    let (start, mut count) = (block * READ_BYTES as u64, 0);
    while count < buffer.len() {
        match file.read_at(&mut buffer[count..], start + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((buffer, count))
}

/// Writes a file for its owner alone (mode 0600): to a name beside it, to the disk, then under its
/// own name. A crash leaves the old content or the new.
///
/// # Errors
/// Returns an error if the folder cannot be written.
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
/// Returns an error if the folder cannot be written.
pub fn persist(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(to)
}

/// Puts the names in a file's folder on the disk.
///
/// # Errors
/// Returns an error if the folder cannot be opened.
pub fn sync_folder(of: &Path) -> io::Result<()> {
    let folder = match of.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// A size as people read it.
pub fn size_shown(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..1_000_000 => format!("{:.1} KB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
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
            file.write_all(&bytes).unwrap();
            let mut taken = Vec::new();
            let total = read_through(&file, |piece| taken.extend_from_slice(piece)).unwrap();
            assert_eq!(total, length as u64);
            assert!(taken == bytes);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let folder = File::open("/").unwrap();
        assert!(read_through(&folder, |_| ()).is_err());
    }
}
