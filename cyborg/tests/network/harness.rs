//! A network of processes, in a folder of its own: a chain's node, storage nodes, miners, an owner.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cyborg_account::keys;
use cyborg_chain_client::runtime;
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::view::{self, TaskView};
use cyborg_chain_client::{AtBlock, Chain};
use cyborg_localnet::fund;
use cyborg_primitives::{Account, TaskId};
use tokio::runtime::Builder;

use crate::TestResult;
use crate::model::{self, Model};
use crate::money::{self, UNIT};
use crate::parts::{MinerNode, Person, StorageNode, port};
use crate::process::{Outcome, Process, Program, line, until};
use crate::witness::{self, Witness};

/// Quota of a storage node that is not to fill up.
pub(crate) const ROOM: &str = "1GB";
/// What everybody has to begin with.
const MEANS: u128 = 5_000 * UNIT;

/// What a network is to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Milliseconds from block to block, each of which is six seconds of chain time.
    pub(crate) block_ms: u64,
    /// Blocks that are made at once before anything else, so that chain time is ahead of the clock.
    pub(crate) head_start: u64,
    pub(crate) storage: usize,
    /// The region of each miner.
    pub(crate) miners: &'static [&'static str],
}

impl Default for Plan {
    fn default() -> Self {
        Self { block_ms: 200, head_start: 0, storage: 1, miners: &["DE"] }
    }
}

/// Runs a test on a network of its own. In the end all money is where the records say; where the test
/// fails, the ends of all logs are shown.
pub(crate) fn run(plan: Plan, test: impl AsyncFnOnce(&mut Network) -> TestResult) -> TestResult {
    // TLS needs a process-wide provider; one that is installed already stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The folder is removed last.
    let folder = tempfile::tempdir()?;
    let program = Program::new(folder.path())?;
    let logs = Logs(program.clone());
    let done = Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        let mut network = Network::start(plan, folder.path(), program).await?;
        test(&mut network).await?;
        network.check_money().await
    });
    if done.is_err() {
        logs.0.show_logs();
    }
    done
}

/// Shows all logs where a test panics.
struct Logs(Program);

impl Drop for Logs {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.show_logs();
        }
    }
}

/// A network. Its processes end when it is dropped.
pub(crate) struct Network {
    pub(crate) chain: Chain,
    pub(crate) rpc: String,
    pub(crate) witness: Witness,
    pub(crate) owner: Person,
    pub(crate) storage: Vec<StorageNode>,
    pub(crate) miners: Vec<MinerNode>,
    pub(crate) program: Program,
    node: Option<Process>,
    node_port: u16,
    block_ms: u64,
    issuance: u128,
    folder: PathBuf,
}

impl Network {
    async fn start(plan: Plan, folder: &Path, program: Program) -> TestResult<Self> {
        model::digits()?;
        let node_port = port()?;
        let dir = folder.join("node");
        if plan.head_start > 0 {
            let mut fast = start_node(&program, &dir, node_port, 10)?;
            let url = fast.ready().await?["rpc"].as_str().ok_or("no address")?.to_owned();
            let chain = Chain::connect(&url).await?;
            until("the chain is ahead", async || {
                let block = chain.at_finalised().await?.block_number();
                Ok((block >= plan.head_start).then_some(()))
            })
            .await?;
            fast.kill()?;
        }
        let mut node = start_node(&program, &dir, node_port, plan.block_ms)?;
        let rpc = node.ready().await?["rpc"].as_str().ok_or("no address")?.to_owned();
        let chain = Chain::connect(&rpc).await?;
        let issuance = money::issuance(&chain.at_finalised().await?).await?;
        let owner = Person::new(&program, folder, "owner").await?;
        let mut network = Self {
            witness: Witness::begin(&rpc),
            chain,
            rpc,
            owner,
            storage: Vec::new(),
            miners: Vec::new(),
            program,
            node: Some(node),
            node_port,
            block_ms: plan.block_ms,
            issuance,
            folder: folder.to_owned(),
        };
        network.fund(&[network.owner.account()]).await?;
        for _ in 0..plan.storage {
            network.add_storage(ROOM).await?;
        }
        for region in plan.miners {
            let index = network.add_miner(region).await?;
            network.start_miner(index).await?;
        }
        Ok(network)
    }

    /// Gives accounts money to begin with, all in one transaction.
    pub(crate) async fn fund(&self, accounts: &[Account]) -> TestResult {
        let calls = accounts.iter().map(|account| fund::transfer(AccountId32(*account), MEANS)).collect();
        self.chain
            .submit(&runtime::transactions().utility().batch_all(calls), &keys::load("//Alice")?)
            .await?;
        Ok(())
    }

    /// Somebody new with money.
    pub(crate) async fn person(&self, name: &str) -> TestResult<Person> {
        let person = Person::new(&self.program, &self.folder, name).await?;
        self.fund(&[person.account()]).await?;
        Ok(person)
    }

