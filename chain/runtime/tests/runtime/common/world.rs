//! People who use the chain: owners, miners, attackers, and a real model with real proofs.

use super::{START_MS, call, chain, next_block};

use cyborg_chain_verifier::ZkVerifier;
use cyborg_interface::{Models as _, Verifier};
use cyborg_primitives::miner::{Accelerator, Capacity};
use cyborg_primitives::place::{Cell, Location, Region};
use cyborg_primitives::signed::{Authorisation, Payload, ProofContext, Receipt};
use cyborg_primitives::task::{Placement, ProofPolicy};
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Digest, HOUR_MS, ModelId, TaskId};
use cyborg_runtime::economics::{MILLI, MINIMUM_BOND, UNIT};
use cyborg_runtime::{
    AccountId, Balance, BlockNumber, Models, Runtime, RuntimeCall, Signature, System, genesis,
};
use pallet_proofs::{SignedReceipt, Submission};
use pallet_tasks::types::{Attestation, AttestationKind, Status, TaskSpec, WrappedKey};
use polkadot_sdk::frame_support::dispatch::PostDispatchInfo;
use polkadot_sdk::sp_core::{Pair, sr25519};
use polkadot_sdk::sp_io::TestExternalities;
use polkadot_sdk::sp_runtime::DispatchResultWithInfo;
use zkml_prover::{Keys, Request, keygen, prove};
use zkml_testkit::case::{Case, small};
use zkml_testkit::data::digits_and_samples;
use zkml_verifier::{VerifierKey, Visibility};

/// What each person begins with.
pub(crate) const FUNDS: Balance = 1_000_000 * UNIT;
/// What miners of these tests ask per compute hour.
pub(crate) const PRICE: Balance = 100 * MILLI;

/// Somebody with a key.
pub(crate) struct Person {
    pair: sr25519::Pair,
    /// Its account.
    pub(crate) account: AccountId,
}

/// The person of a number.
pub(crate) fn person(number: u8) -> Person {
    let pair = sr25519::Pair::from_seed(&[number.saturating_add(1); 32]);
    let account = AccountId::new(pair.public().0);
    Person { pair, account }
}

impl Person {
    /// Its key.
    pub(crate) fn pair(&self) -> &sr25519::Pair {
        &self.pair
    }

    /// Its account as bytes.
    pub(crate) fn id(&self) -> Digest {
        self.account.clone().into()
    }

    /// Signs for this chain.
    pub(crate) fn sign(&self, payload: &impl Payload) -> Signature {
        Signature::Sr25519(self.pair.sign(&payload.payload(&genesis_hash())))
    }

    /// Dispatches a call.
    pub(crate) fn call(&self, what: impl Into<RuntimeCall>) -> DispatchResultWithInfo<PostDispatchInfo> {
        call(&self.account, what)
    }
}

/// Hash of the first block.
pub(crate) fn genesis_hash() -> Digest {
    System::block_hash(0).0
}

/// A chain on which `people` people have money.
pub(crate) fn town(people: u8) -> TestExternalities {
    let holders = (0..people).map(|number| (person(number).account, FUNDS)).collect();
    let collator = person(250);
    chain(genesis::production(
        2_000.into(),
        &[(collator.account, sr25519::Public::from_raw([9; 32]).into())],
        holders,
    ))
}

/// Keys of the small model with weights that begin at this one.
pub(crate) fn small_model(first: i16) -> Keys {
    let Case { graph, weights, .. } = small(first);
    keygen(graph, weights, &mut |_| ()).unwrap()
}

/// An input of the small model.
pub(crate) fn small_input(first: i64) -> Vec<Vec<i64>> {
    vec![(first..first + 8).collect()]
}

/// More than any model of these tests costs.
pub(crate) fn ample() -> Cost {
    Cost {
        field_products: 20_000_000,
        own_points: 100_000,
        generators: 100_000,
        key_bytes: 300_000,
        proof_bytes: 128 * 1024,
    }
}

/// Registers a model at its own cost; its number.
pub(crate) fn register_model(owner: &Person, keys: &Keys) -> ModelId {
    let id = pallet_models::NextModel::<Runtime>::get();
    let key = keys.verifier.to_bytes();
    let facts = ZkVerifier::check_key(&key, &ample()).unwrap();
    owner
        .call(pallet_models::Call::register {
            key: key.try_into().unwrap(),
            claim: facts.cost,
            manifest: [1; 32],
            model: [2; 32],
            memory_mib: facts.memory_mib.max(1),
            predecessor: None,
        })
        .unwrap();
    id
}

/// Registers a miner with the least bond and a machine like any other.
pub(crate) fn register_miner(miner: &Person, price: Balance) {
    miner
        .call(pallet_miners::Call::register {
            hpke_key: [9; 32],
            endpoint: b"https://miner.example:9000".to_vec().try_into().unwrap(),
            location: Location { region: Region(*b"CH"), cell: Cell { latitude: 4_737, longitude: 854 } },
            capacity: Capacity {
                memory_mib: 1_024,
                macs_per_second: 1_000_000_000,
                accelerator: Accelerator::None,
            },
            price,
            bond: MINIMUM_BOND,
        })
        .unwrap();
}

/// A task as an owner would ask for it: some hours, some proofs.
pub(crate) fn spec(model: ModelId, policy: ProofPolicy, replicas: u8, standbys: u8) -> TaskSpec<AccountId> {
    TaskSpec {
        model,
        placement: Placement {
            replicas,
            standbys,
            regions: Default::default(),
            near: None,
            min_reputation: 0,
        },
        price_cap: UNIT,
        compute_ms: HOUR_MS,
        proof_cap: UNIT,
        max_proofs: 20,
        policy,
        delegate: None,
        standbys_read_now: false,
    }
}

