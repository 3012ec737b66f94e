//! What the operating system says about the machine: memory, power, room on the disk.
//!
//! The kernel's folders are parameters ([`Sources`]), so that a tree of files stands in for them in
//! tests.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::meter::{Meter, Sources};

/// Name of the file that is written to measure the disk, and removed again.
const PROBE: &str = ".probe";
/// Bytes written at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Maximum of power supplies that are read.
const MAX_SUPPLIES: usize = 64;

/// Memory of the machine, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// All memory.
    pub total: u64,
    /// Memory that is available without swapping.
    pub available: u64,
}

/// Memory of the machine; `None` if the kernel does not say.
pub fn memory(sources: &Sources) -> Option<Memory> {
    let text = fs::read_to_string(sources.proc.join("meminfo")).ok()?;
    let field = |name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let (number, unit) = rest.trim().split_once(' ')?;
        if unit == "kB" { number.parse::<u64>().ok()?.checked_mul(1024) } else { None }
    };
    let total = field("MemTotal").filter(|total| *total > 0)?;
    Some(Memory { total, available: field("MemAvailable")?.min(total) })
}

/// Where the machine's power comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Power {
    /// A socket, as far as the machine can tell.
    Mains,
    /// A battery.
    Battery,
    /// The kernel does not say.
    Unknown,
}

impl Power {
    /// The word for it in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mains => "mains",
            Self::Battery => "battery",
            Self::Unknown => "unknown",
        }
    }
}

/// Where the machine's power comes from. Batteries of devices, such as a mouse's, do not count.
pub fn power(sources: &Sources) -> Power {
    let Ok(entries) = fs::read_dir(sources.sys.join("class/power_supply")) else { return Power::Unknown };
    let (mut plugged, mut battery) = (None, false);
    for entry in entries.flatten().take(MAX_SUPPLIES) {
        let word = |name: &str| {
            let text = fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            text.trim().to_owned()
        };
        match word("type").as_str() {
            _ if word("scope") == "Device" => {}
            "Battery" => battery = battery || word("present") != "0",
            "Mains" | "USB" | "Wireless" => plugged = Some(plugged == Some(true) || word("online") == "1"),
            _ => {}
        }
    }
    match (plugged, battery) {
        (Some(true), _) | (Some(false), false) => Power::Mains,
        (Some(false) | None, true) => Power::Battery,
        (None, false) => Power::Unknown,
    }
}

/// What measures the energy that is consumed, by name; empty if it cannot be measured.
pub fn energy_sources(sources: &Sources) -> Vec<String> {
    let names = |meter: Meter| meter.energy_sources().iter().map(ToString::to_string).collect();
    Meter::new(sources.clone()).map(names).unwrap_or_default()
}

/// The names as people read them.
pub fn energy_shown(names: &[String]) -> String {
    match names {
        [] => "energy cannot be measured".to_owned(),
        names => format!("energy is measured ({})", names.join(", ")),
    }
}

