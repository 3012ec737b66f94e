//! An owner: a connection, a key, and records of what it must not lose.

use std::path::Path;
use std::time::Duration;

use cyborg_account::{Address, Keypair, Signing};
use cyborg_chain_client::runtime;
use cyborg_chain_client::runtime::runtime_types::bounded_collections::bounded_vec::BoundedVec;
use cyborg_chain_client::runtime::tasks::Error as Refused;
use cyborg_chain_client::submit::Finalised;
use cyborg_chain_client::subxt::tx::Payload;
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::view::{self, TaskView};
use cyborg_chain_client::{AtBlock, Chain, ChainError};
use cyborg_envelope::hpke::SecretKey;
use cyborg_envelope::wrap::{Recipient, wrap};
use cyborg_primitives::{Account, Digest, TaskId};

use crate::error::OwnerError;
use crate::files::OwnerRecords;
use crate::native::SystemClock;
use crate::ports::{Clock, Records};

/// Times that a transaction is signed, and the pause between, if other programs of the account are faster.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// The party that deploys, asks and pays. Of its four ports it holds three; the carrier is given to what speaks to a
/// miner.
pub struct Owner<R = OwnerRecords, S = Keypair, K = SystemClock> {
    /// The connection.
    pub chain: Chain,
    /// Signs transactions and requests.
    pub signer: S,
    /// What must not be lost.
    pub records: R,
    /// Time that passes.
    pub clock: K,
}

impl Owner {
    /// An owner on a chain, with its records in files below a folder.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be used.
    pub fn new(chain: Chain, signer: Keypair, folder: &Path) -> Result<Self, OwnerError> {
        let records = OwnerRecords::open(folder, &chain.genesis())?;
        Ok(Self { chain, signer, records, clock: SystemClock::default() })
    }
}

impl<R: Records, S: Signing, K: Clock> Owner<R, S, K> {
    /// The account.
    #[must_use]
    pub fn account(&self) -> Account {
        self.signer.account()
    }

    /// Time since a moment of this owner's clock.
    pub(crate) fn since(&self, moment: Duration) -> Duration {
        self.clock.now().saturating_sub(moment)
    }

    pub(crate) fn genesis(&self) -> Digest {
        self.chain.genesis()
    }

    pub(crate) fn recipient(&self, task: TaskId, miner: &Account) -> Recipient {
        Recipient { genesis: self.genesis(), task, miner: *miner }
    }

    /// Submits a call that may be done twice. If the node refuses the transaction because another program
    /// of this account has used its number meanwhile, or loses sight of it, it is signed again.
    pub(crate) async fn submit_patiently<C: Payload>(&self, call: &C) -> Result<Finalised, ChainError> {
        let again = |error: &ChainError| matches!(error, ChainError::Refused(_) | ChainError::Unwatched(_));
        self.submit_while(call, again).await
    }

    /// Submits a call that must not be done twice. It is signed again only if the node refused it.
    pub(crate) async fn submit_once<C: Payload>(&self, call: &C) -> Result<Finalised, ChainError> {
        self.submit_while(call, |error| matches!(error, ChainError::Refused(_))).await
    }

    async fn submit_while<C: Payload>(
        &self,
        call: &C,
        again: impl Fn(&ChainError) -> bool,
    ) -> Result<Finalised, ChainError> {
        for _ in 1..ATTEMPTS {
            match self.chain.submit(call, &self.signer).await {
                Err(error) if again(&error) => {
                    tracing::debug!(%error, "the transaction is signed again");
                    self.clock.sleep(PAUSE).await;
                }
                other => return other,
            }
        }
        self.chain.submit(call, &self.signer).await
    }

    /// The key that answers of a task are sealed to.
    ///
    /// # Errors
    /// Returns an error if the task's record is not here.
    pub async fn result_key(&self, task: TaskId) -> Result<SecretKey, OwnerError> {
        Ok(SecretKey::from_seed(&self.records.task(task).await?.result_seed))
    }

    /// A task that is not vacated, of this owner or one whose delegate it is.
    ///
    /// # Errors
    /// Returns an error if it is vacated, or the node does not answer.
    pub async fn task(&self, at: &AtBlock, task: TaskId) -> Result<TaskView, OwnerError> {
        view::task(at, task).await?.ok_or(OwnerError::Vacated(task))
    }

    /// A task of this owner.
    ///
    /// # Errors
    /// Returns an error if it is vacated, or another's.
    pub async fn own_task(&self, at: &AtBlock, task: TaskId) -> Result<TaskView, OwnerError> {
        let view = self.task(at, task).await?;
        if view.owner == self.account() {
            return Ok(view);
        }
        let (owner, asked) = (Address(view.owner), Address(self.account()));
        Err(OwnerError::NotOwner { task, owner, asked })
    }

    /// Wraps the content key for every miner that waits for it, names the file and the result key on
    /// chain, and returns the miners.
    ///
    /// # Errors
    /// Returns an error if the records do not have the task, a miner's key is invalid, or the chain refuses.
    pub async fn wrap_keys(&self, task: TaskId) -> Result<Vec<Account>, OwnerError> {
        let at = self.chain.at_finalised().await?;
        let task_view = self.own_task(&at, task).await?;
        let waiting: Vec<Account> =
            task_view.assignments.iter().filter(|part| part.is_keyless()).map(|part| part.miner).collect();
        if waiting.is_empty() {
            return Ok(waiting);
        }
        let record = self.records.task(task).await?;
        let model = self.records.model(&record.key).await?;
        let (Some(model), Some(registered)) = (model, view::model(&at, record.model).await?) else {
            return Err(OwnerError::OtherModel(record.model));
        };
        let result_key = SecretKey::from_seed(&record.result_seed).public();
        let content_key = model.content_key();
        let mut wraps = Vec::new();
        for miner in &waiting {
            // It has just left: the next round finds the miner that replaces it.
            let Some(contact) = view::contact(&at, miner).await? else { return Ok(Vec::new()) };
            wraps.push((
                AccountId32(*miner),
                wrap(&content_key, &contact.hpke, &self.recipient(task, miner))?,
            ));
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
            Err(error) => match error.by_pallet() {
                Some(runtime::Error::Tasks(
                    Refused::AlreadyKeyed | Refused::NoKeysDue | Refused::NotAssigned | Refused::MissingWrap,
                )) => Ok(Vec::new()),
                _ => Err(error.into()),
            },
        }
    }
}
