//! The laws of the ranking, over numbers of every size.

use cyborg_primitives::place::{Cell, Region};
use cyborg_scheduler::distance::kilometres;
use cyborg_scheduler::{Candidate, Entry, PROBATION_BELOW, Request, SUSPENDED_BELOW, Selection};
use proptest::prelude::*;

const REGIONS: [Region; 4] = [Region(*b"DE"), Region(*b"FR"), Region(*b"JP"), Region(*b"US")];

/// Small numbers, so that ties and near misses occur, and any number, so that edges do.
fn number() -> impl Strategy<Value = u128> {
    prop_oneof![3 => 0..100_u128, 1 => any::<u128>(), 1 => Just(u128::MAX)]
}

fn cell() -> impl Strategy<Value = Cell> {
    (-9000..9000_i16, -18000..18000_i16).prop_map(|(latitude, longitude)| Cell { latitude, longitude })
}

fn entry() -> impl Strategy<Value = Entry> {
    let load = prop_oneof![0..4_u32, any::<u32>()];
    let memory = prop_oneof![0..4_u32, any::<u32>()];
    let reputation = prop_oneof![4 => 0..=100_u8, 1 => any::<u8>()];
    (0..4_usize, cell(), memory, any::<u64>(), number(), reputation, load).prop_map(
        |(region, cell, free_mib, macs_per_second, price, reputation, load)| Entry {
            miner: 0,
            region: REGIONS[region],
            cell,
            free_mib,
            macs_per_second,
            price,
            reputation,
            load,
        },
    )
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec(entry(), 1..60).prop_map(|mut entries| {
        for (miner, entry) in (0..).zip(&mut entries) {
            entry.miner = miner;
        }
        entries
    })
}

#[derive(Clone, Debug)]
struct Asked {
    regions: Vec<Region>,
    near: Option<(Cell, u32)>,
    min_reputation: u8,
    price_cap: u128,
    memory_mib: u32,
}

impl Asked {
    fn request(&self) -> Request<'_> {
        Request {
            regions: &self.regions,
            near: self.near,
            min_reputation: self.min_reputation,
            price_cap: self.price_cap,
            memory_mib: self.memory_mib,
        }
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let regions = prop::sample::subsequence(REGIONS.to_vec(), 0..3);
    let near = prop::option::of((cell(), prop_oneof![0..20_100_u32, any::<u32>()]));
    let reputation = prop_oneof![Just(0_u8), any::<u8>()];
    (regions, near, reputation, number(), 0..4_u32).prop_map(
        |(regions, near, min_reputation, price_cap, memory_mib)| Asked {
            regions,
            near,
            min_reputation,
            price_cap,
            memory_mib,
        },
    )
}

fn ranking(request: Request<'_>, entries: &[Entry], count: u32) -> Vec<Candidate> {
    let mut selection = Selection::new(request, count);
    for entry in entries {
        selection.offer(entry);
    }
    selection.into_ranking()
}

