//! Proofs of answers: which are due, whether they are true, and the cost of false or missing ones.
//!
//! A miner answers the requests that the owner of a task, or its delegate, has **authorised**. How
//! its answers are checked is the task's policy:
//!
//! * **Every**: the proof of each request is [submitted](Pallet::submit), verified in the call, and
//!   pays the request.
//! * **Sampled**: the miner [commits](Pallet::commit) to the tree of its receipts of a *period*. The
//!   requests drawn of it afterwards are [proven](Pallet::prove_samples), and their proofs pay the period. Until
//!   `RevealTime` after the commitment the owner may [challenge](Pallet::challenge) the miner to show
//!   in the tree a receipt that the owner holds.
//! * **OnDemand**: the owner's acknowledgements pay (pallet payments).
//!
//! Under each policy the owner may [demand](Pallet::demand) the proof of an answer whose receipt the
//! miner has signed: under Sampled until the request's period is closed, else until the task is
//! vacated. This catches a miner that proves another answer than the one it signed: it cannot prove
//! the receipt that the owner holds. A demand pays for the proof at once, so that it costs an honest miner
//! nothing, a second proof of the same answer included; the request itself is paid when the proof is
//! verified, or with its period. Only a signed receipt can be demanded or challenged: an authorisation
//! alone does not say that the miner ever had the input.
//!
//! **Verdicts are events.** A call whose proofs are false returns Ok: their [`Evidence`] is kept, and
//! the miner is punished through [`Registry`](cyborg_interface::Registry), the owner being the victim. An honest miner, one that
//! signs one receipt a request, submits only what it verified itself, commits to what it signed and
//! meets its deadlines, is never punished, whatever others do.
//!
//! **What a proof is bound to**: the context of its statement is the payload of
//! [`ProofContext`](cyborg_primitives::signed::ProofContext) with genesis hash, task, miner, model
//! and request, so that nothing proven once proves anything else.
//!
//! **The seed of a draw** is BLAKE2b-256 over `"cyborg sample seed v1"`, the preimage that the owner
//! reveals (an `Option`), the hash of the block after the commitment, and genesis hash, task, miner
//! and root. The preimage is fixed before the commitment by the owner's hash chain
//! ([`set_anchor`](Pallet::set_anchor)) and unknown to miner and collators; the block hash is not known
//! to the owner when it fixes the chain. If the owner reveals nothing in time, the seed has no preimage:
//! then the collator of the block after the commitment, if it colludes with the miner, can try several
//! blocks and keep the one whose draw suits it. An owner that wants protection against this reveals. The
//! owner chooses between two draws (reveal or not); that can catch a liar sooner and cannot harm an
//! honest miner, which can prove every leaf. If the hash is no longer known, because deadlines
//! were processed more than `BlockHashCount` blocks late, the parent's hash takes its place.
//!
//! **Costs.** The caller claims the cost of the verification; it is charged before, compared with the
//! models' true costs before anything is verified, and the unused part is refunded. The miner
//! pays the fee of its submissions: for valid proofs it is part of the tariff.
//!
//! **Deadlines** are in chain time. Each kind has one duration, so that a queue per kind has them in
//! order; at most `MaxDeadlines` of each kind are processed in a block, the rest later. Calls check
//! deadlines themselves, so that a late queue gives nobody more time. Obligations that are open when the task is
//! vacated are dropped, unpaid and unpunished: a task must settle for longer than `RevealTime`,
//! `ProveTime` and `AnswerTime` together.
//!
//! # Invariants
//! * A miner's open period ends just before the first request of its next; its drawn leaves are
//!   ascending, below its count.
//! * Every period, challenge and demand that is open has its deadline in the queue of its kind.
//! * Each request of a miner has at most one open demand.
//! * A queue's entries are exactly those between its ends, in the order of their deadlines.
//! * Obligations belong to engagements: none are left of a vacated task.
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod common;
mod deadlines;
mod demand;
#[cfg(any(feature = "try-runtime", test))]
mod invariants;
#[cfg(test)]
mod mock;
mod sampled;
mod submit;
#[cfg(test)]
mod tests;
pub mod types;
pub mod weights;

pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

