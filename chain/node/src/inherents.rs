//! What a block says that no transaction does: its time, and what the relay chain knows.
//!
//! The slot is the parent's slot plus one, and the time is the slot's beginning. So chain time
//! advances by one slot a block at any speed of sealing, across restarts too, and the relay chain's
//! slot, which the runtime wants to be the block's own, is always new. Only the first block takes
//! its slot from the wall clock.
//!
//! The relay chain is mocked: it included the parent, it has no message, it lets an upgrade of the
//! runtime go ahead in the block after it was announced. Its randomness is a hash of the parent:
//! nobody can rely on it, and nothing of the runtime does.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use codec::Encode;
use polkadot_sdk::cumulus_primitives_core::relay_chain::{HeadData, MAX_POV_SIZE, UpgradeGoAhead};
use polkadot_sdk::cumulus_primitives_core::{
    CollectCollationInfo, GetParachainInfo, ParaId, PersistedValidationData, RelayParentOffsetApi,
};
use polkadot_sdk::cumulus_primitives_parachain_inherent::ParachainInherentData;
use polkadot_sdk::cumulus_test_relay_sproof_builder::RelayStateSproofBuilder;
use polkadot_sdk::sp_api::{ApiError, ProvideRuntimeApi};
use polkadot_sdk::sp_blockchain::HeaderBackend;
use polkadot_sdk::sp_consensus_aura::digests::CompatibleDigestItem;
use polkadot_sdk::sp_consensus_aura::sr25519::{AuthorityId, AuthoritySignature};
use polkadot_sdk::sp_consensus_aura::{AuraApi, Slot, SlotDuration};
use polkadot_sdk::sp_inherents::CreateInherentDataProviders;
use polkadot_sdk::sp_runtime::traits::{BlakeTwo256, Hash as _, Header as _};
use polkadot_sdk::sp_timestamp;

use crate::Error;
use crate::client::{Block, FullClient, Hash, Header};

/// Length of the relay chain's slot, which the runtime compares with.
const RELAY_SLOT_MS: u64 = 6_000;
/// Blocks in an epoch of the mocked relay chain.
const RELAY_EPOCH_SLOTS: u64 = 600;
/// The relay chain's limit on a runtime, compressed.
const MAX_CODE_BYTES: u32 = 3 * 1024 * 1024;
/// Authorities of the mocked relay chain, whose signatures are on its headers.
const RELAY_AUTHORITIES: u64 = 2;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a block's inherents cannot be made.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("the parent {0} is not in the database")]
    NoParent(Hash),
    #[error("block {0} has no slot")]
    NoSlot(u32),
    #[error("slot {0} is past the relay chain's last block number")]
    PastTheEnd(u64),
}

/// Makes each block's inherents.
pub(crate) struct Inherents {
    client: Arc<FullClient>,
    para_id: ParaId,
    slot_duration: SlotDuration,
}

#[async_trait::async_trait]
impl CreateInherentDataProviders<Block, ()> for Inherents {
    type InherentDataProviders = (sp_timestamp::InherentDataProvider, ParachainInherentData);

    async fn create_inherent_data_providers(
        &self,
        parent: Hash,
        (): (),
    ) -> Result<Self::InherentDataProviders, BoxError> {
        let header = self.client.header(parent)?.ok_or(Problem::NoParent(parent))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let slot = next_slot(&header, now, self.slot_duration)?;
        let time = slot.timestamp(self.slot_duration).ok_or(Problem::PastTheEnd(*slot))?;
        let relay_slot = Slot::from(time.as_millis() / RELAY_SLOT_MS);
        Ok((sp_timestamp::InherentDataProvider::new(time), self.relay_chain(&header, relay_slot)?))
    }
}

