//! A runtime with simple neighbours: tasks, escrow and registry as plain records in storage, and a
//! verifier whose proofs of models with a fake key are hashes. Other keys go to the real one.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, unreachable_pub, reason = "what a runtime binds has to be public")]

use crate as pallet_proofs;
use crate::{Call, Event, Sample, SignedReceipt, Submission};
use alloc::vec;
use alloc::vec::Vec;
use codec::Encode;
use cyborg_chain_verifier::ZkVerifier;
use cyborg_interface::{
    Claim, Demand, Engagement, Engagements, Escrow, KeyError, KeyFacts, Model, Models, Proven, Ranking,
    Registry, SettleError, Settled, Tariff, Terms, Verifier,
};
use cyborg_primitives::miner::Offence;
use cyborg_primitives::receipt;
use cyborg_primitives::signed::{Authorisation, Payload, ProofContext, Receipt};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::window::Window;
use cyborg_primitives::{Account, Digest, ModelId, Moment, RequestNumber, TaskId};
use polkadot_sdk::frame_support::dispatch::{DispatchResult, DispatchResultWithPostInfo};
use polkadot_sdk::frame_support::pallet_prelude::{OptionQuery, ValueQuery};
use polkadot_sdk::frame_support::traits::{ConstU32, ConstU64, Hooks, Time};
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_support::{
    Blake2_128Concat, Twox64Concat, construct_runtime, derive_impl, storage_alias,
};
use polkadot_sdk::frame_system;
use polkadot_sdk::sp_core::{H256, Pair, sr25519};
use polkadot_sdk::sp_io::TestExternalities;
use polkadot_sdk::sp_io::hashing::blake2_256;
use polkadot_sdk::sp_keystore::KeystoreExt;
use polkadot_sdk::sp_keystore::testing::MemoryKeystore;
use polkadot_sdk::sp_runtime::traits::{Dispatchable, IdentityLookup};
use polkadot_sdk::sp_runtime::{AccountId32, MultiSignature};

type Block = frame_system::mocking::MockBlock<Test>;

