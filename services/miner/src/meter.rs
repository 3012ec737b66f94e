//! What the machine consumes: memory and processor time of this process from the kernel, energy
//! from the processor's own counters (RAPL) where there are any.
//!
//! The folders of the kernel are parameters, so that a tree of files stands in for them in tests.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Ticks of a second in `stat`: what every Linux has had since 2.6.
const TICKS_PER_SECOND: u64 = 100;
/// Most counters that are read.
const MAX_ZONES: usize = 64;

/// Where the kernel says what is consumed.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
}

impl Default for Sources {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into() }
    }
}

/// What was consumed between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// Greatest resident memory of the process so far, in bytes.
    pub memory_peak_bytes: u64,
    /// Processor time of the process, in milliseconds.
    pub cpu_ms: u64,
    /// Energy of the machine's processors, in millijoules; `None` where it cannot be measured.
    pub energy_mj: Option<u64>,
}

/// Reads what is consumed.
#[derive(Debug)]
pub struct Meter {
    sources: Sources,
    cpu_ms: u64,
    zones: Vec<Zone>,
}

/// An energy counter: counts up to a greatest value and begins again.
#[derive(Debug)]
struct Zone {
    counter: PathBuf,
    most_uj: u64,
    last_uj: u64,
}

impl Meter {
    /// Begins to measure.
    ///
    /// # Errors
    /// Where the kernel does not say what this process consumes.
    pub fn new(sources: Sources) -> io::Result<Self> {
        let cpu_ms = cpu_ms(&sources.proc)?;
        let zones = zones(&sources.sys);
        Ok(Self { sources, cpu_ms, zones })
    }

    /// Whether energy can be measured.
    #[must_use]
    pub fn measures_energy(&self) -> bool {
        !self.zones.is_empty()
    }

    /// What was consumed since the last reading.
    ///
    /// # Errors
    /// Where the kernel does not say what this process consumes.
    pub fn read(&mut self) -> io::Result<Consumed> {
        let cpu_ms = cpu_ms(&self.sources.proc)?;
        let since = cpu_ms.saturating_sub(self.cpu_ms);
        self.cpu_ms = cpu_ms;
        let mut energy_uj = (!self.zones.is_empty()).then_some(0_u64);
        for zone in &mut self.zones {
            // One that cannot be read any more makes the sum meaningless.
            let consumed = zone.read();
            energy_uj = energy_uj.zip(consumed).and_then(|(sum, more)| sum.checked_add(more));
        }
        let memory_peak_bytes = memory_peak_bytes(&self.sources.proc)?;
        Ok(Consumed { memory_peak_bytes, cpu_ms: since, energy_mj: energy_uj.map(|energy| energy / 1_000) })
    }
}

impl Zone {
    fn read(&mut self) -> Option<u64> {
        let now = number(&self.counter)?;
        let consumed = match now.checked_sub(self.last_uj) {
            Some(consumed) => consumed,
            None => self.most_uj.checked_sub(self.last_uj)?.checked_add(now)?,
        };
        self.last_uj = now;
        Some(consumed)
    }
}

/// The packages' counters. Their parts (`intel-rapl:0:0`) are in them already.
fn zones(sys: &Path) -> Vec<Zone> {
    let Ok(entries) = fs::read_dir(sys.join("class/powercap")) else { return Vec::new() };
    let mut zones = Vec::new();
    for entry in entries.flatten().take(MAX_ZONES) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("intel-rapl:") || name.matches(':').count() != 1 {
            continue;
        }
        let counter = entry.path().join("energy_uj");
        let most_uj = number(&entry.path().join("max_energy_range_uj"));
        if let (Some(last_uj), Some(most_uj)) = (number(&counter), most_uj) {
            zones.push(Zone { counter, most_uj, last_uj });
        }
    }
    zones
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn odd(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} is not as the kernel writes it", path.display()))
}

