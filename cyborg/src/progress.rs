//! Progress bars on standard error, only if it is a terminal.

use std::io::{self, IsTerminal};
use std::pin::pin;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::timeout;

use crate::report::printable;

/// A bar that disappears when it is dropped.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar with a name for the whole work.
    pub(crate) fn new(work: &'static str) -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {percent:>3} % {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(work);
        Self(bar)
    }

    /// `done` of `total` steps of a named stage.
    pub(crate) fn stage(&self, stage: &str, done: u64, total: u64) {
        if self.0.is_hidden() {
            return;
        }
        self.0.set_length(total.max(1));
        self.0.set_position(done);
        if self.0.message() != stage {
            self.0.set_message(stage.to_owned());
        }
    }
}

impl Progress {
    /// A step of unknown length.
    pub(crate) fn step(&self, step: &str) {
        if self.0.is_hidden() {
            return;
        }
        if let Ok(style) = ProgressStyle::with_template("{prefix} {spinner} {elapsed} {msg}") {
            self.0.set_style(style);
        }
        self.0.enable_steady_tick(Duration::from_millis(100));
        self.0.set_message(step.to_owned());
    }
}

impl Progress {
    /// A line that stays: above the bar, and on standard error too if it is not a terminal.
    pub(crate) fn say(&self, line: &str) {
        self.0.suspend(|| eprintln!("{}", printable(line)));
    }
}

/// Waits for something, and says so on standard error if it takes longer than two seconds.
pub(crate) async fn waiting<T>(what: &str, work: impl Future<Output = T>) -> T {
    const SILENT: Duration = Duration::from_secs(2);
    let mut work = pin!(work);
    match timeout(SILENT, &mut work).await {
        Ok(done) => done,
        Err(_) => {
            eprintln!("{}", printable(&format!("waiting for {what}")));
            work.await
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
