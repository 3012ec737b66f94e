//! Keys true and false, owners and others, and deposits that add up.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::mock::*;
use crate::{Error, Event, HoldReason, Key, Keys, NextModel, WeightInfo};
use cyborg_interface::Models as _;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{MAX_KEY_BYTES, ModelId};
use polkadot_sdk::frame_support::dispatch::{GetDispatchInfo, PostDispatchInfo};
use polkadot_sdk::frame_support::traits::fungible::InspectHold;
use polkadot_sdk::frame_support::{assert_noop, assert_ok};
use polkadot_sdk::sp_runtime::{DispatchErrorWithPostInfo, TokenError};
use proptest::prelude::*;
use zkml_graph::{Epilogue, Function, FunctionKind, Op, Source, codec};
use zkml_verifier::VerifierKey;
use zkml_verifier::wire::{header, put_run};

type Outcome = Result<PostDispatchInfo, DispatchErrorWithPostInfo<PostDispatchInfo>>;

fn register_as(who: AccountId, key: Key, claim: Cost, predecessor: Option<ModelId>) -> Outcome {
    Models::register(RuntimeOrigin::signed(who), key, claim, [1; 32], [2; 32], 1, predecessor)
}

fn register() -> ModelId {
    let id = NextModel::<Test>::get();
    assert_ok!(register_as(ALICE, key(), cost(), None));
    id
}

fn held(who: AccountId) -> Balance {
    Balances::balance_on_hold(&HoldReason::Deposit.into(), &who)
}

fn refused(key: Vec<u8>, claim: Cost, error: Error<Test>) {
    let key: Key = key.try_into().unwrap();
    assert_noop!(register_as(MALLORY, key, claim, None).map_err(|refused| refused.error), error);
}

#[test]
fn a_true_key_is_registered() {
    new_test_ext().execute_with(|| {
        let deposit = BASE + PER_BYTE * key().len() as Balance;
        let digest = KEYS.verifier.digest();
        assert_eq!(register(), 0);
        let event =
            Event::Registered { model: 0, owner: ALICE, key: digest, predecessor: None, version: 1, deposit };
        System::assert_last_event(event.into());
        assert_eq!(held(ALICE), deposit);
        let model = Models::model(0).unwrap();
        assert_eq!((model.owner, model.listed, model.key, model.memory_mib), (ALICE, true, digest, 1));
        assert_eq!((model.cost, model.work_macs), (cost(), 32));
        assert!(model.proof_macs > model.work_macs);
        assert_eq!(Models::key(0).unwrap(), key().to_vec());
        let record = crate::Models::<Test>::get(0).unwrap();
        assert_eq!((record.manifest, record.model), ([1; 32], [2; 32]));
        // The same key again is another model: whoever pays for the state may have it.
        assert_ok!(register_as(MALLORY, key(), cost(), None));
        assert_eq!(Models::model(1).unwrap().owner, MALLORY);
        assert_eq!((Models::model(2), Models::key(2)), (None, None));
        Models::do_try_state().unwrap();
    });
}

#[test]
fn what_was_claimed_too_much_is_refunded() {
    new_test_ext().execute_with(|| {
        let claim = Cost { field_products: 10 * cost().field_products, generators: 6_000, ..cost() };
        let call = |claim| {
            crate::Call::<Test>::register {
                key: key(),
                claim,
                manifest: [0; 32],
                model: [0; 32],
                memory_mib: 1,
                predecessor: None,
            }
            .get_dispatch_info()
            .call_weight
        };
        let actual = register_as(ALICE, key(), claim, None).unwrap().actual_weight.unwrap();
        assert!(actual.all_lt(call(claim)) || actual.ref_time() < call(claim).ref_time());
        assert_eq!(actual, call(cost()));
        // What a refused key was claimed to cost stays charged.
        let error = register_as(ALICE, key(), Cost { own_points: 0, ..claim }, None).unwrap_err();
        assert_eq!(error.post_info.actual_weight, None);
        // A claim that no block has room for has a weight that no block has room for.
        assert_eq!(call(ANY).ref_time(), u64::MAX);
        let base = <() as WeightInfo>::register(key().len() as u32);
        assert!(call(Cost::default()).all_gte(base));
    });
}

