//! `cyborg account …`: keys of accounts, in files that only their owner reads.

pub(crate) mod arguments;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cyborg_account::Address;
use cyborg_account::keys::{self, KeyError};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::arguments::{AccountCommand, AccountExport, AccountNew};
use crate::error::Failure;
use crate::files::{self, Output, Secrecy};
use crate::report::CommandOutput;

/// Longest key file, in bytes.
const MAX_KEY_BYTES: u64 = 1024;

/// Runs one of the commands.
pub(crate) fn run(command: &AccountCommand) -> Result<CommandOutput, Failure> {
    match command {
        AccountCommand::New(arguments) => new(arguments),
        AccountCommand::List => list(),
        AccountCommand::Export(arguments) => export(arguments),
    }
}

/// Makes a key, in the keyring or in a file.
fn new(arguments: &AccountNew) -> Result<CommandOutput, Failure> {
    let path = match (&arguments.name, &arguments.out) {
        (_, Some(path)) => path.clone(),
        (Some(name), None) => kept(name)?,
        (None, None) => {
            let problem = "give the key a name in the keyring, or a file with --out".to_owned();
            return Err(Failure::Usage { flag: "NAME", problem });
        }
    };
    let keypair = keys::create(&path)?;
    let address = Address(keys::account(&keypair)).to_string();
    let mut report = CommandOutput::default();
    report.field("account", address.as_str(), "account", &address);
    report.field("file", path.display().to_string(), "key file", path.display());
    report.line("Whoever has this file has the account, and nobody can restore it: keep a copy.");
    Ok(report)
}

/// The keys of the keyring, by name; files that hold no key are named with what is wrong.
fn list() -> Result<CommandOutput, Failure> {
    let folder = keys::keyring()?;
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let mut names: Vec<PathBuf> = entries
        .map_err(|source| Failure::io(&folder, "cannot read", source))?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    names.sort();
    let mut report = CommandOutput::default();
    let mut accounts: Vec<Value> = Vec::new();
    for path in names {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match keys::read(&path) {
            Ok(keypair) => {
                let address = Address(keys::account(&keypair)).to_string();
                report.line(format!("{name:<24} {address}"));
                accounts.push(json!({ "name": name, "account": address }));
            }
            Err(error) => {
                report.line(format!("{name:<24} {error}"));
                accounts.push(json!({ "name": name, "error": error.to_string() }));
            }
        }
    }
    if accounts.is_empty() {
        report.line(format!("no keys in {}; `cyborg account new NAME` makes one", folder.display()));
    }
    report.json("accounts", accounts);
    Ok(report)
}

/// Copies a key to a file that only its owner reads. A key is never printed.
fn export(arguments: &AccountExport) -> Result<CommandOutput, Failure> {
    let path = kept(&arguments.name)?;
    if !path.exists() {
        let folder = keys::keyring()?;
        return Err(KeyError::Unknown { name: arguments.name.clone(), folder }.into());
    }
    let address = Address(keys::account(&keys::read(&path)?)).to_string();
    if arguments.out.exists() {
        return Err(KeyError::Exists(arguments.out.clone()).into());
    }
    let output = Output::new(&arguments.out, Secrecy::Secret)?;
    let content = Zeroizing::new(files::read(&path, MAX_KEY_BYTES)?);
    files::write(&[(&output, &content)])?;
    let mut report = CommandOutput::default();
    report.field("account", address.as_str(), "account", &address);
    report.field("file", arguments.out.display().to_string(), "key file", arguments.out.display());
    Ok(report)
}

/// Where the keyring has a name. A name is a file's, and no path.
fn kept(name: &str) -> Result<PathBuf, Failure> {
    let plain = Path::new(name).file_name().is_some_and(|file| file == name) && !name.starts_with('.');
    if !plain {
        let problem = format!("`{name}` is no name: letters, digits and dashes do; a path goes to --out");
        return Err(Failure::Usage { flag: "NAME", problem });
    }
    Ok(keys::keyring()?.join(name))
}
