//! What the chain's pallets ask of each other. No pallet knows another: each names here what it
//! needs, and the runtime binds them.
//!
//! | trait | implemented by | asked by |
//! |---|---|---|
//! | [`Registry`] | miners | tasks, proofs |
//! | [`Departures`] | tasks | miners |
//! | [`Models`] | models | tasks, proofs |
//! | [`Verifier`] | the runtime, with the zero-knowledge verifier | models, proofs |
//! | [`Escrow`] | payments | tasks, proofs |
//! | [`Engagements`] | tasks | payments, proofs, reports |
//! | [`Vacated`] | proofs, reports | tasks |
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;

use alloc::vec::Vec;
use cyborg_primitives::miner::{Capacity, Offence};
use cyborg_primitives::place::Region;
use cyborg_primitives::task::{Placement, ProofPolicy};
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Digest, ModelId, RequestNumber, TaskId};
use polkadot_sdk::frame_support::dispatch::DispatchResult;
use polkadot_sdk::frame_support::weights::Weight;

/// What a task needs of a miner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand<Balance> {
    /// Where, and with which reputation.
    pub placement: Placement<Vec<Region>>,
    /// Memory of the model, in mebibytes.
    pub memory_mib: u32,
    /// Most per compute hour.
    pub price_cap: Balance,
}

/// Miners in the order in which they are to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranking<AccountId> {
    /// The best first.
    pub miners: Vec<AccountId>,
    /// What finding them cost.
    pub weight: Weight,
}

/// What a miner promised when it was taken; later changes do not touch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms<Balance> {
    /// Per compute hour.
    pub price: Balance,
    /// What the machine can do.
    pub capacity: Capacity,
    /// Where it is: who takes it checks this again.
    pub region: Region,
}

/// The register of miners.
pub trait Registry<AccountId, Balance> {
    /// The best `count` miners for a demand, without the excluded. The same state gives the same
    /// ranking.
    fn rank(demand: &Demand<Balance>, exclude: &[AccountId], count: u32) -> Ranking<AccountId>;

    /// The most that [`rank`](Self::rank) may cost.
    fn rank_weight() -> Weight;

    /// Takes memory of a miner for a task and holds it liable; `None` where it has none to give.
    fn engage(miner: &AccountId, memory_mib: u32) -> Option<Terms<Balance>>;

    /// Gives memory back. The miner stays liable.
    fn release(miner: &AccountId, memory_mib: u32);

    /// Ends one liability: no offence of this task can be found any more.
    fn discharge(miner: &AccountId);

    /// Slashes the bond and lowers the reputation as the chain's table says; part of what is
    /// slashed goes to the victim. What was slashed.
    fn punish(miner: &AccountId, offence: Offence, victim: Option<&AccountId>) -> Balance;

    /// Whether the miner is registered, sends heartbeats and is not suspended.
    fn is_serving(miner: &AccountId) -> bool;

    /// Registers a serving miner with room for anything.
    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_miner(miner: &AccountId);
}

/// Who wants to know that a miner has gone.
pub trait Departures<AccountId> {
    /// The miner does not serve any more. Its tasks are to be given to others, later: this call
    /// has bounded weight.
    fn gone(miner: &AccountId);
}

/// A registered model, as others need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model<AccountId> {
    /// Who registered it.
    pub owner: AccountId,
    /// Whether new tasks may use it.
    pub listed: bool,
    /// Digest of its verifying key.
    pub key: Digest,
    /// Memory to run it, in mebibytes.
    pub memory_mib: u32,
    /// Multiply-accumulates of an inference.
    pub work_macs: u64,
    /// Work of a proof, in multiply-accumulates that take as long.
    pub proof_macs: u64,
    /// Cost of a verification.
    pub cost: Cost,
}

/// The register of models.
pub trait Models<AccountId> {
    /// A model.
    fn model(id: ModelId) -> Option<Model<AccountId>>;

    /// Its verifying key, which was checked at registration.
    fn key(id: ModelId) -> Option<Vec<u8>>;

    /// One task more uses the model: its key stays.
    fn retain(id: ModelId);

    /// One task less uses the model.
    fn release(id: ModelId);

    /// Registers a model with a real key.
    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_model(owner: &AccountId) -> ModelId;
}

/// What a verifying key says of its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// Digest of the key.
    pub digest: Digest,
    /// Least memory to run the model, in mebibytes.
    pub memory_mib: u32,
    /// Multiply-accumulates of an inference.
    pub work_macs: u64,
    /// Work of a proof, in multiply-accumulates that take as long.
    pub proof_macs: u64,
    /// Cost of a verification.
    pub cost: Cost,
}

/// Why a verifying key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The bytes are no key.
    Undecodable,
    /// It costs more than was claimed.
    Underclaimed,
    /// A verification needs more memory than the verifier has.
    TooLarge,
    /// Its proof about itself is false.
    False,
}

/// One proof to be verified.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The model's verifying key, checked before.
    pub key: &'a [u8],
    /// The proof, as it was submitted.
    pub proof: &'a [u8],
    /// What it has to be bound to.
    pub context: &'a [u8],
}

