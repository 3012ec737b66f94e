//! Both programs explain themselves, and say what to do where what they measure was not built.

use std::process::{Command, Output};

const PROGRAMS: [&str; 2] = [env!("CARGO_BIN_EXE_cyborg-bench"), env!("CARGO_BIN_EXE_cyborg-bench-chain")];

fn run(program: &str, arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(program).args(arguments).output()
}

#[test]
fn help_names_the_command_that_measures() -> std::io::Result<()> {
    for program in PROGRAMS {
        let help = run(program, &["--help"])?;
        assert!(help.status.success());
        assert!(String::from_utf8_lossy(&help.stdout).contains("cargo run --release -p cyborg-bench"));
    }
    Ok(())
}

#[test]
fn a_missing_program_is_named_with_the_command_that_builds_it() -> std::io::Result<()> {
    for program in PROGRAMS {
        let refused = run(program, &["--cyborg", "/nowhere/cyborg"])?;
        assert!(!refused.status.success());
        let problem = String::from_utf8_lossy(&refused.stderr);
        assert!(problem.contains("/nowhere/cyborg") && problem.contains("cargo build"), "{problem}");
    }
    Ok(())
}
