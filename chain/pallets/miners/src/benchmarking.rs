//! Benchmarks of the calls, the hook's parts and a ranking, each at its worst: full pages that
//! every change has to decode, and buckets of every region.

use alloc::vec;
use alloc::vec::Vec;

use cyborg_interface::{Demand, Registry};
use cyborg_primitives::Moment;
use cyborg_primitives::miner::{Accelerator, Capacity};
use cyborg_primitives::place::{Cell, Location, Region};
use cyborg_primitives::task::Placement;
use cyborg_scheduler::Entry;
use polkadot_sdk::frame_benchmarking::v2::*;
use polkadot_sdk::frame_support::traits::fungible::{Inspect, Unbalanced};
use polkadot_sdk::frame_support::traits::tokens::Precision;
use polkadot_sdk::frame_support::traits::{Get, Time};
use polkadot_sdk::frame_system::RawOrigin;
use polkadot_sdk::pallet_timestamp;

use crate::pallet::*;
use crate::types::{
    Balance, Bucket, CLASSES, Duty, Endpoint, MAX_REGIONS, Miner, PAGE_ENTRIES, Page, Pulse, class,
};

const HERE: Region = Region(*b"DE");
const THERE: Region = Region(*b"FR");
const MEMORY_MIB: u32 = 1024;
const MORE_MEMORY_MIB: u32 = 65_536;
/// At the least of a class.
const ROOMY_MIB: u32 = 1 << 30;
const KEY: [u8; 32] = [9; 32];
/// Of a compute hour, to other pallets.
const PRICE: Balance = 500_000_000_000;

fn fund<T: Config>(who: &T::AccountId) {
    let amount = T::MinimumBond::get() * 10 + T::Currency::minimum_balance() * 1000;
    T::Currency::increase_balance(who, amount, Precision::Exact).expect("there is room");
}

fn endpoint(letter: u8) -> Endpoint {
    Endpoint::truncate_from(vec![letter; 256])
}

fn location(region: Region) -> Location {
    Location { region, cell: Cell { latitude: 5251, longitude: 1340 } }
}

fn capacity(memory_mib: u32) -> Capacity {
    Capacity { memory_mib, macs_per_second: 1_000_000_000, accelerator: Accelerator::None }
}

fn entry(miner: u32, region: Region, free_mib: u32) -> Entry {
    Entry {
        miner,
        region,
        cell: Cell { latitude: -3392, longitude: 15_121 },
        free_mib,
        macs_per_second: 1_000_000_000,
        price: 1,
        reputation: 100,
        load: 1,
    }
}

fn registered<T: Config>(who: &T::AccountId, region: Region, memory_mib: u32, price: Balance) {
    fund::<T>(who);
    let bond = T::MinimumBond::get() * 2;
    let origin = RawOrigin::Signed(who.clone()).into();
    Pallet::<T>::register(origin, KEY, endpoint(b'a'), location(region), capacity(memory_mib), price, bond)
        .expect("can register");
}

/// A serving miner with room for anything, if it is none yet, at a price of which shares are left
/// for the treasury; and a treasury that can receive. The miner has a region of its own, whose pages
/// are full of others that nobody can afford, and so much memory that any use of it moves it to
/// another bucket: from a page that another has to fill up, to one that it fills itself.
pub(crate) fn set_up<T: Config>(who: &T::AccountId) {
    fund::<T>(&T::Treasury::get());
    if Miners::<T>::contains_key(who) {
        return;
    }
    let number = NextNumber::<T>::get() % MAX_REGIONS;
    let region = regions().nth(number as usize).expect("a region for each number");
    registered::<T>(who, region, ROOMY_MIB, PRICE);
    fill::<T>(region, ROOMY_MIB, PAGE_ENTRIES + 1);
    fill::<T>(region, ROOMY_MIB - 1, PAGE_ENTRIES - 1);
}

/// Fills a bucket up to so many entries, and its class with buckets of all regions.
fn fill<T: Config>(region: Region, memory_mib: u32, until: u32) {
    let bucket = Bucket { region, class: class(memory_mib) };
    let number = 1 << 31 | u32::from(u16::from_be_bytes(region.0));
    let dear = Entry { price: Balance::MAX, ..entry(number, region, memory_mib) };
    for page in 0..until.div_ceil(PAGE_ENTRIES) {
        Pages::<T>::mutate(bucket, page, |entries| {
            let missing = (until - page * PAGE_ENTRIES).min(PAGE_ENTRIES) as usize - entries.len();
            for _ in 0..missing {
                entries.try_push(dear).expect("the page has room");
            }
        });
    }
    BucketSizes::<T>::mutate(bucket.class, |sizes| {
        for region in regions() {
            if !sizes.contains_key(&region) {
                sizes.try_insert(region, 0).expect("as many as there are codes");
            }
        }
        sizes.try_insert(region, until).expect("as many as there are codes");
    });
}

