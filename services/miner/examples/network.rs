//! A whole deployment against a real node of the chain:
//! `network NODE [ANSWERS] [POLICY] [MODEL] [CLIENTS]`.
//!
//! Starts `NODE node --dev`, three storage nodes and a miner, each of which may die: the miner is a
//! process of its own, killed at every step of a task's life and started again. The owner encrypts
//! and stores the model, registers it, submits a task, wraps the key, asks, and checks what it gets.
//! Ends with status 0 only if every answer was right, signed, proven, paid and decrypted.
//! `POLICY` is `every`, `sampled` or `demand`; with `wrongkey` the owner wraps a key that does not
//! open the model, and the miner has to decline. `CLIENTS` ask at once. `NODE` is a program, or the
//! URL of a development node that runs already.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use codec::Encode as _;
use cyborg_chain_client::runtime::{self, runtime_types};
use cyborg_chain_client::subxt::utils::{AccountId32, Static};
use cyborg_chain_client::{Chain, Keypair, keys};
use cyborg_envelope::ContentKey;
use cyborg_envelope::hpke::{PublicKey, SecretKey};
use cyborg_envelope::vault::{Unlock, make_key_file};
use cyborg_envelope::wrap::{Recipient, wrap};
use cyborg_miner::view::{self, Terms};
use cyborg_miner::{AccountSigner, Config, Miner, Standing, init, public_key, storage_nodes};
use cyborg_miner_client::bundle::{self, Deployment};
use cyborg_miner_client::wire::{Answer, Request, exchange};
use cyborg_primitives::TaskId;
use cyborg_primitives::miner::{Accelerator, Capacity};
use cyborg_primitives::place::{Cell, Location, Region};
use cyborg_primitives::signed::{Acknowledgement, Authorisation, Payload as _};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_storage::Node as StorageNode;
use cyborg_storage_client::coded::Coded;
use cyborg_storage_client::manifest::Code;
use cyborg_storage_client::node::NodeClient;
use cyborg_storage_client::storage::upload;
use cyborg_storage_client::store::Store;
use cyborg_tests::models::{Case, digits};
use runtime_types::bounded_collections::bounded_vec::BoundedVec;
use runtime_types::pallet_tasks::types::TaskSpec;
use zkml_prover::{Opening, keygen};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const UNIT: u128 = 1_000_000_000_000;
const PRICE: u128 = 10 * UNIT;
const BOND: u128 = 1_000 * UNIT;
const BLOCK_MS: &str = "200";

/// A process that is killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a process and reads its first line of JSON.
fn started(command: &mut Command) -> Outcome<(Process, serde_json::Value)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
    let process = Process(child);
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    Ok((process, serde_json::from_str(&line)?))
}

fn unlock(folder: &Path) -> Unlock {
    Unlock::KeyFile(folder.join("unlock.key"))
}

/// The miner's own process: `network --miner FOLDER ACCOUNT LISTEN CHAIN STORAGE…`.
async fn mine(arguments: &[String]) -> Outcome {
    let [folder, account, listen, chain, storage @ ..] = arguments else { return Err("arguments".into()) };
    let folder = PathBuf::from(folder);
    let signer = keys::load(account)?;
    let storage = storage_nodes(storage, &signer)?;
    let mut config = Config::new(&folder, unlock(&folder), signer, storage);
    config.chain = chain.clone();
    config.listen = listen.parse()?;
    config.settings.period = Duration::from_secs(3);
    let miner = Miner::start(config).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::json!({ "address": miner.address().to_string() }))?;
    out.flush()?;
    std::future::pending::<()>().await;
    Ok(())
}

struct Bench {
    chain: Chain,
    owner: Keypair,
    signer: Keypair,
    folder: PathBuf,
    url: String,
    storage: Vec<String>,
    listen: SocketAddr,
    http: reqwest::Client,
}