construct_runtime!(
    pub enum Test {
        System: frame_system,
        Proofs: pallet_proofs,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = Block;
    type BlockHashCount = ConstU64<100>;
}

pub(crate) const REVEAL_TIME: Moment = 60_000;
pub(crate) const PROVE_TIME: Moment = 120_000;
pub(crate) const ANSWER_TIME: Moment = 90_000;

impl crate::Config for Test {
    type Balance = u128;
    type Time = Clock;
    type Engagements = Tasks;
    type Models = Register;
    type Escrow = Money;
    type Registry = Miners;
    type Verifier = MockVerifier;
    type RevealTime = ConstU64<REVEAL_TIME>;
    type ProveTime = ConstU64<PROVE_TIME>;
    type AnswerTime = ConstU64<ANSWER_TIME>;
    type MaxDeadlines = ConstU32<3>;
    type WeightInfo = crate::weights::SubstrateWeight<Test>;
}

/// A task as plain fields.
#[derive(Clone, Encode, codec::Decode)]
pub(crate) struct Task {
    pub(crate) owner: AccountId32,
    pub(crate) delegate: Option<AccountId32>,
    pub(crate) model: ModelId,
    pub(crate) policy: ProofPolicy,
    /// Each with whether it has confirmed.
    pub(crate) miners: Vec<(AccountId32, bool)>,
}

#[storage_alias]
pub(crate) type Now = StorageValue<Mock, Moment, ValueQuery>;
#[storage_alias]
pub(crate) type TaskOf = StorageMap<Mock, Twox64Concat, TaskId, Task, OptionQuery>;
#[storage_alias]
pub(crate) type ModelKeys = StorageMap<Mock, Twox64Concat, ModelId, (Option<Vec<u8>>, Cost), OptionQuery>;
#[storage_alias]
pub(crate) type Funds = StorageMap<Mock, Twox64Concat, TaskId, u128, ValueQuery>;
#[storage_alias]
pub(crate) type Windows =
    StorageDoubleMap<Mock, Twox64Concat, TaskId, Blake2_128Concat, AccountId32, Window, ValueQuery>;
/// What was paid, and for which requests, in this order.
#[storage_alias]
pub(crate) type Payments = StorageDoubleMap<
    Mock,
    Twox64Concat,
    TaskId,
    Blake2_128Concat,
    AccountId32,
    (u128, Vec<RequestNumber>),
    ValueQuery,
>;
#[storage_alias]
pub(crate) type Convictions =
    StorageValue<Mock, Vec<(AccountId32, Offence, Option<AccountId32>)>, ValueQuery>;

pub struct Clock;
impl Time for Clock {
    type Moment = Moment;
    fn now() -> Moment {
        Now::get()
    }
}

pub struct Tasks;
impl Engagements<AccountId32> for Tasks {
    fn engagement(task: TaskId, miner: &AccountId32) -> Option<Engagement<AccountId32>> {
        let Task { owner, delegate, model, policy, miners } = TaskOf::get(task)?;
        let confirmed = miners.iter().find(|(other, _)| other == miner)?.1;
        Some(Engagement { owner, delegate, model, policy, confirmed })
    }

    fn miners(task: TaskId) -> Vec<AccountId32> {
        TaskOf::get(task).map_or(Vec::new(), |task| task.miners.into_iter().map(|(miner, _)| miner).collect())
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_task(owner: &AccountId32, miner: &AccountId32, policy: ProofPolicy) -> TaskId {
        let miners = vec![(miner.clone(), true)];
        TaskOf::insert(100, Task { owner: owner.clone(), delegate: None, model: 0, policy, miners });
        Funds::insert(100, 1_000_000);
        100
    }
}

pub struct Register;
impl Models<AccountId32> for Register {
    fn model(id: ModelId) -> Option<Model<AccountId32>> {
        let (_, cost) = ModelKeys::get(id)?;
        let owner = AccountId32::new([0; 32]);
        Some(Model { owner, listed: true, key: [0; 32], memory_mib: 1, work_macs: 1, proof_macs: 1, cost })
    }

    fn key(id: ModelId) -> Option<Vec<u8>> {
        ModelKeys::get(id)?.0
    }

    fn retain(_: ModelId) {}

    fn release(_: ModelId) {}

    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_model(_: &AccountId32) -> ModelId {
        0
    }
}

pub(crate) const PER_REQUEST: u128 = 10;
pub(crate) const PER_PROOF: u128 = 3;

pub struct Money;
impl Escrow<AccountId32, u128> for Money {
    fn open(_: TaskId, _: &AccountId32, _: u128, _: u128) -> DispatchResult {
        Ok(())
    }

    fn admit(_: TaskId, _: &AccountId32, _: Tariff<u128>) {}

    fn settle(
        task: TaskId,
        miner: &AccountId32,
        requests: Settled,
        cap: u128,
        proofs: u32,
    ) -> Result<u128, SettleError> {
        if !TaskOf::contains_key(task) {
            return Err(SettleError::Unknown);
        }
        let mut window = Windows::get(task, miner);
        let new = match requests {
            Settled::One(number) => {
                if !window.settle(number) {
                    return Err(SettleError::Settled);
                }
                vec![number]
            }
            Settled::Through(number) => {
                let new =
                    (window.through() + 1..=number).filter(|number| !window.contains(*number)).collect();
                window.settle_through(number);
                new
            }
        };
        let per_request = PER_REQUEST.min(cap);
        let amount = per_request * new.len() as u128 + PER_PROOF * u128::from(proofs);
        let rest = Funds::get(task).checked_sub(amount).ok_or(SettleError::Exhausted)?;
        Funds::insert(task, rest);
        Windows::insert(task, miner, window);
        Payments::mutate(task, miner, |(paid, numbers)| {
            *paid += amount;
            if per_request > 0 {
                numbers.extend(new);
            }
        });
        Ok(amount)
    }

    fn can_pay(_: TaskId, _: &AccountId32, _: u32) -> bool {
        true
    }

    fn is_settled(task: TaskId, miner: &AccountId32, number: RequestNumber) -> bool {
        Windows::get(task, miner).contains(number)
    }

    fn close(_: TaskId) -> u128 {
        0
    }
}

pub struct Miners;
impl Registry<AccountId32, u128> for Miners {
    fn rank(_: &Demand<u128>, _: &[AccountId32], _: u32) -> Ranking<AccountId32> {
        Ranking { miners: Vec::new(), weight: Weight::zero() }
    }

    fn rank_weight() -> Weight {
        Weight::zero()
    }

    fn engage(_: &AccountId32, _: u32) -> Option<Terms<u128>> {
        None
    }

    fn release(_: &AccountId32, _: u32) {}

    fn discharge(_: &AccountId32) {}

    fn punish(miner: &AccountId32, offence: Offence, victim: Option<&AccountId32>) -> u128 {
        Convictions::append((miner.clone(), offence, victim.cloned()));
        7
    }

    fn is_serving(_: &AccountId32) -> bool {
        true
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_miner(_: &AccountId32) {}
}

const FAKE: &[u8] = b"fake";

pub struct MockVerifier;
impl Verifier for MockVerifier {
    fn check_key(_: &[u8], _: &Cost) -> Result<KeyFacts, KeyError> {
        Err(KeyError::False)
    }

    fn verify(claims: &[Claim<'_>]) -> Vec<Option<Proven>> {
        claims
            .iter()
            .map(|claim| if claim.key.starts_with(FAKE) { verify_fake(claim) } else { verify_real(claim) })
            .collect()
    }

    fn weight(cost: &Cost, proofs: u32) -> Weight {
        Weight::from_parts(2 * cost.field_products + 2 * u64::from(proofs), 0)
    }

    fn weight_of_true(cost: &Cost, proofs: u32) -> Weight {
        Weight::from_parts(cost.field_products + u64::from(proofs), 0)
    }
}

fn fake_tag(key: &[u8], context: &[u8], input: &[u8], output: &[u8]) -> Digest {
    blake2_256(&(key, context, input, output).encode())
}

fn verify_fake(claim: &Claim<'_>) -> Option<Proven> {
    let (input, rest) = claim.proof.split_at_checked(32)?;
    let (output, tag) = rest.split_at_checked(32)?;
    let expected = fake_tag(claim.key, claim.context, input, output);
    (tag == expected).then(|| Proven { input: input.try_into().unwrap(), output: output.try_into().unwrap() })
}

fn verify_real(claim: &Claim<'_>) -> Option<Proven> {
    ZkVerifier::verify(&[*claim]).pop()?
}

/// Somebody with a key.
#[derive(Clone)]
pub(crate) struct Person(pub(crate) sr25519::Pair);

impl Person {
    pub(crate) fn id(&self) -> AccountId32 {
        AccountId32::new(self.account())
    }

    pub(crate) fn account(&self) -> Account {
        self.0.public().0
    }

    pub(crate) fn sign(&self, payload: &impl Payload) -> MultiSignature {
        self.0.sign(&payload.payload(&GENESIS)).into()
    }

    pub(crate) fn call(&self, call: Call<Test>) -> DispatchResultWithPostInfo {
        RuntimeCall::from(call).dispatch(RuntimeOrigin::signed(self.id()))
    }
}

fn person(seed: u8) -> Person {
    Person(sr25519::Pair::from_seed(&[seed; 32]))
}

pub(crate) fn owner() -> Person {
    person(1)
}
pub(crate) fn delegate() -> Person {
    person(2)
}
/// Engaged on every task.
pub(crate) fn miner() -> Person {
    person(3)
}
/// Engaged on every task too.
pub(crate) fn rival() -> Person {
    person(4)
}
/// Engaged, and has not confirmed.
pub(crate) fn idler() -> Person {
    person(5)
}
pub(crate) fn stranger() -> Person {
    person(6)
}

pub(crate) const GENESIS: Digest = [7; 32];
/// Its policy is Every.
pub(crate) const EVERY: TaskId = 1;
/// Its policy is Sampled, with [`SAMPLES`].
pub(crate) const SAMPLED: TaskId = 2;
/// Its policy is OnDemand.
pub(crate) const ON_DEMAND: TaskId = 3;
/// Like [`EVERY`], with another model.
pub(crate) const OTHER: TaskId = 4;
pub(crate) const SAMPLES: u8 = 3;
pub(crate) const FUNDS: u128 = 10_000;

/// The cost of the fake models' proofs.
pub(crate) const COST: Cost =
    Cost { field_products: 1000, own_points: 10, generators: 100, key_bytes: 5, proof_bytes: 96 };

/// The cost of `proofs` proofs of one fake model.
pub(crate) fn cost(proofs: u32) -> Cost {
    (1..proofs).fold(COST, |cost, _| cost.with(Cost { key_bytes: 0, ..COST }))
}

pub(crate) fn new_test_ext() -> TestExternalities {
    let mut ext = TestExternalities::default();
    ext.register_extension(KeystoreExt::new(MemoryKeystore::new()));
    ext.execute_with(|| {
        System::initialize(&1, &H256(GENESIS), &Default::default());
        Now::put(1_700_000_000_000);
        for model in 0..2 {
            ModelKeys::insert(model, (Some([FAKE, &[model as u8]].concat()), COST));
        }
        let policies = [
            (EVERY, 0, ProofPolicy::Every),
            (SAMPLED, 0, ProofPolicy::Sampled { samples: SAMPLES }),
            (ON_DEMAND, 0, ProofPolicy::OnDemand),
            (OTHER, 1, ProofPolicy::Every),
        ];
        for (task, model, policy) in policies {
            let miners = vec![(miner().id(), true), (rival().id(), true), (idler().id(), false)];
            let (owner, delegate) = (owner().id(), Some(delegate().id()));
            TaskOf::insert(task, Task { owner, delegate, model, policy, miners });
            Funds::insert(task, FUNDS);
        }
    });
    // A benchmark runs several times, each from what is in the trie.
    ext.commit_all().unwrap();
    ext
}

/// Begins the next block and lets time pass in it, as the timestamp's inherent does.
pub(crate) fn next_block(ms: Moment) -> Weight {
    let number = System::block_number() + 1;
    System::initialize(&number, &H256(blake2_256(&number.encode())), &Default::default());
    let weight = Proofs::on_initialize(number);
    Now::mutate(|now| *now += ms);
    Proofs::do_try_state().unwrap();
    weight
}

/// Lets time pass, and then the deadlines be processed.
pub(crate) fn pass(ms: Moment) {
    next_block(ms);
    next_block(1);
    next_block(1);
}

pub(crate) fn authorise(task: TaskId, miner: &Person, number: RequestNumber) -> Authorisation {
    Authorisation { task, miner: miner.account(), number, input: input(number), price_cap: 1_000 }
}

/// The input of a request.
pub(crate) fn input(number: RequestNumber) -> Digest {
    blake2_256(&(b"input", number).encode())
}

/// The true output of a request.
pub(crate) fn output(number: RequestNumber) -> Digest {
    blake2_256(&(b"output", number).encode())
}

pub(crate) fn receipt(task: TaskId, miner: &Person, number: RequestNumber) -> Receipt {
    Receipt { task, miner: miner.account(), number, input: input(number), output: output(number) }
}

pub(crate) fn signed(miner: &Person, receipt: Receipt) -> SignedReceipt {
    SignedReceipt { receipt, signature: miner.sign(&receipt) }
}

/// A true proof of a receipt for a fake model.
pub(crate) fn prove(model: ModelId, receipt: &Receipt) -> Vec<u8> {
    let Receipt { task, miner, number, input, output } = *receipt;
    let context = ProofContext { task, miner, model, number }.payload(&GENESIS);
    let key = [FAKE, &[model as u8]].concat();
    [input, output, fake_tag(&key, &context, &input, &output)].concat()
}

/// What an honest miner submits.
pub(crate) fn submission(task: TaskId, miner: &Person, number: RequestNumber) -> Submission {
    let authorisation = authorise(task, miner, number);
    let model = TaskOf::get(task).map_or(0, |task| task.model);
    let proof = prove(model, &receipt(task, miner, number)).try_into().unwrap();
    Submission { authorisation, signature: owner().sign(&authorisation), proof }
}

/// What an honest miner submits of a period of `receipts`.
pub(crate) fn sample(miner: &Person, receipts: &[Receipt], leaf: u32) -> Sample {
    let receipt = receipts[leaf as usize];
    let path = receipt::path(receipts, leaf as usize, &GENESIS).unwrap().try_into().unwrap();
    Sample { output: receipt.output, path, submission: submission(receipt.task, miner, receipt.number) }
}

pub(crate) fn submit(miner: &Person, submissions: Vec<Submission>) -> DispatchResultWithPostInfo {
    let claim = cost(submissions.len() as u32);
    miner.call(Call::submit { claim, submissions: submissions.try_into().unwrap() })
}

/// The pallet's events since the last call.
pub(crate) fn events() -> Vec<Event<Test>> {
    let events = System::events();
    System::reset_events();
    events
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::Proofs(event) => Some(event),
            RuntimeEvent::System(_) => None,
        })
        .collect()
}

/// Who was punished for what, since the last call.
pub(crate) fn punished() -> Vec<(AccountId32, Offence)> {
    Convictions::take()
        .into_iter()
        .map(|(miner, offence, victim)| {
            assert_eq!(victim, Some(owner().id()), "the owner is the victim");
            (miner, offence)
        })
        .collect()
}
