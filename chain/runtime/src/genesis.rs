//! What a chain begins with.
//!
//! `development` funds the well-known accounts, whose keys everybody knows, and lets Alice make
//! blocks. `production` funds nobody and names no collator: a launch says who they are, with
//! [`production`] or by editing the specification. Both give the existential deposit to the
//! treasury's account and to the collators' pot, which must exist to receive fees.

use crate::configs::consensus::CANDIDACY_BOND;
use crate::configs::money::TreasuryAccount;
use crate::economics::{EXISTENTIAL_DEPOSIT, UNIT};
use crate::{
    AccountId, Balance, BalancesConfig, CollatorSelectionConfig, ParachainInfoConfig, PolkadotXcmConfig,
    Runtime, RuntimeGenesisConfig, SessionConfig, SessionKeys,
};
use alloc::vec::Vec;
use polkadot_sdk::cumulus_primitives_core::ParaId;
use polkadot_sdk::frame_support::build_struct_json_patch;
use polkadot_sdk::frame_support::traits::TypedGet;
use polkadot_sdk::pallet_collator_selection::StakingPotAccountId;
use polkadot_sdk::sp_consensus_aura::sr25519::AuthorityId as AuraId;
use polkadot_sdk::sp_genesis_builder::{DEV_RUNTIME_PRESET, PresetId};
use polkadot_sdk::sp_keyring::Sr25519Keyring;
use polkadot_sdk::staging_xcm::latest::prelude::XCM_VERSION;
use serde_json::Value;

/// Number of the parachain in both presets; a registered one gets its own.
pub const DEFAULT_PARA_ID: u32 = 2000;
/// Name of the preset for a real network.
pub const PRODUCTION_PRESET: &str = "production";
/// What each well-known account has on a development chain.
pub const DEVELOPMENT_BALANCE: Balance = 10_000_000 * UNIT;

fn genesis(para_id: ParaId, collators: &[(AccountId, AuraId)], holders: Vec<(AccountId, Balance)>) -> Value {
    let mut balances = holders;
    for account in [TreasuryAccount::get(), StakingPotAccountId::<Runtime>::get()] {
        balances.push((account, EXISTENTIAL_DEPOSIT));
    }
    build_struct_json_patch!(RuntimeGenesisConfig {
        balances: BalancesConfig { balances },
        parachain_info: ParachainInfoConfig { parachain_id: para_id },
        collator_selection: CollatorSelectionConfig {
            invulnerables: collators.iter().map(|(account, _)| account.clone()).collect::<Vec<_>>(),
            candidacy_bond: CANDIDACY_BOND,
        },
        session: SessionConfig {
            keys: collators
                .iter()
                .map(|(account, aura)| (account.clone(), account.clone(), SessionKeys { aura: aura.clone() }))
                .collect::<Vec<_>>(),
        },
        polkadot_xcm: PolkadotXcmConfig { safe_xcm_version: Some(XCM_VERSION) },
    })
}

/// The genesis of a real network: its number, its first collators, and who holds the token.
///
/// A specification is JSON, whose numbers here end at 2^64: no account can begin with more than
/// 18.4 million CYB. Whoever is to have more gets it in several accounts.
#[must_use]
pub fn production(
    para_id: ParaId,
    collators: &[(AccountId, AuraId)],
    holders: Vec<(AccountId, Balance)>,
) -> Value {
    genesis(para_id, collators, holders)
}

/// The genesis of a chain to play with.
#[must_use]
pub fn development() -> Value {
    let collators = [(Sr25519Keyring::Alice.to_account_id(), Sr25519Keyring::Alice.public().into())];
    let holders =
        Sr25519Keyring::well_known().map(|key| (key.to_account_id(), DEVELOPMENT_BALANCE)).collect();
    genesis(DEFAULT_PARA_ID.into(), &collators, holders)
}

/// The patch of a preset, as JSON.
#[must_use]
pub fn preset(id: &PresetId) -> Option<Vec<u8>> {
    let patch = match id.as_str() {
        DEV_RUNTIME_PRESET => development(),
        PRODUCTION_PRESET => production(DEFAULT_PARA_ID.into(), &[], Vec::new()),
        _ => return None,
    };
    serde_json::to_vec(&patch).ok()
}

/// The presets there are.
#[must_use]
pub fn preset_names() -> Vec<PresetId> {
    alloc::vec![PresetId::from(DEV_RUNTIME_PRESET), PresetId::from(PRODUCTION_PRESET)]
}
