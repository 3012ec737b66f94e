//! Every pallet's invariants, checked by the runtime as `try-runtime` does. `scripts/weights.sh test`
//! runs this: it needs FRAME built with that feature.

use crate::common::world::{
    answer, claim, person, register_miner, register_model, running, small_model, town,
};
use cyborg_primitives::task::ProofPolicy;
use cyborg_runtime::{AllPalletsWithSystem, Runtime, RuntimeCall, System};
use polkadot_sdk::frame_support::traits::{PalletsInfoAccess, TryState, TryStateSelect};

/// One pallet after the other, so that a failure names its pallet.
pub(crate) fn check() {
    for pallet in AllPalletsWithSystem::infos() {
        let only = TryStateSelect::Only(vec![pallet.name.as_bytes().to_vec()]);
        let holds = AllPalletsWithSystem::try_state(System::block_number(), only);
        assert!(holds.is_ok(), "{}: {holds:?}", pallet.name);
    }
}

#[test]
fn invariants_hold_from_genesis_to_a_verdict() {
    town(4).execute_with(|| {
        check();
        let (owner, miner, keys) = (person(0), person(1), small_model(0));
        let model = register_model(&owner, &keys);
        register_miner(&miner, 1);
        check();
        for policy in [ProofPolicy::Every, ProofPolicy::OnDemand, ProofPolicy::Sampled { samples: 2 }] {
            running(&owner, &miner, model, policy);
            check();
        }
        let task = running(&owner, &miner, model, ProofPolicy::Every);
        let proven = answer(&keys, &owner, &miner, (task, model), 1).0;
        // By the wrong owner: false, and punished.
        let invented = answer(&keys, &miner, &miner, (task, model), 2).0;
        let submissions = vec![proven, invented].try_into().unwrap();
        let call: RuntimeCall =
            pallet_proofs::Call::<Runtime>::submit { claim: claim(model, 2), submissions }.into();
        miner.call(call).unwrap();
        check();
    });
}
