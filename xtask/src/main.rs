//! Set-up, checks and the one test command of the workspace: `cargo xtask <command>`.
//!
//! | command | does |
//! |---|---|
//! | `setup` | installs what a build needs beside the pinned toolchain, and says what is missing |
//! | `tidy` | the checks that no compiler makes: layers, licences, links, sizes, leftovers |
//! | `metadata` | writes what clients of the chain are generated from |
//! | `readme` | runs the commands of README and docs, and writes what they print below them |
//! | `test` | everything that must hold before a change is merged, stopping at the first failure |

mod lint;
mod markdown;
mod metadata;
mod readme;
mod setup;
mod test;
mod tidy;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <setup|tidy|metadata|readme|test>";

fn main() -> ExitCode {
    let given: Vec<OsString> = std::env::args_os().skip(1).collect();
    let arguments: Vec<_> = given.iter().map(|argument| argument.to_string_lossy()).collect();
    let result = match arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>()[..] {
        _ if lint::is_called_by_cargo(&given) => lint::run(&given),
        ["setup"] => setup::run(),
        ["tidy"] => tidy::run(),
        ["metadata"] => metadata::run(),
        ["readme"] => readme::run(),
        ["test"] => test::run(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