#[test]
fn keys_cut_at_every_length_are_refused() {
    new_test_ext().execute_with(|| {
        let key = key();
        for length in 0..key.len() {
            refused(key[..length].to_vec(), cost(), Error::UndecodableKey);
        }
        let mut longer = key.to_vec();
        longer.push(0);
        // Longer than was claimed: not even decoded.
        refused(longer.clone(), cost(), Error::Underclaimed);
        refused(longer, ANY, Error::UndecodableKey);
        refused(vec![0; MAX_KEY_BYTES as usize / 2 / 3], ANY, Error::UndecodableKey);
        Models::do_try_state().unwrap();
    });
}

/// Whatever bit is turned, the key is undecodable or its proof is false: another graph, other
/// commitments and another proof all end there.
#[test]
fn keys_with_a_bit_turned_are_refused() {
    new_test_ext().execute_with(|| {
        let key = key();
        let mut kinds = [0; 2];
        for position in (0..key.len()).step_by(37) {
            let mut bytes = key.to_vec();
            bytes[position] ^= 1 << (position % 8);
            let bytes: Key = bytes.try_into().unwrap();
            let error = register_as(MALLORY, bytes, ANY, None).unwrap_err().error;
            let kind = if error == Error::<Test>::FalseKey.into() { 0 } else { 1 };
            kinds[kind] += 1;
            assert!(kind == 0 || error == Error::<Test>::UndecodableKey.into(), "{position}: {error:?}");
        }
        assert!(kinds[0] > 0 && kinds[1] > 0, "{kinds:?}");
        assert_eq!((NextModel::<Test>::get(), held(MALLORY)), (0, 0));
    });
}

#[test]
fn a_claim_must_cover_every_count() {
    new_test_ext().execute_with(|| {
        let cost = cost();
        for claim in [
            Cost { field_products: cost.field_products - 1, ..cost },
            Cost { own_points: cost.own_points - 1, ..cost },
            Cost { generators: cost.generators - 1, ..cost },
            Cost { key_bytes: cost.key_bytes - 1, ..cost },
            Cost { proof_bytes: cost.proof_bytes - 1, ..cost },
            Cost::default(),
        ] {
            refused(key().to_vec(), claim, Error::Underclaimed);
        }
    });
}

/// Keys of some hundred bytes whose graphs make a verifier work or remember without end: refused
/// before the work.
#[test]
fn shapes_that_lie_are_refused() {
    new_test_ext().execute_with(|| {
        // A window over a million elements at a million places: 2^40 additions.
        let mut long = graph();
        long.weight_bits = 2;
        long.params.clear();
        let len = 1 << 20;
        (long.tensors[0].shape, long.tensors[1].shape) = (vec![len], vec![2 * len]);
        (long.tensors[0].min, long.tensors[0].max) = (0, 1);
        (long.tensors[1].min, long.tensors[1].max) = (0, i64::from(len));
        if let Op::Affine { terms, .. } = &mut long.nodes[0].op {
            terms[0].region = vec![(0, 2 * len)];
            if let Source::Tensor { inner, map, weight, .. } = &mut terms[0].source {
                *inner = vec![len];
                map[0].offset = -i64::from(len);
                map[0].out = Some((0, 1));
                *weight = zkml_graph::Weight::Public(1);
            }
        }
        let started = std::time::Instant::now();
        let bytes = forged(&long);
        assert!(bytes.len() < 10_000);
        refused(bytes.clone(), ANY, Error::TooLarge);
        refused(bytes, cost(), Error::TooLarge);
        // A table of 2^16 values of the slowest function, for one value.
        let mut table = graph();
        table.tensors[0].shape = vec![1];
        table.tensors[1].shape = vec![1];
        table.params.clear();
        if let Op::Affine { terms, epilogue } = &mut table.nodes[0].op {
            terms[0].region = vec![(0, 1)];
            terms[0].source = Source::Reshape { tensor: 0, multiplier: 1 << 12 };
            let function = Function {
                kind: FunctionKind::Gelu,
                in_scale: 12,
                out_scale: 12,
                out_min: -30_000,
                out_max: 30_000,
            };
            *epilogue = Epilogue::Requant { shift: 0, domain_min: -(1 << 15), domain_bits: 16, function };
        }
        (table.tensors[1].min, table.tensors[1].max) = (-30_000, 30_000);
        refused(forged(&table), ANY, Error::TooLarge);
        assert!(started.elapsed().as_secs() < 2);
    });
}

