//! Energy of a Jetson board by its INA3221 sensors, which `tegrastats` shows too: each sensor measures
//! voltage and current of up to three rails.
//!
//! If one rail is the input of the whole module, it alone counts: the others are behind it. If a board
//! measures only what is behind its input, the rails are summed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::energy::{Source, Summed};
use super::{EnergySource, MAX_SOURCES};

/// Rails that are the whole module's input, by the boards' device trees.
const INPUTS: [&str; 2] = ["VDD_IN", "POM_5V_IN"];
/// What a channel without a rail is called.
const NOT_CONNECTED: &str = "NC";
/// Channels of a sensor. The seventh voltage is a sum of the others.
const CHANNELS: [u32; 3] = [1, 2, 3];

/// A rail that is measured.
struct Rail {
    label: String,
    /// In millivolts.
    voltage: PathBuf,
    /// In milliamperes.
    current: PathBuf,
}

impl Rail {
    fn power_uw(&self) -> Option<u64> {
        let read = |path: &Path| fs::read_to_string(path).ok()?.trim().parse::<i64>().ok();
        // A rail that feeds back consumes nothing.
        let power = read(&self.voltage)?.checked_mul(read(&self.current)?)?;
        Some(u64::try_from(power).unwrap_or(0))
    }
}

struct Metered {
    rail: Rail,
    summed: Summed,
}

impl Source for Metered {
    fn kind(&self) -> EnergySource {
        EnergySource::Ina3221
    }

    fn is_summed(&self) -> bool {
        true
    }

    fn tick(&mut self, now: Instant) {
        self.summed.add(now, self.rail.power_uw());
    }

    fn take(&mut self) -> Option<u64> {
        self.summed.take()
    }
}

/// The rails of a board that count.
pub(super) fn rails(sys: &Path, now: Instant) -> Vec<Box<dyn Source>> {
    let mut rails = Vec::new();
    for device in folders(&sys.join("bus/i2c/drivers/ina3221")) {
        for sensor in folders(&device.join("hwmon")) {
            rails.extend(CHANNELS.iter().filter_map(|channel| rail(&sensor, *channel)));
        }
    }
    if rails.iter().any(|rail| INPUTS.contains(&&rail.label[..])) {
        rails.retain(|rail| INPUTS.contains(&&rail.label[..]));
    }
    let metered = rails.into_iter().filter_map(|rail| {
        let summed = Summed::new(now, rail.power_uw()?);
        Some(Box::new(Metered { rail, summed }) as Box<dyn Source>)
    });
    metered.collect()
}

/// A channel's rail, if it has one.
fn rail(sensor: &Path, channel: u32) -> Option<Rail> {
    let text = |name: String| fs::read_to_string(sensor.join(name)).ok();
    let label = text(format!("in{channel}_label"))?.trim().to_owned();
    let off = text(format!("in{channel}_enable")).is_some_and(|enabled| enabled.trim() == "0");
    (!off && !label.is_empty() && label != NOT_CONNECTED).then(|| Rail {
        label,
        voltage: sensor.join(format!("in{channel}_input")),
        current: sensor.join(format!("curr{channel}_input")),
    })
}

/// The folders in a folder, with links to folders, in the order of their names.
fn folders(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut folders: Vec<PathBuf> =
        entries.flatten().take(MAX_SOURCES).map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}
