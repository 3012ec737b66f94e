//! The one place that knows whether work is spread over threads.

use alloc::vec::Vec;

/// Maps every index below `count`, in order; in parallel with the `parallel` feature.
#[cfg(feature = "parallel")]
pub fn map<T: Send>(count: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    use rayon::prelude::*;
    (0..count).into_par_iter().map(f).collect()
}

/// Maps every index below `count`, in order; in parallel with the `parallel` feature.
#[cfg(not(feature = "parallel"))]
pub fn map<T>(count: usize, f: impl Fn(usize) -> T) -> Vec<T> {
    (0..count).map(f).collect()
}

/// Number of threads that [`map`] may use.
#[must_use]
pub fn threads() -> usize {
    #[cfg(feature = "parallel")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "parallel"))]
    return 1;
}
