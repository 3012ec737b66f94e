//! Periods: committed, drawn, proven, challenged, and then paid or void.

use crate::submit::Candidate;
use crate::weights::WeightInfo;
use crate::{
    Challenge, Config, Deadline, Draw, Error, Event, Fault, Kind, MAX_SAMPLES, Obligations, Owed, Pallet,
    Path, Period, Refusal, Sample, SignedReceipt,
};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use codec::Encode;
use cyborg_interface::{Engagement, Escrow, Settled};
use cyborg_primitives::receipt::{MAX_RECEIPTS, opens};
use cyborg_primitives::signed::{Authorisation, Payload, Receipt};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Account, Digest, RequestNumber, TaskId};
use polkadot_sdk::frame_support::dispatch::{DispatchResult, DispatchResultWithPostInfo};
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::{BoundedVec, ensure};
use polkadot_sdk::frame_system;
use polkadot_sdk::frame_system::pallet_prelude::BlockNumberFor;
use polkadot_sdk::sp_core::ConstU32;
use polkadot_sdk::sp_io::hashing::blake2_256;
use polkadot_sdk::sp_runtime::MultiSignature;
use polkadot_sdk::sp_runtime::SaturatedConversion;
use polkadot_sdk::sp_runtime::traits::{One, Saturating, Zero};

/// A drawn leaf and its proof.
type Leaf<'a, AccountId> = (u32, Candidate<'a, AccountId>);

const SEED: &[u8] = b"cyborg sample seed v1";

/// The proofs that a policy asks of each period; `None` where it has no periods.
fn samples(policy: ProofPolicy) -> Option<u8> {
    match policy {
        ProofPolicy::Sampled { samples } => Some(samples.max(1)),
        ProofPolicy::Every | ProofPolicy::OnDemand => None,
    }
}

/// The leaves that a seed draws: `samples` times one of `count`, each kept once, ascending. The
/// 64 bits that are reduced modulo at most 2^20 favour no leaf by more than 2^-44.
pub(crate) fn leaves(seed: &Digest, samples: u8, count: u32) -> BoundedVec<u32, ConstU32<MAX_SAMPLES>> {
    let drawn: BTreeSet<u32> = (0..samples)
        .map(|index| {
            let word = blake2_256(&(seed, index).encode());
            let word = word.iter().take(8).rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
            // Below `count`, which is a u32.
            (word % u64::from(count.max(1))) as u32
        })
        .collect();
    // At most `samples`, a u8.
    BoundedVec::truncate_from(drawn.into_iter().collect())
}

impl<T: Config> Pallet<T> {
    fn engaged_sampled(task: TaskId, miner: &T::AccountId) -> Result<Engagement<T::AccountId>, Error<T>> {
        let engagement = Self::engaged(task, miner).ok_or(Error::<T>::NotEngaged)?;
        ensure!(samples(engagement.policy).is_some(), Error::<T>::WrongPolicy);
        Ok(engagement)
    }

    fn engaged_sampled_for(
        who: &T::AccountId,
        task: TaskId,
        miner: &T::AccountId,
    ) -> Result<Engagement<T::AccountId>, Error<T>> {
        let engagement = Self::engaged_for(who, task, miner)?;
        ensure!(samples(engagement.policy).is_some(), Error::<T>::WrongPolicy);
        Ok(engagement)
    }

    pub(crate) fn do_set_anchor(
        who: &T::AccountId,
        task: TaskId,
        miner: T::AccountId,
        anchor: Digest,
    ) -> DispatchResult {
        Self::engaged_sampled_for(who, task, &miner)?;
        let mut owed = Owed::<T>::get(task, &miner).unwrap_or_default();
        ensure!(owed.period.is_none(), Error::<T>::PeriodOpen);
        owed.anchor = Some(anchor);
        Owed::<T>::insert(task, &miner, owed);
        Self::deposit_event(Event::AnchorSet { task, miner, anchor });
        Ok(())
    }

