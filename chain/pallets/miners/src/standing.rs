//! Bond, reputation and duty: how they are lost and regained.

use cyborg_interface::Departures;
use cyborg_primitives::Moment;
use cyborg_primitives::miner::Offence;
use polkadot_sdk::frame_support::storage::with_storage_layer;
use polkadot_sdk::frame_support::traits::fungible::hold::Mutate as _;
use polkadot_sdk::frame_support::traits::tokens::{Fortitude, Precision, Restriction};
use polkadot_sdk::frame_support::traits::{Get, Time};
use polkadot_sdk::frame_support::weights::Weight;

use crate::MAX_REPUTATION;
use crate::pallet::{Config, Event, HoldReason, Miners, Pallet, Pulses};
use crate::types::{Balance, Duty, Miner, Penalties, Penalty, Pulse};
use crate::weights::WeightInfo;

impl<T: Config> Pallet<T> {
    /// Writes a record and brings the index in line with it.
    pub(crate) fn store(who: &T::AccountId, miner: &Miner, duty: Duty) {
        Miners::<T>::insert(who, miner);
        let on_offer = miner.is_on_offer(duty, T::MinimumBond::get(), T::MaxLoad::get());
        Self::reindex(miner.number, on_offer.then(|| miner.entry()));
    }

    /// A heartbeat of a miner that owes one. What it cost.
    pub(crate) fn hear(who: &T::AccountId, mut pulse: Pulse) -> Weight {
        let now = T::Time::now();
        let was_silent = Self::is_silent(&pulse, now);
        pulse.seen = now;
        let weight = if pulse.duty == Duty::Lapsed {
            pulse.credited = now;
            pulse.duty = Duty::Serving;
            if let Some(miner) = Miners::<T>::get(who) {
                Self::enqueue(miner.number, now);
                Self::store(who, &miner, pulse.duty);
            }
            Self::deposit_event(Event::Resumed { miner: who.clone() });
            T::WeightInfo::heartbeat_resumes()
        } else if was_silent {
            // No check came in between: it is not punished, but this was no service either.
            pulse.credited = now;
            T::WeightInfo::heartbeat()
        } else if let Some(periods) = Self::periods_served(&pulse, now) {
            Self::regain(who, periods);
            pulse.credited = pulse.credited.saturating_add(periods.saturating_mul(T::ServicePeriod::get()));
            T::WeightInfo::heartbeat_regains()
        } else {
            T::WeightInfo::heartbeat()
        };
        Pulses::<T>::insert(who, pulse);
        weight
    }

    /// Full periods of service that have given nothing yet; `None` for none.
    fn periods_served(pulse: &Pulse, now: Moment) -> Option<Moment> {
        let periods = now.saturating_sub(pulse.credited).checked_div(T::ServicePeriod::get())?;
        (periods > 0).then_some(periods)
    }

    fn regain(who: &T::AccountId, periods: Moment) {
        let Some(mut miner) = Miners::<T>::get(who) else { return };
        let points = periods.saturating_mul(T::ServicePoints::get().into());
        let reputation = points.saturating_add(miner.reputation.into()).min(MAX_REPUTATION.into());
        let reputation = u8::try_from(reputation).unwrap_or(MAX_REPUTATION);
        if reputation == miner.reputation {
            return;
        }
        miner.reputation = reputation;
        Self::store(who, &miner, Duty::Serving);
        Self::deposit_event(Event::ReputationRegained { miner: who.clone(), reputation });
    }

    /// A miner has not been heard of for too long.
    pub(crate) fn lapse(who: &T::AccountId, mut pulse: Pulse) {
        pulse.duty = Duty::Lapsed;
        Pulses::<T>::insert(who, pulse);
        Self::deposit_event(Event::Lapsed { miner: who.clone() });
        Self::penalise(who, Offence::Inactive, None);
        T::Departures::gone(who);
    }

    /// Slashes bond and reputation. What was slashed, and whether this suspended the miner; who is
    /// to be told of that is the caller's matter.
    pub(crate) fn penalise(
        who: &T::AccountId,
        offence: Offence,
        victim: Option<&T::AccountId>,
    ) -> (Balance, bool) {
        let Some((mut miner, mut pulse)) = Miners::<T>::get(who).zip(Pulses::<T>::get(who)) else {
            return (0, false);
        };
        let Penalty { share, points } = T::Penalties::penalty(offence);
        let amount = share.mul_ceil(miner.bond);
        let victim = victim.filter(|victim| *victim != who);
        let to_victim = victim.map_or(0, |victim| Self::seize(who, victim, amount / 2));
        let to_treasury = Self::seize(who, &T::Treasury::get(), amount.saturating_sub(to_victim));
        let slashed = to_victim.saturating_add(to_treasury);

        let was_suspended = miner.is_suspended();
        miner.bond = miner.bond.saturating_sub(slashed);
        miner.reputation = miner.reputation.saturating_sub(points);
        pulse.credited = T::Time::now();
        Pulses::<T>::insert(who, pulse);
        Self::store(who, &miner, pulse.duty);
        Self::deposit_event(Event::Punished {
            miner: who.clone(),
            offence,
            slashed,
            victim: victim.cloned(),
            to_victim,
            reputation: miner.reputation,
        });
        let suspended = miner.is_suspended() && !was_suspended;
        if suspended {
            Self::deposit_event(Event::Suspended { miner: who.clone() });
        }
        (slashed, suspended)
    }

    /// Moves held money to an account. What arrived: nothing where the account cannot take so
    /// little, and then the miner keeps it, held.
    fn seize(who: &T::AccountId, to: &T::AccountId, amount: Balance) -> Balance {
        with_storage_layer(|| {
            T::Currency::transfer_on_hold(
                &HoldReason::Bond.into(),
                who,
                to,
                amount,
                Precision::BestEffort,
                Restriction::Free,
                Fortitude::Force,
            )
        })
        .unwrap_or(0)
    }
}