/// What a verified proof says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Digest of the input's part of the statement.
    pub input: Digest,
    /// Digest of the output's part.
    pub output: Digest,
}

/// The zero-knowledge verifier.
pub trait Verifier {
    /// Checks a key and its proof about itself, at no more than the claimed cost.
    ///
    /// # Errors
    /// Where the key is to be refused.
    fn check_key(bytes: &[u8], claim: &Cost) -> Result<KeyFacts, KeyError>;

    /// Verifies proofs with one multi-scalar multiplication; `None` for each that is false.
    fn verify(claims: &[Claim<'_>]) -> Vec<Option<Proven>>;

    /// The most that [`check_key`](Self::check_key) may take at a claimed cost.
    fn check_weight(claim: &Cost) -> Weight {
        Self::weight(claim, 1)
    }

    /// The most that verifying proofs of this cost together ([`Cost::with`]) may take, without
    /// reading storage; false ones among them, checked alone, included.
    fn weight(cost: &Cost, proofs: u32) -> Weight;

    /// What it took where none was false.
    fn weight_of_true(cost: &Cost, proofs: u32) -> Weight;
}

/// What a miner is paid on a task; fixed when it is engaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tariff<Balance> {
    /// For an answer.
    pub per_request: Balance,
    /// For the proof of one.
    pub per_proof: Balance,
}

/// Which requests are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// One.
    One(RequestNumber),
    /// All up to one.
    Through(RequestNumber),
}

/// Why nothing is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettleError {
    /// No such escrow, or this miner has no part in it.
    Unknown,
    /// The request was settled before, or its number is out of the window.
    Settled,
    /// The escrow holds too little.
    Exhausted,
    /// The miner's account cannot receive: it does not exist, and this is too little to create it.
    Unpayable,
}

/// The money of tasks.
pub trait Escrow<AccountId, Balance> {
    /// Holds an owner's money for a task: for answers, and for their proofs.
    ///
    /// # Errors
    /// Where the owner has too little.
    fn open(task: TaskId, owner: &AccountId, compute: Balance, proofs: Balance) -> DispatchResult;

    /// A miner may be paid by this tariff from now on.
    fn admit(task: TaskId, miner: &AccountId, tariff: Tariff<Balance>);

    /// Pays for requests, each at most `cap`, and for `proofs` proofs, all of it or nothing. What
    /// the miner got: the treasury's share is not in it. [`Settled::Through`] a number with no
    /// unsettled request up to it, such as 0, pays the proofs alone.
    ///
    /// # Errors
    /// Where nothing is paid; then nothing has changed.
    fn settle(
        task: TaskId,
        miner: &AccountId,
        requests: Settled,
        cap: Balance,
        proofs: u32,
    ) -> Result<Balance, SettleError>;

    /// Whether the escrow holds enough for one more answer of this miner and `proofs` proofs, at its
    /// tariff. A miner that cannot be paid any more may leave.
    fn can_pay(task: TaskId, miner: &AccountId, proofs: u32) -> bool;

    /// Whether a request was settled or given up.
    fn is_settled(task: TaskId, miner: &AccountId, number: RequestNumber) -> bool;

    /// Ends an escrow and gives the rest back to the owner. How much.
    fn close(task: TaskId) -> Balance;
}

/// A miner's part in a task, as others need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engagement<AccountId> {
    /// Who pays.
    pub owner: AccountId,
    /// Who may authorise requests beside the owner; fixed at submission.
    pub delegate: Option<AccountId>,
    /// What is run.
    pub model: ModelId,
    /// Which answers are proven.
    pub policy: ProofPolicy,
    /// Whether the miner has confirmed, so that it may be paid and found guilty.
    pub confirmed: bool,
}

/// Who wants to know that a task is over, to forget what it kept about it.
pub trait Vacated<AccountId> {
    /// The task is over. `miners` are all that were ever engaged on it: their number bounds what
    /// this call costs.
    fn vacated(task: TaskId, miners: &[AccountId]);
}

impl<AccountId> Vacated<AccountId> for () {
    fn vacated(_: TaskId, _: &[AccountId]) {}
}

impl<AccountId, A: Vacated<AccountId>, B: Vacated<AccountId>> Vacated<AccountId> for (A, B) {
    fn vacated(task: TaskId, miners: &[AccountId]) {
        A::vacated(task, miners);
        B::vacated(task, miners);
    }
}

/// Who is engaged on which task.
pub trait Engagements<AccountId> {
    /// A miner's part in a task, from its engagement until the task is vacated.
    fn engagement(task: TaskId, miner: &AccountId) -> Option<Engagement<AccountId>>;

    /// Miners of a task, past ones included, while it is not vacated.
    fn miners(task: TaskId) -> Vec<AccountId>;

    /// A task with one engaged and confirmed miner.
    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_task(owner: &AccountId, miner: &AccountId, policy: ProofPolicy) -> TaskId;
}
