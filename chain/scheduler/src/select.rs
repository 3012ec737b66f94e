//! The best few of many, one by one: what is kept is bounded by what is asked for, however many are
//! offered and in whatever order.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

use crate::assess::{Candidate, Entry, Request};

/// The best miners so far.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    request: Request<'a>,
    count: usize,
    /// The worst is at the top.
    best: BinaryHeap<Candidate>,
}

impl<'a> Selection<'a> {
    /// None so far of at most `count`.
    #[must_use]
    pub fn new(request: Request<'a>, count: u32) -> Self {
        Self { request, count: usize::try_from(count).unwrap_or(usize::MAX), best: BinaryHeap::new() }
    }

    /// Takes a miner into account. Each is offered once.
    pub fn offer(&mut self, entry: &Entry) {
        let Some(candidate) = self.request.assess(entry) else { return };
        if self.best.len() < self.count {
            self.best.push(candidate);
        } else if let Some(mut worst) = self.best.peek_mut()
            && candidate < *worst
        {
            *worst = candidate;
        }
    }

    /// The best, the very best first.
    #[must_use]
    pub fn into_ranking(self) -> Vec<Candidate> {
        self.best.into_sorted_vec()
    }
}