/// Whether there are energy counters that this user may not read.
pub fn energy_is_locked(sources: &Sources) -> bool {
    let denied = |path: PathBuf| {
        fs::read_to_string(path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    let Ok(entries) = fs::read_dir(sources.sys.join("class/powercap")) else { return false };
    entries.flatten().take(MAX_SUPPLIES).any(|entry| denied(entry.path().join("energy_uj")))
}

/// Free bytes on the disk of a path, which may not exist yet.
///
/// # Errors
/// Returns an error if the system does not say.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let filesystem = rustix::fs::statvfs(there)?;
    Ok(filesystem.f_bavail.saturating_mul(filesystem.f_frsize))
}

/// A file that is removed when this is dropped.
struct Probe(PathBuf);

impl Drop for Probe {
    fn drop(&mut self) {
        // A file that cannot be removed is overwritten the next time.
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes bytes into a folder, syncs them to the disk, removes them, and returns how long the writing
/// took.
///
/// # Errors
/// Returns an error if the folder cannot be written, or the disk is full.
pub fn write_and_sync(folder: &Path, bytes: usize) -> io::Result<Duration> {
    let probe = Probe(folder.join(PROBE));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&probe.0)?;
    // Some disks and file systems never write zeros and patterns.
    let mut chunk = vec![0; CHUNK_BYTES.min(bytes)];
    getrandom::fill(&mut chunk).map_err(io::Error::other)?;
    let begun = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let part = left.min(chunk.len());
        file.write_all(&chunk[..part])?;
        left -= part;
    }
    file.sync_all()?;
    Ok(begun.elapsed())
}

/// The machine as the kernel describes it, for a support bundle: each file's name and its beginning.
pub fn described(sources: &Sources) -> Vec<(&'static str, String)> {
    /// Maximum that is kept of a file.
    const MAX_CHARS: usize = 8 * 1024;
    let text = |name: &str| fs::read_to_string(sources.proc.join(name)).unwrap_or_default();
    // One processor says what they all are, and serial numbers of boards come last.
    let cpuinfo = text("cpuinfo").split("\n\n").next().unwrap_or_default().to_owned() + "\n";
    [("meminfo", text("meminfo")), ("cpuinfo", cpuinfo), ("version", text("version"))]
        .into_iter()
        .map(|(name, text)| (name, text.chars().take(MAX_CHARS).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn tree() -> (tempfile::TempDir, Sources) {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources { proc: folder.path().join("proc"), sys: folder.path().join("sys") };
        fs::create_dir_all(&sources.proc).unwrap();
        fs::create_dir_all(&sources.sys).unwrap();
        (folder, sources)
    }

    fn supply(sources: &Sources, name: &str, fields: &[(&str, &str)]) {
        let folder = sources.sys.join("class/power_supply").join(name);
        fs::create_dir_all(&folder).unwrap();
        for (field, value) in fields {
            fs::write(folder.join(field), format!("{value}\n")).unwrap();
        }
    }

    #[test]
    fn memory_is_what_meminfo_says() {
        let (_folder, sources) = tree();
        assert_eq!(memory(&sources), None);
        let write = |text: &str| fs::write(sources.proc.join("meminfo"), text).unwrap();
        write("MemTotal:       16384 kB\nMemFree:  1 kB\nMemAvailable:    8192 kB\nSwapTotal: 0 kB\n");
        assert_eq!(memory(&sources), Some(Memory { total: 16 << 20, available: 8 << 20 }));
        for odd in [
            "",
            "MemTotal: 16384 kB\n",
            "MemTotal: many kB\nMemAvailable: 1 kB\n",
            "MemTotal: 16384 MB\nMemAvailable: 1 kB\n",
            "MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB\n",
            "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
            "MemTotalX: 1 kB\nMemAvailable: 1 kB\n",
        ] {
            write(odd);
            assert_eq!(memory(&sources), None, "{odd}");
        }
        assert!(memory(&Sources::default()).is_some());
    }

    #[test]
    fn power_is_what_the_supplies_say() {
        let (_folder, sources) = tree();
        assert_eq!(power(&sources), Power::Unknown);
        supply(&sources, "mouse", &[("type", "Battery"), ("scope", "Device")]);
        assert_eq!(power(&sources), Power::Unknown);
        supply(&sources, "BAT0", &[("type", "Battery"), ("present", "1")]);
        assert_eq!(power(&sources), Power::Battery);
        supply(&sources, "AC", &[("type", "Mains"), ("online", "0")]);
        assert_eq!(power(&sources), Power::Battery);
        supply(&sources, "usb", &[("type", "USB"), ("online", "1")]);
        assert_eq!(power(&sources), Power::Mains);
        supply(&sources, "usb", &[("online", "0")]);
        supply(&sources, "BAT0", &[("present", "0")]);
        // The machine's power comes from something that is not known to be plugged in, and is no battery.
        assert_eq!(power(&sources), Power::Mains);
    }

    #[test]
    fn energy_is_read_where_there_are_counters() {
        let (_folder, sources) = tree();
        assert!(energy_sources(&sources).is_empty() && !energy_is_locked(&sources));
        fs::create_dir_all(sources.proc.join("self")).unwrap();
        let stat = "7 (name) S 1 7 7 0 -1 0 1 2 3 4 150 50 9 9 20 0 4 0 5";
        fs::write(sources.proc.join("self/stat"), stat).unwrap();
        assert!(energy_sources(&sources).is_empty());
        let zone = sources.sys.join("class/powercap/intel-rapl:0");
        fs::create_dir_all(&zone).unwrap();
        fs::write(zone.join("max_energy_range_uj"), "1000\n").unwrap();
        fs::write(zone.join("energy_uj"), "7\n").unwrap();
        assert_eq!(energy_sources(&sources), ["RAPL"]);
        assert!(!energy_is_locked(&sources));
        assert_eq!(energy_shown(&energy_sources(&sources)), "energy is measured (RAPL)");
    }

    #[test]
    fn a_disk_is_written_and_nothing_stays() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(&folder.path().join("not/there/yet")).unwrap() > 0);
        assert!(write_and_sync(folder.path(), 3 * CHUNK_BYTES / 2).unwrap() > Duration::ZERO);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(write_and_sync(&folder.path().join("missing"), 1).is_err());
    }

    #[test]
    fn the_description_has_one_processor_and_no_serial_number() {
        let (_folder, sources) = tree();
        let cpuinfo = "processor\t: 0\nmodel name\t: A\n\nprocessor\t: 1\n\nSerial\t: 123\n";
        fs::write(sources.proc.join("cpuinfo"), cpuinfo).unwrap();
        fs::write(sources.proc.join("meminfo"), "x".repeat(100_000)).unwrap();
        let described = described(&sources);
        assert_eq!(described[1], ("cpuinfo", "processor\t: 0\nmodel name\t: A\n".to_owned()));
        assert_eq!(described[0].1.len(), 8 * 1024);
        assert_eq!(described[2], ("version", String::new()));
    }
}