    pub(crate) fn do_commit(
        miner: T::AccountId,
        root: Digest,
        first: RequestNumber,
        count: u32,
        authorisation: &Authorisation,
        signature: &MultiSignature,
    ) -> DispatchResult {
        let task = authorisation.task;
        let engagement = Self::engaged_sampled(task, &miner)?;
        let mut owed = Owed::<T>::get(task, &miner).unwrap_or_default();
        ensure!(owed.period.is_none(), Error::<T>::PeriodOpen);
        ensure!(first == owed.next, Error::<T>::NotContiguous);
        ensure!((1..=MAX_RECEIPTS).contains(&count), Error::<T>::BadCount);
        let next = first.checked_add(u64::from(count)).ok_or(Error::<T>::BadCount)?;
        let account: Account = miner.clone().into();
        ensure!(
            authorisation.miner == account && authorisation.number == next.saturating_sub(1),
            Error::<T>::OtherRequest
        );
        let genesis = Self::genesis();
        if !Self::is_authorised(&engagement, authorisation, signature, &genesis) {
            let hash = blake2_256(&authorisation.payload(&genesis));
            let number = authorisation.number;
            Self::convict(&miner, &engagement.owner, task, number, Fault::InventedRequest, hash);
            return Ok(());
        }
        let reveal_by = Self::now().saturating_add(T::RevealTime::get());
        owed.period = Some(Period {
            root,
            first,
            count,
            price_cap: authorisation.price_cap,
            block: frame_system::Pallet::<T>::block_number(),
            reveal_by,
            draw: None,
            challenge: None,
        });
        owed.next = next;
        Owed::<T>::insert(task, &miner, owed);
        Self::add_deadline(Kind::Reveal, reveal_by, task, &miner, first);
        Self::deposit_event(Event::Committed { task, miner, root, first, count });
        Ok(())
    }

    pub(crate) fn do_reveal(
        who: &T::AccountId,
        task: TaskId,
        miner: T::AccountId,
        preimage: Digest,
    ) -> DispatchResult {
        let engagement = Self::engaged_sampled_for(who, task, &miner)?;
        let mut owed = Owed::<T>::get(task, &miner).unwrap_or_default();
        let period = owed.period.as_ref().ok_or(Error::<T>::NoPeriod)?;
        ensure!(period.draw.is_none(), Error::<T>::AlreadyDrawn);
        ensure!(Self::now() <= period.reveal_by, Error::<T>::TooLate);
        ensure!(Self::can_draw(period), Error::<T>::TooEarly);
        ensure!(owed.anchor == Some(blake2_256(&preimage)), Error::<T>::WrongPreimage);
        owed.anchor = Some(preimage);
        Self::draw(task, &miner, &engagement, &mut owed, Some(preimage));
        Owed::<T>::insert(task, &miner, owed);
        Ok(())
    }

    /// Whether the hash of the block after the commitment is known.
    pub(crate) fn can_draw(period: &Period<BlockNumberFor<T>>) -> bool {
        frame_system::Pallet::<T>::block_number() > period.block.saturating_add(One::one())
    }

    /// Draws what is to be proven of the open period.
    pub(crate) fn draw(
        task: TaskId,
        miner: &T::AccountId,
        engagement: &Engagement<T::AccountId>,
        owed: &mut Obligations<BlockNumberFor<T>>,
        preimage: Option<Digest>,
    ) {
        let (Some(period), Some(samples)) = (&mut owed.period, samples(engagement.policy)) else { return };
        let after = period.block.saturating_add(One::one());
        let mut hash: Digest = frame_system::Pallet::<T>::block_hash(after).into();
        if hash == Digest::default() {
            hash = frame_system::Pallet::<T>::parent_hash().into();
        }
        let account: Account = miner.clone().into();
        let mut material = SEED.to_vec();
        (preimage, hash, Self::genesis(), task, account, period.root).encode_to(&mut material);
        let left = leaves(&blake2_256(&material), samples, period.count);
        let due = Self::now().saturating_add(T::ProveTime::get());
        let first = period.first;
        let event = Event::Drawn {
            task,
            miner: miner.clone(),
            first,
            leaves: left.clone(),
            revealed: preimage.is_some(),
        };
        // At most 255 leaves.
        period.draw = Some(Draw { due, drawn: left.len() as u8, left });
        Self::add_deadline(Kind::Prove, due, task, miner, first);
        Self::deposit_event(event);
    }

