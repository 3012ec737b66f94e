//! What commands that take time begin with: a log, and the asynchronous runtime.

use std::io::{self, IsTerminal as _};

use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

use crate::error::Failure;

/// The log goes to standard error, as `RUST_LOG` says, or as `quiet` says if the variable is not set.
pub(crate) fn log(quiet: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

/// Builds a runtime.
pub(crate) fn runtime(mut threads: Builder) -> Result<Runtime, Failure> {
    threads.enable_all().build().map_err(|source| Failure::Io {
        file: "the asynchronous runtime".to_owned(),
        action: "start",
        source,
    })
}
