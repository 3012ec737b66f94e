//! A file up and down over loopback, encryption and coding included: throughput, and the peak
//! memory. Every step of the client is a process of its own, and so are the nodes.
//!
//! `cargo bench -p cyborg-storage --bench loopback [-- MEGABYTES [FOLDER]]`. What a disk costs shows
//! where FOLDER is on one: every acknowledged fragment was written through.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use cyborg_account::{Signing, keys};
use cyborg_envelope::ContentKey;
use cyborg_storage::{Config, StorageNode};
use cyborg_storage_client::coded::Coded;
use cyborg_storage_client::manifest::Code;
use cyborg_storage_client::node::NodeClient;
use cyborg_storage_client::storage::{download, fetch, upload};
use cyborg_storage_client::store::FragmentStore;
use hex::FromHex as _;

const NODES: usize = 12;
// What a process of this program is to be.
const NODES_IN: &str = "CYBORG_BENCH_NODES_IN";
const STEP: &str = "CYBORG_BENCH_STEP";
const HOME: &str = "CYBORG_BENCH_HOME";
const URLS: &str = "CYBORG_BENCH_URLS";

/// The most memory that a process has had at once.
fn peak_mib(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
}

async fn serve(folder: &Path) {
    let mut nodes = Vec::new();
    for index in 0..NODES {
        let mut config = Config::new(&folder.join(format!("node{index}")));
        config.listen.set_port(0);
        nodes.push(StorageNode::start(config).await.unwrap());
    }
    let urls: Vec<String> = nodes.iter().map(|node| format!("http://{}", node.address())).collect();
    println!("nodes {}", urls.join(" "));
    std::future::pending::<()>().await;
}

fn make_model(path: &Path, megabytes: u64) {
    let mut file = File::create(path).unwrap();
    let mut reader = blake3::Hasher::new().finalize_xof();
    let mut block = vec![0; 1_000_000];
    for _ in 0..megabytes {
        reader.fill(&mut block);
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
}

/// One step, in a process of its own: what it took, and its memory.
async fn act(step: &str, home: &Path, urls: &str) {
    let signer: Arc<dyn Signing> = Arc::new(keys::from_seed(&[1; 32]).unwrap());
    let places = urls
        .split(' ')
        .map(|url| Arc::new(NodeClient::new(url, Some(signer.clone())).unwrap()) as Arc<dyn FragmentStore>)
        .collect();
    let storage = Coded::new(places, signer, Code::DEFAULT).unwrap();
    let key = ContentKey::from_bytes([1; 32]);
    let (model, id) = (home.join("model"), home.join("id"));
    let megabytes = fs::metadata(&model).unwrap().len() as f64 / 1e6;
    let stored = || <[u8; 32]>::from_hex(fs::read_to_string(&id).unwrap()).unwrap();
    let began = Instant::now();
    match step {
        "download" => drop(download(&storage, &stored(), &home.join("blob")).await.unwrap()),
        "fetch" => drop(fetch(&storage, &stored(), &key, b"", std::io::sink()).await.unwrap()),
        _ => fs::write(&id, hex::encode(upload(&storage, &model, &key, b"").await.unwrap())).unwrap(),
    }
    let seconds = began.elapsed().as_secs_f64();
    let speed = megabytes / seconds;
    println!("{step:<18} {seconds:6.2} s {speed:6.0} MB/s   client's peak {} MiB", peak_mib("self"));
}

#[tokio::main]
async fn main() {
    if let Ok(folder) = std::env::var(NODES_IN) {
        return serve(Path::new(&folder)).await;
    }
    if let (Ok(step), Ok(folder), Ok(urls)) = (std::env::var(STEP), std::env::var(HOME), std::env::var(URLS))
    {
        return act(&step, Path::new(&folder), &urls).await;
    }
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let megabytes = arguments.next().map_or(1000, |count| count.parse().unwrap());
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let home = tempfile::tempdir_in(parent).unwrap();
    make_model(&home.path().join("model"), megabytes);
    let program = || Command::new(std::env::current_exe().unwrap());
    let mut nodes = program().env(NODES_IN, home.path()).stdout(Stdio::piped()).spawn().unwrap();
    let line = BufReader::new(nodes.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let urls = line.strip_prefix("nodes ").unwrap();
    for step in ["upload", "download", "fetch", "upload again"] {
        let done = program().env(STEP, step).env(HOME, home.path()).env(URLS, urls).status().unwrap();
        assert!(done.success());
    }
    println!("{NODES} nodes, in one process: peak {} MiB", peak_mib(&nodes.id().to_string()));
    nodes.kill().unwrap();
    nodes.wait().unwrap();
}
