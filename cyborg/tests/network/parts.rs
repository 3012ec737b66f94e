//! The parts of a network: storage nodes and miners, each a process, killed and started again.

use std::fs;
use std::path::{Path, PathBuf};

use cyborg_account::{Keypair, keys};
use cyborg_localnet::ports;
use cyborg_primitives::Account;
use serde_json::Value;

use crate::TestResult;
use crate::process::{Process, Program, line, until};

/// A port of this machine that is free now, and nobody else's in this process.
pub(crate) fn port() -> TestResult<u16> {
    Ok(ports::listener()?.local_addr()?.port())
}

/// Somebody with an account.
#[derive(Clone)]
pub(crate) struct Person {
    /// The key's file.
    pub(crate) file: PathBuf,
    pub(crate) key: Keypair,
    /// The folder in which an owner keeps what it must not lose.
    pub(crate) records: PathBuf,
}

impl Person {
    /// An account that nobody had before.
    pub(crate) async fn new(program: &Program, folder: &Path, name: &str) -> TestResult<Self> {
        let file = folder.join(format!("{name}.key"));
        let mut command = program.command(line("--json account new --out {}", &[&file]));
        program.run("account", &mut command).await?.json()?;
        Ok(Self { key: keys::read(&file)?, file, records: folder.join(format!("{name}.records")) })
    }

    pub(crate) fn account(&self) -> Account {
        keys::account(&self.key)
    }
}

/// A storage node.
pub(crate) struct StorageNode {
    pub(crate) dir: PathBuf,
    pub(crate) url: String,
    port: u16,
    name: String,
    process: Option<Process>,
}

impl StorageNode {
    pub(crate) fn new(folder: &Path, index: usize) -> TestResult<Self> {
        let (name, port) = (format!("storage-{index}"), port()?);
        let url = format!("http://127.0.0.1:{port}");
        Ok(Self { dir: folder.join(&name), url, port, name, process: None })
    }

    /// Starts it with room for so many bytes.
    pub(crate) async fn start(&mut self, program: &Program, quota: &str) -> TestResult {
        let words =
            format!("--json storage start --listen 127.0.0.1:{} --quota {quota} --dir {{}}", self.port);
        let mut process = program.start(&self.name, &mut program.command(line(&words, &[&self.dir])))?;
        process.ready().await?;
        self.process = Some(process);
        Ok(())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> TestResult {
        self.process.take().map_or(Ok(()), Process::kill)
    }

    /// What it says of itself.
    pub(crate) async fn status(&self, program: &Program) -> TestResult<Value> {
        let words = format!("--json storage status {}", self.url);
        program.run("storage-status", &mut program.command(line(&words, &[]))).await?.json()
    }

    /// The files of its fragments.
    pub(crate) fn fragments(&self) -> TestResult<Vec<PathBuf>> {
        let mut found = Vec::new();
        for folder in fs::read_dir(self.dir.join("fragments"))? {
            for file in fs::read_dir(folder?.path())? {
                found.push(file?.path());
            }
        }
        Ok(found)
    }
}

/// A miner.
pub(crate) struct MinerNode {
    pub(crate) person: Person,
    pub(crate) dir: PathBuf,
    pub(crate) url: String,
    port: u16,
    name: String,
    process: Option<Process>,
    /// The logs of all its processes.
    logs: Vec<PathBuf>,
}

/// What the first miner of this process measured of this machine. It is measured once: the others
/// find it where an interrupted `init` would have left it.
static MEASURED: tokio::sync::Mutex<Option<Vec<u8>>> = tokio::sync::Mutex::const_new(None);

impl MinerNode {
    pub(crate) fn new(person: Person, folder: &Path, index: usize) -> TestResult<Self> {
        let (name, port) = (format!("miner-{index}"), port()?);
        let url = format!("http://127.0.0.1:{port}");
        let dir = folder.join(&name);
        Ok(Self { person, dir, url, port, name, process: None, logs: Vec::new() })
    }

    pub(crate) fn account(&self) -> Account {
        self.person.account()
    }

    /// Registers it.
    pub(crate) async fn init(
        &mut self,
        program: &Program,
        node: &str,
        storage: &[String],
        region: &str,
    ) -> TestResult {
        let settings = self.dir.join("miner.json");
        let mut measured = MEASURED.lock().await;
        if let Some(bytes) = &*measured {
            private_folder(&self.dir)?;
            fs::write(&settings, bytes)?;
        }
        let words = format!(
            "--json miner init --node {node} --storage {} --listen 127.0.0.1:{} --region {region} --at 50.11,8.68 \
             --account {{}} --dir {{}} --unlock {{}}",
            storage.join(","),
            self.port
        );
        let unlock = self.dir.join("unlock.key");
        let mut command = program.command(line(&words, &[&self.person.file, &self.dir, &unlock]));
        if measured.is_some() {
            drop(measured);
            program.run("miner-init", &mut command).await?.json()?;
        } else {
            program.run("miner-init", &mut command).await?.json()?;
            *measured = Some(fs::read(&settings)?);
        }
        Ok(())
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn start(&mut self, program: &Program, node: &str) -> TestResult {
        let line = line(&format!("--json miner start --node {node} --dir {{}}"), &[&self.dir]);
        // So that a test may fill its disk.
        let mut process = program.start(&self.name, &mut program.command_with_full_disk(line))?;
        self.logs.push(process.log_path().to_owned());
        process.ready().await?;
        self.process = Some(process);
        Ok(())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> TestResult {
        self.process.take().map_or(Ok(()), Process::kill)
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> TestResult<u32> {
        Ok(self.process.as_ref().ok_or("the miner is dead")?.id())
    }

    /// All that it ever logged.
    pub(crate) fn log(&self) -> String {
        self.logs.iter().map(|log| fs::read_to_string(log).unwrap_or_default()).collect()
    }

    /// Waits until its log has one of these.
    pub(crate) async fn says(&self, texts: &[String]) -> TestResult {
        until(&format!("{} says one of {texts:?}", self.name), async || {
            let log = self.log();
            Ok(texts.iter().any(|text| log.contains(text)).then_some(()))
        })
        .await
    }
}

fn private_folder(path: &Path) -> TestResult {
    use std::os::unix::fs::DirBuilderExt as _;
    Ok(fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?)
}