fn id(key: &Keypair) -> AccountId32 {
    AccountId32(keys::account(key))
}

impl Bench {
    fn miner(&self) -> Outcome<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--miner").arg(&self.folder).arg("//Bob").arg(self.listen.to_string()).arg(&self.url);
        Ok(started(command.args(&self.storage))?.0)
    }

    /// The task's money, by a connection of its own; `None` while the node is away.
    async fn terms(&self, task: TaskId) -> Option<Terms> {
        let at = Chain::connect(&self.url).await.ok()?.at_finalised().await.ok()?;
        view::terms(&at, task, &keys::account(&self.signer)).await.ok()?
    }

    /// Kills the miner whenever a step is over, as its log on the disk says, until it serves.
    async fn until_serving(&self, mut miner: Process, kills: &[u64]) -> Outcome<Process> {
        let begun = Instant::now();
        for wait in kills {
            tokio::time::sleep(Duration::from_millis(*wait)).await;
            drop(miner);
            say(&format!("  killed after {wait} ms, started again"));
            miner = self.miner()?;
        }
        loop {
            let health = self.http.get(format!("http://{}/health", self.listen)).send().await?;
            let health: serde_json::Value = serde_json::from_slice(&health.bytes().await?)?;
            if health["serving"].as_array().is_some_and(|tasks| !tasks.is_empty()) {
                return Ok(miner);
            }
            if begun.elapsed() > Duration::from_secs(120) {
                return Err(format!("does not serve: {health}").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Bench {
    /// Waits until the miner has declined.
    async fn until_declined(&self, task: TaskId) -> Outcome {
        for _ in 0..400 {
            let at = self.chain.at_finalised().await?;
            let view = view::task(&at, task, &keys::account(&self.signer)).await?;
            if view.is_none_or(|view| view.standing == Standing::Left) {
                say("declined, and the task is not served");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err("the miner does not decline".into())
    }
}

fn say(text: &str) {
    // A closed pipe is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn cost(key: &zkml_verifier::VerifierKey) -> Outcome<Cost> {
    let cost = key.cost();
    Ok(Cost {
        field_products: cost.field_products,
        own_points: cost.own_points.try_into()?,
        generators: cost.generators.try_into()?,
        key_bytes: cost.key_bytes.try_into()?,
        proof_bytes: cost.proof_bytes.try_into()?,
    })
}

#[tokio::main]
async fn main() -> Outcome {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--miner") {
        return mine(&arguments[1..]).await;
    }
    let node = arguments.first().ok_or("network NODE [ANSWERS] [POLICY] [MODEL]")?;
    let count: u64 = arguments.get(1).map_or(Ok(5), |count| count.parse())?;
    let mode = arguments.get(2).map_or("every", String::as_str);
    let policy = match mode {
        "every" | "wrongkey" => ProofPolicy::Every,
        "sampled" => ProofPolicy::Sampled { samples: 2 },
        "demand" => ProofPolicy::OnDemand,
        other => return Err(format!("no policy {other}").into()),
    };
    let name = arguments.get(3).map_or("digits_mlp", String::as_str);
    let clients: u64 = arguments.get(4).map_or(Ok(1), |clients| clients.parse())?;
    run(node, count, policy, name, clients, mode == "wrongkey").await
}

async fn run(
    node: &str,
    count: u64,
    policy: ProofPolicy,
    name: &str,
    clients: u64,
    wrong_key: bool,
) -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(node);
    command.args(["node", "--dev", "--json", "--rpc-port", "0", "--block-time", BLOCK_MS, "--tmp"]);
    // A node that runs already is used as it is: its user may kill it and start it again.
    let (_node, url) = if node.starts_with("ws://") {
        (None, node.to_owned())
    } else {
        let (process, ready) = started(&mut command)?;
        (Some(process), ready["rpc"].as_str().ok_or_else(|| ready.to_string())?.to_owned())
    };
    let chain = Chain::connect(&url).await?;
    let (owner, signer) = (keys::load("//Alice")?, keys::load("//Bob")?);
    say(&format!("node at {url}"));

    let mut storage = Vec::new();
    let mut places: Vec<Arc<dyn Store>> = Vec::new();
    let mut nodes = Vec::new();
    for index in 0..3 {
        let mut config = cyborg_storage::Config::new(&folder.path().join(format!("storage-{index}")));
        config.listen.set_port(0);
        let node = StorageNode::start(config).await?;
        let url = format!("http://{}", node.address());
        let signer: Arc<dyn cyborg_storage_client::owner::Signer> = Arc::new(AccountSigner(owner.clone()));
        places.push(Arc::new(NodeClient::new(&url, Some(signer))?));
        storage.push(url);
        nodes.push(node);
    }

    let begun = Instant::now();
    let Case { graph, weights, inputs } = digits(name).map_err(|error| error.to_string())?;
    let keys_of_model = keygen(graph, weights, &mut |_| ())?;
    let verifier = keys_of_model.verifier;
    let deployment = Deployment { key: keys_of_model.prover, test: inputs.clone() };
    let bytes = deployment.to_bytes()?;
    let file = folder.path().join("deployment");
    std::fs::write(&file, &bytes)?;
    let content_key = ContentKey::generate()?;
    let coded = Coded::new(places, Arc::new(AccountSigner(owner.clone())), Code::DEFAULT)?;
    let manifest = upload(&coded, &file, &content_key, bundle::CONTEXT).await?;
    say(&format!("model made and stored: {} bytes, {:?}", bytes.len(), begun.elapsed()));

    let miner_folder = folder.path().join("miner");
    std::fs::create_dir_all(&miner_folder)?;
    make_key_file(&miner_folder.join("unlock.key"))?;
    let hpke = init(&miner_folder, &unlock(&miner_folder))?;
    assert_eq!(public_key(&miner_folder, &unlock(&miner_folder))?, hpke);
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let listen = listener.local_addr()?;
    drop(listener);
    let funds = runtime::transactions().balances().transfer_keep_alive(id(&signer).into(), 2 * BOND);
    chain.submit(&funds, &owner).await?;
    let register = runtime::transactions().miners().register(
        hpke.0,
        BoundedVec(format!("http://{listen}").into_bytes()),
        Static(Location { region: Region(*b"DE"), cell: Cell { latitude: 5252, longitude: 1340 } }),
        Static(Capacity { memory_mib: 8192, macs_per_second: 1_000_000_000, accelerator: Accelerator::None }),
        PRICE,
        BOND,
    );
    chain.submit(&register, &signer).await?;
    let register = runtime::transactions().models().register(
        BoundedVec(verifier.to_bytes()),
        Static(cost(&verifier)?),
        manifest,
        bundle::digest(&bytes),
        256,
        None,
    );
    let done = chain.submit(&register, &owner).await?;
    let model = done.events::<runtime::models::events::Registered>()?.first().ok_or("no model")?.model;
    say("miner and model registered");

    let bench = Bench {
        chain: chain.clone(),
        owner,
        signer,
        folder: miner_folder,
        url,
        storage,
        listen,
        http: reqwest_client()?,
    };
    let miner = bench.miner()?;
    let task = submit_task(&bench, model, policy, count).await?;
    let begun = Instant::now();
    let result_key = SecretKey::generate()?;
    let recipient = Recipient { genesis: chain.genesis(), task, miner: keys::account(&bench.signer) };
    let wrapped = if wrong_key { ContentKey::generate()? } else { content_key };
    let wraps = vec![(id(&bench.signer), wrap(&wrapped, &hpke, &recipient)?)];
    let provide = runtime::transactions().tasks().provide_keys(
        task,
        manifest,
        result_key.public().0,
        BoundedVec(wraps),
    );
    chain.submit(&provide, &bench.owner).await?;
    say(&format!("task {task} submitted, key wrapped"));
    if wrong_key {
        return bench.until_declined(task).await;
    }
    let miner = bench.until_serving(miner, &[50, 150, 300, 400, 700]).await?;
    say(&format!("serves after {:?}", begun.elapsed()));

    let bench = Arc::new(bench);
    let asked = Arc::new(Asked { deployment, task, hpke, result_key: result_key.clone() });
    ask(&bench, &asked, count, clients, policy).await?;
    hostile(&bench, &asked, count).await?;
    drop(miner);
    say("miner killed, started again; every answer is asked for once more");
    let miner = bench.until_serving(bench.miner()?, &[]).await?;
    ask_again(&bench, task, 1).await?;
    if policy == ProofPolicy::OnDemand {
        acknowledge(&bench, task, count).await?;
    }
    let begun = Instant::now();
    loop {
        let terms = bench.terms(task).await;
        if let Some(terms) = terms
            && terms.settled.through() >= count
        {
            say(&format!("all {count} answers settled after {:?}: {terms:?}", begun.elapsed()));
            break;
        }
        if begun.elapsed() > Duration::from_secs(400) {
            return Err(format!("not settled: {terms:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let log = bench.http.get(format!("http://{listen}/v1/tasks/{task}/log")).send().await?;
    let log: serde_json::Value = serde_json::from_slice(&log.bytes().await?)?;
    for line in log["lines"].as_array().ok_or("no log")? {
        let sealed = line["sealed"].as_str().ok_or("no line")?.trim_start_matches("0x");
        let sealed: Vec<u8> = (0..sealed.len() / 2)
            .map(|index| u8::from_str_radix(&sealed[2 * index..2 * index + 2], 16))
            .collect::<Result<_, _>>()?;
        let line = cyborg_miner_client::log::open(&recipient, &result_key, &sealed)?;
        say(&format!("  log: {}", String::from_utf8_lossy(&line)));
    }
    let plain = scan(&bench.folder, &bytes[100..164])?;
    say(&format!("{plain} files hold plain text of the model"));
    drop(miner);
    for node in nodes {
        node.stop().await;
    }
    if plain == 0 { Ok(()) } else { Err("plain text on the disk".into()) }
}

fn reqwest_client() -> Outcome<reqwest::Client> {
    // TLS needs a process-wide provider; one that is installed already stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().build()?)
}

async fn submit_task(bench: &Bench, model: u64, policy: ProofPolicy, count: u64) -> Outcome<TaskId> {
    let spec = TaskSpec {
        model,
        placement: runtime_types::cyborg_primitives::task::Placement {
            replicas: 1,
            standbys: 0,
            regions: BoundedVec(vec![Static(Region(*b"DE"))]),
            near: None,
            min_reputation: 50,
        },
        price_cap: PRICE,
        compute_ms: 3_600_000,
        proof_cap: UNIT,
        max_proofs: u32::try_from(count)? + 10,
        policy: Static(policy),
        delegate: None,
        standbys_read_now: false,
    };
    let done = bench.chain.submit(&runtime::transactions().tasks().submit(spec), &bench.owner).await?;
    Ok(done.events::<runtime::tasks::events::Submitted>()?.first().ok_or("no task")?.task)
}

async fn post(bench: &Bench, path: &str, body: Vec<u8>) -> Outcome<(u16, Vec<u8>)> {
    let answer = bench.http.post(format!("http://{}{path}", bench.listen)).body(body).send().await?;
    Ok((answer.status().as_u16(), answer.bytes().await?.to_vec()))
}

/// What is asked of whom.
struct Asked {
    deployment: Deployment,
    task: TaskId,
    hpke: PublicKey,
    result_key: SecretKey,
}

impl Asked {
    /// A request of a number, and its authorisation.
    fn request(&self, bench: &Bench, number: u64) -> Outcome<(Request, Authorisation)> {
        let graph = self.deployment.key.graph();
        let opening = Opening::of_inputs(graph, self.deployment.key.digest(), &self.deployment.test)?;
        let (task, miner) = (self.task, keys::account(&bench.signer));
        let input = opening.input_digest(graph)?;
        let authorisation = Authorisation { task, miner, number, input, price_cap: UNIT };
        let signature = bench.owner.sign(&authorisation.payload(&bench.chain.genesis())).0;
        Ok((Request { authorisation, signature, opening }, authorisation))
    }

    fn path(&self, number: u64) -> String {
        format!("/v1/tasks/{}/requests/{number}", self.task)
    }
}

/// Asks from several clients at once, each for one answer after another, and checks each.
async fn ask(
    bench: &Arc<Bench>,
    asked: &Arc<Asked>,
    count: u64,
    clients: u64,
    policy: ProofPolicy,
) -> Outcome {
    let genesis = bench.chain.genesis();
    let graph = asked.deployment.key.graph();
    let outputs = zkml_engine::run(graph, asked.deployment.key.weights(), &asked.deployment.test)?;
    let mut requests = Vec::new();
    for number in 1..=count {
        let (request, authorisation) = asked.request(bench, number)?;
        requests.push((number, request.seal(genesis, &asked.hpke)?, authorisation));
    }
    let requests = Arc::new(requests);
    let begun = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for client in 0..clients {
        let (bench, asked, requests) = (bench.clone(), asked.clone(), requests.clone());
        running.spawn(async move {
            let (mut times, mut busy, mut answers) = (Vec::new(), 0_u64, Vec::new());
            for (number, sealed, _) in requests.iter().filter(|(number, ..)| number % clients == client) {
                loop {
                    let sent = Instant::now();
                    let posted = post(&bench, &asked.path(*number), sealed.clone()).await;
                    let (status, body) = posted.map_err(|error| error.to_string())?;
                    if status == 503 || status == 429 {
                        busy += 1;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                    if status != 200 {
                        return Err(format!("{number}: {status} {}", String::from_utf8_lossy(&body)));
                    }
                    times.push(sent.elapsed());
                    answers.push((*number, body));
                    break;
                }
            }
            Ok((times, busy, answers))
        });
    }
    let (mut times, mut busy, mut answers) = (Vec::new(), 0, Vec::new());
    while let Some(done) = running.join_next().await {
        let (more, refused, given) = done??;
        times.extend(more);
        busy += refused;
        answers.extend(given);
    }
    let elapsed = begun.elapsed();
    for (number, body) in &answers {
        let index = usize::try_from(number - 1)?;
        let (_, sealed, authorisation) = &requests[index];
        let answer = Answer::from_bytes(body, &genesis, authorisation)?;
        let opened = answer.open(&exchange(genesis, authorisation), &asked.result_key)?;
        let values = opened.tensors.iter().flatten().map(|(values, _)| values.clone());
        if values.collect::<Vec<_>>() != outputs {
            return Err("a wrong answer".into());
        }
        if *number == 1 {
            let first = (sealed.clone(), authorisation.encode(), body.clone());
            std::fs::write(bench.folder.join("first"), first.encode())?;
        }
    }
    times.sort_unstable();
    let rate = count as f64 / elapsed.as_secs_f64();
    say(&format!(
        "{count} answers, {policy:?}, {clients} clients: {rate:.0} a second, median {:?}, longest {:?}, {busy} told to wait",
        times[times.len() / 2],
        times[times.len() - 1]
    ));
    Ok(())
}

/// Whoever asks what is not theirs is refused, each with its own status.
async fn hostile(bench: &Bench, asked: &Asked, count: u64) -> Outcome {
    let genesis = bench.chain.genesis();
    let next = count + 1;
    let mut cases: Vec<(&str, String, Vec<u8>, u16)> = Vec::new();
    let (request, _) = asked.request(bench, next)?;
    cases.push(("another number", asked.path(next + 1), request.seal(genesis, &asked.hpke)?, 400));
    cases.push(("another key", asked.path(next), request.seal(genesis, &asked.result_key.public())?, 400));
    cases.push(("noise", asked.path(next), vec![7; 1_000], 400));
    cases.push(("nothing", asked.path(next), Vec::new(), 400));
    cases.push(("another task", "/v1/tasks/9999/requests/1".to_owned(), vec![7; 100], 404));
    cases.push(("too much", asked.path(next), vec![7; (16 << 20) + 1], 413));
    let (mut request, _) = asked.request(bench, next)?;
    request.signature = bench.signer.sign(&request.authorisation.payload(&genesis)).0;
    cases.push(("not the owner", asked.path(next), request.seal(genesis, &asked.hpke)?, 401));
    let (mut request, authorisation) = asked.request(bench, next)?;
    request.authorisation = Authorisation { price_cap: 1, ..authorisation };
    request.signature = bench.owner.sign(&request.authorisation.payload(&genesis)).0;
    cases.push(("too cheap", asked.path(next), request.seal(genesis, &asked.hpke)?, 402));
    let (mut request, _) = asked.request(bench, next)?;
    request.opening = asked.request(bench, next)?.0.opening;
    cases.push(("another input than authorised", asked.path(next), request.seal(genesis, &asked.hpke)?, 422));
    let (request, _) = asked.request(bench, 1)?;
    cases.push(("a used number", asked.path(1), request.seal(genesis, &asked.hpke)?, 409));
    let (request, _) = asked.request(bench, 1 << 40)?;
    cases.push(("a far number", asked.path(1 << 40), request.seal(genesis, &asked.hpke)?, 429));
    for (what, path, body, expected) in cases {
        let (status, text) = post(bench, &path, body).await?;
        if status != expected {
            let text = String::from_utf8_lossy(&text).into_owned();
            return Err(format!("{what}: {status}, expected {expected}: {text}").into());
        }
    }
    say("hostile requests are refused");
    Ok(())
}

/// Asks once more for an answer from before the miner died.
async fn ask_again(bench: &Bench, task: TaskId, number: u64) -> Outcome {
    type First = (Vec<u8>, Vec<u8>, Vec<u8>);
    let bytes = std::fs::read(bench.folder.join("first"))?;
    let (sealed, authorisation, before) = <First as codec::Decode>::decode(&mut &bytes[..])?;
    let authorisation = <Authorisation as codec::Decode>::decode(&mut &authorisation[..])?;
    let genesis = bench.chain.genesis();
    let (status, body) = post(bench, &format!("/v1/tasks/{task}/requests/{number}"), sealed).await?;
    let (before, after) = (
        Answer::from_bytes(&before, &genesis, &authorisation)?,
        Answer::from_bytes(&body, &genesis, &authorisation)?,
    );
    if status == 200 && before.receipt == after.receipt { Ok(()) } else { Err("another answer".into()) }
}

async fn acknowledge(bench: &Bench, task: TaskId, through: u64) -> Outcome {
    let word = Acknowledgement { task, miner: keys::account(&bench.signer), through };
    let mut body = word.encode();
    body.extend(bench.owner.sign(&word.payload(&bench.chain.genesis())).0);
    let (status, _) = post(bench, &format!("/v1/tasks/{task}/acknowledgements"), body).await?;
    if status == 204 { Ok(()) } else { Err(format!("acknowledgement: {status}").into()) }
}

/// Files below a folder that hold these bytes.
fn scan(folder: &Path, bytes: &[u8]) -> Outcome<usize> {
    let mut found = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found += scan(&path, bytes)?;
        } else if std::fs::read(&path)?.windows(bytes.len()).any(|window| window == bytes) {
            found += 1;
        }
    }
    Ok(found)
}
