//! Answers that are kept: shown once more, as often as their owner wishes.

use std::time::SystemTime;

use cyborg_account::Signing;
use cyborg_primitives::signed::{Authorisation, Receipt};
use cyborg_primitives::{Account, RequestNumber, TaskId};
use cyborg_protocol::wire::Answer;

use crate::error::OwnerError;
use crate::files::OwnerRecords;
use crate::owner::Owner;
use crate::ports::{Clock, Records as _};

/// An answer that is kept.
#[derive(Clone, Debug)]
pub struct KeptAnswer {
    /// What the miner signed.
    pub receipt: Receipt,
    /// The miner that answered.
    pub miner: Account,
    /// When it came.
    pub kept: SystemTime,
    /// One array of integers for each of the graph's outputs.
    pub outputs: Vec<Vec<i64>>,
}

impl<S: Signing, K: Clock> Owner<OwnerRecords, S, K> {
    /// The answer to a request, opened and compared with its receipt again. A miner has to be named only if
    /// several have answered a request of this number.
    ///
    /// # Errors
    /// Returns an error if it is not here, several are, or it is damaged.
    pub async fn kept_answer(
        &self,
        task: TaskId,
        number: RequestNumber,
        miner: Option<Account>,
    ) -> Result<KeptAnswer, OwnerError> {
        let mut found = self.records.answers(task)?;
        found.retain(|(asked, _)| asked.number == number && miner.is_none_or(|miner| miner == asked.miner));
        match found[..] {
            [] => Err(OwnerError::NotKept { task, number }),
            [(authorisation, kept)] => self.open_kept(&authorisation, kept).await,
            _ => Err(OwnerError::Ambiguous { task, number, miners: found.len() }),
        }
    }

    async fn open_kept(
        &self,
        authorisation: &Authorisation,
        kept: SystemTime,
    ) -> Result<KeptAnswer, OwnerError> {
        let Authorisation { task, miner, number, .. } = *authorisation;
        let bytes = self.records.answer(task, &miner, number)?;
        let bytes = bytes.ok_or(OwnerError::NotKept { task, number })?;
        let answer = Answer::from_bytes(&bytes, &self.genesis(), authorisation)
            .map_err(|source| OwnerError::invalid(authorisation, source))?;
        let verifier = self.records.verifier(&self.records.task(task).await?.key).await?;
        let outputs = self.open(verifier.graph(), authorisation, &answer).await?;
        Ok(KeptAnswer { receipt: answer.receipt, miner, kept, outputs })
    }
}