    pub(crate) fn do_prove_samples(
        miner: T::AccountId,
        claim: &Cost,
        task: TaskId,
        samples: &[Sample],
    ) -> DispatchResultWithPostInfo {
        let engagement = Self::engaged_sampled(task, &miner)?;
        let mut owed = Owed::<T>::get(task, &miner).unwrap_or_default();
        let period = owed.period.as_ref().ok_or(Error::<T>::NoPeriod)?;
        let draw = period.draw.as_ref().ok_or(Error::<T>::NotDrawn)?;
        ensure!(Self::now() <= draw.due, Error::<T>::TooLate);
        let mut open: BTreeSet<u32> = draw.left.iter().copied().collect();
        let mut candidates: Vec<Leaf<'_, T::AccountId>> = Vec::new();
        for sample in samples {
            match Self::examine_sample(&miner, task, &engagement, period, &open, sample) {
                Ok(Some((leaf, candidate))) => {
                    open.remove(&leaf);
                    candidates.push((leaf, candidate));
                }
                Ok(None) => {}
                Err(reason) => Self::refuse(&miner, &sample.submission.authorisation, reason),
            }
        }
        let (indices, candidates): (Vec<u32>, Vec<_>) = candidates.into_iter().unzip();
        let base = T::WeightInfo::prove_samples(samples.len() as u32);
        let (verdicts, weight) = Self::verify_all(&miner, claim, &candidates, base)?;
        let mut proven_leaves = BTreeSet::new();
        for ((leaf, candidate), verdict) in indices.into_iter().zip(&candidates).zip(verdicts) {
            if let Some(proven) = Self::take_verdict(&miner, candidate, verdict) {
                proven_leaves.insert(leaf);
                Self::report_verified(&miner, candidate.authorisation, proven, Some(Zero::zero()));
            }
        }
        if let Some(draw) = owed.period.as_mut().and_then(|period| period.draw.as_mut()) {
            draw.left.retain(|leaf| !proven_leaves.contains(leaf));
        }
        Self::try_pay(task, &miner, &mut owed);
        Owed::<T>::insert(task, &miner, owed);
        Ok(Some(weight).into())
    }

