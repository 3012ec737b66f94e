//! Bounded reading and atomic writing.
//!
//! An output appears whole under its name or not at all: bytes go to a temporary file in the same
//! folder, which is renamed at the end and removed on every failure.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::error::Failure;

/// Who may read an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// Everybody whom the user's umask lets.
    Public,
    /// Only its owner: the mode is 0600 from its creation on.
    Secret,
}

/// Longest file of certificates, in bytes.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// Reads the certificates (PEM) that are to be trusted beside the system's.
pub(crate) fn certificates(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, Failure> {
    paths.iter().map(|path| read(path, MAX_PEM_BYTES)).collect()
}

/// Reads a regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let io = |source| Failure::io(path, "cannot read", source);
    // Asked before opening: opening a pipe that nobody writes to would wait for ever.
    if !fs::metadata(path).map_err(io)?.is_file() {
        return Err(Failure::input(path, "not a regular file"));
    }
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    let too_large = || Failure::TooLarge { file: path.display().to_string(), limit };
    if metadata.len() > limit {
        return Err(too_large());
    }
    // One byte more than the length, so that the last read finds the end without growing.
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// A file to be written at the end of a command.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    secrecy: Secrecy,
}

impl Output {
    /// Names an output and finds out early, before the long work, whether it can be written.
    pub(crate) fn new(path: &Path, secrecy: Secrecy) -> Result<Self, Failure> {
        let output = Self { path: path.to_owned(), secrecy };
        // A rename would replace a device or a pipe by a file.
        let other = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        if path.file_name().is_none() || other {
            return Err(Failure::input(path, "cannot write: not a regular file"));
        }
        output.stage().map(drop)?;
        Ok(output)
    }

    /// Refuses to put the output in the place of a file that the same command reads: a key or a
    /// model would be lost.
    pub(crate) fn apart_from(self, inputs: &[&Path]) -> Result<Self, Failure> {
        let identity = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        let own = identity(&self.path);
        if own.is_some() && inputs.iter().any(|path| identity(path) == own) {
            let problem = "cannot write: this command reads that file";
            return Err(Failure::input(&self.path, problem));
        }
        Ok(self)
    }

    /// Where it will appear.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An empty temporary file beside the output; removed when dropped.
    fn stage(&self) -> Result<NamedTempFile, Failure> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mode = match self.secrecy {
            Secrecy::Public => 0o666,
            Secrecy::Secret => 0o600,
        };
        Builder::new()
            .prefix(".cyborg-")
            .suffix(".part")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(folder)
            .map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Failure {
        // The temporary file's name in the message would only confuse.
        let source = match (source.raw_os_error(), source.kind()) {
            (Some(code), _) => io::Error::from_raw_os_error(code),
            (None, kind @ io::ErrorKind::NotFound) => io::Error::new(kind, "no such folder"),
            (None, kind) => kind.into(),
        };
        Failure::io(&self.path, "cannot write", source)
    }
}

/// Writes several outputs: all of them, or none.
pub(crate) fn write(outputs: &[(&Output, &[u8])]) -> Result<(), Failure> {
    let mut staged = Vec::with_capacity(outputs.len());
    for &(output, bytes) in outputs {
        let mut file = output.stage()?;
        file.write_all(bytes).map_err(|source| output.failed(source))?;
        staged.push((output, file));
    }
    let mut placed: Vec<&Path> = Vec::with_capacity(staged.len());
    for (output, file) in staged {
        if let Err(error) = file.persist(&output.path) {
            for path in placed {
                // Nothing more can be done about a file that cannot be removed either.
                let _ = fs::remove_file(path);
            }
            return Err(output.failed(error.error));
        }
        placed.push(&output.path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn listing(folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    #[test]
    fn outputs_appear_together_and_secrets_are_private() -> TestResult {
        let folder = tempfile::tempdir()?;
        let public = Output::new(&folder.path().join("a"), Secrecy::Public)?;
        let secret = Output::new(&folder.path().join("b"), Secrecy::Secret)?;
        assert!(listing(folder.path())?.is_empty());
        write(&[(&public, b"one"), (&secret, b"two")])?;
        assert_eq!(listing(folder.path())?, ["a", "b"]);
        assert_eq!(read(secret.path(), 3)?, b"two");
        let mode = fs::metadata(secret.path())?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        Ok(())
    }

    #[test]
    fn a_failure_leaves_nothing() -> TestResult {
        let folder = tempfile::tempdir()?;
        let first = Output::new(&folder.path().join("first"), Secrecy::Public)?;
        let second = Output::new(&folder.path().join("second"), Secrecy::Public)?;
        // A folder appears under the second name after it was checked.
        fs::create_dir_all(folder.path().join("second/inside"))?;
        let error = write(&[(&first, b"x"), (&second, b"y")]).expect_err("a folder is there");
        assert!(error.to_string().contains("second: cannot write"), "{error}");
        assert_eq!(listing(folder.path())?, ["second"]);
        Ok(())
    }

    #[test]
    fn names_that_cannot_be_written_are_refused_early() -> TestResult {
        let folder = tempfile::tempdir()?;
        assert!(Output::new(folder.path(), Secrecy::Public).is_err());
        assert!(Output::new(&folder.path().join("no/such/file"), Secrecy::Public).is_err());
        assert!(Output::new(Path::new(".."), Secrecy::Public).is_err());
        Ok(())
    }

    #[test]
    fn no_output_replaces_an_input() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("key");
        fs::write(&path, "secret")?;
        std::os::unix::fs::symlink("key", folder.path().join("link"))?;
        for name in ["key", "./key", "link"] {
            let output = Output::new(&folder.path().join(name), Secrecy::Public)?;
            let refused = output.apart_from(&[&path]).expect_err("the same file");
            assert!(refused.to_string().contains("reads that file"), "{refused}");
        }
        let other = Output::new(&folder.path().join("other"), Secrecy::Public)?;
        other.apart_from(&[&path, &folder.path().join("missing")])?;
        Ok(())
    }

    #[test]
    fn reading_is_bounded() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        fs::write(&path, [0; 100])?;
        assert_eq!(read(&path, 100)?.len(), 100);
        assert!(matches!(read(&path, 99), Err(Failure::TooLarge { .. })));
        assert!(read(folder.path(), 99).is_err());
        Ok(())
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() -> TestResult {
        let folder = tempfile::tempdir()?;
        for path in [folder.path().join("missing"), folder.path().to_owned()] {
            let error = read(&path, 99).expect_err("no file");
            assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
        }
        Ok(())
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_a_writer() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status()?.success());
        let (answer, read_of) = std::sync::mpsc::channel();
        let pipe = path.clone();
        std::thread::spawn(move || answer.send(read(&pipe, 99)));
        let read = read_of.recv_timeout(std::time::Duration::from_secs(10))?;
        let error = read.expect_err("a pipe").to_string();
        assert!(error.contains("pipe: not a regular file"), "{error}");
        Ok(())
    }
}
