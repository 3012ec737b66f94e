//! What an owner owes to its task while it runs: keys for miners that take over, and its part of every
//! draw.
//!
//! Under the policy `Sampled` a draw mixes what the owner reveals with the hash of a later block. The
//! owner's part is a hash chain for each miner, fixed before the miner commits to anything: BLAKE2b-256
//! applied `LINKS` times to a start that is derived from the task's seed, the miner, and how many
//! chains were used up before. Where on it the next preimage is follows from the chain's anchor alone,
//! so that nothing has to be remembered, and copies of the records agree.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest as _};
use cyborg_account::Signing;
use cyborg_chain_client::runtime::proofs::Error as Refused;
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::view::{self, TaskView};
use cyborg_chain_client::{AtBlock, ChainError, runtime};
use cyborg_primitives::task::{ProofPolicy, TaskState};
use cyborg_primitives::{Account, Digest, RequestNumber, TaskId};

use crate::error::OwnerError;
use crate::owner::Owner;
use crate::ports::{Clock, Records};

/// Draws that a hash chain is good for.
const LINKS: u32 = 4_096;
/// Hash chains of one miner on one task, at most.
const CHAINS: u32 = 64;

/// What was done for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The content key was wrapped for a miner.
    Wrapped(Account),
    /// A hash chain was fixed for a miner.
    Anchored(Account),
    /// A draw was revealed.
    Revealed(Account, RequestNumber),
    /// The task takes no new requests.
    Stopped,
    /// The task is over.
    Vacated,
}

fn hash(bytes: &[u8]) -> Digest {
    Blake2b::<U32>::digest(bytes).into()
}

/// The first link of a miner's hash chain.
fn start(seed: &[u8; 32], miner: &Account, chain: u32) -> Digest {
    *blake3::Hasher::new_derive_key("cyborg draw chain v1")
        .update(seed)
        .update(miner)
        .update(&chain.to_le_bytes())
        .finalize()
        .as_bytes()
}

/// The end of a hash chain: what is fixed on chain.
fn anchor(seed: &[u8; 32], miner: &Account, chain: u32) -> Digest {
    (0..LINKS).fold(start(seed, miner, chain), |link, _| hash(&link))
}

/// Where an anchor is on this owner's chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// What hashes to it.
    Preimage(Digest),
    /// It is the start of this chain: nothing is left of it.
    UsedUp(u32),
    /// It is not on any hash chain of this owner.
    Foreign,
}

fn find(seed: &[u8; 32], miner: &Account, anchor: &Digest) -> Link {
    for chain in 0..CHAINS {
        let mut link = start(seed, miner, chain);
        if link == *anchor {
            return Link::UsedUp(chain);
        }
        for _ in 0..LINKS {
            let next = hash(&link);
            if next == *anchor {
                return Link::Preimage(link);
            }
            link = next;
        }
    }
    Link::Foreign
}

impl<R: Records, S: Signing, K: Clock> Owner<R, S, K> {
    /// Fixes a hash chain for every sampled miner that has none, or none that is left.
    ///
    /// # Errors
    /// Returns an error if the records or the chain cannot be read, or the chain refuses.
    pub async fn set_anchors(&self, task: TaskId) -> Result<Vec<Account>, OwnerError> {
        let at = self.chain.at_finalised().await?;
        let view = self.own_task(&at, task).await?;
        let mut anchored = Vec::new();
        if !matches!(view.policy, ProofPolicy::Sampled { .. }) || view.state == TaskState::Stopped {
            return Ok(anchored);
        }
        let seed = self.records.task(task).await?.anchor_seed;
        for miner in serving(&view) {
            let draws = view::draws(&at, task, &miner).await?;
            let chain = match draws.anchor.map(|anchor| find(&seed, &miner, &anchor)) {
                None | Some(Link::Foreign) => 0,
                Some(Link::UsedUp(chain)) => chain.saturating_add(1),
                Some(Link::Preimage(_)) => continue,
            };
            let call = runtime::transactions().proofs().set_anchor(
                task,
                AccountId32(miner),
                anchor(&seed, &miner, chain),
            );
            match self.submit_patiently(&call).await {
                Ok(_) => anchored.push(miner),
                // Between two periods is the next chance.
                Err(error) => match error.by_pallet() {
                    Some(runtime::Error::Proofs(Refused::PeriodOpen)) => {}
                    _ => return Err(error.into()),
                },
            }
        }
        Ok(anchored)
    }