use polkadot_sdk::{frame_support, frame_system};

/// The pallet.
#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use cyborg_interface::{Engagements, Escrow, Models, Registry, Vacated, Verifier};
    use cyborg_primitives::signed::Authorisation;
    use cyborg_primitives::verification::Cost;
    use cyborg_primitives::{Account, Digest, Moment, RequestNumber, TaskId};
    use frame_support::pallet_prelude::*;
    use frame_support::traits::Time;
    use frame_support::traits::tokens::Balance;
    use frame_system::pallet_prelude::*;
    use polkadot_sdk::sp_runtime::MultiSignature;

    /// What the pallet needs.
    #[pallet::config]
    pub trait Config:
        polkadot_sdk::frame_system::Config<
            RuntimeEvent: From<Event<Self>>,
            AccountId: From<Account> + Into<Account>,
            Hash: Into<Digest>,
        >
    {
        /// Of the native token.
        type Balance: Balance;
        /// Chain time in milliseconds.
        type Time: Time<Moment = Moment>;
        /// The engagements of miners on tasks.
        type Engagements: Engagements<Self::AccountId>;
        /// The models and their keys.
        type Models: Models<Self::AccountId>;
        /// The money of tasks.
        type Escrow: Escrow<Self::AccountId, Self::Balance>;
        /// Where offences are punished.
        type Registry: Registry<Self::AccountId, Self::Balance>;
        /// The zero-knowledge verifier.
        type Verifier: Verifier;
        /// How long an owner may reveal and challenge after a commitment, in milliseconds.
        #[pallet::constant]
        type RevealTime: Get<Moment>;
        /// How long a miner has for the drawn proofs, in milliseconds.
        #[pallet::constant]
        type ProveTime: Get<Moment>;
        /// How long a miner has to answer a challenge or prove a demand, in milliseconds.
        #[pallet::constant]
        type AnswerTime: Get<Moment>;
        /// Most deadlines of each kind that are processed in a block; at least 1.
        #[pallet::constant]
        type MaxDeadlines: Get<u32>;
        /// Weights of this pallet's calls.
        type WeightInfo: WeightInfo;
    }

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    /// The pallet.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// The obligations of a miner on a task.
    #[pallet::storage]
    pub type Owed<T: Config> = StorageDoubleMap<
        _,
        Twox64Concat,
        TaskId,
        Blake2_128Concat,
        T::AccountId,
        Obligations<BlockNumberFor<T>>,
    >;

    /// A miner's last offences, the latest at the end.
    #[pallet::storage]
    pub type Offences<T: Config> = StorageMap<
        _,
        Blake2_128Concat,
        T::AccountId,
        BoundedVec<Evidence<BlockNumberFor<T>>, ConstU32<MAX_EVIDENCE>>,
        ValueQuery,
    >;

    /// The range of the future deadlines of a kind.
    #[pallet::storage]
    pub type Queues<T: Config> = StorageMap<_, Twox64Concat, Kind, Queue, ValueQuery>;

    /// The future deadlines.
    #[pallet::storage]
    pub type Deadlines<T: Config> =
        StorageDoubleMap<_, Twox64Concat, Kind, Twox64Concat, u64, Deadline<T::AccountId>>;

    /// Events of this pallet.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A proof is true.
        Verified {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
            /// The request.
            number: RequestNumber,
            /// Digest of the input's part of the statement.
            input: Digest,
            /// Digest of the output's part.
            output: Digest,
            /// The miner's pay: 0 for a request that its period pays, or that was paid before;
            /// `None` if the escrow could not pay.
            paid: Option<T::Balance>,
        },
        /// A submission was neither verified nor punished.
        Refused {
            /// The task that it names.
            task: TaskId,
            /// The account that submitted it.
            miner: T::AccountId,
            /// The request that it names.
            number: RequestNumber,
            /// The reason.
            reason: Refusal,
        },
        /// A miner is guilty, and punished.
        Punished {
            /// The miner.
            miner: T::AccountId,
            /// The evidence.
            evidence: Evidence<BlockNumberFor<T>>,
            /// The slashed amount of its bond.
            slashed: T::Balance,
        },
        /// An owner fixed its hash chain for a miner.
        AnchorSet {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
            /// End of the chain.
            anchor: Digest,
        },
        /// A miner committed to its receipts of a period.
        Committed {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
            /// Root of their tree.
            root: Digest,
            /// The first request.
            first: RequestNumber,
            /// Number of requests.
            count: u32,
        },
        /// Requests of a period were drawn.
        Drawn {
            /// The task.
            task: TaskId,
            /// The miner that must prove them.
            miner: T::AccountId,
            /// The period's first request.
            first: RequestNumber,
            /// Leaves of the tree, counted from 0.
            leaves: BoundedVec<u32, ConstU32<MAX_SAMPLES>>,
            /// Whether the owner revealed its preimage.
            revealed: bool,
        },
        /// A period is proven and paid.
        PeriodPaid {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
            /// The period's last request: all up to it are settled.
            last: RequestNumber,
            /// The miner's pay.
            paid: T::Balance,
        },
        /// A period is proven, and the escrow cannot pay it. The next one pays it too, or the owner
        /// acknowledges.
        PeriodUnpaid {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
            /// The period's last request.
            last: RequestNumber,
            /// Whether it is closed.
            closed: bool,
        },
        /// A period is closed and pays nothing, because the miner failed it.
        PeriodVoid {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
            /// The period's last request: none up to it can be paid any more.
            last: RequestNumber,
        },
        /// A miner must show a receipt in its tree.
        Challenged {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
            /// The request.
            number: RequestNumber,
            /// The deadline.
            due: Moment,
        },
        /// A challenge was answered: the receipt is in the tree.
        Answered {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
            /// The request.
            number: RequestNumber,
        },
        /// A miner must prove a receipt.
        Demanded {
            /// The task.
            task: TaskId,
            /// The miner.
            miner: T::AccountId,
            /// The request.
            number: RequestNumber,
            /// The deadline.
            due: Moment,
            /// The miner's pay for the proof.
            paid: T::Balance,
        },
    }

    /// Reasons why a call is refused.
    #[pallet::error]
    pub enum Error<T> {
        /// There is no submission.
        Empty,
        /// The claimed cost is below that of the models.
        Underclaimed,
        /// The miner is not engaged on the task, or has not confirmed.
        NotEngaged,
        /// Only the owner of the task and its delegate may do this.
        NotOwner,
        /// The task's policy has no periods.
        WrongPolicy,
        /// The miner's last period is not closed.
        PeriodOpen,
        /// The miner has no open period.
        NoPeriod,
        /// The period does not begin after the one before.
        NotContiguous,
        /// A period has at least one request, and at most as many as a tree.
        BadCount,
        /// The authorisation is for another task, miner or request.
        OtherRequest,
        /// The hash of the block after the commitment is not known yet.
        TooEarly,
        /// The deadline is over.
        TooLate,
        /// The period is drawn.
        AlreadyDrawn,
        /// The period is not drawn yet.
        NotDrawn,
        /// There is no anchor, or the preimage does not hash to it.
        WrongPreimage,
        /// The receipt is for another task or miner.
        OtherReceipt,
        /// The request is not in the period.
        NotInPeriod,
        /// Another challenge is open.
        ChallengeOpen,
        /// No challenge is open.
        NoChallenge,
        /// The path does not lead from the receipt to the root.
        NotInTree,
        /// The receipt is not signed by the miner.
        BadSignature,
        /// The request is final.
        Final,
        /// The request is already demanded.
        AlreadyDemanded,
        /// Too many demands are open for the miner on this task.
        TooManyDemands,
        /// The escrow cannot pay the proof.
        Unpaid,
        /// The receipts do not contradict each other.
        NoContradiction,
        /// The miner was already punished for two receipts on this task.
        AlreadyPunished,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            Self::process_deadlines()
        }

        fn integrity_test() {
            assert!(T::MaxDeadlines::get() > 0, "deadlines are processed");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), polkadot_sdk::sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    impl<T: Config> Vacated<T::AccountId> for Pallet<T> {
        fn vacated(task: TaskId, miners: &[T::AccountId]) {
            for miner in miners {
                Owed::<T>::remove(task, miner);
            }
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Submits proofs of authorised requests, by the miner that they name.
        ///
        /// `claim` covers all of them together: each proof's cost, and each key's bytes once. Every
        /// submission has its own outcome: [`Event::Verified`], [`Event::Refused`] or
        /// [`Event::Punished`].
        #[pallet::call_index(0)]
        #[pallet::weight(
            T::WeightInfo::submit(submissions.len() as u32)
                .saturating_add(Pallet::<T>::claimed_weight(claim, submissions.len()))
        )]
        pub fn submit(
            origin: OriginFor<T>,
            claim: Cost,
            submissions: Submissions,
        ) -> DispatchResultWithPostInfo {
            let miner = ensure_signed(origin)?;
            Self::do_submit(&miner, &claim, &submissions)
        }

        /// Fixes the end of the owner's hash chain for a miner, between periods. What hashes to it is
        /// [revealed](Self::reveal) after the next commitment.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::set_anchor())]
        pub fn set_anchor(
            origin: OriginFor<T>,
            task: TaskId,
            miner: T::AccountId,
            anchor: Digest,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_set_anchor(&who, task, miner, anchor)
        }

        /// Commits the miner to the tree of its receipts of the requests from `first` on, all
        /// authorised: the authorisation of the last says so.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::commit())]
        pub fn commit(
            origin: OriginFor<T>,
            root: Digest,
            first: RequestNumber,
            count: u32,
            last: Authorisation,
            signature: MultiSignature,
        ) -> DispatchResult {
            let miner = ensure_signed(origin)?;
            Self::do_commit(miner, root, first, count, &last, &signature)
        }

        /// Reveals the preimage of a miner's anchor, by owner or delegate, from the second block
        /// after its commitment on. It draws what is to be proven, and is the next anchor.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::reveal())]
        pub fn reveal(
            origin: OriginFor<T>,
            task: TaskId,
            miner: T::AccountId,
            preimage: Digest,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_reveal(&who, task, miner, preimage)
        }

        /// Submits proofs of drawn requests of the miner's open period; with the last of them the
        /// period is paid. Without samples it asks again for the pay of a proven period.
        #[pallet::call_index(4)]
        #[pallet::weight(
            T::WeightInfo::prove_samples(samples.len() as u32)
                .saturating_add(Pallet::<T>::claimed_weight(claim, samples.len()))
        )]
        pub fn prove_samples(
            origin: OriginFor<T>,
            claim: Cost,
            task: TaskId,
            samples: Samples,
        ) -> DispatchResultWithPostInfo {
            let miner = ensure_signed(origin)?;
            Self::do_prove_samples(miner, &claim, task, &samples)
        }

        /// Challenges a miner, by owner or delegate, to show in the tree of its open period a receipt
        /// that it has signed.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::challenge())]
        pub fn challenge(
            origin: OriginFor<T>,
            task: TaskId,
            miner: T::AccountId,
            receipt: SignedReceipt,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_challenge(&who, task, miner, &receipt)
        }

        /// Answers the open challenge with the receipt's path. Free for the miner.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::answer())]
        pub fn answer(origin: OriginFor<T>, task: TaskId, path: Path) -> DispatchResultWithPostInfo {
            let miner = ensure_signed(origin)?;
            Self::do_answer(miner, task, &path)?;
            Ok(Pays::No.into())
        }

        /// Demands, by owner or delegate, the proof of an answer whose receipt the miner has signed.
        /// The escrow pays for the proof at once. The miner [submits](Self::submit) it.
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::demand())]
        pub fn demand(
            origin: OriginFor<T>,
            task: TaskId,
            miner: T::AccountId,
            receipt: SignedReceipt,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_demand(&who, task, miner, &receipt)
        }

        /// Shows two different receipts of a miner for one request, by anyone. Free if they are. A
        /// miner is punished for it once a task.
        #[pallet::call_index(8)]
        #[pallet::weight(T::WeightInfo::equivocation())]
        pub fn equivocation(
            origin: OriginFor<T>,
            one: SignedReceipt,
            other: SignedReceipt,
        ) -> DispatchResultWithPostInfo {
            ensure_signed(origin)?;
            Self::do_equivocation(&one, &other)?;
            Ok(Pays::No.into())
        }
    }
}