/// Processor time of this process, its children that have ended included.
fn cpu_ms(proc: &Path) -> io::Result<u64> {
    let path = proc.join("self/stat");
    let text = fs::read_to_string(&path)?;
    // The name, in parentheses, may hold anything; after it fields are parted by blanks.
    let fields = text.rsplit_once(')').map(|(_, fields)| fields).ok_or_else(|| odd(&path))?;
    // utime and stime are fields 14 and 15 of the line, the first after the name being the third.
    let ticks = |field: usize| fields.split_whitespace().nth(field - 3)?.parse::<u64>().ok();
    let (user, system) = ticks(14).zip(ticks(15)).ok_or_else(|| odd(&path))?;
    Ok(user.saturating_add(system).saturating_mul(1_000 / TICKS_PER_SECOND))
}

fn memory_peak_bytes(proc: &Path) -> io::Result<u64> {
    let path = proc.join("self/status");
    let text = fs::read_to_string(&path)?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .ok_or_else(|| odd(&path))?;
    Ok(kib.saturating_mul(1_024))
}

/// The processor's name, as an attestation has it: at most 64 bytes.
#[must_use]
pub fn device(sources: &Sources) -> String {
    let text = fs::read_to_string(sources.proc.join("cpuinfo")).unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|rest| rest.split_once(':'))
        .map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    let mut end = model.len().min(64);
    while !model.is_char_boundary(end) {
        end -= 1;
    }
    model[..end].to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn tree() -> (tempfile::TempDir, Sources) {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources { proc: folder.path().join("proc"), sys: folder.path().join("sys") };
        fs::create_dir_all(sources.proc.join("self")).unwrap();
        let stat = "7 (a (strange) name) S 1 7 7 0 -1 0 1 2 3 4 150 50 9 9 20 0 4 0 5";
        fs::write(sources.proc.join("self/stat"), stat).unwrap();
        fs::write(sources.proc.join("self/status"), "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t 1 kB\n").unwrap();
        fs::write(sources.proc.join("cpuinfo"), "processor\t: 0\nmodel name\t: A Processor\n").unwrap();
        (folder, sources)
    }

    fn zone(sources: &Sources, name: &str, energy: u64, most: u64) -> PathBuf {
        let folder = sources.sys.join("class/powercap").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("max_energy_range_uj"), format!("{most}\n")).unwrap();
        fs::write(folder.join("energy_uj"), format!("{energy}\n")).unwrap();
        folder.join("energy_uj")
    }

    #[test]
    fn without_counters_energy_is_unavailable() {
        let (_folder, sources) = tree();
        let mut meter = Meter::new(sources.clone()).unwrap();
        assert!(!meter.measures_energy());
        let stat = "7 (a (strange) name) S 1 7 7 0 -1 0 1 2 3 4 160 55 9 9 20 0 4 0 5";
        fs::write(sources.proc.join("self/stat"), stat).unwrap();
        let expected = Consumed { memory_peak_bytes: 2 << 20, cpu_ms: 150, energy_mj: None };
        assert_eq!(meter.read().unwrap(), expected);
        assert_eq!(meter.read().unwrap(), Consumed { cpu_ms: 0, ..expected });
        assert_eq!(device(&sources), "A Processor");
        fs::write(sources.proc.join("self/stat"), "7 (x) S").unwrap();
        assert!(meter.read().is_err());
    }

    #[test]
    fn counters_are_summed_and_wrap_around() {
        let (_folder, sources) = tree();
        let first = zone(&sources, "intel-rapl:0", 900_000, 1_000_000);
        let second = zone(&sources, "intel-rapl:1", 0, 1_000_000);
        zone(&sources, "intel-rapl:0:0", 5, 1_000_000);
        zone(&sources, "dtpm", 5, 1_000_000);
        let mut meter = Meter::new(sources).unwrap();
        assert!(meter.measures_energy());
        fs::write(&first, "100000\n").unwrap();
        fs::write(&second, "7000\n").unwrap();
        assert_eq!(meter.read().unwrap().energy_mj, Some(207));
        assert_eq!(meter.read().unwrap().energy_mj, Some(0));
        fs::remove_file(&first).unwrap();
        assert_eq!(meter.read().unwrap().energy_mj, None);
    }

    #[test]
    fn this_machine_is_measured() {
        let mut meter = Meter::new(Sources::default()).unwrap();
        assert!(meter.read().unwrap().memory_peak_bytes > 0);
    }
}
