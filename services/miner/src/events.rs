//! Which tasks a block concerns, and what it rules on proofs.

use std::collections::{BTreeMap, BTreeSet};

use cyborg_chain_client::runtime::{payments, proofs, tasks};
use cyborg_chain_client::verdict::Verdict;
use cyborg_chain_client::{AtBlock, ChainError};
use cyborg_primitives::{Account, TaskId};

use crate::task_state::TaskState;

/// What blocks say about this miner.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Tasks to look at.
    pub(crate) touched: BTreeSet<TaskId>,
    /// The chain's rulings on its proofs.
    pub(crate) verdicts: Vec<Verdict>,
}

impl Seen {
    /// Reads a block's events.
    pub(crate) async fn read(
        &mut self,
        block: &AtBlock,
        miner: &Account,
        known: &BTreeMap<TaskId, TaskState>,
    ) -> Result<(), ChainError> {
        let events = block.events().fetch().await?;
        for event in events.iter() {
            let event = event?;
            // An event that names a miner concerns that miner; other events concern every miner of
            // the task.
            macro_rules! of_miner {
                ($($kind:ty),*) => {$(
                    if let Some(event) = event.decode_fields_as::<$kind>() {
                        let event = event?;
                        if event.miner.0 == *miner {
                            self.touched.insert(event.task);
                        }
                        continue;
                    }
                )*};
            }
            macro_rules! of_task {
                ($($kind:ty),*) => {$(
                    if let Some(event) = event.decode_fields_as::<$kind>() {
                        let event = event?;
                        if known.contains_key(&event.task) {
                            self.touched.insert(event.task);
                        }
                        continue;
                    }
                )*};
            }
            match event.pallet_name() {
                "Tasks" => {
                    of_miner!(
                        tasks::events::Engaged,
                        tasks::events::Promoted,
                        tasks::events::KeyWrapped,
                        tasks::events::Confirmed,
                        tasks::events::Left
                    );
                    of_task!(tasks::events::Stopped, tasks::events::Vacated);
                }
                "Payments" => {
                    of_task!(payments::events::Paid, payments::events::ToppedUp);
                }
                "Proofs" => {
                    if let Some(verdict) = Verdict::of(&event)? {
                        if verdict.miner == *miner {
                            self.touched.insert(verdict.task);
                            self.verdicts.push(verdict);
                        }
                        continue;
                    }
                    of_miner!(
                        proofs::events::Committed,
                        proofs::events::Drawn,
                        proofs::events::PeriodPaid,
                        proofs::events::PeriodUnpaid,
                        proofs::events::PeriodVoid,
                        proofs::events::Challenged,
                        proofs::events::Answered,
                        proofs::events::Demanded
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }
}
