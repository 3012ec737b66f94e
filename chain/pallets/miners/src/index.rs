//! The index: pages of compact entries that a ranking reads.
//!
//! Entries are in *buckets* by region and class of free memory, a bucket in pages of
//! [`PAGE_ENTRIES`] without gaps: who leaves is replaced by the last.
//! Only miners on offer are there. Each change of a miner changes its entry in place, or moves it;
//! that touches at most three pages, however many miners there are.
//!
//! A ranking reads only buckets of allowed regions whose class can have the memory: first those in
//! which every entry has enough, then the class of the demand itself, in which some may. Among these
//! it takes the fullest bucket first, so that the pages it may read hold as many miners as they can,
//! and miners strewn over many regions to spoil the index cost it only their own, last, pages. What
//! it may read is bounded in pages and in entries: while there is no more than that, it sees every
//! miner and the order does not matter.

use alloc::vec::Vec;
use core::cmp::Reverse;

use cyborg_primitives::place::Region;
use cyborg_scheduler::{Candidate, Entry, Request, Selection};
use polkadot_sdk::frame_support::defensive;
use polkadot_sdk::frame_support::traits::Get;

use crate::pallet::{BucketSizes, Config, Pages, Pallet, Places};
use crate::types::{Bucket, CLASSES, PAGE_ENTRIES, Place, SPARSE_PAGES, class};

/// What a ranking found, and what it read.
pub(crate) struct Found {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) pages: u32,
    pub(crate) entries: u32,
    pub(crate) buckets: u32,
}

fn page_and_slot(position: u32) -> (u32, usize) {
    (position / PAGE_ENTRIES, usize::try_from(position % PAGE_ENTRIES).unwrap_or(usize::MAX))
}

fn order(a: &(bool, u32, u8, Region), b: &(bool, u32, u8, Region)) -> core::cmp::Ordering {
    (a.0, Reverse(a.1), a.2, a.3).cmp(&(b.0, Reverse(b.1), b.2, b.3))
}

impl<T: Config> Pallet<T> {
    /// Makes the index say this of a miner; `None` to take it out.
    pub(crate) fn reindex(number: u32, entry: Option<Entry>) {
        let place = Places::<T>::get(number);
        if let (Some(place), Some(entry)) = (place, entry)
            && place.bucket == Bucket::of(&entry)
        {
            return Self::replace(place, entry);
        }
        if let Some(place) = place {
            Self::take_out(number, place);
        }
        if let Some(entry) = entry {
            Self::put_in(entry);
        }
    }

    fn replace(place: Place, entry: Entry) {
        let (page, slot) = page_and_slot(place.position);
        let mut entries = Pages::<T>::get(place.bucket, page);
        match entries.get_mut(slot) {
            Some(old) if *old == entry => {}
            Some(old) => {
                *old = entry;
                Pages::<T>::insert(place.bucket, page, entries);
            }
            None => {
                defensive!("a place without an entry");
            }
        }
    }

    pub(crate) fn put_in(entry: Entry) {
        let bucket = Bucket::of(&entry);
        let mut sizes = BucketSizes::<T>::get(bucket.class);
        let position = sizes.get(&bucket.region).copied().unwrap_or(0);
        let (page, _) = page_and_slot(position);
        let grown = sizes.try_insert(bucket.region, position.saturating_add(1)).is_ok()
            && Pages::<T>::try_mutate(bucket, page, |entries| entries.try_push(entry)).is_ok();
        if !grown {
            // A miner that is not in the index is not given tasks; nothing else happens to it.
            defensive!("more regions than codes, or a page past its bucket's size");
            return;
        }
        BucketSizes::<T>::insert(bucket.class, sizes);
        Places::<T>::insert(entry.miner, Place { bucket, position });
    }

    fn take_out(number: u32, place: Place) {
        let Place { bucket, position } = place;
        let mut sizes = BucketSizes::<T>::get(bucket.class);
        let last = sizes.get(&bucket.region).copied().unwrap_or(0).saturating_sub(1);
        let (last_page, _) = page_and_slot(last);
        let mut entries = Pages::<T>::get(bucket, last_page);
        let Some(moved) = entries.pop() else {
            defensive!("a place in an empty bucket");
            return;
        };
        let (page, slot) = page_and_slot(position);
        if position == last {
            // It was the last itself.
        } else if page == last_page {
            if let Some(gap) = entries.get_mut(slot) {
                *gap = moved;
            }
        } else {
            Pages::<T>::mutate(bucket, page, |entries| {
                if let Some(gap) = entries.get_mut(slot) {
                    *gap = moved;
                }
            });
        }
        if entries.is_empty() {
            Pages::<T>::remove(bucket, last_page);
        } else {
            Pages::<T>::insert(bucket, last_page, entries);
        }
        if position != last {
            Places::<T>::insert(moved.miner, place);
        }
        Places::<T>::remove(number);
        if last == 0 {
            sizes.remove(&bucket.region);
        } else if let Some(size) = sizes.get_mut(&bucket.region) {
            *size = last;
        }
        if sizes.is_empty() {
            BucketSizes::<T>::remove(bucket.class);
        } else {
            BucketSizes::<T>::insert(bucket.class, sizes);
        }
    }

    /// The best `count` of the index.
    pub(crate) fn find(request: Request<'_>, count: u32) -> Found {
        let needed = class(request.memory_mib);
        let mut buckets = 0_u32;
        // Whether entries may have too little, size, class, region.
        let mut eligible = Vec::new();
        for class in needed..CLASSES {
            for (region, size) in BucketSizes::<T>::get(class) {
                buckets = buckets.saturating_add(1);
                if request.regions.is_empty() || request.regions.contains(&region) {
                    eligible.push((class == needed, size, class, region));
                }
            }
        }
        eligible.sort_unstable_by(order);
        let pages = eligible.iter().flat_map(|&(_, size, class, region)| {
            (0..size.div_ceil(PAGE_ENTRIES)).map(move |page| {
                let before = page.saturating_mul(PAGE_ENTRIES);
                (Bucket { region, class }, page, size.saturating_sub(before).min(PAGE_ENTRIES))
            })
        });
        let (most_pages, most_entries) = Self::reading_bounds();
        let mut selection = Selection::new(request, count);
        let (mut read, mut entries) = (0_u32, 0_u32);
        for (bucket, page, length) in pages {
            if read >= most_pages || entries.saturating_add(length) > most_entries {
                break;
            }
            read = read.saturating_add(1);
            entries = entries.saturating_add(length);
            for entry in &Pages::<T>::get(bucket, page) {
                selection.offer(entry);
            }
        }
        Found { candidates: selection.into_ranking(), pages: read, entries, buckets }
    }

    /// Pages and entries that a ranking may read.
    pub(crate) fn reading_bounds() -> (u32, u32) {
        let full = T::MaxPages::get();
        (full.saturating_mul(SPARSE_PAGES), full.saturating_mul(PAGE_ENTRIES))
    }
}