/// A key with a graph of its own and another's points: it decodes as far as the points go.
fn forged(graph: &zkml_graph::Graph) -> Vec<u8> {
    let circuit = zkml_verifier::circuit::Circuit::new(graph).unwrap();
    let own = zkml_verifier::circuit::Circuit::for_key(&circuit, graph.weight_bits);
    let mut bytes = header(b"CYBvky", 1);
    put_run(&mut bytes, &codec::encode_graph(graph));
    // The identity is a point, and zero is a scalar.
    bytes.extend(vec![0; 64 * circuit.weights.rows + zkml_verifier::proof::Body::size(&own)]);
    assert!(VerifierKey::from_bytes(&bytes).is_ok());
    bytes
}

#[test]
fn a_key_of_zeros_is_false() {
    new_test_ext().execute_with(|| refused(forged(&graph()), ANY, Error::FalseKey));
}

/// What benchmarks register is a key of the tests' model.
#[test]
fn the_fixture_is_true() {
    let key = VerifierKey::from_bytes(crate::fixture::KEY).unwrap();
    assert_eq!(*key.graph(), graph());
    assert_eq!(key.cost(), KEYS.verifier.cost());
    assert_eq!(key.check(), Ok(()));
}

#[test]
fn memory_below_the_key_is_refused() {
    new_test_ext().execute_with(|| {
        let outcome =
            Models::register(RuntimeOrigin::signed(ALICE), key(), cost(), [1; 32], [2; 32], 0, None);
        assert_noop!(outcome.map_err(|refused| refused.error), Error::<Test>::MemoryTooLow);
    });
}

#[test]
fn who_cannot_pay_the_deposit_is_refused() {
    new_test_ext().execute_with(|| {
        let outcome = register_as(PAUPER, key(), cost(), None);
        assert_noop!(outcome.map_err(|refused| refused.error), TokenError::FundsUnavailable);
    });
}

#[test]
fn no_number_is_given_twice() {
    new_test_ext().execute_with(|| {
        NextModel::<Test>::put(ModelId::MAX);
        refused(key().to_vec(), cost(), Error::NoNumberLeft);
    });
}

#[test]
fn versions_belong_to_one_owner() {
    new_test_ext().execute_with(|| {
        let first = register();
        assert_ok!(register_as(ALICE, key(), cost(), Some(first)));
        let second = crate::Models::<Test>::get(1).unwrap();
        assert_eq!((second.predecessor, second.version), (Some(first), 2));
        let of = |who, model| register_as(who, key(), cost(), Some(model)).map_err(|refused| refused.error);
        assert_noop!(of(MALLORY, first), Error::<Test>::NotOwner);
        assert_noop!(of(ALICE, 2), Error::<Test>::UnknownModel);
        // A predecessor may go.
        assert_ok!(Models::remove(RuntimeOrigin::signed(ALICE), first));
        assert_noop!(of(ALICE, first), Error::<Test>::UnknownModel);
        assert_ok!(of(ALICE, 1));
        assert_eq!(crate::Models::<Test>::get(2).unwrap().version, 3);
        Models::do_try_state().unwrap();
    });
}

