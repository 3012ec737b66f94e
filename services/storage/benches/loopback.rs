//! A file up and down over loopback, encryption and coding included: throughput, and the peak
//! memory of the client and of the nodes, which are a process of their own.
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

use cyborg_envelope::ContentKey;
use cyborg_storage::{Config, Node};
use cyborg_storage_client::coded::Coded;
use cyborg_storage_client::manifest::Code;
use cyborg_storage_client::node::NodeClient;
use cyborg_storage_client::owner::{OwnerKey, Signer};
use cyborg_storage_client::storage::{download, fetch, upload};
use cyborg_storage_client::store::Store;

const NODES: usize = 12;
const ROLE: &str = "CYBORG_BENCH_NODES_IN";

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
        nodes.push(Node::start(config).await.unwrap());
    }
    let urls: Vec<String> = nodes.iter().map(|node| format!("http://{}", node.address())).collect();
    println!("nodes {}", urls.join(" "));
    std::future::pending::<()>().await;
}

async fn client(home: &Path, megabytes: u64, urls: &str, nodes: u32) {
    let path = home.join("model");
    let mut file = File::create(&path).unwrap();
    let mut reader = blake3::Hasher::new().finalize_xof();
    let mut block = vec![0; 1_000_000];
    for _ in 0..megabytes {
        reader.fill(&mut block);
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
    let signer: Arc<dyn Signer> = Arc::new(OwnerKey::from_seed(&[1; 32]).unwrap());
    let places = urls
        .split(' ')
        .map(|url| Arc::new(NodeClient::new(url, Some(signer.clone())).unwrap()) as Arc<dyn Store>)
        .collect();
    let storage = Coded::new(places, signer, Code::DEFAULT).unwrap();
    let key = ContentKey::generate().unwrap();

    let report = |what: &str, began: Instant| {
        let seconds = began.elapsed().as_secs_f64();
        let (client, nodes) = (peak_mib("self"), peak_mib(&nodes.to_string()));
        let speed = megabytes as f64 / seconds;
        println!(
            "{what:<22} {seconds:6.2} s {speed:6.0} MB/s   peak: client {client} MiB, {NODES} nodes {nodes} MiB"
        );
    };
    let began = Instant::now();
    let id = upload(&storage, &path, &key, b"").await.unwrap();
    report("upload", began);
    let began = Instant::now();
    download(&storage, &id, &home.join("blob")).await.unwrap();
    report("download, encrypted", began);
    let began = Instant::now();
    fetch(&storage, &id, &key, b"", std::io::sink()).await.unwrap();
    report("download, decrypted", began);
    let began = Instant::now();
    assert_eq!(upload(&storage, &path, &key, b"").await.unwrap(), id);
    report("upload, all there", began);
}

#[tokio::main]
async fn main() {
    if let Ok(folder) = std::env::var(ROLE) {
        return serve(Path::new(&folder)).await;
    }
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let megabytes = arguments.next().map_or(1000, |count| count.parse().unwrap());
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let home = tempfile::tempdir_in(parent).unwrap();
    let mut nodes = Command::new(std::env::current_exe().unwrap())
        .env(ROLE, home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = BufReader::new(nodes.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let urls = line.strip_prefix("nodes ").unwrap();
    client(home.path(), megabytes, urls, nodes.id()).await;
    nodes.kill().unwrap();
    nodes.wait().unwrap();
}
