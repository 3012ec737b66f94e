//! From measurements to a weight: a plane through times, reads, writes and proof sizes, raised until
//! it lies below none of them.

use anyhow::{Context, Result, bail};
use frame_benchmarking::{Analysis, BenchmarkMetadata, BenchmarkResult, BenchmarkSelector};
use polkadot_sdk::frame_support::traits::StorageInfo;
use std::collections::BTreeMap;

/// Entries that a map without a bound is taken to have: they say how deep its trie is.
const MAP_ENTRIES: u32 = 1_000_000;
/// Bytes that a layer of the trie adds to a proof: fifteen hashes with their lengths.
const LAYER_BYTES: u32 = 15 * 33;

/// A plane over a benchmark's components.
pub(crate) struct Plane {
    /// The value if all components are zero.
    pub(crate) base: u128,
    /// For one more of each component, in their order.
    pub(crate) slopes: Vec<u128>,
}

/// What a benchmark costs.
pub(crate) struct Fit {
    pub(crate) name: String,
    /// Name, least and most of each component.
    pub(crate) components: Vec<(String, u32, u32)>,
    /// In picoseconds.
    pub(crate) time: Plane,
    /// The least that was measured, in picoseconds.
    pub(crate) least_time: u128,
    pub(crate) reads: Plane,
    pub(crate) writes: Plane,
    pub(crate) proof_bytes: Plane,
    /// Storage items, with how many of each are read and written at the most.
    pub(crate) items: Vec<(String, u32, u32)>,
}

/// How the share of an item in a proof is estimated.
#[derive(Clone, Copy)]
enum Mode {
    /// By the longest value that its type has.
    Longest,
    /// By what was recorded.
    Recorded,
    /// Not: the caller accounts for it elsewhere.
    Ignored,
}

/// What is known of the runtime's storage, by the prefix of an item's keys.
pub(crate) struct Items(BTreeMap<Vec<u8>, StorageInfo>);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Layers of the trie above a number of values.
fn layers(entries: u32) -> u32 {
    (1..8).find(|layers| 16_u32.saturating_pow(*layers) >= entries).unwrap_or(8)
}

impl Items {
    pub(crate) fn new(items: Vec<StorageInfo>) -> Self {
        Self(items.into_iter().map(|item| (item.prefix.clone(), item)).collect())
    }

