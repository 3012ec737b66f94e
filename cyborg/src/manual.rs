//! `cyborg completions` and `cyborg man`: completion scripts and manual pages, generated from the same
//! definitions as the help.

pub(crate) mod arguments;

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;

use self::arguments::{Completions, Man};
use crate::cli::Cli;
use crate::error::Failure;
use crate::files::{self, Output, Secrecy};
use crate::report::CommandOutput;

/// The script for a shell.
pub(crate) fn completions(arguments: &Completions) -> Result<CommandOutput, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "cyborg", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let mut report = CommandOutput::default();
    report.line(script.trim_end()).json("shell", arguments.shell.to_string()).json("script", script);
    Ok(report)
}

/// The page of the program itself, or a folder with a page for every command.
pub(crate) fn man(arguments: &Man) -> Result<CommandOutput, Failure> {
    let mut pages = Vec::new();
    // Subcommands have their full names once the definition is built.
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    if let Some(folder) = &arguments.out {
        collect(&program, &mut pages)?;
        return write(folder, &pages);
    }
    let text = render(&program)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut report = CommandOutput::default();
    report.line(text.trim_end()).json("page", text);
    Ok(report)
}

/// The pages of a command and of all commands below it, with the names of their files.
fn collect(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    pages.push((clap_mangen::Man::new(command.clone()).get_filename(), render(command)?));
    command.get_subcommands().filter(|child| !child.is_hide_set()).try_for_each(|child| collect(child, pages))
}

fn render(command: &clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut page);
    rendered.map_err(|source| Failure::io(Path::new("the manual page"), "cannot be made", source))?;
    Ok(page)
}

fn write(folder: &Path, pages: &[(String, Vec<u8>)]) -> Result<CommandOutput, Failure> {
    fs::create_dir_all(folder).map_err(|source| Failure::io(folder, "cannot make the folder", source))?;
    let mut outputs = Vec::with_capacity(pages.len());
    for (name, bytes) in pages {
        outputs.push((Output::new(&folder.join(name), Secrecy::Public)?, bytes.as_slice()));
    }
    let outputs: Vec<(&Output, &[u8])> = outputs.iter().map(|(output, bytes)| (output, *bytes)).collect();
    files::write(&outputs)?;
    let shown = folder.display().to_string();
    let mut report = CommandOutput::default();
    report.field("pages", pages.len(), "pages", pages.len());
    report.field("folder", shown.as_str(), "folder", &shown);
    Ok(report)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use clap::ValueEnum as _;
    use clap_complete::Shell;

    use super::*;

    /// The paths of all commands that do something, such as `zk prove`.
    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let children: Vec<_> = command.get_subcommands().filter(|child| child.get_name() != "help").collect();
        if children.is_empty() {
            found.push(path.trim_start().to_owned());
        }
        children.iter().for_each(|child| leaves(child, &format!("{path} {}", child.get_name()), found));
    }

    #[test]
    fn every_shell_completes_every_command() {
        let mut commands = Vec::new();
        leaves(&Cli::command(), "", &mut commands);
        assert!(commands.len() > 20 && commands.contains(&"zk prove".to_owned()), "{commands:?}");
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "cyborg", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in &commands {
                let name = command.rsplit(' ').next().unwrap();
                assert!(script.contains(name), "{shell} does not complete `{command}`");
            }
            assert!(script.contains("opening-out"), "{shell} does not complete flags");
        }
    }

    #[test]
    fn there_is_a_page_for_every_command() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("man/man1");
        man(&Man { out: Some(out.clone()) }).unwrap();
        let mut commands = Vec::new();
        leaves(&Cli::command(), "", &mut commands);
        for command in commands {
            let page = out.join(format!("cyborg-{}.1", command.replace(' ', "-")));
            let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{command}: {error}"));
            assert!(text.contains("Example:") && text.contains(".TH"), "{command}: {text}");
        }
        assert!(fs::read_to_string(out.join("cyborg.1")).unwrap().contains("cyborg\\-model"));
        // A second time the pages are replaced.
        man(&Man { out: Some(out) }).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_bad_input() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = man(&Man { out: Some(file) }).err().unwrap();
        assert!(error.to_string().contains("file") && error.status() == crate::error::BAD_INPUT, "{error}");
    }
}
