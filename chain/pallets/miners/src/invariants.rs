//! The invariants of the pallet's documentation, by their numbers.

use alloc::collections::{BTreeMap, BTreeSet};

use polkadot_sdk::frame_support::ensure;
use polkadot_sdk::frame_support::traits::Get;
use polkadot_sdk::frame_support::traits::fungible::hold::Inspect as _;
use polkadot_sdk::sp_runtime::TryRuntimeError;

use crate::MAX_REPUTATION;
use crate::pallet::*;
use crate::types::{Bucket, Duty, PAGE_ENTRIES};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_try_state() -> Result<(), TryRuntimeError> {
        Self::check_records()?;
        Self::check_index()?;
        Self::check_queue()
    }

    /// 1, 2 and 3.
    fn check_records() -> Result<(), TryRuntimeError> {
        let mut miners = 0;
        for (who, miner) in Miners::<T>::iter() {
            miners += 1;
            ensure!(miner.number < NextNumber::<T>::get(), "1: a number to come");
            ensure!(Accounts::<T>::get(miner.number).as_ref() == Some(&who), "1: a number of another");
            let pulse = Pulses::<T>::get(&who).ok_or("1: no pulse")?;
            let held = T::Currency::balance_on_hold(&HoldReason::Bond.into(), &who);
            ensure!(held == miner.bond, "2: held is not the bond");
            ensure!(miner.used_mib <= miner.capacity.memory_mib, "3: more memory in use than there is");
            ensure!(miner.load <= miner.liabilities, "3: a task without liability");
            ensure!(miner.load > 0 || miner.used_mib == 0, "3: memory in use by no task");
            ensure!(miner.reputation <= MAX_REPUTATION, "3: reputation above the best");
            let over = miner.leaves_at.is_some() && miner.load == 0;
            ensure!((pulse.duty == Duty::Over) == over, "3: duty is over if and only if all is done");
        }
        ensure!(Accounts::<T>::iter().count() == miners, "1: a number of nobody");
        ensure!(Pulses::<T>::iter().count() == miners, "1: a pulse of nobody");
        Ok(())
    }

    /// 4.
    fn check_index() -> Result<(), TryRuntimeError> {
        let mut entries = BTreeMap::new();
        let mut pages = 0;
        for (class, sizes) in BucketSizes::<T>::iter() {
            ensure!(!sizes.is_empty(), "4: a class without buckets");
            for (region, size) in sizes {
                ensure!(size > 0, "4: an empty bucket");
                let bucket = Bucket { region, class };
                for position in 0..size {
                    let page = Pages::<T>::get(bucket, position / PAGE_ENTRIES);
                    let entry = page.get((position % PAGE_ENTRIES) as usize).ok_or("4: a gap")?;
                    ensure!(Bucket::of(entry) == bucket, "4: an entry in the wrong bucket");
                    let place = Places::<T>::get(entry.miner).ok_or("4: an entry without a place")?;
                    ensure!(place.bucket == bucket && place.position == position, "4: a wrong place");
                    ensure!(entries.insert(entry.miner, *entry).is_none(), "4: a miner twice");
                }
                pages += size.div_ceil(PAGE_ENTRIES) as usize;
            }
        }
        ensure!(Pages::<T>::iter_keys().count() == pages, "4: a page of no bucket");
        ensure!(Places::<T>::iter_keys().count() == entries.len(), "4: a place without an entry");
        let paged: u64 = Pages::<T>::iter_values().map(|page| page.len() as u64).sum();
        ensure!(paged == entries.len() as u64, "4: an entry past its bucket's size");
        for (who, miner) in Miners::<T>::iter() {
            let duty = Pulses::<T>::get(&who).map_or(Duty::Over, |pulse| pulse.duty);
            let on_offer = miner.is_on_offer(duty, T::MinimumBond::get(), T::MaxLoad::get());
            let due = on_offer.then(|| miner.entry());
            ensure!(entries.remove(&miner.number) == due, "4: an entry that is not its miner's");
        }
        ensure!(entries.is_empty(), "4: an entry of nobody");
        Ok(())
    }

    /// 5.
    fn check_queue() -> Result<(), TryRuntimeError> {
        let queue = CheckQueue::<T>::get();
        let (mut watched, mut last_due) = (BTreeSet::new(), 0);
        ensure!(
            Checks::<T>::iter_keys().all(|page| (queue.first..queue.end).contains(&page)),
            "5: a page outside of the queue"
        );
        for page in queue.first..queue.end {
            let checks = Checks::<T>::get(page);
            ensure!(!checks.is_empty(), "5: an empty page");
            for check in checks {
                ensure!(check.due >= last_due, "5: a check out of order");
                ensure!(watched.insert(check.miner), "5: a miner watched twice");
                last_due = check.due;
            }
        }
        for (who, miner) in Miners::<T>::iter() {
            let duty = Pulses::<T>::get(&who).map_or(Duty::Over, |pulse| pulse.duty);
            let is_watched = watched.contains(&miner.number);
            ensure!(duty != Duty::Serving || is_watched, "5: a serving miner is not watched");
            ensure!(duty != Duty::Lapsed || !is_watched, "5: a lapsed miner is watched");
        }
        Ok(())
    }
}