/// Submits a task; its number.
pub(crate) fn submit(owner: &Person, spec: TaskSpec<AccountId>) -> TaskId {
    let id = pallet_tasks::NextTask::<Runtime>::get();
    owner.call(pallet_tasks::Call::submit { spec }).unwrap();
    id
}

/// Miners that are engaged on a task and have this status.
pub(crate) fn engaged(task: TaskId, status: impl Fn(&Status) -> bool) -> Vec<AccountId> {
    let parts = pallet_tasks::Tasks::<Runtime>::get(task).map(|task| task.parts).unwrap_or_default();
    parts.into_iter().filter(|part| status(&part.status)).map(|part| part.miner).collect()
}

/// The owner's keys for every miner that is due one.
pub(crate) fn provide_keys(owner: &Person, task: TaskId) -> DispatchResultWithInfo<PostDispatchInfo> {
    let wraps: Vec<(AccountId, WrappedKey)> =
        engaged(task, |status| matches!(status, Status::Keyless { .. }))
            .into_iter()
            .map(|miner| (miner, [3; 80]))
            .collect();
    owner.call(pallet_tasks::Call::provide_keys {
        task,
        manifest: [4; 32],
        result_key: [5; 32],
        wraps: wraps.try_into().unwrap(),
    })
}

/// A miner's confirmation with a fresh attestation.
pub(crate) fn confirm(
    miner: &Person,
    task: TaskId,
    model: ModelId,
) -> DispatchResultWithInfo<PostDispatchInfo> {
    let block: BlockNumber = System::block_number() - 1;
    let attestation = Attestation {
        kind: AttestationKind::SelfSigned,
        executable: [6; 32],
        model: Models::model(model).map_or([0; 32], |model| model.key),
        device: b"test".to_vec().try_into().unwrap(),
        block,
        block_hash: System::block_hash(block),
        test: [7; 32],
    };
    miner.call(pallet_tasks::Call::confirm { task, attestation })
}

/// A task with one confirmed miner.
pub(crate) fn running(owner: &Person, miner: &Person, model: ModelId, policy: ProofPolicy) -> TaskId {
    let task = submit(owner, spec(model, policy, 1, 0));
    provide_keys(owner, task).unwrap();
    next_block();
    confirm(miner, task, model).unwrap();
    task
}

/// A proof bound to task, miner, model and request, with the digests of its input and output.
pub(crate) fn prove_for(
    keys: &Keys,
    inputs: &[Vec<i64>],
    context: ProofContext,
) -> (Vec<u8>, Digest, Digest) {
    let context = context.payload(&genesis_hash());
    let request =
        Request { inputs, context: &context, input: Visibility::Public, output: Visibility::Committed };
    let proof = prove(&keys.prover, &request).unwrap().proof;
    let key = VerifierKey::from_bytes(&keys.verifier.to_bytes()).unwrap();
    let statement = zkml_verifier::verify(&key, &proof, &context).unwrap();
    let (input, output) = statement.digests(key.graph()).unwrap();
    (proof, input, output)
}

/// The owner's signed authorisation.
pub(crate) fn authorise(
    owner: &Person,
    task: TaskId,
    miner: &Person,
    number: u64,
    input: Digest,
) -> (Authorisation, Signature) {
    let authorisation = Authorisation { task, miner: miner.id(), number, input, price_cap: UNIT };
    (authorisation, owner.sign(&authorisation))
}

/// A proven answer of the small model, as a miner submits it.
pub(crate) fn answer(
    keys: &Keys,
    owner: &Person,
    miner: &Person,
    (task, model): (TaskId, ModelId),
    number: u64,
) -> (Submission, Digest) {
    let context = ProofContext { task, miner: miner.id(), model, number };
    let (proof, input, output) = prove_for(keys, &small_input(number as i64 % 100), context);
    let (authorisation, signature) = authorise(owner, task, miner, number, input);
    (Submission { authorisation, signature, proof: proof.try_into().unwrap() }, output)
}

/// What a miner signs when it answers.
pub(crate) fn receipt(miner: &Person, authorisation: &Authorisation, output: Digest) -> SignedReceipt {
    let receipt = Receipt {
        task: authorisation.task,
        miner: authorisation.miner,
        number: authorisation.number,
        input: authorisation.input,
        output,
    };
    SignedReceipt { receipt, signature: miner.sign(&receipt) }
}

/// The cost of a batch of proofs of one model.
pub(crate) fn claim(model: ModelId, proofs: usize) -> Cost {
    let one = Models::model(model).unwrap().cost;
    (1..proofs).fold(one, |sum, _| sum.with(one))
}

/// Chain time now.
pub(crate) fn now() -> u64 {
    polkadot_sdk::pallet_timestamp::Now::<Runtime>::get()
}

/// Makes blocks until `ms` of chain time have passed.
pub(crate) fn wait(ms: u64) {
    assert!(now() >= START_MS);
    let until = now() + ms;
    while now() < until {
        next_block();
    }
}

/// A model of the repository's data (`digits_mlp`, `digits_cnn`), keyed, with its first samples.
pub(crate) fn digits(name: &str) -> (Keys, Vec<Vec<Vec<i64>>>) {
    let cases = digits_and_samples(name, 3).unwrap();
    let Case { graph, weights, .. } = cases[0].clone();
    (keygen(graph, weights, &mut |_| ()).unwrap(), cases.into_iter().map(|case| case.inputs).collect())
}
