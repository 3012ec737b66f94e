//! The chain's ruling on a proof, out of a block's events.

use cyborg_primitives::{Account, Digest, RequestNumber, TaskId};
use subxt::events::Event;

use crate::runtime::proofs::events::{Punished, Refused, Verified};
use crate::runtime::runtime_types::pallet_proofs::types::{Fault, Refusal};
use crate::{AtBlock, ChainError, Config};

/// What the chain ruled on the proof of one request.
#[derive(Debug)]
pub struct Verdict {
    /// The task.
    pub task: TaskId,
    /// The miner that proved it, or should have.
    pub miner: Account,
    /// The request.
    pub number: RequestNumber,
    /// The ruling.
    pub ruling: Ruling,
}

/// A ruling.
#[derive(Debug)]
pub enum Ruling {
    /// The proof is true.
    Verified {
        /// Digest of the input's part of the statement.
        input: Digest,
        /// Digest of the output's part.
        output: Digest,
        /// What the miner got: 0 for a request that its period pays, or that was paid before; `None` if
        /// the escrow could not pay.
        paid: Option<u128>,
    },
    /// The proof was neither verified nor punished.
    Refused {
        /// The chain's reason.
        reason: Refusal,
    },
    /// The miner is guilty.
    Punished {
        /// Its fault.
        fault: Fault,
        /// What its bond lost.
        slashed: u128,
    },
}

impl Verdict {
    /// The verdict that an event announces; `None` if it announces another thing.
    ///
    /// # Errors
    /// Returns an error if the event cannot be decoded.
    pub fn of(event: &Event<'_, Config>) -> Result<Option<Self>, ChainError> {
        if let Some(event) = event.decode_fields_as::<Verified>() {
            let Verified { task, miner, number, input, output, paid } = event?;
            let ruling = Ruling::Verified { input, output, paid };
            return Ok(Some(Self { task, miner: miner.0, number, ruling }));
        }
        if let Some(event) = event.decode_fields_as::<Refused>() {
            let Refused { task, miner, number, reason } = event?;
            return Ok(Some(Self { task, miner: miner.0, number, ruling: Ruling::Refused { reason } }));
        }
        if let Some(event) = event.decode_fields_as::<Punished>() {
            let Punished { miner, evidence, slashed, .. } = event?;
            let ruling = Ruling::Punished { fault: evidence.fault, slashed };
            return Ok(Some(Self { task: evidence.task, miner: miner.0, number: evidence.number, ruling }));
        }
        Ok(None)
    }

    /// The verdicts of a block, in their order.
    ///
    /// # Errors
    /// Returns an error if the node does not answer, or an event cannot be decoded.
    pub async fn all(block: &AtBlock) -> Result<Vec<Self>, ChainError> {
        let events = block.events().fetch().await?;
        let mut found = Vec::new();
        for event in events.iter() {
            found.extend(Self::of(&event?)?);
        }
        Ok(found)
    }
}
