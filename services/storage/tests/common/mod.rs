//! Nodes, files and clients for the tests.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cyborg_account::{Signing, keys};
use cyborg_envelope::ContentKey;
use cyborg_storage::{Config, StorageNode};
use cyborg_storage_client::coded::{Coded, Event};
use cyborg_storage_client::manifest::Code;
use cyborg_storage_client::node::NodeClient;
use cyborg_storage_client::store::FragmentStore;
use tempfile::TempDir;

/// Small fragments make many stripes of a small file.
pub(crate) const FRAGMENT_BYTES: u32 = 16 * 1024;

pub(crate) fn owner(seed: u8) -> Arc<dyn Signing> {
    Arc::new(keys::from_seed(&[seed; 32]).unwrap())
}

pub(crate) fn key() -> ContentKey {
    ContentKey::from_bytes([9; 32])
}

/// Bytes that no fragment repeats.
pub(crate) fn bytes(count: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

pub(crate) fn config(folder: &Path) -> Config {
    let mut config = Config::new(folder);
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.limits.shutdown = Duration::from_millis(500);
    config
}

/// A network of nodes in this process.
pub(crate) struct Net {
    pub(crate) home: TempDir,
    pub(crate) nodes: Vec<Option<StorageNode>>,
    pub(crate) urls: Vec<String>,
}

impl Net {
    pub(crate) async fn start(count: usize) -> Self {
        Self::start_with(count, |_, _| {}).await
    }

    pub(crate) async fn start_with(count: usize, change: impl Fn(usize, &mut Config)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (mut nodes, mut urls) = (Vec::new(), Vec::new());
        for index in 0..count {
            let mut config = config(&home.path().join(format!("node{index}")));
            change(index, &mut config);
            let node = StorageNode::start(config).await.unwrap();
            urls.push(format!("http://{}", node.address()));
            nodes.push(Some(node));
        }
        Self { home, nodes, urls }
    }

    pub(crate) fn folder(&self, index: usize) -> PathBuf {
        self.home.path().join(format!("node{index}"))
    }

    pub(crate) fn node(&self, index: usize) -> &StorageNode {
        self.nodes[index].as_ref().unwrap()
    }

    pub(crate) async fn stop(&mut self, index: usize) {
        self.nodes[index].take().unwrap().stop().await;
    }

    /// The same folder at the same address.
    pub(crate) async fn restart(&mut self, index: usize) {
        if self.nodes[index].is_some() {
            self.stop(index).await;
        }
        let mut config = config(&self.folder(index));
        config.listen = self.urls[index].strip_prefix("http://").unwrap().parse().unwrap();
        self.nodes[index] = Some(StorageNode::start(config).await.unwrap());
    }

    pub(crate) fn storage(&self) -> Coded {
        storage(&self.urls, owner(1))
    }

    /// Storage that remembers which locations had bad fragments.
    pub(crate) fn watched(&self) -> (Coded, Arc<Mutex<Vec<String>>>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = heard.clone();
        let storage = self.storage().with_observer(Arc::new(move |event: &Event<'_>| {
            if let Event::BadFragment { problem, .. } = event {
                ear.lock().unwrap().push(problem.to_string());
            }
        }));
        (storage, heard)
    }

    /// The fragments on a node's disk.
    pub(crate) fn fragments(&self, index: usize) -> Vec<PathBuf> {
        files_below(&self.folder(index).join("fragments"))
    }
}

pub(crate) fn storage(urls: &[String], signer: Arc<dyn Signing>) -> Coded {
    let locations = urls
        .iter()
        .map(|url| Arc::new(NodeClient::new(url, Some(signer.clone())).unwrap()) as Arc<dyn FragmentStore>)
        .collect();
    Coded::new(locations, signer, Code::DEFAULT).unwrap().with_fragment_bytes(FRAGMENT_BYTES)
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// Changes one byte in the middle of a file.
pub(crate) fn rot(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Sends bytes as they are and returns all of the answer.
pub(crate) async fn http(url: &str, head: &str, body: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    // A node that refuses early may close before everything is sent.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