    /// A path that is nobody's.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) async fn add_storage(&mut self, quota: &str) -> TestResult {
        let mut node = StorageNode::new(&self.folder, self.storage.len())?;
        node.start(&self.program, quota).await?;
        self.storage.push(node);
        Ok(())
    }

    /// Registers a miner, which does not run yet.
    pub(crate) async fn add_miner(&mut self, region: &str) -> TestResult<usize> {
        let index = self.miners.len();
        let person = self.person(&format!("miner-{index}")).await?;
        let mut miner = MinerNode::new(person, &self.folder, index)?;
        miner.init(&self.program, &self.rpc, &self.storage_urls(), region).await?;
        self.miners.push(miner);
        Ok(index)
    }

    pub(crate) async fn start_miner(&mut self, index: usize) -> TestResult {
        self.miners[index].start(&self.program, &self.rpc).await
    }

    /// Kills a miner and starts it again at once.
    pub(crate) async fn restart_miner(&mut self, index: usize) -> TestResult {
        self.miners[index].kill()?;
        self.start_miner(index).await
    }

    /// SIGKILL.
    pub(crate) fn kill_node(&mut self) -> TestResult {
        self.node.take().map_or(Ok(()), Process::kill)
    }

    /// Starts the chain's node once more, where it was.
    pub(crate) async fn restart_node(&mut self) -> TestResult {
        let dir = self.folder.join("node");
        let mut node = start_node(&self.program, &dir, self.node_port, self.block_ms)?;
        node.ready().await?;
        self.node = Some(node);
        self.chain = Chain::connect(&self.rpc).await?;
        Ok(())
    }

    pub(crate) fn storage_urls(&self) -> Vec<String> {
        self.storage.iter().map(|node| node.url.clone()).collect()
    }

    /// Starts one of an owner's commands.
    pub(crate) fn begin(&self, owner: &Person, name: &str, line: Vec<OsString>) -> TestResult<Process> {
        let mut command = self.program.command(line);
        command
            .env("CYBORG_NODE", &self.rpc)
            .env("CYBORG_STORAGE", self.storage_urls().join(","))
            .env("CYBORG_ACCOUNT", &owner.file)
            .env("CYBORG_OWNER_DIR", &owner.records);
        self.program.start(name, &mut command)
    }

    /// Runs one of an owner's commands to its end.
    pub(crate) async fn command(&self, owner: &Person, words: &str) -> TestResult<Outcome> {
        let name = words.split_whitespace().take(2).collect::<Vec<_>>().join("-");
        self.begin(owner, &name, line(&format!("--json {words}"), &[]))?.ended().await
    }

    /// Starts a deployment of the model.
    pub(crate) fn deploying(&self, owner: &Person, model: &Model, more: &str) -> TestResult<Process> {
        let words = format!("--json deploy {{}} --keys {{}} --another {more}");
        self.begin(owner, "deploy", line(&words, &[&model.file, &model.keys]))
    }

    /// Deploys the model; its task serves then.
    pub(crate) async fn deploy(&self, owner: &Person, more: &str) -> TestResult<TaskId> {
        let done = self.deploying(owner, model::digits()?, more)?.ended().await?.json()?;
        Ok(done["task"].as_u64().ok_or_else(|| format!("no task: {done}"))?)
    }

    /// Starts a request for a sample.
    pub(crate) fn asking(
        &self,
        owner: &Person,
        task: TaskId,
        index: usize,
        more: &str,
    ) -> TestResult<Process> {
        let words = format!("--json infer {task} --input {{}} --index {index} {more}");
        self.begin(owner, "infer", line(&words, &[&model::digits()?.samples]))
    }

    /// Asks for a sample.
    pub(crate) async fn infer(
        &self,
        owner: &Person,
        task: TaskId,
        index: usize,
        more: &str,
    ) -> TestResult<Outcome> {
        self.asking(owner, task, index, more)?.ended().await
    }

    /// Asks for a sample, gets the right answer, and waits for its proof.
    pub(crate) async fn infer_proven(
        &self,
        owner: &Person,
        task: TaskId,
        index: usize,
        more: &str,
    ) -> TestResult<serde_json::Value> {
        let done = self.infer(owner, task, index, &format!("--wait-proof {more}")).await?.json()?;
        assert_eq!(done["proven"], true, "{done}");
        assert_ne!(done["paid"], serde_json::Value::Null, "{done}");
        let model = model::digits()?;
        let expected = model.output(&model.input(index)?)?;
        assert_eq!(done["outputs"][0]["integers"], serde_json::json!(expected[0]), "{done}");
        Ok(done)
    }

    pub(crate) async fn at(&self) -> TestResult<AtBlock> {
        Ok(self.chain.at_finalised().await?)
    }

    /// A task that is not vacated.
    pub(crate) async fn task(&self, task: TaskId) -> TestResult<TaskView> {
        Ok(view::task(&self.at().await?, task).await?.ok_or("the task is vacated")?)
    }

    /// Which of the miners this is.
    pub(crate) fn index_of(&self, account: &Account) -> TestResult<usize> {
        let found = self.miners.iter().position(|miner| miner.account() == *account);
        Ok(found.ok_or_else(|| format!("{} is none of the miners", AccountId32(*account)))?)
    }

    /// Money is where the records say.
    pub(crate) async fn check_money(&self) -> TestResult {
        money::conserved(&self.at().await?, self.issuance).await
    }

    /// What was paid for a task is what its escrow lacks.
    pub(crate) async fn check_escrow(&self, task: TaskId) -> TestResult {
        let at = self.at().await?;
        self.witness.catch_up(&self.chain).await?;
        let (deposited, left) = money::escrow(&at, task).await?;
        let paid = witness::paid(&self.witness.ledger(), task, at.block_number());
        assert_eq!(deposited, left + paid, "escrow of task {task}");
        Ok(())
    }
}

fn start_node(program: &Program, dir: &Path, port: u16, block_ms: u64) -> TestResult<Process> {
    let words = format!("--json node --dev --rpc-port {port} --block-time {block_ms} --base-path {{}}");
    program.start("node", &mut program.command(line(&words, &[dir])))
}

/// A pause where nothing can be waited for; what follows does not depend on its length.
pub(crate) async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
