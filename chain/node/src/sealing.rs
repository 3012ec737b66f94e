//! When a block is sealed: on a timer, when a transaction arrives, and when the RPC asks for one.
//!
//! Blocks are sealed one after the other and are final at once. A node that cannot seal is of no
//! use: any failure except an empty pool stops it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::{mpsc, oneshot};
use futures::future::FutureExt;
use futures::stream::{self, BoxStream, StreamExt};
use polkadot_sdk::sc_basic_authorship::ProposerFactory;
use polkadot_sdk::sc_consensus::LongestChain;
use polkadot_sdk::sc_consensus_manual_seal::consensus::aura::AuraConsensusDataProvider;
use polkadot_sdk::sc_consensus_manual_seal::{
    CreatedBlock, EngineCommand, Error as SealError, SealBlockParams, seal_block,
};
use polkadot_sdk::sc_transaction_pool_api::TransactionPool;
use polkadot_sdk::sp_blockchain::HeaderBackend;
use tokio::time::{MissedTickBehavior, interval};

use crate::client::{Block, FullBackend, FullClient, Hash, Pool};
use crate::inherents::Inherents;

/// What makes the node seal a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// Time that has passed, whether there are transactions or not.
    Every(Duration),
    /// A transaction that arrives.
    OnTransaction,
}

/// Blocks from one line of the log to the next.
const BLOCKS_PER_LINE: u32 = 100;

/// The parts that seal a block.
pub(crate) struct Sealer {
    pub(crate) client: Arc<FullClient>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) proposers: ProposerFactory<Pool, FullClient>,
    pub(crate) select_chain: LongestChain<FullBackend, Block>,
    pub(crate) slots: AuraConsensusDataProvider<Block>,
    pub(crate) inherents: Inherents,
    pub(crate) log: Log,
}

/// A reason to seal a block.
enum Wish {
    /// It is time.
    Tick,
    /// There are transactions.
    Transactions,
    /// The RPC asks.
    Command(EngineCommand<Hash>),
}

impl Sealer {
    /// Seals blocks until something fails, which is logged.
    pub(crate) async fn run(mut self, sealing: Sealing, commands: mpsc::Receiver<EngineCommand<Hash>>) {
        let own = match sealing {
            Sealing::Every(period) => ticks(period),
            Sealing::OnTransaction => transactions(&self.pool),
        };
        let mut wishes = stream::select(own, commands.map(Wish::Command));
        while let Some(wish) = wishes.next().await {
            let outcome = match wish {
                Wish::Tick => self.seal(true).await.map(drop),
                Wish::Transactions => self.seal_all().await,
                Wish::Command(command) => self.obey(command).await,
            };
            if let Err(error) = outcome {
                tracing::error!("no block can be sealed: {error}");
                return;
            }
        }
    }

    /// How many transactions the next block may hold.
    async fn ready(&self) -> usize {
        self.pool.ready_at(self.client.info().best_hash).await.count()
    }

    /// Seals one block. A block without transactions is sealed only if `create_empty` says so.
    pub(crate) async fn seal(&mut self, create_empty: bool) -> Result<CreatedBlock<Hash>, SealError> {
        let begun = Instant::now();
        if !create_empty && self.ready().await == 0 {
            return Err(SealError::EmptyTransactionPool);
        }
        let (sender, outcome) = oneshot::channel();
        seal_block(SealBlockParams {
            // Asked here: it takes a block of one transaction for an empty one, because the relay
            // chain's part is two entries of the inherent data and one inherent.
            create_empty: true,
            finalize: true,
            parent_hash: None,
            sender: Some(sender),
            pool: self.pool.clone(),
            client: self.client.clone(),
            env: &mut self.proposers,
            select_chain: &self.select_chain,
            consensus_data_provider: Some(&self.slots),
            block_import: &mut self.client.clone(),
            create_inherent_data_providers: &self.inherents,
        })
        .await;
        let created = outcome.await??;
        self.log.sealed(self.client.info().finalized_number, begun.elapsed());
        Ok(created)
    }

    /// Seals blocks until no transaction is ready, or those that are cannot be included.
    async fn seal_all(&mut self) -> Result<(), SealError> {
        let mut left = usize::MAX;
        loop {
            let ready = self.ready().await;
            if ready == 0 || ready >= left {
                return Ok(());
            }
            left = ready;
            self.seal(true).await?;
        }
    }

    /// Obeys the RPC as far as a chain without forks allows.
    async fn obey(&mut self, command: EngineCommand<Hash>) -> Result<(), SealError> {
        match command {
            EngineCommand::SealNewBlock { create_empty, finalize, parent_hash, sender } => {
                let (reply, outcome) = if parent_hash.is_some() || !finalize {
                    let problem = "blocks follow the best one and are final: finalize must be true, \
                                   and no parent given";
                    (Err(SealError::StringError(problem.to_owned())), Ok(()))
                } else {
                    match self.seal(create_empty).await {
                        Err(error) if !matches!(error, SealError::EmptyTransactionPool) => {
                            let problem = SealError::StringError(error.to_string());
                            (Err(problem), Err(error))
                        }
                        sealed => (sealed, Ok(())),
                    }
                };
                answer(sender, reply);
                outcome
            }
            EngineCommand::FinalizeBlock { hash, sender, .. } => {
                // Every block is final when it is sealed. The RPC returns an error only if there
                // is no such block.
                if self.client.number(hash)?.is_some() {
                    answer(sender, Ok(()));
                }
                Ok(())
            }
        }
    }
}

/// Answers a caller, which may have disconnected.
fn answer<T>(sender: Option<oneshot::Sender<Result<T, SealError>>>, reply: Result<T, SealError>) {
    if let Some(sender) = sender {
        let _ = sender.send(reply);
    }
}

/// A wish each period. If one is met late, the next follows a period after it: the node does not
/// hurry to catch up.
fn ticks(period: Duration) -> BoxStream<'static, Wish> {
    let mut timer = interval(period);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(timer, |mut timer| async move {
        timer.tick().await;
        Some((Wish::Tick, timer))
    })
    .boxed()
}

/// A wish for all the transactions that have arrived since the last.
fn transactions(pool: &Pool) -> BoxStream<'static, Wish> {
    let arrivals = pool.import_notification_stream();
    stream::unfold(arrivals, |mut arrivals| async move {
        arrivals.next().await?;
        while let Some(Some(_)) = arrivals.next().now_or_never() {}
        Some((Wish::Transactions, arrivals))
    })
    .boxed()
}

/// Collects many blocks into one line of the log.
#[derive(Default)]
pub(crate) struct Log {
    blocks: u32,
    total: Duration,
    slowest: Duration,
}

impl Log {
    fn sealed(&mut self, number: u32, took: Duration) {
        tracing::debug!("block {number} is final, after {} ms", took.as_millis());
        self.blocks += 1;
        self.total += took;
        self.slowest = self.slowest.max(took);
        if self.blocks == BLOCKS_PER_LINE {
            tracing::info!(
                "block {number} is final; of the last {BLOCKS_PER_LINE} blocks, one took {} ms on average \
                 and {} ms at most",
                (self.total / BLOCKS_PER_LINE).as_millis(),
                self.slowest.as_millis(),
            );
            *self = Self::default();
        }
    }
}
