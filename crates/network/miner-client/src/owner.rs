//! An owner: a connection, a key, and the book of what it must not lose.

use std::path::Path;
use std::time::Duration;

use cyborg_chain_client::submit::Finalised;
use cyborg_chain_client::subxt::tx::Payload;
use cyborg_chain_client::{AtBlock, Chain, ChainError, Keypair, keys};
use cyborg_envelope::hpke::SecretKey;
use cyborg_envelope::wrap::{Recipient, wrap};
use cyborg_primitives::{Account, Digest, TaskId};
use cyborg_storage_client::owner::Signer;
use tokio::time::sleep;

use crate::book::Book;
use crate::error::{OwnerError, address};
use crate::market::{self, TaskView};

/// How often a transaction is signed, and the pause between, where others of the account are faster.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// Who deploys, asks and pays.
pub struct Owner {
    /// The connection.
    pub chain: Chain,
    /// Signs transactions and requests.
    pub signer: Keypair,
    /// What must not be lost.
    pub book: Book,
}

/// An account's key pair, as storage wants it.
pub struct AccountSigner(pub Keypair);

impl Signer for AccountSigner {
    fn account(&self) -> Account {
        keys::account(&self.0)
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).0
    }
}

impl Owner {
    /// An owner on a chain, with its book below a folder.
    ///
    /// # Errors
    /// Where the book cannot be opened.
    pub fn new(chain: Chain, signer: Keypair, folder: &Path) -> Result<Self, OwnerError> {
        let book = Book::open(folder, &chain.genesis())?;
        Ok(Self { chain, signer, book })
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> Account {
        keys::account(&self.signer)
    }

    pub(crate) fn genesis(&self) -> Digest {
        self.chain.genesis()
    }

    pub(crate) fn recipient(&self, task: TaskId, miner: &Account) -> Recipient {
        Recipient { genesis: self.genesis(), task, miner: *miner }
    }

    /// Submits a call. Where the node refuses the transaction because another program of this account has
    /// used its number meanwhile, it is signed again.
    pub(crate) async fn submit_patiently<C: Payload>(&self, call: &C) -> Result<Finalised, ChainError> {
        for _ in 1..ATTEMPTS {
            match self.chain.submit(call, &self.signer).await {
                Err(ChainError::Refused(reason)) => {
                    tracing::debug!(reason, "another program of this account was faster");
                    sleep(PAUSE).await;
                }
                other => return other,
            }
        }
        self.chain.submit(call, &self.signer).await
    }

    /// The key that answers of a task are sealed to.
    ///
    /// # Errors
    /// Where the task's record is not here.
    pub fn result_key(&self, task: TaskId) -> Result<SecretKey, OwnerError> {
        Ok(SecretKey::from_seed(&self.book.task(task)?.result_seed))
    }

    /// A task that is not vacated, of this owner or one whose delegate it is.
    ///
    /// # Errors
    /// Where it is vacated, or the node does not answer.
    pub async fn task(&self, at: &AtBlock, task: TaskId) -> Result<TaskView, OwnerError> {
        market::task(at, task).await?.ok_or(OwnerError::Vacated(task))
    }

    /// A task of this owner.
    ///
    /// # Errors
    /// Where it is vacated, or another's.
    pub async fn own_task(&self, at: &AtBlock, task: TaskId) -> Result<TaskView, OwnerError> {
        let view = self.task(at, task).await?;
        if view.owner == self.account() {
            return Ok(view);
        }
        let (owner, asked) = (address(&view.owner), address(&self.account()));
        Err(OwnerError::NotOwner { task, owner, asked })
    }

    /// Wraps the content key for every miner that waits for it, names the file and the result key on
    /// chain, and says for whom.
    ///
    /// # Errors
    /// Where the book does not have the task, a miner's key is none, or the chain refuses.
    pub async fn wrap_keys(&self, task: TaskId) -> Result<Vec<Account>, OwnerError> {
        use cyborg_chain_client::runtime;
        use cyborg_chain_client::runtime::runtime_types::bounded_collections::bounded_vec::BoundedVec;

        let at = self.chain.at_finalised().await?;
        let view = self.own_task(&at, task).await?;
        let waiting: Vec<Account> =
            view.parts.iter().filter(|part| part.is_keyless()).map(|part| part.miner).collect();
        if waiting.is_empty() {
            return Ok(waiting);
        }
        let record = self.book.task(task)?;
        let model = self.book.model(&record.key)?;
        let (Some(model), Some(registered)) = (model, market::model(&at, record.model).await?) else {
            return Err(OwnerError::OtherModel(record.model));
        };
        let result_key = SecretKey::from_seed(&record.result_seed).public();
        let content_key = model.content_key();
        let mut wraps = Vec::new();
        for miner in &waiting {
            // It left in this moment: the next look finds who takes its place.
            let Some(contact) = market::contact(&at, miner).await? else { return Ok(Vec::new()) };
            wraps.push((address(miner), wrap(&content_key, &contact.hpke, &self.recipient(task, miner))?));
        }
        let call = runtime::transactions().tasks().provide_keys(
            task,
            registered.manifest,
            result_key.0,
            BoundedVec(wraps),
        );
        match self.submit_patiently(&call).await {
            Ok(_) => Ok(waiting),
            // Another program of this owner was faster, or somebody left meanwhile.
            Err(ChainError::Dispatch { error, .. })
                if ["AlreadyKeyed", "NoKeysDue", "NotAssigned", "MissingWrap"].contains(&error.as_str()) =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(error.into()),
        }
    }
}
