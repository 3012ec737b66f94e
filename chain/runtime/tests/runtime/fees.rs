//! Fees go to the collators and the treasury, and nothing is minted or burnt.

use crate::common::{apply, call, development, free, sign};
use cyborg_runtime::configs::money::{TreasuryAccount, WeightToFee};
use cyborg_runtime::configs::system::MAXIMUM_BLOCK_WEIGHT;
use cyborg_runtime::economics::{COLLATORS_SHARE, EXISTENTIAL_DEPOSIT, UNIT};
use cyborg_runtime::{Balances, CollatorSelection, Executive};
use polkadot_sdk::frame_support::traits::TypedGet;
use polkadot_sdk::frame_support::weights::{Weight, WeightToFee as _};
use polkadot_sdk::sp_keyring::Sr25519Keyring;
use polkadot_sdk::{frame_system, pallet_balances};

#[test]
fn fees_are_shared_and_issuance_stays() {
    development().execute_with(|| {
        let issuance = Balances::total_issuance();
        let [payer, payee] = [Sr25519Keyring::Alice, Sr25519Keyring::Bob];
        let before = free(&payer.to_account_id());
        let transfer =
            || pallet_balances::Call::transfer_keep_alive { dest: payee.to_account_id().into(), value: UNIT };
        apply(payer, transfer()).unwrap().unwrap();
        let fee = before - UNIT - free(&payer.to_account_id());
        assert!(fee > 0 && fee < UNIT / 100, "{fee}");
        let collators = free(&CollatorSelection::account_id()) - EXISTENTIAL_DEPOSIT;
        let treasury = free(&TreasuryAccount::get()) - EXISTENTIAL_DEPOSIT;
        assert_eq!(collators + treasury, fee);
        assert_eq!(collators, COLLATORS_SHARE * fee);

        // A tip is the collators' whole, beside their share of a fee for a few bytes more.
        let before = free(&payer.to_account_id());
        Executive::apply_extrinsic(sign(payer, transfer().into(), UNIT)).unwrap().unwrap();
        let fee = before - 2 * UNIT - free(&payer.to_account_id());
        let more_of = |account, had| free(&account) - EXISTENTIAL_DEPOSIT - had;
        assert_eq!(more_of(CollatorSelection::account_id(), collators), COLLATORS_SHARE * fee + UNIT);
        assert_eq!(more_of(TreasuryAccount::get(), treasury), fee - COLLATORS_SHARE * fee);
        assert_eq!(Balances::total_issuance(), issuance);
    });
}

#[test]
fn dust_is_the_treasurys_and_burning_is_refused() {
    development().execute_with(|| {
        let issuance = Balances::total_issuance();
        let alice = Sr25519Keyring::Alice.to_account_id();
        let stranger = cyborg_runtime::AccountId::new([9; 32]);
        let give =
            |value| pallet_balances::Call::transfer_allow_death { dest: stranger.clone().into(), value };
        call(&alice, give(2 * EXISTENTIAL_DEPOSIT)).unwrap();
        let back = pallet_balances::Call::transfer_allow_death {
            dest: alice.clone().into(),
            value: EXISTENTIAL_DEPOSIT + 1,
        };
        call(&stranger, back).unwrap();
        assert_eq!(free(&stranger), 0);
        assert_eq!(free(&TreasuryAccount::get()), EXISTENTIAL_DEPOSIT + EXISTENTIAL_DEPOSIT - 1);
        let burn = pallet_balances::Call::burn { value: UNIT, keep_alive: true };
        assert_eq!(
            call(&alice, burn).unwrap_err().error,
            frame_system::Error::<cyborg_runtime::Runtime>::CallFiltered.into()
        );
        assert_eq!(Balances::total_issuance(), issuance);
    });
}

/// A block full of work costs as much as a block full of proof, and both cost something.
#[test]
fn both_dimensions_of_weight_are_paid() {
    let block = MAXIMUM_BLOCK_WEIGHT;
    let time = WeightToFee::weight_to_fee(&Weight::from_parts(block.ref_time(), 0));
    let proof = WeightToFee::weight_to_fee(&Weight::from_parts(0, block.proof_size()));
    assert_eq!(time, 2 * UNIT);
    assert!(time.abs_diff(proof) <= 1);
    assert_eq!(WeightToFee::weight_to_fee(&block), time.max(proof));
    assert!(WeightToFee::weight_to_fee(&Weight::MAX) > time);
}
