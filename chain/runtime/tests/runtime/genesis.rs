//! What a chain begins with, and what it must not contain.

use crate::common::{chain, development, free};
use cyborg_runtime::configs::money::TreasuryAccount;
use cyborg_runtime::economics::{EXISTENTIAL_DEPOSIT, UNIT};
use cyborg_runtime::genesis::{self, DEVELOPMENT_BALANCE, PRODUCTION_PRESET};
use cyborg_runtime::{
    AllPalletsWithSystem, Aura, Balances, CollatorSelection, ParachainInfo, Runtime, Session,
};
use polkadot_sdk::frame_support::traits::{PalletsInfoAccess, StorageInfoTrait, TypedGet};
use polkadot_sdk::pallet_aura;
use polkadot_sdk::sp_keyring::Sr25519Keyring;

#[test]
fn development_funds_the_well_known_and_alice_collates() {
    development().execute_with(|| {
        for key in Sr25519Keyring::well_known() {
            assert_eq!(free(&key.to_account_id()), DEVELOPMENT_BALANCE, "{key:?}");
        }
        let alice = Sr25519Keyring::Alice;
        assert_eq!(Session::validators(), vec![alice.to_account_id()]);
        assert_eq!(pallet_aura::Authorities::<Runtime>::get().to_vec(), vec![alice.public().into()]);
        assert_eq!(free(&TreasuryAccount::get()), EXISTENTIAL_DEPOSIT);
    });
}

#[test]
fn production_knows_nobody_until_a_launch_names_them() {
    let patch = serde_json::from_slice(&genesis::preset(&PRODUCTION_PRESET.into()).unwrap()).unwrap();
    chain(patch).execute_with(|| {
        for key in Sr25519Keyring::iter() {
            assert_eq!(free(&key.to_account_id()), 0, "{key:?}");
        }
        assert!(Session::validators().is_empty());
        assert_eq!(Balances::total_issuance(), 2 * EXISTENTIAL_DEPOSIT);
    });
}

#[test]
fn production_boots_with_its_collators_and_holders() {
    // Keys of nobody in particular: what a launch would put here.
    let collator = Sr25519Keyring::Ferdie;
    let holder = Sr25519Keyring::Dave.to_account_id();
    let patch = genesis::production(
        3_333.into(),
        &[(collator.to_account_id(), collator.public().into())],
        vec![(holder.clone(), 100 * UNIT)],
    );
    chain(patch).execute_with(|| {
        assert_eq!(u32::from(ParachainInfo::parachain_id()), 3_333);
        assert_eq!(pallet_aura::Authorities::<Runtime>::get().to_vec(), vec![collator.public().into()]);
        assert_eq!(free(&holder), 100 * UNIT);
        assert_eq!(free(&CollatorSelection::account_id()), EXISTENTIAL_DEPOSIT);
        crate::common::next_block();
    });
}

#[test]
fn every_named_preset_is_there() {
    for name in genesis::preset_names() {
        let patch = genesis::preset(&name).unwrap();
        chain(serde_json::from_slice(&patch).unwrap());
    }
    assert!(genesis::preset(&"nonsense".into()).is_none());
}

#[test]
fn nobody_has_a_privileged_key() {
    let infos = AllPalletsWithSystem::infos();
    assert!(infos.len() > 20);
    for info in infos {
        assert!(
            !["sudo", "collective", "membership", "whitelist"].iter().any(|word| {
                info.name.to_lowercase().contains(word) || info.module_name.to_lowercase().contains(word)
            }),
            "{}",
            info.name
        );
    }
}

/// Every item of our pallets has a greatest length, so that none can grow until a block cannot
/// prove it.
#[test]
fn storage_is_bounded() {
    let ours = ["Miners", "Models", "Payments", "Tasks", "Proofs", "Reports"];
    let mut seen = 0;
    for item in AllPalletsWithSystem::storage_info() {
        let pallet = String::from_utf8(item.pallet_name).unwrap();
        if ours.contains(&pallet.as_str()) {
            seen += 1;
            let name = String::from_utf8(item.storage_name).unwrap();
            let bytes = item.max_size.unwrap_or_else(|| panic!("{pallet}::{name} is unbounded"));
            assert!(bytes <= 1 << 20, "{pallet}::{name}: {bytes} bytes");
        }
    }
    assert!(seen >= 12, "{seen}");
}

/// Referenced, so that the pallet that says who makes blocks is the stock one.
#[test]
fn aura_is_where_stock_nodes_look() {
    use polkadot_sdk::frame_support::traits::PalletInfoAccess;
    assert_eq!(Aura::name(), "Aura");
}
