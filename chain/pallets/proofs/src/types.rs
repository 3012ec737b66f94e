//! Submissions, obligations of a miner on a task, and the record of its offences.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use cyborg_primitives::miner::Offence;
use cyborg_primitives::receipt::MAX_PATH;
use cyborg_primitives::signed::{Authorisation, Receipt};
use cyborg_primitives::{Digest, MAX_BATCH, MAX_PROOF_BYTES, Moment, RequestNumber, TaskId};
use polkadot_sdk::frame_support::BoundedVec;
use polkadot_sdk::sp_core::ConstU32;
use polkadot_sdk::sp_runtime::MultiSignature;
use scale_info::TypeInfo;

/// Most demands that may be open for one miner on one task.
pub const MAX_DEMANDS: u32 = 8;
/// Most offences of a miner that are kept; the oldest make room.
pub const MAX_EVIDENCE: u32 = 32;
/// Most proofs of a period.
pub const MAX_SAMPLES: u32 = u8::MAX as u32;

/// The proof of one request, and the owner's authorisation to be paid for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Submission {
    /// Which request, of which miner.
    pub authorisation: Authorisation,
    /// Signature of the owner or its delegate over [`Authorisation`]'s payload.
    pub signature: MultiSignature,
    /// The proof's bytes.
    pub proof: BoundedVec<u8, ConstU32<MAX_PROOF_BYTES>>,
}

/// The proof of a drawn request, and the receipt's place in the committed tree.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Sample {
    /// The receipt's output. The rest of the receipt is what the authorisation says.
    pub output: Digest,
    /// Siblings of the receipt's leaf, from the leaf up.
    pub path: Path,
    /// The proof.
    pub submission: Submission,
}

/// A receipt and the miner's signature over its payload.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SignedReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// Signature of the miner's account.
    pub signature: MultiSignature,
}

/// Siblings of a leaf in a tree of receipts.
pub type Path = BoundedVec<Digest, ConstU32<MAX_PATH>>;
/// Proofs of one call.
pub type Submissions = BoundedVec<Submission, ConstU32<MAX_BATCH>>;
/// Drawn proofs of one call.
pub type Samples = BoundedVec<Sample, ConstU32<MAX_BATCH>>;

/// Reason why a submission is neither verified nor punished.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Refusal {
    /// The miner is not engaged on the task, or has not confirmed.
    NotEngaged,
    /// The request is settled, abandoned, or appears earlier in the same call.
    Duplicate,
    /// The task's policy pays a proof of this request only if it is demanded, and it is not.
    NotDemanded,
    /// The request was not drawn, or is already proven.
    NotDrawn,
    /// The receipt is not in the committed tree at its place.
    NotInTree,
    /// The model has no key.
    NoKey,
}

/// What is wrong with a false proof.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Falsehood {
    /// It does not verify for this chain, task, miner, model and request.
    Proof,
    /// It verifies, but for another input than the authorised one.
    Input,
    /// It verifies, but for another output than the one in the miner's receipt.
    Output,
}

/// A fault of a miner.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Fault {
    /// A false proof.
    FalseProof(Falsehood),
    /// It asked to be paid for a request that the owner has not authorised.
    InventedRequest,
    /// It left a drawn request of a committed period without proof.
    UnprovenSample,
    /// It left a demanded request without proof.
    UnprovenDemand,
    /// It did not show a receipt that it had signed in the committed tree.
    UnansweredChallenge,
    /// It signed two receipts for one request.
    TwoReceipts,
}

impl Fault {
    /// The offence as which it is punished.
    #[must_use]
    pub fn offence(self) -> Offence {
        match self {
            Self::FalseProof(_) => Offence::FalseProof,
            Self::InventedRequest => Offence::InventedRequest,
            Self::UnprovenSample | Self::UnprovenDemand => Offence::Unproven,
            Self::UnansweredChallenge | Self::TwoReceipts => Offence::Equivocation,
        }
    }
}

/// The record of an offence.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Evidence<BlockNumber> {
    /// The task.
    pub task: TaskId,
    /// The request, or the first of several.
    pub number: RequestNumber,
    /// The fault.
    pub fault: Fault,
    /// BLAKE2b-256 of the evidence: the proof, the authorisation's payload, the root, or the
    /// receipt's payload.
    pub hash: Digest,
    /// The block in which it was found.
    pub block: BlockNumber,
    /// Its time, in chain time.
    pub at: Moment,
}

