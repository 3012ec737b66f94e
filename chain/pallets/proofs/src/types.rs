//! What is submitted, what a miner still owes on a task, and what is kept of its offences.

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

/// The proof of one request, and the owner's leave to be paid for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Submission {
    /// Which request, of which miner.
    pub authorisation: Authorisation,
    /// The owner's or its delegate's, over [`Authorisation`]'s payload.
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
    /// What the miner says.
    pub receipt: Receipt,
    /// By the miner's account.
    pub signature: MultiSignature,
}

/// Siblings of a leaf in a tree of receipts.
pub type Path = BoundedVec<Digest, ConstU32<MAX_PATH>>;
/// Proofs of one call.
pub type Submissions = BoundedVec<Submission, ConstU32<MAX_BATCH>>;
/// Drawn proofs of one call.
pub type Samples = BoundedVec<Sample, ConstU32<MAX_BATCH>>;

/// Why a submission is neither verified nor punished.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Refusal {
    /// The miner is not engaged on the task, or has not confirmed.
    NotEngaged,
    /// The request is settled, given up, or earlier in the same call.
    Duplicate,
    /// The task's policy pays no proof of this request unless it is demanded, and it is not.
    NotDemanded,
    /// The request was not drawn, or is proven already.
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
    /// It verifies, for another input than the authorised.
    Input,
    /// It verifies, for another output than the miner's receipt says.
    Output,
}

/// What a miner is guilty of.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Fault {
    /// A false proof.
    FalseProof(Falsehood),
    /// Asked to be paid for a request that its owner has not authorised.
    InventedRequest,
    /// Left a drawn request of a committed period without proof.
    UnprovenSample,
    /// Left a demanded request without proof.
    UnprovenDemand,
    /// Did not show in the committed tree a receipt that it had signed.
    UnansweredChallenge,
    /// Signed two receipts for one request.
    TwoReceipts,
}

impl Fault {
    /// What it is called in the table of slashes.
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

/// What is kept of an offence.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Evidence<BlockNumber> {
    /// The task.
    pub task: TaskId,
    /// The request; of several, the first.
    pub number: RequestNumber,
    /// What was done.
    pub fault: Fault,
    /// BLAKE2b-256 of what shows it: the proof, the authorisation's payload, the root, or the
    /// receipt's payload.
    pub hash: Digest,
    /// The block that found it.
    pub block: BlockNumber,
    /// When, in chain time.
    pub at: Moment,
}

/// A receipt of a miner that it has to prove.
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
    /// Until when.
    pub due: Moment,
}

/// A receipt of a miner that it has to show in the committed tree.
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
    /// Until when.
    pub due: Moment,
}

/// What was drawn of a period.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Draw {
    /// Until when all are to be proven.
    pub due: Moment,
    /// Leaves drawn, each once.
    pub drawn: u8,
    /// Those that are not proven yet, ascending.
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
    /// Most that each of its requests is paid.
    pub price_cap: u128,
    /// The block of the commitment.
    pub block: BlockNumber,
    /// Until when the owner may reveal and challenge.
    pub reveal_by: Moment,
    /// What was drawn, once it is.
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

/// What a miner still owes on a task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Obligations<BlockNumber> {
    /// End of the owner's hash chain: what hashes to it is revealed next.
    pub anchor: Option<Digest>,
    /// The first request of the next period.
    pub next: RequestNumber,
    /// The period that is not closed.
    pub period: Option<Period<BlockNumber>>,
    /// Receipts to be proven, each request once.
    pub demands: BoundedVec<Demand, ConstU32<MAX_DEMANDS>>,
    /// Whether it was punished for two receipts, which happens once.
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

/// What ends at a deadline. Every kind has one duration, so that its deadlines come in order.
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
    /// The owner may reveal; afterwards the draw goes on without it.
    Reveal,
    /// Drawn requests are to be proven.
    Prove,
    /// A challenge is to be answered.
    Answer,
    /// A demand is to be proven.
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
    /// Who owes.
    pub miner: AccountId,
    /// The request, or the first of the period.
    pub number: RequestNumber,
}

/// The deadlines of a kind that are to come: numbered from `first`, up to before `end`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Queue {
    /// The next to come.
    pub first: u64,
    /// One past the last.
    pub end: u64,
}
