//! Commands of this program as a user would type them, and what they answer.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::timeout;

use super::console::Console;
use crate::error::Failure;
use cyborg_localnet::process::{self, Completed, Program};

/// Longest that a command may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs commands of this program, and prints them.
#[derive(Clone)]
pub(super) struct Shell {
    program: Program,
    folder: PathBuf,
    variables: Vec<(&'static str, String)>,
    console: Console,
}

impl Shell {
    /// Commands run in a folder.
    pub(super) fn new(program: Program, folder: &Path, console: Console) -> Self {
        Self { program, folder: folder.to_owned(), variables: Vec::new(), console }
    }

    /// The folder in which commands run.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The console that commands are shown on.
    pub(super) fn console(&self) -> Console {
        self.console
    }

    /// What `source env` does.
    pub(super) fn source(&mut self, file: &Path, variables: &[(&'static str, String)]) {
        self.console.say(&format!("$ source {}", file.display()));
        self.variables = variables.to_vec();
    }

    /// Runs a command line of words, and shows it with all that it prints, its notes as they come.
    ///
    /// # Errors
    /// Returns an error if it fails.
    pub(super) async fn run(&self, line: &str) -> Result<(), Failure> {
        let console = self.console;
        let done = self.done(line, move |note| console.say(&format!("  {note}"))).await?;
        done.stdout.lines().for_each(|line| console.say(&format!("  {line}")));
        Ok(())
    }

    /// Runs a command line with `--json`, and gives its answer and the seconds that it took. Of what
    /// it prints nothing is shown.
    ///
    /// # Errors
    /// Returns an error if it fails, or prints no JSON.
    pub(super) async fn ask(&self, line: &str) -> Result<(Value, f64), Failure> {
        let line = format!("{line} --json");
        let begun = Instant::now();
        let done = self.done(&line, |_| ()).await?;
        let answer = serde_json::from_str(done.stdout.trim())
            .map_err(|error| failed(&line, &format!("printed no JSON: {error}")))?;
        Ok((answer, begun.elapsed().as_secs_f64()))
    }

    async fn done(&self, line: &str, hear: impl FnMut(&str) + Send + 'static) -> Result<Completed, Failure> {
        self.console.say(&format!("$ cyborg {line}"));
        let mut command = self.program.command(line.split_whitespace());
        command.current_dir(&self.folder);
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        let done = timeout(PATIENCE, process::run(&mut command, hear)).await;
        let done = done.map_err(|_| failed(line, "takes too long"))?;
        let done = done.map_err(|error| failed(line, &error.to_string()))?;
        if done.status.success() { Ok(done) } else { Err(failed(line, &done.problem())) }
    }
}

fn failed(line: &str, problem: &str) -> Failure {
    Failure::Network(format!("`cyborg {line}`: {problem}"))
}
