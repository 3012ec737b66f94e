//! From a wrapped key to a model that can serve: unwrap, fetch, check, try, seal.
//!
//! The disk holds the file as it is stored, and then the same model sealed under the vault's key. The
//! decrypted model is in memory only.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cyborg_disk::vault::Vault;
use cyborg_envelope::hpke::SecretKey;
use cyborg_envelope::wrap::{Recipient, unwrap};
use cyborg_envelope::{ContentKey, blob};
use cyborg_primitives::{Digest, TaskId, WRAPPED_KEY_BYTES};
use cyborg_storage_client::error::StorageError;
use cyborg_storage_client::storage::{FileStore, download};
use tokio::task::spawn_blocking;

use crate::error::Failure;
use crate::loaded::{Loaded, Registered};
use crate::step::Cause;
use cyborg_protocol::bundle::CONTEXT;

/// A wrapped content key.
pub(crate) type Wrap = [u8; WRAPPED_KEY_BYTES as usize];

/// Makes models ready.
pub(crate) struct ModelLoader {
    /// Encrypted files on their way.
    pub(crate) folder: PathBuf,
    pub(crate) vault: Vault,
    pub(crate) storage: Arc<dyn FileStore>,
    pub(crate) hpke: SecretKey,
}

/// Why a model is not ready.
#[derive(Debug)]
pub(crate) enum Unready {
    /// It will never be ready.
    Never(Cause, String),
    /// It may be ready later.
    Later(Failure),
}

impl From<Failure> for Unready {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Load(error) => Self::Never(Cause::Model, error.to_string()),
            other => Self::Later(other),
        }
    }
}

/// The name of a task's model in the vault.
fn entry(task: TaskId) -> String {
    format!("model-{task}")
}

impl ModelLoader {
    /// Makes a model ready, from wherever an earlier attempt was interrupted. Returns what the
    /// attestation says about its test, and the model.
    pub(crate) async fn prepare(
        self: Arc<Self>,
        task: TaskId,
        wrap: Wrap,
        recipient: Recipient,
        manifest: Digest,
        registered: Registered,
    ) -> Result<(Digest, Loaded), Unready> {
        let never = |cause, error: &dyn std::fmt::Display| Unready::Never(cause, error.to_string());
        let (loader, known) = (self.clone(), registered.clone());
        let sealed = spawn_blocking(move || loader.sealed(task, &known)).await;
        if let Some(ready) = sealed.map_err(|_| Unready::Later(Failure::Ended))? {
            return Ok(ready);
        }
        let key = unwrap(&wrap, &self.hpke, &recipient).map_err(|error| never(Cause::Key, &error))?;
        let path = self.folder.join(format!("{task}.blob"));
        fs::create_dir_all(&self.folder).map_err(Failure::Io)?;
        match download(&*self.storage, &manifest, &path).await {
            Ok(_) => {}
            Err(error @ (StorageError::Altered { .. } | StorageError::Manifest(_))) => {
                return Err(never(Cause::Files, &error));
            }
            Err(error) => return Err(Unready::Later(error.into())),
        }
        let loader = self.clone();
        let made = spawn_blocking(move || loader.seal(task, &path, &key, &registered)).await;
        made.map_err(|_| Unready::Later(Failure::Ended))?
    }

    /// The model that an attempt left which was killed after sealing.
    fn sealed(&self, task: TaskId, registered: &Registered) -> Option<(Digest, Loaded)> {
        let loaded = self.load(task, registered).ok()??;
        Some((loaded.try_out().ok()?, loaded))
    }

    /// Decrypts in memory, checks, tries, seals, and removes the file as it was fetched.
    fn seal(
        &self,
        task: TaskId,
        path: &Path,
        key: &ContentKey,
        registered: &Registered,
    ) -> Result<(Digest, Loaded), Unready> {
        let stored = fs::read(path).map_err(Failure::Io)?;
        let bytes = blob::open(key, CONTEXT, &stored)
            .map_err(|error| Unready::Never(Cause::Key, error.to_string()))?;
        let loaded = Loaded::new(&bytes, registered).map_err(Failure::Load)?;
        let test = loaded.try_out().map_err(Failure::Load)?;
        self.vault.put(&entry(task), &bytes).map_err(Failure::Vault)?;
        fs::remove_file(path).map_err(Failure::Io)?;
        Ok((test, loaded))
    }

    /// A model from the vault; `None` if there is none.
    pub(crate) fn load(&self, task: TaskId, registered: &Registered) -> Result<Option<Loaded>, Failure> {
        match self.vault.get(&entry(task))? {
            Some(bytes) => Ok(Some(Loaded::new(&bytes, registered)?)),
            None => Ok(None),
        }
    }

    /// Forgets a task's model.
    pub(crate) fn forget(&self, task: TaskId) -> Result<(), Failure> {
        self.vault.remove(&entry(task))?;
        for name in [format!("{task}.blob"), format!("{task}.blob.part")] {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}
