//! Finalised blocks in their order, without a gap, from where a caller stopped.

use std::time::Duration;

use subxt::client::Blocks;
use tokio::time::timeout;

use crate::{AtBlock, Chain, ChainError, Config};

/// A walk along the finalised chain.
pub struct Follow {
    chain: Chain,
    live: Blocks<Config>,
    /// The next block to hand out.
    next: u64,
    /// The latest block that is known to be final.
    final_block: u64,
}

impl Chain {
    /// Follows finalised blocks from a block on, those of the past first; `None` begins with the
    /// next one.
    ///
    /// # Errors
    /// Returns an error if the node does not answer.
    pub async fn follow(&self, from: Option<u64>) -> Result<Follow, ChainError> {
        let live = self.client.stream_blocks().await?;
        let final_block = self.at_finalised().await?.block_number();
        Ok(Follow { chain: self.clone(), live, next: from.unwrap_or(final_block + 1), final_block })
    }
}

impl Follow {
    /// Number of the block that [`next`](Self::next) will give.
    #[must_use]
    pub fn upcoming(&self) -> u64 {
        self.next
    }

    /// Whether the block that was given last is the latest that is known to be final.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.next > self.final_block
    }

    /// The next finalised block; waits for it. A caller that handled it remembers its number, and
    /// begins with the one after it next time.
    ///
    /// # Errors
    /// Returns an error if the node breaks off: connect and follow again.
    pub async fn next(&mut self) -> Result<AtBlock, ChainError> {
        while self.next > self.final_block {
            let block = self.live.next().await.ok_or_else(|| ChainError::Unreachable {
                url: "the chain node".into(),
                reason: "it closed the connection".into(),
            })??;
            self.final_block = self.final_block.max(block.number());
            // All that are there already: a caller that is slower than the chain would otherwise take each old block
            // for the latest, and fall behind for ever.
            while let Ok(Some(block)) = timeout(Duration::ZERO, self.live.next()).await {
                self.final_block = self.final_block.max(block?.number());
            }
        }
        let at = self.chain.at(self.next).await?;
        self.next += 1;
        Ok(at)
    }
}
