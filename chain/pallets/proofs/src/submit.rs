//! Submissions: examined one by one, verified together, each with its own verdict.

use crate::{Config, Error, Event, Falsehood, Fault, Owed, Pallet, Refusal, Submission};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use cyborg_interface::{Claim, Engagement, Escrow, Models, Proven, SettleError, Settled, Verifier};
use cyborg_primitives::signed::{Authorisation, Payload, ProofContext};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Account, Digest, ModelId};
use polkadot_sdk::frame_support::dispatch::{
    DispatchErrorWithPostInfo, DispatchResultWithPostInfo, WithPostDispatchInfo,
};
use polkadot_sdk::frame_support::ensure;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::frame_system;
use polkadot_sdk::sp_io::hashing::blake2_256;
use polkadot_sdk::sp_runtime::SaturatedConversion;
use polkadot_sdk::sp_runtime::traits::Zero;

use crate::weights::WeightInfo;

/// A submission that only the verifier can judge.
pub(crate) struct Candidate<'a, AccountId> {
    pub(crate) authorisation: &'a Authorisation,
    pub(crate) engagement: Engagement<AccountId>,
    /// The output that the miner has signed or committed to.
    pub(crate) output: Option<Digest>,
    pub(crate) proof: &'a [u8],
}

impl<AccountId> Candidate<'_, AccountId> {
    fn judge(&self, proven: Option<Proven>) -> Result<Proven, Falsehood> {
        let proven = proven.ok_or(Falsehood::Proof)?;
        if proven.input != self.authorisation.input {
            return Err(Falsehood::Input);
        }
        if self.output.is_some_and(|output| output != proven.output) {
            return Err(Falsehood::Output);
        }
        Ok(proven)
    }
}

/// A judged submission: `None` where the model's key has gone.
pub(crate) type Verdict = Option<Result<Proven, Falsehood>>;

impl<T: Config> Pallet<T> {
    /// The most that verifying may take, reading the keys included.
    pub(crate) fn claimed_weight(claim: &Cost, proofs: usize) -> Weight {
        T::Verifier::weight(claim, proofs as u32).saturating_add(Self::key_weight(claim, proofs))
    }

    fn key_weight(cost: &Cost, keys: usize) -> Weight {
        Weight::from_parts(0, u64::from(cost.key_bytes))
            .saturating_add(<T as frame_system::Config>::DbWeight::get().reads(keys as u64))
    }

    pub(crate) fn do_submit(
        miner: &T::AccountId,
        claim: &Cost,
        submissions: &[Submission],
    ) -> DispatchResultWithPostInfo {
        ensure!(!submissions.is_empty(), Error::<T>::Empty);
        let mut seen = BTreeSet::new();
        let mut candidates = Vec::new();
        for submission in submissions {
            let Authorisation { task, number, .. } = submission.authorisation;
            let examined = if seen.contains(&(task, number)) {
                Err(Refusal::Duplicate)
            } else {
                Self::examine(miner, submission)
            };
            match examined {
                Ok(Some(candidate)) => {
                    seen.insert((task, number));
                    candidates.push(candidate);
                }
                Ok(None) => {}
                Err(reason) => Self::refuse(miner, &submission.authorisation, reason),
            }
        }
        let base = T::WeightInfo::submit(submissions.len() as u32);
        let (verdicts, weight) = Self::verify_all(miner, claim, &candidates, base)?;
        for (candidate, verdict) in candidates.iter().zip(verdicts) {
            if let Some(proven) = Self::take_verdict(miner, candidate, verdict) {
                let paid = Self::pay_one(miner, candidate);
                Self::report_verified(miner, candidate.authorisation, proven, paid);
            }
        }
        Ok(Some(weight).into())
    }

