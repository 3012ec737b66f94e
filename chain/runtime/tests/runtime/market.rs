//! The whole runtime at work: miners, a model with a real key, a task, real proofs, pay, refund; and
//! every kind of false proof, each with its slash.

use crate::common::money::assert_conserved;
use crate::common::world::{
    FUNDS, PRICE, Person, answer, authorise, claim, confirm, digits, person, prove_for, provide_keys,
    register_miner, register_model, running, small_input, small_model, spec, submit, town, wait,
};
use crate::common::{free, happened, next_block};
use cyborg_interface::Escrow as _;
use cyborg_primitives::miner::Offence;
use cyborg_primitives::signed::ProofContext;
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{ModelId, TaskId};
use cyborg_runtime::configs::money::TreasuryAccount;
use cyborg_runtime::economics::{EXISTENTIAL_DEPOSIT, MINIMUM_BOND, SETTLEMENT_MS, TREASURY_SHARE, penalty};
use cyborg_runtime::{Balance, Balances, Payments, Runtime, RuntimeEvent};
use pallet_proofs::{Event, Submission};
use polkadot_sdk::frame_support::traits::TypedGet;
use zkml_prover::Keys;

fn bond(miner: &Person) -> Balance {
    pallet_miners::Miners::<Runtime>::get(&miner.account).unwrap().bond
}

fn reputation(miner: &Person) -> u8 {
    pallet_miners::Miners::<Runtime>::get(&miner.account).unwrap().reputation
}

fn send(miner: &Person, model: ModelId, submissions: Vec<Submission>) {
    let claim = claim(model, submissions.len());
    miner.call(pallet_proofs::Call::submit { claim, submissions: submissions.try_into().unwrap() }).unwrap();
}

fn verified(number: u64) -> bool {
    happened(|event| {
        matches!(event, RuntimeEvent::Proofs(Event::Verified { number: found, paid: Some(1..), .. })
            if *found == number)
    })
}

fn punished(miner: &Person) -> bool {
    happened(
        |event| matches!(event, RuntimeEvent::Proofs(Event::Punished { miner: guilty, .. }) if *guilty == miner.account),
    )
}

/// Owner 0, miners 1 and 2, a model of the owner's and a running task on miner 1.
fn set_up(policy: ProofPolicy) -> (Person, [Person; 2], Keys, ModelId, TaskId) {
    let (owner, miners) = (person(0), [person(1), person(2)]);
    let keys = small_model(-16);
    let model = register_model(&owner, &keys);
    register_miner(&miners[0], PRICE);
    let task = running(&owner, &miners[0], model, policy);
    register_miner(&miners[1], PRICE);
    (owner, miners, keys, model, task)
}

#[test]
fn proven_answers_are_paid_and_the_rest_comes_back() {
    town(4).execute_with(|| {
        let issuance = Balances::total_issuance();
        let (owner, [miner, _], keys, model, task) = set_up(ProofPolicy::Every);
        assert_conserved(issuance);
        let bill = Payments::bill(task).unwrap();
        let tariff = (bill.rows[0].per_request, bill.rows[0].per_proof);
        assert!(tariff.0 > 0 && tariff.1 > tariff.0);
        let before = free(&miner.account);
        let treasury = free(&TreasuryAccount::get());

        let submissions =
            (1..=3).map(|number| answer(&keys, &owner, &miner, (task, model), number).0).collect();
        send(&miner, model, submissions);
        for number in 1..=3 {
            assert!(verified(number), "{number}");
        }
        let paid = 3 * (tariff.0 + tariff.1);
        let share = TREASURY_SHARE * paid;
        assert!((free(&TreasuryAccount::get()) - treasury).abs_diff(share) <= 6);
        assert_eq!(free(&miner.account) - before + (free(&TreasuryAccount::get()) - treasury), paid);
        assert_conserved(issuance);

        owner.call(pallet_tasks::Call::stop { task }).unwrap();
        wait(SETTLEMENT_MS + 120_000);
        assert!(pallet_tasks::Tasks::<Runtime>::get(task).is_none());
        assert!(pallet_payments::Escrows::<Runtime>::get(task).is_none());
        let deposit = pallet_models::Models::<Runtime>::get(model).unwrap().deposit;
        assert_eq!(free(&owner.account), FUNDS - paid - deposit);
        assert_conserved(issuance);

        // The miner goes in peace.
        miner.call(pallet_miners::Call::deregister {}).unwrap();
        wait(cyborg_runtime::economics::UNBONDING_MS + 6_000);
        miner.call(pallet_miners::Call::withdraw_bond {}).unwrap();
        owner.call(pallet_models::Call::remove { model }).unwrap();
        assert_conserved(issuance);
    });
}

