//! The best 16 of 10,000 miners, with and without distance.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use cyborg_primitives::place::{Cell, Region};
use cyborg_scheduler::{Entry, Request, Selection};

fn entries() -> Vec<Entry> {
    // Weyl sequences: evenly distributed without a generator.
    (0..10_000_u32)
        .map(|miner| {
            let spread = miner.wrapping_mul(2_654_435_769);
            Entry {
                miner,
                region: Region(*b"DE"),
                cell: Cell {
                    latitude: (spread % 18_000) as i16 - 9000,
                    longitude: ((spread >> 7) % 36_000) as u16 as i16,
                },
                free_mib: 1 << (spread % 17),
                macs_per_second: 1_000_000_000 + u64::from(spread),
                price: u128::from(spread % 1000),
                reputation: 20 + (spread % 81) as u8,
                load: spread % 5,
            }
        })
        .collect()
}

fn rank(entries: &[Entry], request: Request<'_>) -> usize {
    let mut selection = Selection::new(request, 16);
    for entry in entries {
        selection.offer(entry);
    }
    selection.into_ranking().len()
}

fn benches(criterion: &mut Criterion) {
    let entries = entries();
    let anywhere = Request { regions: &[], near: None, min_reputation: 0, price_cap: 1000, memory_mib: 1 };
    let near = Request { near: Some((Cell { latitude: 5251, longitude: 1340 }, 20_100)), ..anywhere };
    criterion.bench_function("10000 miners, anywhere", |bench| {
        bench.iter(|| rank(black_box(&entries), black_box(anywhere)));
    });
    criterion.bench_function("10000 miners, by distance", |bench| {
        bench.iter(|| rank(black_box(&entries), black_box(near)));
    });
}

criterion_group!(all, benches);
criterion_main!(all);
