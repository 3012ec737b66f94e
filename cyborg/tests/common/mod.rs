//! Running the built program in its own process, in a folder of its own.
#![allow(dead_code, reason = "every test file uses another part")]

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What a test returns; a failure shows where it happened.
pub(crate) type TestResult<T = ()> = Result<T, Box<dyn Error>>;

/// A file of the repository's test data.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)
}

/// What the program did.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Exit status; none where a signal ended it.
    pub(crate) status: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Outcome {
    /// The one JSON object on standard output.
    pub(crate) fn json(&self) -> TestResult<Value> {
        assert_eq!(self.stdout.lines().count(), 1, "one line of JSON: {self:?}");
        Ok(serde_json::from_str(&self.stdout)?)
    }

    /// Asserts success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, Some(0), "{self:?}");
        self
    }

    /// Asserts a failure with this status and exactly one line on standard error, which starts
    /// with `error: ` and contains every part.
    #[track_caller]
    pub(crate) fn fails(self, status: i32, parts: &[&str]) -> Self {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "one line: {self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "no `{part}` in {self:?}");
        }
        self
    }
}

/// A folder that the program runs in, removed at the end.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// An empty folder.
    pub(crate) fn new() -> TestResult<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    /// A path inside.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `cyborg` with arguments, inside the folder.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> TestResult<Outcome> {
        self.run_with(arguments, &[])
    }

    /// The same, with more variables in its environment.
    pub(crate) fn run_with<S: AsRef<OsStr>>(
        &self,
        arguments: &[S],
        environment: &[(String, String)],
    ) -> TestResult<Outcome> {
        let done = Command::new(env!("CARGO_BIN_EXE_cyborg"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("XDG_CONFIG_HOME", self.0.path().join(".config"))
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .output()?;
        Ok(Outcome {
            status: done.status.code(),
            stdout: String::from_utf8(done.stdout)?,
            stderr: String::from_utf8(done.stderr)?,
        })
    }

    /// Runs a command line; words are separated by spaces.
    pub(crate) fn cyborg(&self, line: &str) -> TestResult<Outcome> {
        self.run(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Puts a file of the test data into the folder.
    pub(crate) fn add(&self, name: &str) -> TestResult {
        fs::copy(data(name), self.path(name))?;
        Ok(())
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> TestResult<Vec<u8>> {
        Ok(fs::read(self.path(name)).map_err(|error| format!("{name}: {error}"))?)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> TestResult {
        Ok(fs::write(self.path(name), bytes)?)
    }

    /// The names of everything inside, sorted.
    pub(crate) fn listing(&self) -> TestResult<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.0.path())? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}

/// A folder with a compiled digits model: `m.onnx`, `x.npz`, `m.cyb`.
pub(crate) fn compiled(model: &str) -> TestResult<Folder> {
    let folder = Folder::new()?;
    fs::copy(data(&format!("{model}.onnx")), folder.path("m.onnx"))?;
    fs::copy(data(&format!("{model}_io.npz")), folder.path("x.npz"))?;
    folder.cyborg("model compile m.onnx --calibrate x.npz -o m.cyb")?.ok();
    Ok(folder)
}