/// The same with the models of the repository's data, whose proofs are of thousands of weights.
#[test]
fn digits_are_proven_and_paid() {
    for name in ["digits_mlp", "digits_cnn"] {
        let (keys, inputs) = digits(name);
        town(4).execute_with(|| {
            let issuance = Balances::total_issuance();
            let (owner, miner) = (person(0), person(1));
            let model = register_model(&owner, &keys);
            register_miner(&miner, PRICE);
            let task = running(&owner, &miner, model, ProofPolicy::Every);
            let submissions = inputs.iter().zip(1..).map(|(input, number)| {
                let context = ProofContext { task, miner: miner.id(), model, number };
                let (proof, input, _) = prove_for(&keys, input, context);
                let (authorisation, signature) = authorise(&owner, task, &miner, number, input);
                Submission { authorisation, signature, proof: proof.try_into().unwrap() }
            });
            let before = free(&miner.account);
            send(&miner, model, submissions.collect());
            assert!((1..=inputs.len() as u64).all(verified), "{name}");
            assert!(free(&miner.account) > before);
            assert_conserved(issuance);
        });
    }
}

/// Sends what is false; the bond pays half to the owner and half to the treasury.
fn slashed(make: impl FnOnce(&Person, &[Person; 2], &Keys, ModelId, TaskId) -> Submission, offence: Offence) {
    town(6).execute_with(|| {
        let issuance = Balances::total_issuance();
        let (owner, miners, keys, model, task) = set_up(ProofPolicy::Every);
        let submission = make(&owner, &miners, &keys, model, task);
        let number = submission.authorisation.number;
        let (owner_before, treasury_before) = (free(&owner.account), free(&TreasuryAccount::get()));
        let before = (bond(&miners[0]), reputation(&miners[0]));
        send(&miners[0], model, vec![submission]);
        assert!(punished(&miners[0]));
        assert!(!verified(number));
        let (share, points) = penalty(offence);
        let slash = before.0 - bond(&miners[0]);
        assert_eq!(slash, share.mul_ceil(MINIMUM_BOND));
        assert_eq!(reputation(&miners[0]), before.1 - points);
        assert_eq!(free(&owner.account) - owner_before, slash / 2);
        assert_eq!(free(&TreasuryAccount::get()) - treasury_before, slash - slash / 2);
        assert!(!Payments::is_settled(task, &miners[0].account, number), "what is false settles nothing");
        assert_conserved(issuance);
        // The evidence outlives the call.
        assert!(!pallet_proofs::Offences::<Runtime>::get(&miners[0].account).is_empty());
    });
}

fn altered(mut submission: Submission, at: usize) -> Submission {
    let mut bytes = submission.proof.into_inner();
    bytes[at] ^= 1;
    submission.proof = bytes.try_into().unwrap();
    submission
}

#[test]
fn a_flipped_bit_is_slashed() {
    slashed(
        |owner, [miner, _], keys, model, task| {
            let honest = answer(keys, owner, miner, (task, model), 1).0;
            let middle = honest.proof.len() / 2;
            altered(honest, middle)
        },
        Offence::FalseProof,
    );
}

#[test]
fn garbage_and_nothing_are_slashed() {
    for proof in [Vec::new(), vec![0; 100], vec![0xff; 40_000]] {
        slashed(
            |owner, [miner, _], keys, model, task| Submission {
                proof: proof.try_into().unwrap(),
                ..answer(keys, owner, miner, (task, model), 1).0
            },
            Offence::FalseProof,
        );
    }
}

#[test]
fn another_request_miner_or_model_is_slashed() {
    type Twist = fn(&[Person; 2], ProofContext) -> ProofContext;
    let twists: [Twist; 4] = [
        |_, context| ProofContext { number: context.number + 1, ..context },
        |miners, context| ProofContext { miner: miners[1].id(), ..context },
        |_, context| ProofContext { model: context.model + 1, ..context },
        |_, context| ProofContext { task: context.task + 1, ..context },
    ];
    for twist in twists {
        slashed(
            |owner, miners, keys, model, task| {
                let context = ProofContext { task, miner: miners[0].id(), model, number: 1 };
                let (proof, input, _) = prove_for(keys, &small_input(1), twist(miners, context));
                let (authorisation, signature) = authorise(owner, task, &miners[0], 1, input);
                Submission { authorisation, signature, proof: proof.try_into().unwrap() }
            },
            Offence::FalseProof,
        );
    }
}

