//! A task's log: each line sealed to the task's result key, so that anybody may carry it and only its
//! owner reads it.

use std::time::Duration;

use cyborg_envelope::EnvelopeError;
use cyborg_envelope::hpke::{self, PublicKey, SecretKey};
use cyborg_envelope::wrap::Recipient;
use cyborg_primitives::{Account, TaskId};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::{OwnerError, address};
use crate::http::{Http, Said, url};
use crate::market::Contact;
use crate::owner::Owner;

/// How long a miner may take to send a log.
const PATIENCE: Duration = Duration::from_secs(30);

fn info(recipient: &Recipient) -> Vec<u8> {
    [b"cyborg task log v1", &recipient.genesis[..], &recipient.task.to_le_bytes(), &recipient.miner].concat()
}

/// Seals a line.
///
/// # Errors
/// Where nothing can be sealed to the key.
pub fn seal(recipient: &Recipient, to: &PublicKey, line: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    hpke::seal(to, line, &info(recipient), &[])
}

/// Opens a line.
///
/// # Errors
/// Where it was sealed to another key, or is of another task or miner.
pub fn open(
    recipient: &Recipient,
    with: &SecretKey,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    with.open(sealed, &info(recipient), &[])
}

#[derive(Deserialize)]
struct Line {
    line: u64,
    sealed: String,
}

#[derive(Deserialize)]
struct Lines {
    lines: Vec<Line>,
}

impl Owner {
    /// The log that a miner keeps of a task, opened, from a line on: numbers and texts. A line that is
    /// not sealed to this owner is left out.
    ///
    /// # Errors
    /// Where the task's secrets are not here, or the miner does not give its log.
    pub async fn log(
        &self,
        http: &Http,
        task: TaskId,
        miner: &Account,
        contact: &Contact,
        from: u64,
    ) -> Result<Vec<(u64, String)>, OwnerError> {
        let key = self.result_key(task)?;
        let refused =
            |status, message| OwnerError::Refused { miner: address(miner), number: 0, status, message };
        let url = url(contact, address(miner), &format!("/v1/tasks/{task}/log?from={from}"))?;
        let body = match http.get(url, PATIENCE).await {
            Said::Done(body) => body,
            Said::Later { reason, .. } => return Err(refused(503, reason)),
            Said::Used => return Err(refused(409, String::new())),
            Said::No { status, message } => return Err(refused(status, message)),
        };
        let lines: Lines =
            serde_json::from_slice(&body).map_err(|_| refused(200, "what it sent is no log".to_owned()))?;
        let recipient = self.recipient(task, miner);
        let opened = lines.lines.into_iter().filter_map(|line| {
            let text = open(&recipient, &key, &digits(&line.sealed)?).ok()?;
            Some((line.line, String::from_utf8_lossy(&text).into_owned()))
        });
        Ok(opened.collect())
    }
}

/// The bytes of hexadecimal digits behind `0x`.
fn digits(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.len().is_multiple_of(2))?;
    (0..digits.len() / 2)
        .map(|at| {
            digits
                .get(2 * at..2 * at + 2)
                .filter(|pair| !pair.starts_with('+'))
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_line_is_for_its_owner() {
        let (owner, other) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let recipient = Recipient { genesis: [3; 32], task: 4, miner: [5; 32] };
        let sealed = seal(&recipient, &owner.public(), b"serving").unwrap();
        assert_eq!(&**open(&recipient, &owner, &sealed).unwrap(), b"serving");
        assert!(open(&recipient, &other, &sealed).is_err());
        assert!(open(&Recipient { task: 6, ..recipient }, &owner, &sealed).is_err());
        assert_eq!(digits("0x00ff"), Some(vec![0, 255]));
        for wrong in ["", "00", "0x0", "0xgg", "0x+1", "0xéé"] {
            assert!(digits(wrong).is_none(), "{wrong}");
        }
    }
}
