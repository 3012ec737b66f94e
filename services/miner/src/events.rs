//! Which tasks a block is about, and what it says of proofs.

use std::collections::{BTreeMap, BTreeSet};

use cyborg_chain_client::runtime::{payments, proofs, tasks};
use cyborg_chain_client::{AtBlock, ChainError};
use cyborg_primitives::{Account, RequestNumber, TaskId};

use crate::store::Record;

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
        known: &BTreeMap<TaskId, Record>,
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
                    if let Some(verdict) = event.decode_fields_as::<proofs::events::Verified>() {
                        let verdict = verdict?;
                        if verdict.miner.0 == *miner {
                            let paid = verdict.paid.map_or("nothing".to_owned(), |paid| paid.to_string());
                            self.judged(verdict.task, verdict.number, Verdict::Verified { paid });
                        }
                        continue;
                    }
                    if let Some(verdict) = event.decode_fields_as::<proofs::events::Refused>() {
                        let verdict = verdict?;
                        if verdict.miner.0 == *miner {
                            let reason = format!("{:?}", verdict.reason);
                            self.judged(verdict.task, verdict.number, Verdict::Refused { reason });
                        }
                        continue;
                    }
                    if let Some(verdict) = event.decode_fields_as::<proofs::events::Punished>() {
                        let verdict = verdict?;
                        if verdict.miner.0 == *miner {
                            let fault = format!("{:?}", verdict.evidence.fault);
                            let (task, number) = (verdict.evidence.task, verdict.evidence.number);
                            self.judged(task, number, Verdict::Punished { fault });
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

    fn judged(&mut self, task: TaskId, number: RequestNumber, verdict: Verdict) {
        self.touched.insert(task);
        self.verdicts.push((task, number, verdict));
    }
}
