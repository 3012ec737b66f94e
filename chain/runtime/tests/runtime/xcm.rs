//! What other chains can do with messages: pay and be paid in the native token, and nothing else.

use crate::common::{call, development, free};
use codec::Encode;
use cyborg_runtime::configs::xcm::{LocationToAccountId, XcmConfig};
use cyborg_runtime::economics::UNIT;
use cyborg_runtime::{AccountId, Balances, Runtime, RuntimeCall};
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::sp_core::H256;
use polkadot_sdk::sp_keyring::Sr25519Keyring;
use polkadot_sdk::staging_xcm::latest::prelude::*;
use polkadot_sdk::staging_xcm_executor::XcmExecutor;
use polkadot_sdk::staging_xcm_executor::traits::ConvertLocation;
use polkadot_sdk::{frame_system, pallet_balances, pallet_xcm};

fn execute(origin: Location, instructions: Vec<Instruction<RuntimeCall>>) -> Outcome {
    let message = Xcm::<RuntimeCall>(instructions);
    let mut id = H256::zero().0;
    XcmExecutor::<XcmConfig>::prepare_and_execute(origin, message, &mut id, Weight::MAX, Weight::zero())
}

fn sibling() -> Location {
    Location::new(1, [Parachain(3_000)])
}

fn native(amount: u128) -> Asset {
    (Here, amount).into()
}

/// A sibling whose account here has money, and a beneficiary without any.
fn funded() -> (AccountId, AccountId, Location) {
    let sovereign = LocationToAccountId::convert_location(&sibling()).unwrap();
    let give =
        pallet_balances::Call::transfer_allow_death { dest: sovereign.clone().into(), value: 100 * UNIT };
    call(&Sr25519Keyring::Alice.to_account_id(), give).unwrap();
    let beneficiary = [77; 32];
    (sovereign, beneficiary.into(), AccountId32 { network: None, id: beneficiary }.into())
}

fn paid(then: Instruction<RuntimeCall>) -> Vec<Instruction<RuntimeCall>> {
    let fees = native(10 * UNIT);
    vec![WithdrawAsset(fees.clone().into()), BuyExecution { fees, weight_limit: Unlimited }, then]
}

#[test]
fn a_sibling_spends_what_it_has_here() {
    development().execute_with(|| {
        let issuance = Balances::total_issuance();
        let (sovereign, beneficiary, to) = funded();
        let before = free(&sovereign);
        let outcome =
            execute(sibling(), paid(DepositAsset { assets: AllCounted(1).into(), beneficiary: to }));
        assert!(outcome.clone().ensure_complete().is_ok(), "{outcome:?}");
        assert_eq!(before - free(&sovereign), 10 * UNIT);
        assert!(free(&beneficiary) > 9 * UNIT && free(&beneficiary) < 10 * UNIT);
        assert_eq!(Balances::total_issuance(), issuance);
    });
}

#[test]
fn nobody_mints_by_message() {
    development().execute_with(|| {
        let issuance = Balances::total_issuance();
        let (_, beneficiary, to) = funded();
        for origin in [sibling(), Location::parent()] {
            for arrival in [
                ReserveAssetDeposited(native(50 * UNIT).into()),
                ReceiveTeleportedAsset(native(50 * UNIT).into()),
            ] {
                let outcome = execute(
                    origin.clone(),
                    vec![
                        arrival,
                        BuyExecution { fees: native(UNIT), weight_limit: Unlimited },
                        DepositAsset { assets: AllCounted(1).into(), beneficiary: to.clone() },
                    ],
                );
                assert!(outcome.ensure_complete().is_err());
            }
        }
        assert_eq!(free(&beneficiary), 0);
        assert_eq!(Balances::total_issuance(), issuance);
    });
}

#[test]
fn nobody_dispatches_by_message() {
    development().execute_with(|| {
        funded();
        let remark: RuntimeCall = frame_system::Call::remark_with_event { remark: vec![1] }.into();
        for kind in [OriginKind::Superuser, OriginKind::SovereignAccount, OriginKind::Native, OriginKind::Xcm]
        {
            let transact =
                || Transact { origin_kind: kind, fallback_max_weight: None, call: remark.encode().into() };
            // Unpaid, even from the relay chain; and paid.
            let unpaid = vec![UnpaidExecution { weight_limit: Unlimited, check_origin: None }, transact()];
            assert!(execute(Location::parent(), unpaid.clone()).ensure_complete().is_err());
            assert!(execute(sibling(), unpaid).ensure_complete().is_err());
            assert!(execute(sibling(), paid(transact())).ensure_complete().is_err());
        }
        assert!(!crate::common::happened(|event| matches!(
            event,
            cyborg_runtime::RuntimeEvent::System(frame_system::Event::Remarked { .. })
        )));
    });
}

#[test]
fn users_send_no_messages_of_their_own() {
    development().execute_with(|| {
        let alice = Sr25519Keyring::Alice.to_account_id();
        let message = Box::new(polkadot_sdk::staging_xcm::VersionedXcm::from(Xcm::<()>(vec![ClearOrigin])));
        let dest = Box::new(Location::parent().into());
        assert!(call(&alice, pallet_xcm::Call::<Runtime>::send { dest, message }).is_err());
        let message =
            Box::new(polkadot_sdk::staging_xcm::VersionedXcm::from(Xcm::<RuntimeCall>(vec![ClearOrigin])));
        let execute = pallet_xcm::Call::<Runtime>::execute { message, max_weight: Weight::MAX };
        assert!(call(&alice, execute).is_err());
    });
}