    /// What the policy says of a submission; `None` where it was punished.
    fn examine<'a>(
        miner: &T::AccountId,
        submission: &'a Submission,
    ) -> Result<Option<Candidate<'a, T::AccountId>>, Refusal> {
        let Authorisation { task, number, input, .. } = submission.authorisation;
        let engagement = Self::engaged(task, miner).ok_or(Refusal::NotEngaged)?;
        let owed = Owed::<T>::get(task, miner).unwrap_or_default();
        let demand = owed.demand(number).filter(|demand| demand.input == input);
        if demand.is_none() {
            if engagement.policy != ProofPolicy::Every {
                return Err(Refusal::NotDemanded);
            }
            if T::Escrow::is_settled(task, miner, number) {
                return Err(Refusal::Duplicate);
            }
        }
        let output = demand.map(|demand| demand.output);
        Ok(Self::candidate(miner, submission, engagement, output))
    }

    /// An authorised submission; one that is not is punished.
    pub(crate) fn candidate<'a>(
        miner: &T::AccountId,
        submission: &'a Submission,
        engagement: Engagement<T::AccountId>,
        output: Option<Digest>,
    ) -> Option<Candidate<'a, T::AccountId>> {
        let authorisation = &submission.authorisation;
        let account: Account = miner.clone().into();
        let genesis = Self::genesis();
        if authorisation.miner == account
            && Self::is_authorised(&engagement, authorisation, &submission.signature, &genesis)
        {
            return Some(Candidate { authorisation, engagement, output, proof: &submission.proof });
        }
        let hash = blake2_256(&authorisation.payload(&genesis));
        let Authorisation { task, number, .. } = *authorisation;
        Self::convict(miner, &engagement.owner, task, number, Fault::InventedRequest, hash);
        None
    }

    /// Verifies candidates together, where the claim covers what that costs. The weight of the
    /// call so far, and of this.
    pub(crate) fn verify_all(
        miner: &T::AccountId,
        claim: &Cost,
        candidates: &[Candidate<'_, T::AccountId>],
        base: Weight,
    ) -> Result<(Vec<Verdict>, Weight), DispatchErrorWithPostInfo> {
        if candidates.is_empty() {
            return Ok((Vec::new(), base));
        }
        let mut models: BTreeMap<ModelId, Option<Cost>> = BTreeMap::new();
        let mut cost = Cost::default();
        for candidate in candidates {
            let id = candidate.engagement.model;
            let known = models.contains_key(&id);
            let model = models.entry(id).or_insert_with(|| T::Models::model(id).map(|model| model.cost));
            if let Some(model) = *model {
                let key_bytes = if known { 0 } else { model.key_bytes };
                cost = cost.with(Cost { key_bytes, ..model });
            }
        }
        if !cost.is_covered_by(claim) {
            return Err(Error::<T>::Underclaimed.with_weight(base));
        }
        let keys: BTreeMap<ModelId, Vec<u8>> = models
            .into_iter()
            .filter(|(_, cost)| cost.is_some())
            .filter_map(|(id, _)| Some((id, T::Models::key(id)?)))
            .collect();
        let (account, genesis): (Account, _) = (miner.clone().into(), Self::genesis());
        let context = |candidate: &Candidate<'_, _>| {
            let Authorisation { task, number, .. } = *candidate.authorisation;
            let model = candidate.engagement.model;
            ProofContext { task, miner: account, model, number }.payload(&genesis)
        };
        let contexts: Vec<Vec<u8>> = candidates.iter().map(context).collect();
        let claims: Vec<Option<Claim<'_>>> = candidates
            .iter()
            .zip(&contexts)
            .map(|(candidate, context)| {
                let key = keys.get(&candidate.engagement.model)?;
                Some(Claim { key, proof: candidate.proof, context })
            })
            .collect();
        let verifiable: Vec<Claim<'_>> = claims.iter().flatten().copied().collect();
        let mut proven = T::Verifier::verify(&verifiable).into_iter();
        let verdicts: Vec<Verdict> = candidates
            .iter()
            .zip(&claims)
            .map(|(candidate, claim)| claim.and_then(|_| Some(candidate.judge(proven.next()?))))
            .collect();
        let count = verifiable.len() as u32;
        let all_true = verdicts.iter().flatten().all(|verdict| *verdict != Err(Falsehood::Proof));
        let weight = if all_true {
            T::Verifier::weight_of_true(&cost, count)
        } else {
            T::Verifier::weight(&cost, count)
        };
        Ok((verdicts, base.saturating_add(weight).saturating_add(Self::key_weight(&cost, keys.len()))))
    }

    /// What is proven; a false proof is punished.
    pub(crate) fn take_verdict(
        miner: &T::AccountId,
        candidate: &Candidate<'_, T::AccountId>,
        verdict: Verdict,
    ) -> Option<Proven> {
        let Authorisation { task, number, .. } = *candidate.authorisation;
        match verdict {
            Some(Ok(proven)) => Some(proven),
            Some(Err(falsehood)) => {
                let hash = blake2_256(candidate.proof);
                let owner = &candidate.engagement.owner;
                Self::convict(miner, owner, task, number, Fault::FalseProof(falsehood), hash);
                None
            }
            None => {
                Self::refuse(miner, candidate.authorisation, Refusal::NoKey);
                None
            }
        }
    }

    /// Pays a proven request, and its proof unless a demand has paid it. Under Sampled its period
    /// pays the request: settling a number far ahead would abandon those behind it.
    fn pay_one(miner: &T::AccountId, candidate: &Candidate<'_, T::AccountId>) -> Option<T::Balance> {
        let Authorisation { task, number, price_cap, .. } = *candidate.authorisation;
        let demanded = candidate.output.is_some();
        if demanded {
            let mut owed = Owed::<T>::get(task, miner).unwrap_or_default();
            owed.demands.retain(|demand| demand.number != number);
            Owed::<T>::insert(task, miner, owed);
        }
        if matches!(candidate.engagement.policy, ProofPolicy::Sampled { .. }) {
            return Some(Zero::zero());
        }
        let proofs = u32::from(!demanded);
        match T::Escrow::settle(task, miner, Settled::One(number), price_cap.saturated_into(), proofs) {
            Ok(paid) => Some(paid),
            Err(SettleError::Settled) if demanded => Some(Zero::zero()),
            Err(_) => None,
        }
    }

    pub(crate) fn refuse(miner: &T::AccountId, authorisation: &Authorisation, reason: Refusal) {
        let Authorisation { task, number, .. } = *authorisation;
        Self::deposit_event(Event::Refused { task, miner: miner.clone(), number, reason });
    }

    pub(crate) fn report_verified(
        miner: &T::AccountId,
        authorisation: &Authorisation,
        proven: Proven,
        paid: Option<T::Balance>,
    ) {
        let Authorisation { task, number, .. } = *authorisation;
        let Proven { input, output } = proven;
        Self::deposit_event(Event::Verified { task, miner: miner.clone(), number, input, output, paid });
    }
}
