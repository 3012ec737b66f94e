//! The queue at work: searching finalised blocks, signing, broadcasting.

use std::collections::BTreeMap;
use std::time::Duration;

use codec::{Decode as _, Encode as _};
use cyborg_account::Signing;
use redb::{ReadableDatabase as _, ReadableTable as _};
use subxt::config::DefaultExtrinsicParamsBuilder;
use subxt::error::DispatchError;
use subxt::ext::scale_encode::{EncodeAsFields, Error as EncodeError, FieldIter, TypeResolver};
use subxt::rpcs::rpc_params;
use subxt::tx::Payload;
use subxt::utils::AccountId32;
use tokio::time::{Instant, sleep};

use super::record::{Intent, Progress, Signed, free_nonce};
use super::{CALLS, Call, FOR, INTENTS, NUMBERS, Outcome, Queue, QueueError, SEARCHED, SIGNED};
use crate::submit::{LIFETIME_BLOCKS, Signer, module_error};
use crate::{AtBlock, Chain, ChainError, Config};

/// Most signed transactions at once.
const MAX_SIGNED: usize = 16;
/// A transaction that is not found is broadcast again after so many blocks.
const REBROADCAST_BLOCKS: u64 = 8;
/// Times that a call is signed before it is abandoned.
const MAX_LIVES: u32 = 3;
/// Pauses between attempts to reach the chain.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A connection that held this long was a good one.
const GOOD_CONNECTION: Duration = Duration::from_secs(30);

/// Arguments that are encoded already.
struct Raw(Vec<u8>);

impl EncodeAsFields for Raw {
    fn encode_as_fields_to<R: TypeResolver>(
        &self,
        _: &mut dyn FieldIter<'_, R::TypeId>,
        _: &R,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.0);
        Ok(())
    }
}

struct Encoded {
    call: Call,
    fields: Raw,
}

impl Payload for Encoded {
    type CallData = Raw;

    fn pallet_name(&self) -> &str {
        &self.call.pallet
    }

    fn call_name(&self) -> &str {
        &self.call.name
    }

    fn call_data(&self) -> &Raw {
        &self.fields
    }
}

/// What is known of broadcasts, for this connection: the block of the last one, and the refusal.
#[derive(Default)]
struct Broadcasts(BTreeMap<u64, (u64, Option<String>)>);

