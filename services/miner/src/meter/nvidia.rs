//! Energy of NVIDIA graphics cards, by NVIDIA's management library, which is loaded at run
//! time: without it, or without a card, nothing is measured.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use nvml_wrapper::Nvml;

use super::energy::{Counted, Source, Summed};
use super::{EnergySource, MAX_SOURCES};

/// What the library says about cards, by their index.
pub(super) trait Library: Send + Sync {
    /// How many cards there are.
    fn count(&self) -> Option<u32>;
    /// Energy that a card has used since its driver was loaded, in millijoules; cards before Volta
    /// do not count it.
    fn energy_mj(&self, card: u32) -> Option<u64>;
    /// What a card uses now, in milliwatts.
    fn power_mw(&self, card: u32) -> Option<u32>;
}

impl Library for Nvml {
    fn count(&self) -> Option<u32> {
        self.device_count().ok()
    }

    fn energy_mj(&self, card: u32) -> Option<u64> {
        self.device_by_index(card).ok()?.total_energy_consumption().ok()
    }

    fn power_mw(&self, card: u32) -> Option<u32> {
        self.device_by_index(card).ok()?.power_usage().ok()
    }
}

/// A card that counts its energy.
struct Counting {
    library: Arc<dyn Library>,
    card: u32,
    counted: Counted,
}

impl Source for Counting {
    fn kind(&self) -> EnergySource {
        EnergySource::Nvml
    }

    fn is_summed(&self) -> bool {
        false
    }

    fn tick(&mut self, _: Instant) {
        self.counted.add(self.library.energy_mj(self.card));
    }

    fn take(&mut self) -> Option<u64> {
        self.counted.take()?.checked_mul(1_000)
    }
}

/// A card that only reports its present power.
struct Showing {
    library: Arc<dyn Library>,
    card: u32,
    summed: Summed,
}

fn power_uw(library: &dyn Library, card: u32) -> Option<u64> {
    Some(u64::from(library.power_mw(card)?) * 1_000)
}

impl Source for Showing {
    fn kind(&self) -> EnergySource {
        EnergySource::Nvml
    }

    fn is_summed(&self) -> bool {
        true
    }

    fn tick(&mut self, now: Instant) {
        self.summed.add(now, power_uw(&*self.library, self.card));
    }

    fn take(&mut self) -> Option<u64> {
        self.summed.take()
    }
}

/// The cards of this machine. Without NVIDIA's driver the library is not even looked for.
pub(super) fn cards(proc: &Path, now: Instant) -> Vec<Box<dyn Source>> {
    if !proc.join("driver/nvidia").is_dir() {
        return Vec::new();
    }
    match Nvml::init() {
        Ok(library) => found(&(Arc::new(library) as Arc<dyn Library>), now),
        Err(error) => {
            tracing::info!(%error, "there is a driver of NVIDIA's, and no library to ask");
            Vec::new()
        }
    }
}

/// The cards that report their energy.
pub(super) fn found(library: &Arc<dyn Library>, now: Instant) -> Vec<Box<dyn Source>> {
    let count = library.count().unwrap_or(0).min(MAX_SOURCES as u32);
    let cards = (0..count).filter_map(|card| {
        let library = library.clone();
        if let Some(first) = library.energy_mj(card) {
            let counted = Counted::new(first, None);
            return Some(Box::new(Counting { library, card, counted }) as Box<dyn Source>);
        }
        let summed = Summed::new(now, power_uw(&*library, card)?);
        Some(Box::new(Showing { library, card, summed }) as Box<dyn Source>)
    });
    cards.collect()
}
