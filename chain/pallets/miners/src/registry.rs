//! What other pallets, and clients, ask of the register.

use alloc::vec::Vec;

use cyborg_interface::{Demand, Departures, Ranking, Registry, Terms};
use cyborg_primitives::miner::Offence;
use cyborg_scheduler::Request;
use polkadot_sdk::frame_support::defensive;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::weights::Weight;

use crate::pallet::{Accounts, Config, Miners, Pallet, Pulses};
use crate::types::{Balance, CLASSES, Candidate, Duty, MAX_REGIONS};
use crate::weights::WeightInfo;

/// Buckets that the index can have.
const MAX_BUCKETS: u32 = MAX_REGIONS * CLASSES as u32;

pub(crate) fn request(demand: &Demand<Balance>) -> Request<'_> {
    Request {
        regions: &demand.placement.regions,
        near: demand.placement.near,
        min_reputation: demand.placement.min_reputation,
        price_cap: demand.price_cap,
        memory_mib: demand.memory_mib,
    }
}

impl<T: Config> Pallet<T> {
    /// The ranking as a submission in this state would have it, with what it rests on; at most
    /// [`MaxRanked`](Config::MaxRanked) of it. For clients: nothing is changed.
    #[must_use]
    pub fn candidates(demand: &Demand<Balance>, count: u32) -> Vec<Candidate<T::AccountId>> {
        let found = Self::find(request(demand), count.min(T::MaxRanked::get()));
        let named = found.candidates.into_iter().filter_map(|candidate| {
            Some(Candidate {
                miner: Accounts::<T>::get(candidate.miner())?,
                price: candidate.price(),
                distance_km: candidate.distance_km(),
                reputation: candidate.reputation(),
                score: candidate.score(),
            })
        });
        named.collect()
    }
}

impl<T: Config> Registry<T::AccountId, Balance> for Pallet<T> {
    fn rank(demand: &Demand<Balance>, exclude: &[T::AccountId], count: u32) -> Ranking<T::AccountId> {
        // As many more as may turn out to be excluded.
        let excluded = u32::try_from(exclude.len()).unwrap_or(u32::MAX);
        let found = Self::find(request(demand), count.saturating_add(excluded).min(T::MaxRanked::get()));
        let ranked = u32::try_from(found.candidates.len()).unwrap_or(u32::MAX);
        let miners = found
            .candidates
            .iter()
            .filter_map(|candidate| Accounts::<T>::get(candidate.miner()))
            .filter(|miner| !exclude.contains(miner))
            .take(usize::try_from(count).unwrap_or(usize::MAX))
            .collect();
        Ranking { miners, weight: T::WeightInfo::rank(found.pages, found.entries, found.buckets, ranked) }
    }

    fn rank_weight() -> Weight {
        let (pages, entries) = Self::reading_bounds();
        T::WeightInfo::rank(pages, entries, MAX_BUCKETS, T::MaxRanked::get())
    }

    fn engage(miner: &T::AccountId, memory_mib: u32) -> Option<Terms<Balance>> {
        let who = miner;
        let (mut miner, pulse) = Miners::<T>::get(who).zip(Pulses::<T>::get(who))?;
        let on_offer = miner.is_on_offer(pulse.duty, T::MinimumBond::get(), T::MaxLoad::get());
        if !on_offer || miner.free_mib() < memory_mib {
            return None;
        }
        miner.used_mib = miner.used_mib.checked_add(memory_mib)?;
        miner.load = miner.load.checked_add(1)?;
        miner.liabilities = miner.liabilities.checked_add(1)?;
        Self::store(who, &miner, pulse.duty);
        Some(Terms { price: miner.price, capacity: miner.capacity, region: miner.location.region })
    }

    fn release(miner: &T::AccountId, memory_mib: u32) {
        let who = miner;
        let Some((mut miner, mut pulse)) = Miners::<T>::get(who).zip(Pulses::<T>::get(who)) else { return };
        if miner.load == 0 {
            defensive!("memory given back that nobody has");
            return;
        }
        miner.used_mib = miner.used_mib.saturating_sub(memory_mib);
        miner.load = miner.load.saturating_sub(1);
        if miner.load == 0 && miner.leaves_at.is_some() {
            pulse.duty = Duty::Over;
            Pulses::<T>::insert(who, pulse);
        }
        Self::store(who, &miner, pulse.duty);
    }

    fn discharge(miner: &T::AccountId) {
        Miners::<T>::mutate_extant(miner, |miner| {
            miner.liabilities = miner.liabilities.saturating_sub(1);
        });
    }

    fn punish(miner: &T::AccountId, offence: Offence, victim: Option<&T::AccountId>) -> Balance {
        let (slashed, suspended) = Self::penalise(miner, offence, victim);
        if suspended {
            T::Departures::gone(miner);
        }
        slashed
    }

    fn is_serving(miner: &T::AccountId) -> bool {
        Pulses::<T>::get(miner).is_some_and(|pulse| pulse.duty == Duty::Serving)
            && Miners::<T>::get(miner).is_some_and(|miner| !miner.is_suspended())
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn set_up_miner(miner: &T::AccountId) {
        crate::benchmarking::set_up::<T>(miner);
    }
}