#[test]
fn another_models_proof_and_another_input_are_slashed() {
    slashed(
        |owner, [miner, _], _, model, task| answer(&small_model(3), owner, miner, (task, model), 1).0,
        Offence::FalseProof,
    );
    slashed(
        |owner, [miner, _], keys, model, task| {
            let honest = answer(keys, owner, miner, (task, model), 1).0;
            let (authorisation, signature) = authorise(owner, task, miner, 1, [0; 32]);
            Submission { authorisation, signature, ..honest }
        },
        Offence::FalseProof,
    );
}

#[test]
fn an_invented_request_is_slashed() {
    slashed(
        |_, [miner, other], keys, model, task| answer(keys, other, miner, (task, model), 1).0,
        Offence::InventedRequest,
    );
}

/// A false proof among true ones is named and the others are paid.
#[test]
fn one_false_proof_spoils_nothing_else() {
    town(4).execute_with(|| {
        let issuance = Balances::total_issuance();
        let (owner, [miner, _], keys, model, task) = set_up(ProofPolicy::Every);
        let mut submissions: Vec<_> =
            (1..=4).map(|number| answer(&keys, &owner, &miner, (task, model), number).0).collect();
        submissions[2] = altered(submissions[2].clone(), 500);
        send(&miner, model, submissions);
        assert!(verified(1) && verified(2) && !verified(3) && verified(4));
        assert!(punished(&miner));
        assert_conserved(issuance);

        // What was paid is not paid again.
        let paid = free(&miner.account);
        send(&miner, model, vec![answer(&keys, &owner, &miner, (task, model), 1).0]);
        assert_eq!(free(&miner.account), paid);
        assert_conserved(issuance);
    });
}

#[test]
fn a_claim_below_the_cost_is_refused_before_it_costs() {
    town(4).execute_with(|| {
        let (owner, [miner, _], keys, model, task) = set_up(ProofPolicy::Every);
        let submission = answer(&keys, &owner, &miner, (task, model), 1).0;
        let claim = Cost { field_products: 0, ..claim(model, 1) };
        let submissions = vec![submission].try_into().unwrap();
        assert!(miner.call(pallet_proofs::Call::submit { claim, submissions }).is_err());
        assert_eq!(bond(&miner), MINIMUM_BOND);
    });
}

/// An owner that never provides keys is refunded, and nobody is punished.
#[test]
fn an_owner_that_provides_no_keys_has_its_money_back() {
    town(4).execute_with(|| {
        let issuance = Balances::total_issuance();
        let (owner, miner) = (person(0), person(1));
        let model = register_model(&owner, &small_model(0));
        register_miner(&miner, PRICE);
        let before = free(&owner.account);
        let task = submit(&owner, spec(model, ProofPolicy::Every, 1, 0));
        assert!(free(&owner.account) < before);
        for _ in 0..8 {
            miner.call(pallet_miners::Call::heartbeat {}).unwrap();
            wait(cyborg_runtime::economics::KEYS_MS / 7);
        }
        assert!(pallet_tasks::Tasks::<Runtime>::get(task).is_none());
        assert_eq!(free(&owner.account), before);
        assert_eq!((bond(&miner), reputation(&miner)), (MINIMUM_BOND, 100));
        assert_conserved(issuance);
    });
}

/// A miner that does not confirm is punished, and the standby takes over.
#[test]
fn a_standby_takes_over() {
    town(5).execute_with(|| {
        let issuance = Balances::total_issuance();
        let (owner, miners) = (person(0), [person(1), person(2)]);
        let keys = small_model(-16);
        let model = register_model(&owner, &keys);
        register_miner(&miners[0], PRICE);
        register_miner(&miners[1], 2 * PRICE);
        let task = submit(&owner, spec(model, ProofPolicy::Every, 1, 1));
        provide_keys(&owner, task).unwrap();
        for _ in 0..cyborg_runtime::economics::CONFIRMATION_MS / 6_000 + 20 {
            next_block();
            for miner in &miners {
                miner.call(pallet_miners::Call::heartbeat {}).unwrap();
            }
        }
        let first = (0..2).find(|index| bond(&miners[*index]) < MINIMUM_BOND).unwrap();
        provide_keys(&owner, task).unwrap();
        next_block();
        confirm(&miners[1 - first], task, model).unwrap();
        send(&miners[1 - first], model, vec![answer(&keys, &owner, &miners[1 - first], (task, model), 1).0]);
        assert!(verified(1));
        assert_conserved(issuance);
        assert!(free(&TreasuryAccount::get()) > EXISTENTIAL_DEPOSIT);
    });
}
