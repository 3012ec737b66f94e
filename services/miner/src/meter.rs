//! What the machine consumes: memory and processor time of this process from the kernel, energy of
//! the whole machine from its sensors.
//!
//! | module | content |
//! |---|---|
//! | `energy` | energy from counters that are read, and from power that is read often |
//! | `rapl` | the processors' own counters |
//! | `ina3221` | the sensors of NVIDIA's Jetson boards, as `tegrastats` shows them |
//! | `nvidia` | graphics cards, by NVIDIA's library |
//!
//! The folders of the kernel are parameters, so that a tree of files stands in for them in tests.

mod energy;
mod ina3221;
mod nvidia;
mod rapl;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use energy::Source;

/// Ticks per second in `stat`: the same on every Linux since 2.6.
const TICKS_PER_SECOND: u64 = 100;
/// Maximum of counters or sensors of a kind that are read.
const MAX_SOURCES: usize = 64;
/// How often power is read: between two readings it is taken to be the mean of both.
const POWER_EVERY: Duration = Duration::from_millis(250);
/// How often counters are read: the fastest wrap after some minutes.
const COUNTERS_EVERY: Duration = Duration::from_secs(30);

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
    /// Energy of the machine, as far as its sources go, in millijoules; `None` if it cannot be
    /// measured, or was not measured for a while.
    pub energy_mj: Option<u64>,
}

/// What measures energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EnergySource {
    /// Energy counters of processors (`/sys/class/powercap`).
    Rapl,
    /// Sensors of a Jetson board (`/sys/bus/i2c/drivers/ina3221`).
    Ina3221,
    /// NVIDIA graphics cards, by `libnvidia-ml`.
    Nvml,
}

impl EnergySource {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rapl => "RAPL",
            Self::Ina3221 => "INA3221",
            Self::Nvml => "NVML",
        }
    }
}

impl fmt::Display for EnergySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Reads what is consumed.
pub struct Meter {
    sources: Sources,
    cpu_ms: u64,
    energy: Vec<Box<dyn Source>>,
}

impl Meter {
    /// Begins to measure.
    ///
    /// # Errors
    /// Returns an error if the kernel does not say what this process consumes.
    pub fn new(sources: Sources) -> io::Result<Self> {
        Self::new_at(sources, Instant::now())
    }

    fn new_at(sources: Sources, now: Instant) -> io::Result<Self> {
        let cpu_ms = cpu_ms(&sources.proc)?;
        let mut energy = rapl::zones(&sources.sys);
        let rails = ina3221::rails(&sources.sys, now);
        // A board's own measurement includes its graphics processor.
        energy.extend(if rails.is_empty() { nvidia::cards(&sources.proc, now) } else { rails });
        Ok(Self { sources, cpu_ms, energy })
    }

    /// Whether energy can be measured.
    #[must_use]
    pub fn measures_energy(&self) -> bool {
        !self.energy.is_empty()
    }

    /// What measures it.
    #[must_use]
    pub fn energy_sources(&self) -> Vec<EnergySource> {
        let mut sources: Vec<EnergySource> = self.energy.iter().map(|source| source.kind()).collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// How often [`Meter::tick`] is to be called; `None` if it need not be.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        let summed = self.energy.iter().any(|source| source.is_summed());
        self.measures_energy().then_some(if summed { POWER_EVERY } else { COUNTERS_EVERY })
    }

    /// Reads power and counters as often as they require, on a thread, while the meter is held.
    pub(crate) fn shared(self) -> io::Result<Arc<Mutex<Self>>> {
        let every = self.interval();
        let meter = Arc::new(Mutex::new(self));
        if let Some(every) = every {
            let watched = Arc::downgrade(&meter);
            thread::Builder::new().name("meter".to_owned()).spawn(move || watch(&watched, every))?;
        }
        Ok(meter)
    }

    /// Reads power and counters, between two readings of what was consumed.
    pub fn tick(&mut self) {
        self.tick_at(Instant::now());
    }

    fn tick_at(&mut self, now: Instant) {
        for source in &mut self.energy {
            source.tick(now);
        }
    }

    /// What was consumed since the last reading.
    ///
    /// # Errors
    /// Returns an error if the kernel does not say what this process consumes.
    pub fn read(&mut self) -> io::Result<Consumed> {
        self.read_at(Instant::now())
    }

    fn read_at(&mut self, now: Instant) -> io::Result<Consumed> {
        self.tick_at(now);
        let mut energy_uj = self.measures_energy().then_some(0_u64);
        for source in &mut self.energy {
            // A source with a gap makes the sum meaningless.
            let consumed = source.take();
            energy_uj = energy_uj.zip(consumed).and_then(|(sum, more)| sum.checked_add(more));
        }
        let cpu_ms = cpu_ms(&self.sources.proc)?;
        let since = cpu_ms.saturating_sub(self.cpu_ms);
        self.cpu_ms = cpu_ms;
        let memory_peak_bytes = memory_peak_bytes(&self.sources.proc)?;
        Ok(Consumed { memory_peak_bytes, cpu_ms: since, energy_mj: energy_uj.map(|energy| energy / 1_000) })
    }
}

fn watch(meter: &Weak<Mutex<Meter>>, every: Duration) {
    loop {
        thread::sleep(every);
        let Some(meter) = meter.upgrade() else { return };
        // A thread that panicked left whole readings.
        meter.lock().unwrap_or_else(PoisonError::into_inner).tick();
    }
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
    // The name, in parentheses, may hold anything; after it fields are separated by blanks.
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

/// The processor's name, as in an attestation: at most 64 bytes.
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
mod tests;