impl Queue {
    /// Works until the future is dropped, or the queue turns out to be another's. Where the chain
    /// does not answer, it is asked again.
    ///
    /// # Errors
    /// Returns an error if the database fails, or is that of another chain or account.
    pub async fn run(&self, url: &str, signer: &dyn Signing) -> Result<(), QueueError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            match self.session(url, signer).await {
                Ok(()) => {}
                Err(QueueError::Chain(error)) => tracing::warn!(%error, "transactions wait for the chain"),
                Err(error) => return Err(error),
            }
            if begun.elapsed() > GOOD_CONNECTION {
                pause = FIRST_PAUSE;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Works as long as one connection holds.
    async fn session(&self, url: &str, signer: &dyn Signing) -> Result<(), QueueError> {
        let chain = Chain::connect(url).await?;
        self.claim(&chain, signer)?;
        let mut changes = self.changes();
        let mut follow = chain.follow(self.unsearched()?).await?;
        let mut broadcasts = Broadcasts::default();
        // What is known of the latest block: intents that are added between blocks begin there.
        let mut latest = chain.at_finalised().await?;
        loop {
            // Nothing is signed before the blocks of an absence are searched.
            if follow.upcoming() > latest.block_number() {
                self.send(&chain, &latest, signer, &mut broadcasts).await?;
            }
            tokio::select! {
                block = follow.next() => {
                    let block = block?;
                    self.search(&block, signer, &broadcasts).await?;
                    if block.block_number() >= latest.block_number() {
                        latest = block;
                    }
                }
                changed = changes.changed() => {
                    // The sender is this queue's own.
                    if changed.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Remembers chain and account, and refuses any other.
    fn claim(&self, chain: &Chain, signer: &dyn Signing) -> Result<(), QueueError> {
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(FOR)?;
            let account = signer.account();
            for (what, own) in [("chain", chain.genesis()), ("account", account)] {
                let found = table.get(what)?.map(|bytes| bytes.value() == own);
                match found {
                    Some(true) => {}
                    Some(false) => return Err(QueueError::Foreign { what }),
                    None => drop(table.insert(what, &own[..])?),
                }
            }
        }
        Ok(write.commit()?)
    }

    /// The first block that may hold a signed transaction and is not searched; `None` if nothing
    /// is signed.
    fn unsearched(&self) -> Result<Option<u64>, QueueError> {
        let born = self.signed()?.iter().map(|(_, _, signed)| signed.born).min();
        let Some(born) = born else { return Ok(None) };
        let read = self.database.begin_read()?;
        let searched = read.open_table(NUMBERS)?.get(SEARCHED)?.map_or(0, |block| block.value());
        Ok(Some(searched.max(born).saturating_add(1)))
    }

    fn signed(&self) -> Result<Vec<(String, Intent, Signed)>, QueueError> {
        let signed = |(id, intent): (String, Intent)| match intent.progress.clone() {
            Progress::Signed(signed) => Some((id, intent, signed)),
            Progress::Waiting | Progress::Done(_) => None,
        };
        Ok(self.intents()?.into_iter().filter_map(signed).collect())
    }

    /// Looks for signed transactions in a finalised block, and gives up those that no later one can
    /// hold.
    async fn search(
        &self,
        block: &AtBlock,
        signer: &dyn Signing,
        broadcasts: &Broadcasts,
    ) -> Result<(), QueueError> {
        let signed = self.signed()?;
        if signed.is_empty() {
            return Ok(());
        }
        let number = block.block_number();
        let mut found = BTreeMap::new();
        let extrinsics = block.extrinsics().fetch().await.map_err(ChainError::from)?;
        for extrinsic in extrinsics.iter() {
            let extrinsic = extrinsic.map_err(ChainError::from)?;
            let hash = extrinsic.hash().0;
            if signed.iter().any(|(_, _, signed)| signed.hash == hash) {
                let events = extrinsic.events().await.map_err(ChainError::from)?;
                found.insert(hash, outcome(block, hash, &events)?);
            }
        }
        let nonce = block.transactions().account_nonce(&AccountId32(signer.account())).await;
        let nonce = nonce.map_err(ChainError::from)?;
        let mut decided = false;
        let write = self.database.begin_write()?;
        {
            let mut intents = write.open_table(INTENTS)?;
            let (mut calls, mut bytes) = (write.open_table(CALLS)?, write.open_table(SIGNED)?);
            for (id, intent, signed) in &signed {
                let mut intent = intent.clone();
                if let Some(outcome) = found.remove(&signed.hash) {
                    tracing::info!(intent = id, %outcome, "transaction");
                    intent.progress = Progress::Done(outcome);
                } else if signed.is_dead(number, nonce) {
                    intent.lives = intent.lives.saturating_add(1);
                    let refusal = broadcasts.0.get(&intent.number).and_then(|(_, refusal)| refusal.clone());
                    intent.progress = match refusal {
                        Some(reason) if intent.lives >= MAX_LIVES => {
                            Progress::Done(Outcome::Refused { reason })
                        }
                        _ => Progress::Waiting,
                    };
                    tracing::warn!(intent = id, lives = intent.lives, "no block took the transaction");
                } else {
                    continue;
                }
                decided = true;
                bytes.remove(intent.number)?;
                if matches!(intent.progress, Progress::Done(_)) {
                    calls.remove(intent.number)?;
                }
                intents.insert(id.as_str(), &intent.encode()[..])?;
            }
            write.open_table(NUMBERS)?.insert(SEARCHED, number)?;
        }
        write.commit()?;
        if decided {
            self.wake();
        }
        Ok(())
    }

    /// Signs what waits, and broadcasts what no block has yet.
    async fn send(
        &self,
        chain: &Chain,
        latest: &AtBlock,
        signer: &dyn Signing,
        broadcasts: &mut Broadcasts,
    ) -> Result<(), QueueError> {
        let mut waiting: Vec<(String, Intent)> = Vec::new();
        let mut taken = Vec::new();
        let number = latest.block_number();
        let mut intents = self.intents()?;
        intents.sort_by_key(|(_, intent)| intent.number);
        for (id, intent) in intents {
            match &intent.progress {
                Progress::Waiting => waiting.push((id, intent)),
                Progress::Signed(signed) => {
                    taken.push(signed.nonce);
                    let due = broadcasts
                        .0
                        .get(&intent.number)
                        .is_none_or(|(last, _)| number >= last.saturating_add(REBROADCAST_BLOCKS));
                    if due {
                        let bytes = self.bytes_of(&id, intent.number)?;
                        broadcast(chain, &id, intent.number, &bytes, number, broadcasts).await;
                    }
                }
                Progress::Done(_) => {}
            }
        }
        if waiting.is_empty() || taken.len() >= MAX_SIGNED {
            return Ok(());
        }
        let account = AccountId32(signer.account());
        let finalised = latest.transactions().account_nonce(&account).await.map_err(ChainError::from)?;
        // With nothing of its own under way, what others have in the pool is counted too.
        let first =
            if taken.is_empty() { chain.next_nonce(&account).await?.max(finalised) } else { finalised };
        for (id, intent) in waiting.into_iter().take(MAX_SIGNED - taken.len()) {
            let nonce = free_nonce(first, &taken);
            let bytes = self.sign(latest, signer, &id, &intent, nonce)?;
            taken.push(nonce);
            broadcast(chain, &id, intent.number, &bytes, number, broadcasts).await;
        }
        Ok(())
    }

    /// Signs a call and puts the transaction on the disk.
    fn sign(
        &self,
        latest: &AtBlock,
        signer: &dyn Signing,
        id: &str,
        intent: &Intent,
        nonce: u64,
    ) -> Result<Vec<u8>, QueueError> {
        let read = self.database.begin_read()?;
        let damaged = || QueueError::Damaged { id: id.to_owned() };
        let stored = read.open_table(CALLS)?.get(intent.number)?.ok_or_else(damaged)?;
        let mut call = Call::decode(&mut stored.value()).map_err(|_| damaged())?;
        let fields = Raw(std::mem::take(&mut call.fields));
        let (born, born_hash) = (latest.block_number(), latest.block_hash());
        let params = DefaultExtrinsicParamsBuilder::<Config>::new()
            .mortal_from_unchecked(LIFETIME_BLOCKS, born, born_hash)
            .nonce(nonce)
            .build();
        let signed = latest
            .transactions()
            .create_signable_offline(&Encoded { call, fields }, params)
            .and_then(|mut signable| signable.sign(&Signer(signer)))
            .map_err(ChainError::from)?;
        let progress = Progress::Signed(Signed {
            hash: signed.hash().0,
            nonce,
            born,
            dies: born.saturating_add(LIFETIME_BLOCKS),
        });
        let write = self.database.begin_write()?;
        let record = Intent { progress, ..intent.clone() }.encode();
        write.open_table(INTENTS)?.insert(id, &record[..])?;
        write.open_table(SIGNED)?.insert(intent.number, signed.encoded())?;
        write.commit()?;
        Ok(signed.into_encoded())
    }

    fn bytes_of(&self, id: &str, number: u64) -> Result<Vec<u8>, QueueError> {
        let read = self.database.begin_read()?;
        let bytes = read.open_table(SIGNED)?.get(number)?;
        Ok(bytes.ok_or_else(|| QueueError::Damaged { id: id.to_owned() })?.value().to_vec())
    }
}

/// Gives a transaction to the node. A refusal decides nothing: the node may have it already.
async fn broadcast(
    chain: &Chain,
    id: &str,
    number: u64,
    bytes: &[u8],
    block: u64,
    broadcasts: &mut Broadcasts,
) {
    let encoded = crate::json::hex(bytes);
    let sent = chain.rpc.request::<String>("author_submitExtrinsic", rpc_params![encoded]).await;
    let refusal = sent.err().map(|error| error.to_string());
    match &refusal {
        None => tracing::debug!(intent = id, "broadcast"),
        Some(reason) => tracing::warn!(intent = id, reason, "the node did not take a transaction"),
    }
    broadcasts.0.insert(number, (block, refusal));
}

/// What a transaction in a block did.
fn outcome(
    block: &AtBlock,
    hash: [u8; 32],
    events: &subxt::extrinsics::ExtrinsicEvents<Config>,
) -> Result<Outcome, ChainError> {
    let number = block.block_number();
    for event in events.iter() {
        let event = event?;
        if event.pallet_name() != "System" || event.event_name() != "ExtrinsicFailed" {
            continue;
        }
        let failure = DispatchError::decode_from(event.field_bytes(), block.metadata())
            .map_err(|error| ChainError::Undecodable(error.to_string()))?;
        let (pallet, error, description) = match module_error(&failure) {
            Some(ChainError::Dispatch { pallet, name, description, .. }) => (pallet, name, description),
            _ => (String::new(), failure.to_string(), String::new()),
        };
        return Ok(Outcome::Failed { block: number, pallet, error, description });
    }
    Ok(Outcome::Done { block: number, block_hash: block.block_hash().0, hash })
}
