//! The index and the ranking.

use crate::mock::*;
use crate::types::{PAGE_ENTRIES, class};
use crate::{Pages, Places};
use cyborg_interface::Registry;
use cyborg_primitives::place::{Cell, Region};
use cyborg_scheduler::Entry;
use polkadot_sdk::frame_support::assert_ok;

type Miners = crate::Pallet<Test>;

fn entry(number: u32, region: &[u8; 2], free_mib: u32) -> Entry {
    Entry {
        miner: number,
        region: Region(*region),
        cell: Cell { latitude: 0, longitude: 0 },
        free_mib,
        macs_per_second: 1,
        price: 1,
        reputation: 100,
        load: 0,
    }
}

#[test]
fn classes_are_factors_of_four() {
    for (memory, expected) in
        [(0, 0), (1, 1), (3, 1), (4, 2), (15, 2), (16, 3), (1 << 30, 16), (u32::MAX, 16)]
    {
        assert_eq!(class(memory), expected, "{memory} MiB");
    }
}

#[test]
fn a_ranking_keeps_to_regions_memory_and_exclusions() {
    new_test_ext().execute_with(|| {
        assert_ok!(register_in(1, b"DE", 512, 10));
        assert_ok!(register_in(2, b"FR", 1024, 20));
        assert_ok!(register_in(3, b"DE", 2048, 30));
        assert_ok!(register_in(4, b"US", 4096, 40));
        assert_eq!(Miners::rank(&demand(1), &[], 9).miners, vec![1, 2, 3, 4]);
        assert_eq!(Miners::rank(&demand(1), &[1, 3, 17], 1).miners, vec![2]);
        assert_eq!(Miners::rank(&demand(513), &[], 9).miners, vec![2, 3, 4]);
        assert_eq!(Miners::rank(&demand(u32::MAX), &[], 9).miners, Vec::<u64>::new());
        let mut european = demand(1000);
        european.placement.regions = vec![Region(*b"DE"), Region(*b"FR"), Region(*b"DE")];
        assert_eq!(Miners::rank(&european, &[], 9).miners, vec![2, 3]);
        european.price_cap = 20;
        assert_eq!(Miners::rank(&european, &[], 9).miners, vec![2]);
        assert_eq!(Miners::rank(&demand(1), &[], 0).miners, Vec::<u64>::new());
        let rows = Miners::candidates(&demand(1), 2);
        assert_eq!(rows.iter().map(|row| row.miner).collect::<Vec<_>>(), vec![1, 2]);
        assert!(rows[0].score > rows[1].score);
        check();
    });
}

#[test]
fn memory_is_given_once_and_comes_back() {
    new_test_ext().execute_with(|| {
        register(1);
        assert!(Miners::engage(&1, 1000).is_some());
        assert_eq!(Miners::engage(&1, 25), None);
        assert_eq!(Miners::engage(&1, u32::MAX), None);
        assert!(Miners::rank(&demand(25), &[], 1).miners.is_empty());
        assert!(Miners::engage(&1, 24).is_some());
        assert_eq!(Miners::engage(&2, 1), None, "no miner");
        check();
        Miners::release(&1, 1000);
        Miners::release(&1, 24);
        assert_eq!((miner(1).free_mib(), miner(1).load, miner(1).liabilities), (1024, 0, 2));
        assert_eq!(Miners::rank(&demand(1024), &[], 1).miners, vec![1]);
        check();
    });
}

#[test]
fn who_has_all_the_tasks_it_may_have_takes_nobodys_place() {
    new_test_ext().execute_with(|| {
        MaxLoad::set(2);
        assert_ok!(register_in(1, b"DE", 1024, 10));
        assert_ok!(register_in(2, b"DE", 1024, 20));
        assert!(Miners::engage(&1, 1).is_some() && Miners::engage(&1, 1).is_some());
        assert_eq!(Miners::engage(&1, 1), None, "memory is left, but no place");
        assert_eq!(Miners::rank(&demand(1), &[], 1).miners, vec![2]);
        check();
        Miners::release(&1, 1);
        assert!(Miners::rank(&demand(1), &[], 9).miners.contains(&1));
        check();
    });
}

