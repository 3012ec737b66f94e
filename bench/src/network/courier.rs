//! Moves a file to storage nodes or back in a process of its own, so that its memory is that and nothing
//! else.
//!
//! The job comes over standard input, because it holds a key; what it took goes to standard output. Both are
//! JSON.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use cyborg_account::{Signing, keys};
use cyborg_envelope::ContentKey;
use cyborg_primitives::Digest;
use cyborg_storage_client::coded::{Coded, Event};
use cyborg_storage_client::manifest::Code;
use cyborg_storage_client::node::NodeClient;
use cyborg_storage_client::storage::{fetch, upload};
use cyborg_storage_client::store::FragmentStore;
use serde::{Deserialize, Serialize};

use super::system::{peak_bytes, processor_s};

/// What the blob is bound to.
const CONTEXT: &[u8] = b"cyborg bench v1";
/// The seed of the owner's key.
const OWNER: [u8; 32] = [7; 32];

/// A file to be moved.
#[derive(Serialize, Deserialize)]
pub(crate) struct Job {
    /// URLs of the storage nodes.
    pub(crate) nodes: Vec<String>,
    /// The content key.
    pub(crate) key: [u8; 32],
    /// The file to store, or to write.
    pub(crate) path: PathBuf,
    /// What to fetch; without one the file is stored.
    pub(crate) id: Option<Digest>,
}

/// What moving the file took.
#[derive(Serialize, Deserialize)]
pub(crate) struct Moved {
    /// What was stored or fetched.
    pub(crate) id: Digest,
    pub(crate) seconds: f64,
    /// Until the first stripe had moved: a file that is stored is read once before.
    pub(crate) before_s: f64,
    /// From the last stripe on: a file that was stored is read once more.
    pub(crate) after_s: f64,
    /// Processor time of this process, user and system.
    pub(crate) processor_s: f64,
    /// Greatest resident memory of this process.
    pub(crate) peak_bytes: u64,
}

/// Has another process of this program do a job.
///
/// # Errors
/// Returns an error if the job fails.
pub(crate) fn send(job: &Job) -> Result<Moved> {
    let own = std::env::current_exe().context("the path of this program")?;
    let mut child = Command::new(own)
        .arg("--carry")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("a process of its own")?;
    let mut stdin = child.stdin.take().context("no input to write to")?;
    stdin.write_all(&serde_json::to_vec(job)?)?;
    drop(stdin);
    let done = child.wait_with_output()?;
    ensure!(done.status.success(), "moving {} ended with {}", job.path.display(), done.status);
    serde_json::from_slice(&done.stdout).context("what it took")
}

/// Does the job of standard input.
///
/// # Errors
/// Returns an error if there is no job, or the job fails.
pub(crate) fn run() -> Result<()> {
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text).context("a job on standard input")?;
    let job: Job = serde_json::from_slice(&text).context("a job on standard input")?;
    let moved = tokio::runtime::Runtime::new()?.block_on(moved(&job))?;
    serde_json::to_writer(std::io::stdout(), &moved)?;
    Ok(())
}

async fn moved(job: &Job) -> Result<Moved> {
    let signer: Arc<dyn Signing> = Arc::new(keys::from_seed(&OWNER).context("no key")?);
    let mut locations: Vec<Arc<dyn FragmentStore>> = Vec::new();
    for url in &job.nodes {
        locations.push(Arc::new(NodeClient::new(url, Some(signer.clone()))?));
    }
    let begun = Instant::now();
    let (first, last) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(begun)));
    let (saw_first, saw_last) = (first.clone(), last.clone());
    let storage =
        Coded::new(locations, signer, Code::DEFAULT)?.with_observer(Arc::new(move |event: &Event<'_>| {
            if let Event::Stripe { .. } = event {
                let now = Instant::now();
                saw_first.get_or_init(|| now);
                *saw_last.lock().unwrap_or_else(PoisonError::into_inner) = now;
            }
        }));
    let key = ContentKey::from_bytes(job.key);
    let id = match job.id {
        None => upload(&storage, &job.path, &key, CONTEXT).await?,
        Some(id) => {
            let file = create(&job.path)?;
            fetch(&storage, &id, &key, CONTEXT, file).await?;
            id
        }
    };
    let end = Instant::now();
    let own = std::process::id();
    let last = *last.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Moved {
        id,
        seconds: (end - begun).as_secs_f64(),
        before_s: (*first.get().unwrap_or(&end) - begun).as_secs_f64(),
        after_s: (end - last).as_secs_f64(),
        processor_s: processor_s(own)?,
        peak_bytes: peak_bytes(own)?,
    })
}

fn create(path: &Path) -> Result<File> {
    File::create_new(path).with_context(|| format!("making {}", path.display()))
}