/// Every code of two letters.
fn regions() -> impl Iterator<Item = Region> {
    (b'A'..=b'Z').flat_map(|first| (b'A'..=b'Z').map(move |second| Region([first, second])))
}

/// Entries of all regions in a class, and one less than two full pages of one region after those
/// that are there.
fn crowd<T: Config>(region: Region, memory_mib: u32) {
    let first = 1 << 30 | u32::from(region.0[0]) << 16;
    for number in (first..).take(2 * PAGE_ENTRIES as usize - 1) {
        Pallet::<T>::put_in(entry(number, region, memory_mib));
    }
    BucketSizes::<T>::mutate(class(memory_mib), |sizes| {
        for region in regions() {
            if !sizes.contains_key(&region) {
                sizes.try_insert(region, 1).expect("as many as there are codes");
            }
        }
    });
}

fn set_now<T: pallet_timestamp::Config<Moment = u64>>(now: Moment) {
    pallet_timestamp::Now::<T>::put(now);
}

fn pulse_of<T: Config>(who: &T::AccountId) -> Pulse {
    Pulses::<T>::get(who).expect("is registered")
}

fn miner_of<T: Config>(who: &T::AccountId) -> Miner {
    Miners::<T>::get(who).expect("is registered")
}

#[benchmarks(where T: pallet_timestamp::Config<Moment = u64>)]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn register() {
        let who: T::AccountId = whitelisted_caller();
        fund::<T>(&who);
        crowd::<T>(HERE, MEMORY_MIB);
        (0..PAGE_ENTRIES - 1).for_each(|number| Pallet::<T>::enqueue(number, 0));
        let bond = T::MinimumBond::get();

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), KEY, endpoint(b'a'), location(HERE), capacity(MEMORY_MIB), 1, bond);

        assert!(Pallet::<T>::is_serving(&who));
    }

    #[benchmark]
    fn update() {
        let who: T::AccountId = whitelisted_caller();
        registered::<T>(&who, HERE, MEMORY_MIB, 1);
        crowd::<T>(HERE, MEMORY_MIB);
        crowd::<T>(THERE, MORE_MEMORY_MIB);

        #[extrinsic_call]
        _(
            RawOrigin::Signed(who.clone()),
            Some([8; 32]),
            Some(endpoint(b'b')),
            Some(location(THERE)),
            Some(capacity(MORE_MEMORY_MIB)),
            Some(2),
        );

        assert_eq!(miner_of::<T>(&who).price, 2);
    }

    #[benchmark]
    fn bond_more() {
        let who: T::AccountId = whitelisted_caller();
        registered::<T>(&who, HERE, MEMORY_MIB, 1);
        let mut miner = miner_of::<T>(&who);
        let amount = T::MinimumBond::get();
        // Too little on record, so that the call brings it back on offer.
        miner.bond = 0;
        Pallet::<T>::store(&who, &miner, Duty::Serving);
        crowd::<T>(HERE, MEMORY_MIB);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), amount);

        assert_eq!(miner_of::<T>(&who).bond, amount);
    }

    #[benchmark]
    fn heartbeat() {
        let who: T::AccountId = whitelisted_caller();
        registered::<T>(&who, HERE, MEMORY_MIB, 1);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert_eq!(pulse_of::<T>(&who).duty, Duty::Serving);
    }

    #[benchmark]
    fn heartbeat_regains() {
        let who: T::AccountId = whitelisted_caller();
        registered::<T>(&who, HERE, MEMORY_MIB, 1);
        let mut miner = miner_of::<T>(&who);
        miner.reputation = 29;
        Pallet::<T>::store(&who, &miner, Duty::Serving);
        crowd::<T>(HERE, MEMORY_MIB);
        let now = T::ServicePeriod::get() * 2;
        set_now::<T>(now);
        Pulses::<T>::insert(&who, Pulse { seen: now, credited: 0, duty: Duty::Serving });

        #[extrinsic_call]
        heartbeat(RawOrigin::Signed(who.clone()));

        assert!(miner_of::<T>(&who).reputation > 29);
    }

    #[benchmark]
    fn heartbeat_resumes() {
        let who: T::AccountId = whitelisted_caller();
        registered::<T>(&who, HERE, MEMORY_MIB, 1);
        let miner = miner_of::<T>(&who);
        Pallet::<T>::store(&who, &miner, Duty::Lapsed);
        Pulses::<T>::insert(&who, Pulse { seen: 0, credited: 0, duty: Duty::Lapsed });
        crowd::<T>(HERE, MEMORY_MIB);
        (0..PAGE_ENTRIES - 2).for_each(|number| Pallet::<T>::enqueue(number, 0));

        #[extrinsic_call]
        heartbeat(RawOrigin::Signed(who.clone()));

        assert!(Pallet::<T>::is_serving(&who));
    }

    #[benchmark]
    fn deregister() {
        let who: T::AccountId = whitelisted_caller();
        registered::<T>(&who, HERE, MEMORY_MIB, 1);
        crowd::<T>(HERE, MEMORY_MIB);

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert_eq!(pulse_of::<T>(&who).duty, Duty::Over);
    }

    #[benchmark]
    fn withdraw_bond() {
        let who: T::AccountId = whitelisted_caller();
        registered::<T>(&who, HERE, MEMORY_MIB, 1);
        Pallet::<T>::deregister(RawOrigin::Signed(who.clone()).into()).expect("can deregister");
        set_now::<T>(T::Time::now() + T::UnbondingDelay::get());

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));

        assert!(Miners::<T>::get(&who).is_none());
    }

    /// `c` checks that find everybody serving.
    #[benchmark]
    fn watch(c: Linear<0, 100>) {
        for number in 0..c {
            let who: T::AccountId = account("miner", number, 0);
            Accounts::<T>::insert(number, &who);
            Pulses::<T>::insert(
                &who,
                Pulse { seen: T::CheckInterval::get(), credited: 0, duty: Duty::Serving },
            );
            Pallet::<T>::enqueue(number, 0);
        }
        set_now::<T>(T::CheckInterval::get());

        #[block]
        {
            Pallet::<T>::watch();
        }

        assert_eq!(CheckQueue::<T>::get().first, u64::from(c > 0));
    }

    #[benchmark]
    fn lapse() {
        let who: T::AccountId = account("miner", 0, 0);
        registered::<T>(&who, HERE, MEMORY_MIB, 1);
        fund::<T>(&T::Treasury::get());
        crowd::<T>(HERE, MEMORY_MIB);
        let pulse = pulse_of::<T>(&who);

        #[block]
        {
            Pallet::<T>::lapse(&who, pulse);
        }

        assert_eq!(pulse_of::<T>(&who).duty, Duty::Lapsed);
    }

    /// A ranking by distance over `p` pages: full ones with `e` entries, the others with one each; with
    /// `b` buckets more to choose from, that finds `n` miners. Half of the entries that a ranking may
    /// read, so that it reads every page.
    #[benchmark(pov_mode = MaxEncodedLen { Miners::Pages: Measured, Miners::BucketSizes: Measured })]
    fn rank(p: Linear<64, 384>, e: Linear<128, 8_192>, b: Linear<0, 10_000>, n: Linear<1, 64>) {
        let memory_class = class(MEMORY_MIB);
        let full = e / PAGE_ENTRIES;
        let sparse = (p - full) as usize;
        let others: Vec<Region> = regions().filter(|region| *region != HERE).collect();
        BucketSizes::<T>::mutate(memory_class, |sizes| {
            sizes.try_insert(HERE, full * PAGE_ENTRIES).expect("as many as there are codes");
            for region in others.iter().take(sparse) {
                sizes.try_insert(*region, 1).expect("as many as there are codes");
            }
        });
        let page_of = |first: u32, length: u32, region| {
            let numbers = first..first + length;
            Page::truncate_from(numbers.map(|number| entry(number, region, MEMORY_MIB)).collect())
        };
        for page in 0..full {
            let bucket = Bucket { region: HERE, class: memory_class };
            Pages::<T>::insert(bucket, page, page_of(page * PAGE_ENTRIES, PAGE_ENTRIES, HERE));
        }
        for (number, region) in (1 << 30..).zip(others.iter().take(sparse)) {
            let bucket = Bucket { region: *region, class: memory_class };
            Pages::<T>::insert(bucket, 0, page_of(number, 1, *region));
        }
        // Buckets to look at and put in order, without pages.
        let mut left = b as usize;
        for class in (1..CLASSES).filter(|class| *class != memory_class) {
            BucketSizes::<T>::mutate(class, |sizes| {
                for region in others.iter().take(left) {
                    sizes.try_insert(*region, 0).expect("as many as there are codes");
                }
            });
            left = left.saturating_sub(others.len());
        }
        for number in 0..n {
            Accounts::<T>::insert(number, account::<T::AccountId>("miner", number, 0));
        }
        let placement = Placement {
            replicas: 1,
            standbys: 0,
            regions: Vec::new(),
            near: Some((Cell { latitude: 5251, longitude: 1340 }, u32::MAX)),
            min_reputation: 0,
        };
        let demand = Demand { placement, memory_mib: 1, price_cap: 10 };
        let ranking;

        #[block]
        {
            ranking = Pallet::<T>::rank(&demand, &[], n);
        }

        assert_eq!(ranking.miners.len(), n as usize);
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