    /// A drawn, authorised leaf of the committed tree; `None` where it was punished.
    fn examine_sample<'a>(
        miner: &T::AccountId,
        task: TaskId,
        engagement: &Engagement<T::AccountId>,
        period: &Period<BlockNumberFor<T>>,
        open: &BTreeSet<u32>,
        sample: &'a Sample,
    ) -> Result<Option<Leaf<'a, T::AccountId>>, Refusal> {
        let Authorisation { task: named, number, input, .. } = sample.submission.authorisation;
        let leaf = period
            .index(number)
            .filter(|leaf| named == task && open.contains(leaf))
            .ok_or(Refusal::NotDrawn)?;
        let receipt = Receipt { task, miner: miner.clone().into(), number, input, output: sample.output };
        if !opens(&period.root, period.count, leaf, &receipt, &sample.path, &Self::genesis()) {
            return Err(Refusal::NotInTree);
        }
        let candidate = Self::candidate(miner, &sample.submission, engagement.clone(), Some(sample.output));
        Ok(candidate.map(|candidate| (leaf, candidate)))
    }

    /// Pays and closes the open period if it is proven. Where the escrow cannot pay, it stays open
    /// until its deadline.
    fn try_pay(task: TaskId, miner: &T::AccountId, owed: &mut Obligations<BlockNumberFor<T>>) {
        let Some(period) = owed.period.as_ref().filter(|period| period.is_proven()) else { return };
        let Some(draw) = &period.draw else { return };
        let (last, cap, proofs) = (period.last(), period.price_cap.saturated_into(), u32::from(draw.drawn));
        let late = Self::now() > draw.due;
        let miner_account = miner.clone();
        match T::Escrow::settle(task, miner, Settled::Through(last), cap, proofs) {
            Ok(paid) => {
                owed.period = None;
                Self::deposit_event(Event::PeriodPaid { task, miner: miner_account, last, paid });
            }
            Err(_) => {
                if late {
                    owed.period = None;
                }
                Self::deposit_event(Event::PeriodUnpaid { task, miner: miner_account, last, closed: late });
            }
        }
    }

    /// Closes the open period without pay: its requests are settled for nothing, so that no later
    /// period pays them.
    fn void(task: TaskId, miner: &T::AccountId, owed: &mut Obligations<BlockNumberFor<T>>) {
        let Some(period) = owed.period.take() else { return };
        let last = period.last();
        // Nothing is paid, so nothing can be missing; a closed escrow pays nothing later either.
        let _ = T::Escrow::settle(task, miner, Settled::Through(last), Zero::zero(), 0);
        Self::deposit_event(Event::PeriodVoid { task, miner: miner.clone(), last });
    }

    pub(crate) fn do_challenge(
        who: &T::AccountId,
        task: TaskId,
        miner: T::AccountId,
        signed: &SignedReceipt,
    ) -> DispatchResult {
        Self::engaged_sampled_for(who, task, &miner)?;
        let mut owed = Owed::<T>::get(task, &miner).unwrap_or_default();
        let period = owed.period.as_mut().ok_or(Error::<T>::NoPeriod)?;
        let now = Self::now();
        ensure!(now <= period.reveal_by, Error::<T>::TooLate);
        ensure!(period.challenge.is_none(), Error::<T>::ChallengeOpen);
        let Receipt { number, input, output, .. } = signed.receipt;
        ensure!(period.index(number).is_some(), Error::<T>::NotInPeriod);
        Self::ensure_receipt_of(task, &miner, signed)?;
        let due = now.saturating_add(T::AnswerTime::get());
        period.challenge = Some(Challenge { number, input, output, due });
        Owed::<T>::insert(task, &miner, owed);
        Self::add_deadline(Kind::Answer, due, task, &miner, number);
        Self::deposit_event(Event::Challenged { task, miner, number, due });
        Ok(())
    }

    pub(crate) fn do_answer(miner: T::AccountId, task: TaskId, path: &Path) -> DispatchResult {
        Self::engaged_sampled(task, &miner)?;
        let mut owed = Owed::<T>::get(task, &miner).unwrap_or_default();
        let period = owed.period.as_mut().ok_or(Error::<T>::NoPeriod)?;
        let Challenge { number, input, output, due } = period.challenge.ok_or(Error::<T>::NoChallenge)?;
        ensure!(Self::now() <= due, Error::<T>::TooLate);
        let index = period.index(number).ok_or(Error::<T>::NotInPeriod)?;
        let receipt = Receipt { task, miner: miner.clone().into(), number, input, output };
        ensure!(
            opens(&period.root, period.count, index, &receipt, path, &Self::genesis()),
            Error::<T>::NotInTree
        );
        period.challenge = None;
        Self::deposit_event(Event::Answered { task, miner: miner.clone(), number });
        Self::try_pay(task, &miner, &mut owed);
        Owed::<T>::insert(task, &miner, owed);
        Ok(())
    }

    /// The owner's time to reveal is over. False where the block's hash is not known yet.
    pub(crate) fn end_reveal(
        deadline: &Deadline<T::AccountId>,
        engagement: &Engagement<T::AccountId>,
        owed: &mut Obligations<BlockNumberFor<T>>,
    ) -> bool {
        let undrawn = |period: &&Period<_>| period.first == deadline.number && period.draw.is_none();
        let Some(period) = owed.period.as_ref().filter(undrawn) else { return true };
        let ready = Self::can_draw(period);
        if ready {
            Self::draw(deadline.task, &deadline.miner, engagement, owed, None);
        }
        ready
    }

    /// The miner's time to prove what was drawn is over.
    pub(crate) fn end_prove(
        deadline: &Deadline<T::AccountId>,
        engagement: &Engagement<T::AccountId>,
        owed: &mut Obligations<BlockNumberFor<T>>,
    ) {
        let (task, miner, first) = (deadline.task, &deadline.miner, deadline.number);
        let Some(period) = owed.period.as_ref().filter(|period| period.first == first) else { return };
        let Some(draw) = &period.draw else { return };
        let Some(leaf) = draw.left.first() else {
            // Proven: it waits for money, or for the answer to a challenge, which closes it.
            return Self::try_pay(task, miner, owed);
        };
        let (number, root) = (first.saturating_add(u64::from(*leaf)), period.root);
        Self::convict(miner, &engagement.owner, task, number, Fault::UnprovenSample, root);
        Self::void(task, miner, owed);
    }

    /// The miner's time to answer a challenge is over.
    pub(crate) fn end_answer(
        deadline: &Deadline<T::AccountId>,
        engagement: &Engagement<T::AccountId>,
        owed: &mut Obligations<BlockNumberFor<T>>,
    ) {
        let Deadline { due, task, ref miner, number } = *deadline;
        let Some(period) = &owed.period else { return };
        let open = |challenge: &Challenge| challenge.number == number && challenge.due == due;
        if !period.challenge.as_ref().is_some_and(open) {
            return;
        }
        let root = period.root;
        owed.equivocated = true;
        Self::convict(miner, &engagement.owner, task, number, Fault::UnansweredChallenge, root);
        Self::void(task, miner, owed);
    }
}