#[test]
fn equals_share_the_work() {
    new_test_ext().execute_with(|| {
        register(1);
        register(2);
        let first = Miners::rank(&demand(1), &[], 1).miners;
        assert!(Miners::engage(&first[0], 1).is_some());
        assert_ne!(Miners::rank(&demand(1), &[], 1).miners, first);
    });
}

#[test]
fn no_more_pages_are_read_than_allowed_and_the_fullest_first() {
    new_test_ext().execute_with(|| {
        for number in 0..3 * PAGE_ENTRIES {
            Miners::put_in(entry(number, b"DE", 1024));
        }
        // One attacker's account per page, strewn over regions; cheaper than all others.
        let letters = b'A'..=b'Z';
        for (number, letter) in (1000..).zip(letters) {
            Miners::put_in(Entry { price: 0, ..entry(number, &[b'Z', letter], 1024) });
        }
        // Not every one of this class has enough.
        Miners::put_in(Entry { price: 0, ..entry(2000, b"DE", 255) });
        MaxPages::set(3);
        let found = |memory| Miners::find(crate::registry::request(&demand(memory)), 1000);
        assert_eq!((found(100).pages, found(100).candidates.len()), (3, 384));
        MaxPages::set(96);
        let all = found(100);
        assert_eq!((all.pages, all.buckets, all.candidates.len()), (3 + 26 + 1, 1 + 26 + 1, 384 + 26 + 1));
        assert!(Miners::rank_weight().all_gte(Miners::rank(&demand(100), &[], 64).weight));
    });
}

#[test]
fn leaving_the_middle_of_many_pages_leaves_no_gap() {
    new_test_ext().execute_with(|| {
        for number in 0..2 * PAGE_ENTRIES + 1 {
            Miners::put_in(entry(number, b"DE", 1024));
        }
        let bucket = Places::<Test>::get(5).unwrap().bucket;
        Miners::reindex(5, None);
        assert_eq!(Places::<Test>::get(2 * PAGE_ENTRIES).unwrap().position, 5);
        assert!(!Pages::<Test>::contains_key(bucket, 2));
        Miners::reindex(2 * PAGE_ENTRIES - 1, None);
        assert_eq!(Pages::<Test>::get(bucket, 1).len(), 127);
        for number in 0..=2 * PAGE_ENTRIES {
            Miners::reindex(number, None);
        }
        assert_eq!(Pages::<Test>::iter().count(), 0);
        assert_eq!(Places::<Test>::iter().count(), 0);
        assert_eq!(crate::BucketSizes::<Test>::iter().count(), 0);
    });
}

#[test]
fn ten_thousand_miners_strewn_over_the_world_are_all_seen() {
    new_test_ext().execute_with(|| {
        // 60 regions and 5 sizes: 300 buckets, none of which fills a page.
        for number in 0..10_000 {
            let region = [b'A' + (number % 60 / 10) as u8, b'A' + (number % 10) as u8];
            let memory = 1024 << (2 * (number / 60 % 5));
            let spread = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let cell =
                Cell { latitude: (spread >> 20) as i16 % 9000, longitude: (spread >> 40) as i16 % 18_000 };
            let price = u128::from(spread >> 54);
            Miners::put_in(Entry { cell, price, ..entry(number, &region, memory) });
        }
        let mut demand = demand(1000);
        demand.placement.near = Some((place(b"DE").cell, 20_100));
        let request = crate::registry::request(&demand);
        let found = Miners::find(request, 64);
        assert_eq!((found.entries, found.pages, found.buckets), (10_000, 300, 300));
        let mut all = cyborg_scheduler::Selection::new(request, 64);
        Pages::<Test>::iter_values().flatten().for_each(|entry| all.offer(&entry));
        assert_eq!(found.candidates, all.into_ranking());
    });
}