    /// The name of an item as `Pallet::Item`.
    fn name(&self, prefix: &[u8]) -> String {
        match self.0.get(prefix) {
            Some(item) => format!("{}::{}", text(&item.pallet_name), text(&item.storage_name)),
            None => prefix.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    fn mode(&self, name: &str, bounded: bool, benchmark: &BenchmarkMetadata) -> Result<Mode> {
        let asked = benchmark.pov_modes.iter().find_map(|(item, mode)| {
            let item = text(item).replace(' ', "");
            (item == name).then(|| text(mode))
        });
        Ok(match asked.as_deref() {
            Some("Ignored") => Mode::Ignored,
            Some("Measured") => Mode::Recorded,
            Some("MaxEncodedLen") | None if bounded => Mode::Longest,
            None => Mode::Recorded,
            Some(mode) => bail!("{name} has no proof mode {mode}: take MaxEncodedLen, Measured or Ignored"),
        })
    }

    /// The bytes that a run adds to a proof at the most.
    fn proof_bytes(&self, run: &BenchmarkResult, benchmark: &BenchmarkMetadata) -> Result<u32> {
        let (mut bytes, mut recorded) = (0_u32, false);
        for (prefix, reads, _, _) in run.keys.iter().filter(|(_, reads, _, _)| *reads > 0) {
            let item = self.0.get(prefix);
            let longest = item.and_then(|item| item.max_size);
            let path = layers(item.and_then(|item| item.max_values).unwrap_or(MAP_ENTRIES)) * LAYER_BYTES;
            let each = match self.mode(&self.name(prefix), longest.is_some(), benchmark)? {
                Mode::Ignored => 0,
                Mode::Longest => path + longest.unwrap_or(0),
                Mode::Recorded => {
                    recorded = true;
                    path
                }
            };
            bytes += each * reads;
        }
        Ok(if recorded { bytes + run.proof_size } else { bytes })
    }
}

fn value(run: &BenchmarkResult, what: BenchmarkSelector) -> u128 {
    match what {
        // In picoseconds, as the analysis has them.
        BenchmarkSelector::ExtrinsicTime => run.extrinsic_time * 1_000,
        BenchmarkSelector::StorageRootTime => run.storage_root_time * 1_000,
        BenchmarkSelector::Reads => run.reads.into(),
        BenchmarkSelector::Writes => run.writes.into(),
        BenchmarkSelector::ProofSize => run.proof_size.into(),
    }
}

impl Plane {
    /// A plane that is below the median of no point.
    fn through(runs: &Vec<BenchmarkResult>, what: BenchmarkSelector) -> Result<Self> {
        let analysis = Analysis::min_squares_iqr(runs, what)?;
        let mut plane = Self { base: analysis.base, slopes: analysis.slopes };
        let mut points = BTreeMap::<Vec<u32>, Vec<u128>>::new();
        for run in runs {
            let point = run.components.iter().map(|(_, value)| *value).collect();
            points.entry(point).or_default().push(value(run, what));
        }
        let short = points.iter_mut().map(|(point, values)| {
            values.sort_unstable();
            let median = values.get(values.len() / 2).copied().unwrap_or(0);
            median.saturating_sub(plane.at(point))
        });
        plane.base += short.max().unwrap_or(0);
        Ok(plane)
    }

    fn at(&self, point: &[u32]) -> u128 {
        let slopes = self.slopes.iter().zip(point);
        self.base + slopes.map(|(slope, value)| slope * u128::from(*value)).sum::<u128>()
    }
}

/// Fits what was timed and counted of a benchmark.
///
/// # Errors
/// Returns an error if there is nothing to fit.
pub(crate) fn fit(
    benchmark: &BenchmarkMetadata,
    timed: &Vec<BenchmarkResult>,
    counted: &[BenchmarkResult],
    items: &Items,
) -> Result<Fit> {
    let name = text(&benchmark.name);
    let mut counted = counted.to_vec();
    let mut touched = BTreeMap::<String, (u32, u32)>::new();
    for run in &mut counted {
        run.proof_size = items.proof_bytes(run, benchmark)?;
        for (prefix, reads, writes, _) in &run.keys {
            let most = touched.entry(items.name(prefix)).or_default();
            *most = (most.0.max(*reads), most.1.max(*writes));
        }
    }
    let through = |runs, what| Plane::through(runs, what).with_context(|| name.clone());
    Ok(Fit {
        components: (benchmark.components.iter())
            .map(|(component, least, most)| (component.to_string(), *least, *most))
            .collect(),
        time: through(timed, BenchmarkSelector::ExtrinsicTime)?,
        least_time: timed.iter().map(|run| value(run, BenchmarkSelector::ExtrinsicTime)).min().unwrap_or(0),
        reads: through(&counted, BenchmarkSelector::Reads)?,
        writes: through(&counted, BenchmarkSelector::Writes)?,
        proof_bytes: through(&counted, BenchmarkSelector::ProofSize)?,
        items: touched.into_iter().map(|(item, (reads, writes))| (item, reads, writes)).collect(),
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame_benchmarking::BenchmarkParameter;

    fn run(n: u32, nanoseconds: u128) -> BenchmarkResult {
        BenchmarkResult {
            components: vec![(BenchmarkParameter::n, n)],
            extrinsic_time: nanoseconds,
            ..Default::default()
        }
    }

    #[test]
    fn a_plane_is_below_no_point() -> Result<()> {
        let runs: Vec<_> = [(0, 10), (1, 12), (2, 20), (3, 90), (4, 12)].map(|(n, time)| run(n, time)).into();
        let plane = Plane::through(&runs, BenchmarkSelector::ExtrinsicTime)?;
        for run in &runs {
            let point: Vec<u32> = run.components.iter().map(|(_, value)| *value).collect();
            assert!(plane.at(&point) >= run.extrinsic_time * 1_000, "{point:?}");
        }
        Ok(())
    }

    #[test]
    fn a_line_is_found_exactly() -> Result<()> {
        let runs: Vec<_> = (0..9).map(|n| run(n, 100 + 7 * u128::from(n))).collect();
        let plane = Plane::through(&runs, BenchmarkSelector::ExtrinsicTime)?;
        assert!(plane.base.abs_diff(100_000) <= 1, "{}", plane.base);
        assert!(plane.slopes.iter().all(|slope| slope.abs_diff(7_000) <= 1), "{:?}", plane.slopes);
        Ok(())
    }

    #[test]
    fn a_trie_of_a_million_has_five_layers() {
        assert_eq!([1, 16, 17, 256, 4_096, 1_000_000, u32::MAX].map(layers), [1, 1, 2, 2, 3, 5, 8]);
    }
}
