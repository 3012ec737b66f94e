//! Which tasks a block is about, and what it says of proofs.

use std::collections::{BTreeMap, BTreeSet};

use cyborg_chain_client::runtime::{payments, proofs, tasks};
use cyborg_chain_client::verdict::{self as chain, Ruling};
use cyborg_chain_client::{AtBlock, ChainError};
use cyborg_primitives::{Account, RequestNumber, TaskId};

use crate::task_state::TaskState;

/// What the chain said of one proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// True; and what it was paid.
    Verified { paid: String },
    /// Neither verified nor punished.
    Refused { reason: String },
    /// This miner is guilty.
    Punished { fault: String },
}

/// What blocks say that concerns this miner.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Tasks to look at.
    pub(crate) touched: BTreeSet<TaskId>,
    pub(crate) verdicts: Vec<(TaskId, RequestNumber, Verdict)>,
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
            // Events that name a miner concern the one that they name, the others whoever has the
            // task.
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
                    if let Some(verdict) = chain::Verdict::of(&event)? {
                        if verdict.miner == *miner {
                            self.judged(&verdict);
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

    fn judged(&mut self, verdict: &chain::Verdict) {
        let found = match &verdict.ruling {
            Ruling::Verified { paid, .. } => {
                Verdict::Verified { paid: paid.map_or("nothing".to_owned(), |paid| paid.to_string()) }
            }
            Ruling::Refused { reason } => Verdict::Refused { reason: format!("{reason:?}") },
            Ruling::Punished { fault, .. } => Verdict::Punished { fault: format!("{fault:?}") },
        };
        self.touched.insert(verdict.task);
        self.verdicts.push((verdict.task, verdict.number, found));
    }
}