    /// Reveals the owner's part of every draw that is due.
    ///
    /// # Errors
    /// Returns an error if the records or the chain cannot be read, or the chain refuses.
    pub async fn reveal(
        &self,
        at: &AtBlock,
        task: TaskId,
    ) -> Result<Vec<(Account, RequestNumber)>, OwnerError> {
        let view = self.own_task(at, task).await?;
        let mut revealed = Vec::new();
        if !matches!(view.policy, ProofPolicy::Sampled { .. }) {
            return Ok(revealed);
        }
        let seed = self.records.task(task).await?.anchor_seed;
        for part in &view.assignments {
            let draws = view::draws(at, task, &part.miner).await?;
            let (Some(block), Some(anchor)) = (draws.undrawn, draws.anchor) else { continue };
            // The hash of the block after the commitment has to be known to the next block.
            if at.block_number() < u64::from(block) + 1 {
                continue;
            }
            let Link::Preimage(preimage) = find(&seed, &part.miner, &anchor) else { continue };
            let call = runtime::transactions().proofs().reveal(task, AccountId32(part.miner), preimage);
            match self.submit_patiently(&call).await {
                Ok(_) => revealed.push((part.miner, draws.next.saturating_sub(1))),
                // Too late, or another copy of the records was faster: the draw took place.
                Err(ChainError::Dispatch { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(revealed)
    }

    /// Does all that is due for a task as blocks become final, and says what it did, until the task
    /// is vacated or the chain cannot be reached.
    ///
    /// # Errors
    /// Returns an error if the records or the chain cannot be read, or the chain refuses.
    pub async fn keep(&self, task: TaskId, tell: &mut (dyn FnMut(Kept) + Send)) -> Result<(), OwnerError> {
        let mut follow = self.chain.follow(None).await?;
        let mut at = self.chain.at_finalised().await?;
        let mut was_stopped = false;
        loop {
            let Some(view) = view::task(&at, task).await? else {
                tell(Kept::Vacated);
                return Ok(());
            };
            let stopped = view.state == TaskState::Stopped;
            if stopped && !was_stopped {
                tell(Kept::Stopped);
            }
            was_stopped = stopped;
            if !stopped {
                for miner in self.wrap_keys(task).await? {
                    tell(Kept::Wrapped(miner));
                }
                for miner in self.set_anchors(task).await? {
                    tell(Kept::Anchored(miner));
                }
            }
            for (miner, last) in self.reveal(&at, task).await? {
                tell(Kept::Revealed(miner, last));
            }
            loop {
                at = follow.next().await?;
                if follow.is_caught_up() {
                    break;
                }
            }
        }
    }
}

fn serving(view: &TaskView) -> Vec<Account> {
    view.assignments.iter().filter(|part| part.serves()).map(|part| part.miner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_draw_has_its_preimage_until_the_chain_is_used_up() {
        let (seed, miner) = ([1; 32], [2; 32]);
        let mut link = anchor(&seed, &miner, 0);
        let mut draws = 0;
        loop {
            match find(&seed, &miner, &link) {
                Link::Preimage(preimage) => {
                    assert_eq!(hash(&preimage), link);
                    link = preimage;
                    draws += 1;
                }
                found => {
                    assert_eq!(found, Link::UsedUp(0));
                    break;
                }
            }
            // The whole chain is walked once; a part of it will do here.
            if draws == 3 {
                link = start(&seed, &miner, 0);
            }
        }
        assert_eq!(draws, 3);
        assert!(matches!(find(&seed, &miner, &anchor(&seed, &miner, 1)), Link::Preimage(_)));
    }

    #[test]
    fn chains_of_others_are_foreign() {
        let (seed, miner) = ([1; 32], [2; 32]);
        assert_ne!(anchor(&seed, &miner, 0), anchor(&seed, &[3; 32], 0));
        assert_ne!(anchor(&seed, &miner, 0), anchor(&[4; 32], &miner, 0));
        assert_eq!(find(&seed, &miner, &anchor(&seed, &[3; 32], 0)), Link::Foreign);
    }
}