#[test]
fn only_the_owner_delists_and_removes() {
    new_test_ext().execute_with(|| {
        let model = register();
        let (alice, mallory) = (RuntimeOrigin::signed(ALICE), RuntimeOrigin::signed(MALLORY));
        for origin in [mallory.clone(), RuntimeOrigin::none(), RuntimeOrigin::root()] {
            assert!(Models::delist(origin.clone(), model).is_err());
            assert!(Models::remove(origin, model).is_err());
        }
        assert_noop!(Models::delist(mallory.clone(), model), Error::<Test>::NotOwner);
        assert_noop!(Models::remove(mallory, model), Error::<Test>::NotOwner);
        assert_noop!(Models::delist(alice.clone(), 7), Error::<Test>::UnknownModel);
        assert_noop!(Models::remove(alice.clone(), 7), Error::<Test>::UnknownModel);

        Models::retain(model);
        assert_ok!(Models::delist(alice.clone(), model));
        System::assert_last_event(Event::Delisted { model }.into());
        assert!(!Models::model(model).unwrap().listed);
        assert_noop!(Models::delist(alice.clone(), model), Error::<Test>::AlreadyDelisted);
        // A task uses it: its key stays.
        assert_noop!(Models::remove(alice.clone(), model), Error::<Test>::InUse);
        assert!(Models::key(model).is_some());
        Models::release(model);
        let deposit = held(ALICE);
        assert_ok!(Models::remove(alice.clone(), model));
        System::assert_last_event(Event::Removed { model, deposit }.into());
        assert_eq!((held(ALICE), Balances::free_balance(ALICE)), (0, FUNDS));
        assert_eq!((Models::model(model), Models::key(model)), (None, None));
        assert_noop!(Models::remove(alice, model), Error::<Test>::UnknownModel);
        // Uses of what is gone change nothing.
        Models::retain(model);
        Models::release(model);
        assert!(!crate::Models::<Test>::contains_key(model));
        assert_eq!(register(), 1);
        Models::do_try_state().unwrap();
    });
}

#[test]
fn broken_state_is_found() {
    let broken = |change: &dyn Fn()| {
        new_test_ext().execute_with(|| {
            register();
            change();
            assert!(Models::do_try_state().is_err());
        });
    };
    broken(&|| Keys::<Test>::remove(0));
    broken(&|| Keys::<Test>::insert(1, Key::default()));
    broken(&|| Keys::<Test>::insert(0, Key::default()));
    broken(&|| NextModel::<Test>::put(0));
    let record = |change: &dyn Fn(&mut crate::RecordOf<Test>)| {
        broken(&|| crate::Models::<Test>::mutate(0, |record| change(record.as_mut().unwrap())));
    };
    record(&|record| record.deposit += 1);
    record(&|record| record.owner = PAUPER);
    record(&|record| record.version = 2);
    record(&|record| record.predecessor = Some(0));
}

/// Random owners do random things; nothing but the rules decides what is left.
#[derive(Clone, Debug)]
enum Step {
    Register(AccountId, bool, Option<ModelId>),
    Delist(AccountId, ModelId),
    Remove(AccountId, ModelId),
    Retain(ModelId),
    Release(ModelId),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 1..4u64;
    let model = 0..6u64;
    prop_oneof![
        (who.clone(), any::<bool>(), prop::option::of(model.clone()))
            .prop_map(|(who, honest, of)| Step::Register(who, honest, of)),
        (who.clone(), model.clone()).prop_map(|(who, model)| Step::Delist(who, model)),
        (who, model.clone()).prop_map(|(who, model)| Step::Remove(who, model)),
        model.clone().prop_map(Step::Retain),
        model.prop_map(Step::Release),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn deposits_always_add_up(steps in prop::collection::vec(step(), 1..25)) {
        new_test_ext().execute_with(|| {
            let issued = Balances::total_issuance();
            for step in steps {
                match step {
                    Step::Register(who, honest, of) => {
                        let claim = if honest { cost() } else { Cost::default() };
                        let outcome = register_as(who, key(), claim, of);
                        assert!(honest || outcome.is_err());
                    }
                    Step::Delist(who, model) => {
                        let _ = Models::delist(RuntimeOrigin::signed(who), model);
                    }
                    Step::Remove(who, model) => {
                        let used = crate::Models::<Test>::get(model).is_some_and(|record| record.tasks > 0);
                        let outcome = Models::remove(RuntimeOrigin::signed(who), model);
                        assert!(!used || outcome.is_err());
                    }
                    Step::Retain(model) => Models::retain(model),
                    Step::Release(model) => Models::release(model),
                }
                Models::do_try_state().unwrap();
            }
            assert_eq!(Balances::total_issuance(), issued);
        });
    }
}
