//! Energy of the processors by their own counters: Intel's RAPL, which AMD offers under the same
//! name. Most systems let only root read them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::energy::{Counted, Source};
use super::{EnergySource, MAX_SOURCES, number};

/// A counter of microjoules that wraps at a greatest value.
struct Zone {
    counter: PathBuf,
    counted: Counted,
}

impl Source for Zone {
    fn kind(&self) -> EnergySource {
        EnergySource::Rapl
    }

    fn is_summed(&self) -> bool {
        false
    }

    fn tick(&mut self, _: Instant) {
        self.counted.add(number(&self.counter));
    }

    fn take(&mut self) -> Option<u64> {
        self.counted.take()
    }
}

/// The packages' counters. They include their parts (`intel-rapl:0:0`), and the platform's counter
/// (`psys`), if there is one, includes them.
pub(super) fn zones(sys: &Path) -> Vec<Box<dyn Source>> {
    let Ok(entries) = fs::read_dir(sys.join("class/powercap")) else { return Vec::new() };
    let mut zones: Vec<Box<dyn Source>> = Vec::new();
    for entry in entries.flatten().take(MAX_SOURCES) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("intel-rapl:") || name.matches(':').count() != 1 {
            continue;
        }
        let folder = entry.path();
        if fs::read_to_string(folder.join("name")).is_ok_and(|name| name.trim() == "psys") {
            continue;
        }
        let counter = folder.join("energy_uj");
        let most = number(&folder.join("max_energy_range_uj"));
        if let (Some(first), Some(_)) = (number(&counter), most) {
            zones.push(Box::new(Zone { counter, counted: Counted::new(first, most) }));
        }
    }
    zones
}
