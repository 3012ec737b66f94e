//! `cyborg-bench-network`: see `--help`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    cyborg_bench::network::main()
}