/// The place of a miner; those that are not ranked come last.
fn place(ranking: &[Candidate], miner: u32) -> usize {
    ranking.iter().position(|candidate| candidate.miner() == miner).unwrap_or(ranking.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_order_of_offers_changes_nothing(
        asked in asked(),
        (entries, shuffled) in entries().prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle())),
        count in 0..20_u32,
    ) {
        let request = asked.request();
        prop_assert_eq!(ranking(request, &entries, count), ranking(request, &shuffled, count));
    }

    #[test]
    fn every_constraint_holds_and_nobody_who_fits_is_left_out(asked in asked(), entries in entries()) {
        let ranking = ranking(asked.request(), &entries, u32::MAX);
        for entry in &entries {
            let far = asked.near.is_some_and(|(place, most)| kilometres(place, entry.cell) > most);
            let reputation = entry.reputation.min(100);
            let fits = !far
                && (asked.regions.is_empty() || asked.regions.contains(&entry.region))
                && entry.free_mib >= asked.memory_mib
                && entry.price <= asked.price_cap
                && reputation >= asked.min_reputation
                && reputation >= SUSPENDED_BELOW;
            prop_assert_eq!(fits, ranking.iter().any(|candidate| candidate.miner() == entry.miner));
        }
    }

    #[test]
    fn probation_comes_last_and_no_two_are_equal(asked in asked(), entries in entries()) {
        let ranking = ranking(asked.request(), &entries, u32::MAX);
        for pair in ranking.windows(2) {
            prop_assert!(pair[0] < pair[1]);
            let (better, worse) = (pair[0].reputation(), pair[1].reputation());
            prop_assert!(better >= PROBATION_BELOW || worse < PROBATION_BELOW);
            if (better < PROBATION_BELOW) == (worse < PROBATION_BELOW) {
                prop_assert!(pair[0].score() >= pair[1].score());
            }
        }
    }

    #[test]
    fn a_lower_price_never_makes_a_rank_worse(
        asked in asked(), mut entries in entries(), which in any::<prop::sample::Index>(), price in number(),
    ) {
        let before = ranking(asked.request(), &entries, u32::MAX);
        let changed = which.get_mut(&mut entries);
        changed.price = changed.price.min(price);
        let miner = changed.miner;
        prop_assert!(place(&ranking(asked.request(), &entries, u32::MAX), miner) <= place(&before, miner));
    }

    #[test]
    fn a_higher_reputation_never_makes_a_rank_worse(
        asked in asked(), mut entries in entries(), which in any::<prop::sample::Index>(), reputation in any::<u8>(),
    ) {
        let before = ranking(asked.request(), &entries, u32::MAX);
        let changed = which.get_mut(&mut entries);
        changed.reputation = changed.reputation.max(reputation);
        let miner = changed.miner;
        prop_assert!(place(&ranking(asked.request(), &entries, u32::MAX), miner) <= place(&before, miner));
    }

    #[test]
    fn fewer_are_the_first_of_more(asked in asked(), entries in entries(), count in 0..60_u32) {
        let all = ranking(asked.request(), &entries, u32::MAX);
        let few = ranking(asked.request(), &entries, count);
        prop_assert_eq!(few.as_slice(), &all[..all.len().min(count as usize)]);
    }

    #[test]
    fn distance_is_that_of_the_haversine_formula(from in cell(), to in cell()) {
        check_distance(from, to)?;
    }

    #[test]
    fn distance_is_right_close_by(from in cell(), north in -300..300_i16, east in -300..300_i16) {
        let latitude = (from.latitude + north).clamp(-9000, 8999);
        let longitude = (i32::from(from.longitude) + i32::from(east) + 18_000).rem_euclid(36_000) - 18_000;
        check_distance(from, Cell { latitude, longitude: longitude as i16 })?;
    }

    #[test]
    fn distance_is_right_near_the_other_side(from in cell(), north in -300..300_i16, east in -300..300_i16) {
        let latitude = (-from.latitude + north).clamp(-9000, 8999);
        let longitude = (i32::from(from.longitude) + i32::from(east)).rem_euclid(36_000) - 18_000;
        check_distance(from, Cell { latitude, longitude: longitude as i16 })?;
    }

    #[test]
    fn cells_out_of_range_do_no_harm(a: i16, b: i16, c: i16, d: i16) {
        let (from, to) = (Cell { latitude: a, longitude: b }, Cell { latitude: c, longitude: d });
        prop_assert!(kilometres(from, to) <= 20_016);
        prop_assert_eq!(kilometres(from, to), kilometres(to, from));
    }
}

fn haversine_km(from: Cell, to: Cell) -> f64 {
    let radians = |hundredths: i16| (f64::from(hundredths) / 100.0).to_radians();
    let (a, b) = (radians(from.latitude), radians(to.latitude));
    let longitudes = radians(from.longitude) - radians(to.longitude);
    let h = ((a - b) / 2.0).sin().powi(2) + a.cos() * b.cos() * (longitudes / 2.0).sin().powi(2);
    2.0 * 6371.0 * h.min(1.0).sqrt().asin()
}

fn check_distance(from: Cell, to: Cell) -> Result<(), TestCaseError> {
    let (real, ours) = (haversine_km(from, to), f64::from(kilometres(from, to)));
    prop_assert!((real - ours).abs() <= (real * 0.001).max(1.0), "{real} km, {ours} in integers");
    Ok(())
}

#[test]
fn distances_at_poles_and_antimeridian() -> Result<(), TestCaseError> {
    let at = |latitude, longitude| Cell { latitude, longitude };
    let pairs = [
        (at(0, 17_999), at(0, -18_000)),
        (at(0, 0), at(0, -18_000)),
        (at(8999, 0), at(8999, -18_000)),
        (at(-9000, 123), at(-9000, -17_000)),
        (at(-9000, 0), at(8999, 0)),
        (at(5251, 1340), at(4885, 235)),
        (at(0, 0), at(0, 1)),
        (at(1, 1), at(1, 1)),
    ];
    for (from, to) in pairs {
        check_distance(from, to)?;
    }
    assert_eq!(kilometres(at(0, 17_999), at(0, -18_000)), 1);
    assert_eq!(kilometres(at(5251, 1340), at(4885, 235)), 877);
    Ok(())
}