/// A receipt that its miner must prove.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Demand {
    /// The request.
    pub number: RequestNumber,
    /// The receipt's input.
    pub input: Digest,
    /// The receipt's output.
    pub output: Digest,
    /// The deadline.
    pub due: Moment,
}

/// A receipt that its miner must show in the committed tree.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Challenge {
    /// The request.
    pub number: RequestNumber,
    /// The receipt's input.
    pub input: Digest,
    /// The receipt's output.
    pub output: Digest,
    /// The deadline.
    pub due: Moment,
}

/// The draw of a period.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Draw {
    /// The deadline of all proofs.
    pub due: Moment,
    /// Leaves drawn, each once.
    pub drawn: u8,
    /// Leaves that are not proven yet, ascending.
    pub left: BoundedVec<u32, ConstU32<MAX_SAMPLES>>,
}

/// A period that a miner has committed to and that is not closed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Period<BlockNumber> {
    /// Root of the tree of its receipts.
    pub root: Digest,
    /// Its first request.
    pub first: RequestNumber,
    /// Its requests; at least 1.
    pub count: u32,
    /// Highest pay of each of its requests.
    pub price_cap: u128,
    /// The block of the commitment.
    pub block: BlockNumber,
    /// The deadline for the owner to reveal and challenge.
    pub reveal_by: Moment,
    /// The draw, once it is done.
    pub draw: Option<Draw>,
    /// The open challenge.
    pub challenge: Option<Challenge>,
}

impl<BlockNumber> Period<BlockNumber> {
    /// Its last request.
    #[must_use]
    pub fn last(&self) -> RequestNumber {
        self.first.saturating_add(u64::from(self.count)).saturating_sub(1)
    }

    /// The leaf of a request of this period.
    #[must_use]
    pub fn index(&self, number: RequestNumber) -> Option<u32> {
        let index = u32::try_from(number.checked_sub(self.first)?).ok()?;
        (index < self.count).then_some(index)
    }

    /// Whether every drawn request is proven and no challenge is open.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.challenge.is_none() && self.draw.as_ref().is_some_and(|draw| draw.left.is_empty())
    }
}

/// The obligations of a miner on a task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Obligations<BlockNumber> {
    /// End of the owner's hash chain: its preimage is revealed next.
    pub anchor: Option<Digest>,
    /// The first request of the next period.
    pub next: RequestNumber,
    /// The period that is not closed.
    pub period: Option<Period<BlockNumber>>,
    /// Receipts that must be proven, each request once.
    pub demands: BoundedVec<Demand, ConstU32<MAX_DEMANDS>>,
    /// Whether it was punished for two receipts; this happens at most once.
    pub equivocated: bool,
}

impl<BlockNumber> Default for Obligations<BlockNumber> {
    fn default() -> Self {
        Self { anchor: None, next: 1, period: None, demands: BoundedVec::new(), equivocated: false }
    }
}

impl<BlockNumber> Obligations<BlockNumber> {
    /// The open demand for a request.
    #[must_use]
    pub fn demand(&self, number: RequestNumber) -> Option<&Demand> {
        self.demands.iter().find(|demand| demand.number == number)
    }

    /// The first request of which a period can still be paid.
    #[must_use]
    pub fn open_from(&self) -> RequestNumber {
        self.period.as_ref().map_or(self.next, |period| period.first)
    }
}

/// The kind of a deadline. Every kind has one duration, so that its deadlines come in order.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub enum Kind {
    /// The owner may reveal; afterwards the draw continues without it.
    Reveal,
    /// Drawn requests must be proven.
    Prove,
    /// A challenge must be answered.
    Answer,
    /// A demanded request must be proven.
    Demand,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Reveal, Self::Prove, Self::Answer, Self::Demand];
}

/// A deadline.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Deadline<AccountId> {
    /// When, in chain time.
    pub due: Moment,
    /// The task.
    pub task: TaskId,
    /// The miner with the obligation.
    pub miner: AccountId,
    /// The request, or the first of the period.
    pub number: RequestNumber,
}

/// The future deadlines of a kind, numbered from `first` to before `end`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Queue {
    /// The next deadline.
    pub first: u64,
    /// One past the last deadline.
    pub end: u64,
}