impl Inherents {
    /// For blocks of a chain.
    pub(crate) fn new(client: Arc<FullClient>) -> Result<Self, Error> {
        let best = client.info().best_hash;
        let runtime = |error: ApiError| Error::Runtime(error.to_string());
        let slot_duration =
            AuraApi::<Block, AuthorityId>::slot_duration(&*client.runtime_api(), best).map_err(runtime)?;
        let para_id = client.runtime_api().parachain_id(best).map_err(runtime)?;
        Ok(Self { client, para_id, slot_duration })
    }

    /// How long a slot is.
    pub(crate) fn slot_duration(&self) -> SlotDuration {
        self.slot_duration
    }

    fn relay_chain(&self, parent: &Header, slot: Slot) -> Result<ParachainInherentData, BoxError> {
        let hash = parent.hash();
        let api = self.client.runtime_api();
        let upgrade = api.collect_collation_info(hash, parent)?.new_validation_code.is_some();
        let offset = api.relay_parent_offset(hash)?;
        let head = HeadData(parent.encode());

        let mut relay = RelayStateSproofBuilder {
            para_id: self.para_id,
            current_slot: slot,
            current_epoch: *slot / RELAY_EPOCH_SLOTS,
            randomness: BlakeTwo256::hash(hash.as_bytes()),
            dmq_mqc_head: Some(Hash::zero()),
            upgrade_go_ahead: upgrade.then_some(UpgradeGoAhead::GoAhead),
            included_para_head: Some(head.clone()),
            num_authorities: RELAY_AUTHORITIES,
            ..Default::default()
        };
        relay.host_config.max_code_size = MAX_CODE_BYTES;
        let (relay_parent_storage_root, relay_chain_state, relay_parent_descendants) =
            relay.into_state_root_proof_and_descendants(offset.into());
        Ok(ParachainInherentData {
            validation_data: PersistedValidationData {
                parent_head: head,
                relay_parent_number: u32::try_from(*slot).map_err(|_| Problem::PastTheEnd(*slot))?,
                relay_parent_storage_root,
                max_pov_size: MAX_POV_SIZE,
            },
            relay_chain_state,
            downward_messages: Vec::new(),
            horizontal_messages: Default::default(),
            relay_parent_descendants,
            collator_peer_id: None,
        })
    }
}

/// The slot of the block after `parent`.
fn next_slot(parent: &Header, now: Duration, length: SlotDuration) -> Result<Slot, Problem> {
    if *parent.number() == 0 {
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        return Ok(Slot::from_timestamp(now_ms.into(), length));
    }
    let slot = parent
        .digest()
        .logs()
        .iter()
        .find_map(CompatibleDigestItem::<AuthoritySignature>::as_aura_pre_digest)
        .ok_or(Problem::NoSlot(*parent.number()))?;
    Ok(slot + 1)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failure is the test's result")]

    use polkadot_sdk::sp_runtime::{Digest, DigestItem};

    use super::*;

    const LENGTH: SlotDuration = SlotDuration::from_millis(6_000);

    fn header(number: u32, slot: Option<u64>) -> Header {
        let logs = slot
            .map(|slot| CompatibleDigestItem::<AuthoritySignature>::aura_pre_digest(slot.into()))
            .into_iter()
            .collect::<Vec<DigestItem>>();
        Header::new(number, Hash::zero(), Hash::zero(), Hash::zero(), Digest { logs })
    }

    #[test]
    fn the_first_block_takes_its_slot_from_the_clock() {
        let now = Duration::from_millis(6_000 * 1_000 + 5_999);
        assert_eq!(next_slot(&header(0, None), now, LENGTH).unwrap(), Slot::from(1_000));
    }

    #[test]
    fn every_other_block_is_one_slot_after_its_parent_whatever_the_clock_says() {
        for now in [Duration::ZERO, Duration::from_secs(1 << 40)] {
            assert_eq!(next_slot(&header(1, Some(77)), now, LENGTH).unwrap(), Slot::from(78));
        }
    }

    #[test]
    fn a_parent_without_a_slot_is_refused() {
        assert!(matches!(next_slot(&header(9, None), Duration::ZERO, LENGTH), Err(Problem::NoSlot(9))));
    }
}
