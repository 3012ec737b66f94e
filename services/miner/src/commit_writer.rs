//! Answers are on the disk before they are sent. One thread writes them, as many at once as
//! arrived while the disk was busy.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::{Notify, oneshot};

use crate::error::Failure;
use crate::metrics::Metrics;
use crate::served::{Refused, UnderWay};
use crate::store::{Answered, Store};

/// Maximum of answers in one write.
const MAX_BATCH: usize = 256;

/// An answer that is written, and then sent.
pub(crate) struct PendingAnswer {
    pub(crate) answered: Answered,
    /// What is sent.
    pub(crate) bytes: Vec<u8>,
    pub(crate) reply: oneshot::Sender<Result<Vec<u8>, Refused>>,
    /// Holds the number until the answer is kept.
    pub(crate) under_way: UnderWay,
}

/// Writes answers until all senders are dropped.
pub(crate) fn run(
    store: &Store,
    answers: &Receiver<PendingAnswer>,
    metrics: &Metrics,
    proofs_due: &Arc<Notify>,
) {
    while let Ok(first) = answers.recv() {
        let mut batch = vec![first];
        while batch.len() < MAX_BATCH {
            match answers.try_recv() {
                Ok(next) => batch.push(next),
                Err(_) => break,
            }
        }
        match write(store, &batch) {
            Ok(written) => {
                let mut due = false;
                for (kept, is_new) in batch.into_iter().zip(written) {
                    // A number that was answered meanwhile keeps its first answer: the client gets
                    // it by asking again.
                    let number = kept.answered.receipt.number;
                    if !is_new {
                        drop(kept.reply.send(Err(Refused::UnderWay { number })));
                        continue;
                    }
                    kept.under_way.answered();
                    due |= kept.under_way.served.duty().is_some();
                    metrics.answered(kept.under_way.served.task);
                    // The client may have gone; it can ask again.
                    drop(kept.reply.send(Ok(kept.bytes)));
                }
                if due {
                    proofs_due.notify_one();
                }
            }
            Err(error) => {
                tracing::error!(%error, "answers cannot be kept, and are not sent");
                for kept in batch {
                    drop(kept.reply.send(Err(Refused::Failed)));
                }
            }
        }
    }
}

fn write(store: &Store, batch: &[PendingAnswer]) -> Result<Vec<bool>, Failure> {
    let write = store.begin()?;
    let mut written = Vec::with_capacity(batch.len());
    for kept in batch {
        written.push(store.put_answer(&write, &kept.answered, kept.under_way.served.duty())?);
    }
    write.commit()?;
    Ok(written)
}
