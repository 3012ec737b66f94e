//! A task's log, as its owner reads it at a miner.

use std::time::Duration;

use cyborg_account::{Address, Signing};
use cyborg_chain_client::view::Contact;
use cyborg_primitives::{Account, TaskId};
use cyborg_protocol::log::{Lines, open};

use crate::error::OwnerError;
use crate::miner::{Said, get, url};
use crate::owner::Owner;
use crate::ports::{Carrier, Clock, Records};

/// How long a miner may take to send a log.
const PATIENCE: Duration = Duration::from_secs(30);

impl<R: Records, S: Signing, K: Clock> Owner<R, S, K> {
    /// The log that a miner keeps of a task, opened, from a line on: numbers and texts. A line that is
    /// not sealed to this owner is left out.
    ///
    /// # Errors
    /// Returns an error if the task's secrets are not here, or the miner does not give its log.
    pub async fn log(
        &self,
        http: &impl Carrier,
        task: TaskId,
        miner: &Account,
        contact: &Contact,
        from: u64,
    ) -> Result<Vec<(u64, String)>, OwnerError> {
        let key = self.result_key(task).await?;
        let refused =
            |status, message| OwnerError::Refused { miner: Address(*miner), number: 0, status, message };
        let url = url(contact, Address(*miner), &format!("/v1/tasks/{task}/log?from={from}"))?;
        let body = match get(http, url, PATIENCE).await {
            Said::Done(body) => body,
            Said::Later { reason, .. } => return Err(refused(503, reason)),
            Said::Used => return Err(refused(409, String::new())),
            Said::No { status, message } => return Err(refused(status, message)),
        };
        let lines: Lines =
            serde_json::from_slice(&body).map_err(|_| refused(200, "what it sent is no log".to_owned()))?;
        let recipient = self.recipient(task, miner);
        let opened = lines.lines.into_iter().filter_map(|line| {
            let text = open(&recipient, &key, &line.bytes()?).ok()?;
            Some((line.line, String::from_utf8_lossy(&text).into_owned()))
        });
        Ok(opened.collect())
    }
}
