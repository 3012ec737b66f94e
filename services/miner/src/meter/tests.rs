//! Readings from trees of files, and from a simulated library.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

fn zone(sources: &Sources, zone: &str, name: &str, energy: u64, most: u64) -> PathBuf {
    let folder = sources.sys.join("class/powercap").join(zone);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("name"), format!("{name}\n")).unwrap();
    fs::write(folder.join("max_energy_range_uj"), format!("{most}\n")).unwrap();
    fs::write(folder.join("energy_uj"), format!("{energy}\n")).unwrap();
    folder.join("energy_uj")
}

/// A sensor's channel, as the kernel has it.
fn channel(sources: &Sources, device: &str, channel: u32, label: &str, millivolts: i64, milliamperes: i64) {
    let folder = sources.sys.join("bus/i2c/drivers/ina3221").join(device).join("hwmon/hwmon3");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("in{channel}_label")), format!("{label}\n")).unwrap();
    fs::write(folder.join(format!("in{channel}_input")), format!("{millivolts}\n")).unwrap();
    fs::write(folder.join(format!("curr{channel}_input")), format!("{milliamperes}\n")).unwrap();
}

#[test]
fn without_counters_energy_is_unavailable() {
    let (_folder, sources) = tree();
    let mut meter = Meter::new(sources.clone()).unwrap();
    assert!(!meter.measures_energy());
    assert_eq!((meter.energy_sources(), meter.interval()), (vec![], None));
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
    let first = zone(&sources, "intel-rapl:0", "package-0", 900_000, 1_000_000);
    let second = zone(&sources, "intel-rapl:1", "package-1", 0, 1_000_000);
    zone(&sources, "intel-rapl:0:0", "core", 5, 1_000_000);
    zone(&sources, "intel-rapl:2", "psys", 5, 1_000_000);
    zone(&sources, "dtpm", "dtpm", 5, 1_000_000);
    let mut meter = Meter::new(sources).unwrap();
    assert_eq!(meter.energy_sources(), [EnergySource::Rapl]);
    assert_eq!(meter.interval(), Some(COUNTERS_EVERY));
    fs::write(&first, "100000\n").unwrap();
    // One that begins again twice is not missed where somebody looks in between.
    fs::write(&second, "900000\n").unwrap();
    meter.tick();
    fs::write(&second, "7000\n").unwrap();
    meter.tick();
    fs::write(&second, "900000\n").unwrap();
    assert_eq!(meter.read().unwrap().energy_mj, Some(200 + 900 + 107 + 893));
    assert_eq!(meter.read().unwrap().energy_mj, Some(0));
    fs::remove_file(&first).unwrap();
    assert_eq!(meter.read().unwrap().energy_mj, None);
}

#[test]
fn a_module_s_input_is_all_that_counts() {
    let (_folder, sources) = tree();
    channel(&sources, "1-0040", 1, "VDD_IN", 5_000, 2_000);
    channel(&sources, "1-0040", 2, "VDD_CPU_GPU_CV", 5_000, 1_000);
    channel(&sources, "1-0040", 3, "VDD_SOC", 5_000, 400);
    channel(&sources, "1-0040", 7, "sum of shunt voltages", 1, 1);
    let begun = Instant::now();
    let at = |ms| begun + Duration::from_millis(ms);
    let mut meter = Meter::new_at(sources.clone(), begun).unwrap();
    assert_eq!(meter.energy_sources(), [EnergySource::Ina3221]);
    assert_eq!(meter.interval(), Some(POWER_EVERY));
    // Ten watts for a second, and then a second on the way to twenty.
    for step in 1..=4 {
        meter.tick_at(at(250 * step));
    }
    channel(&sources, "1-0040", 1, "VDD_IN", 5_000, 4_000);
    assert_eq!(meter.read_at(at(2_000)).unwrap().energy_mj, Some(10_000 + 15_000));
    // Nobody looked for a while: what was consumed is not known.
    assert_eq!(meter.read_at(at(60_000)).unwrap().energy_mj, None);
    meter.tick_at(at(61_000));
    assert_eq!(meter.read_at(at(62_000)).unwrap().energy_mj, Some(40_000));
}

#[test]
fn rails_of_a_board_without_a_common_input_are_summed() {
    let (_folder, sources) = tree();
    channel(&sources, "1-0040", 1, "VDD_GPU_SOC", 10_000, 1_000);
    channel(&sources, "1-0040", 2, "VDD_CPU_CV", 10_000, 500);
    channel(&sources, "1-0040", 3, "VIN_SYS_5V0", 5_000, 1_000);
    channel(&sources, "1-0041", 1, "NC", 5_000, 9_000);
    channel(&sources, "1-0041", 2, "OFF", 5_000, 9_000);
    channel(&sources, "1-0041", 3, "VDD_BACK", 5_000, -9_000);
    let sensors = sources.sys.join("bus/i2c/drivers/ina3221");
    fs::write(sensors.join("1-0041/hwmon/hwmon3/in2_enable"), "0\n").unwrap();
    // What lies beside the sensors in the driver's folder.
    fs::create_dir_all(sensors.join("module/holders")).unwrap();
    fs::write(sensors.join("bind"), "").unwrap();
    let begun = Instant::now();
    let at = |seconds| begun + Duration::from_secs(seconds);
    let mut meter = Meter::new_at(sources.clone(), begun).unwrap();
    assert_eq!(meter.read_at(at(2)).unwrap().energy_mj, Some(2 * (10_000 + 5_000 + 5_000)));
    // A rail that says nothing, or nonsense, makes the sum meaningless, until it is back.
    let current = sensors.join("1-0040/hwmon/hwmon3/curr2_input");
    for odd in ["", "much\n", "99999999999999999999\n", "9223372036854775807\n"] {
        fs::write(&current, odd).unwrap();
        assert_eq!(meter.read_at(at(4)).unwrap().energy_mj, None, "{odd}");
    }
    channel(&sources, "1-0040", 2, "VDD_CPU_CV", 10_000, 500);
    assert_eq!(meter.read_at(at(6)).unwrap().energy_mj, None);
    assert_eq!(meter.read_at(at(7)).unwrap().energy_mj, Some(20_000));
}

#[test]
fn counters_and_sensors_are_summed() {
    let (_folder, sources) = tree();
    let counter = zone(&sources, "intel-rapl:0", "package-0", 0, 1_000_000);
    channel(&sources, "1-0040", 1, "POM_5V_IN", 5_000, 1_000);
    let begun = Instant::now();
    let mut meter = Meter::new_at(sources, begun).unwrap();
    assert_eq!(meter.energy_sources(), [EnergySource::Rapl, EnergySource::Ina3221]);
    fs::write(counter, "500000\n").unwrap();
    assert_eq!(meter.read_at(begun + Duration::from_secs(1)).unwrap().energy_mj, Some(500 + 5_000));
}

/// A driver's folder without a driver: nothing is measured, and nothing fails.
#[test]
fn a_driver_without_its_library_is_no_source() {
    let (_folder, sources) = tree();
    fs::create_dir_all(sources.proc.join("driver/nvidia")).unwrap();
    let mut meter = Meter::new(sources).unwrap();
    if !Path::new("/proc/driver/nvidia").exists() {
        assert_eq!(meter.energy_sources(), []);
    }
    assert!(meter.read().is_ok());
}

/// Two cards: one counts, one shows; a third says nothing.
#[derive(Default)]
struct Cards {
    energy_mj: AtomicU64,
    power_mw: AtomicU64,
    lost: AtomicBool,
}

impl nvidia::Library for Cards {
    fn count(&self) -> Option<u32> {
        Some(3)
    }

    fn energy_mj(&self, card: u32) -> Option<u64> {
        (card == 0 && !self.lost.load(Ordering::Relaxed)).then(|| self.energy_mj.load(Ordering::Relaxed))
    }

    fn power_mw(&self, card: u32) -> Option<u32> {
        (card == 1).then(|| u32::try_from(self.power_mw.load(Ordering::Relaxed)).unwrap())
    }
}

#[test]
fn cards_count_or_show() {
    let cards = Arc::new(Cards::default());
    cards.energy_mj.store(1_000_000, Ordering::Relaxed);
    cards.power_mw.store(100_000, Ordering::Relaxed);
    let library: Arc<dyn nvidia::Library> = cards.clone();
    let begun = Instant::now();
    let at = |seconds| begun + Duration::from_secs(seconds);
    let (_folder, sources) = tree();
    let mut meter = Meter::new_at(sources, begun).unwrap();
    meter.energy = nvidia::found(&library, begun);
    assert_eq!(meter.energy_sources(), [EnergySource::Nvml]);
    assert_eq!(meter.interval(), Some(POWER_EVERY));
    cards.energy_mj.store(1_300_000, Ordering::Relaxed);
    assert_eq!(meter.read_at(at(2)).unwrap().energy_mj, Some(300_000 + 200_000));
    // The driver was loaded again: its count began anew.
    cards.energy_mj.store(5_000, Ordering::Relaxed);
    assert_eq!(meter.read_at(at(3)).unwrap().energy_mj, None);
    assert_eq!(meter.read_at(at(4)).unwrap().energy_mj, Some(100_000));
    cards.lost.store(true, Ordering::Relaxed);
    assert_eq!(meter.read_at(at(5)).unwrap().energy_mj, None);
}

#[test]
fn power_is_read_as_long_as_there_is_a_meter() {
    let (_folder, sources) = tree();
    let counter = zone(&sources, "intel-rapl:0", "package-0", 0, 1_000_000);
    let meter = Arc::new(Mutex::new(Meter::new(sources).unwrap()));
    let weak = Arc::downgrade(&meter);
    let watching = thread::spawn(move || watch(&weak, Duration::from_millis(5)));
    // Only one that looked in between knows that the counter has begun again. It was looking while
    // this was written, and may have seen an empty file.
    let consumed = (0..100).find_map(|_| {
        for reading in ["900000\n", "100000\n", "200000\n"] {
            fs::write(&counter, reading).unwrap();
            thread::sleep(Duration::from_millis(50));
        }
        meter.lock().unwrap().read().unwrap().energy_mj.filter(|consumed| *consumed >= 1_000)
    });
    assert!(consumed.is_some());
    drop(meter);
    watching.join().unwrap();
}

#[test]
fn this_machine_is_measured() {
    let mut meter = Meter::new(Sources::default()).unwrap();
    assert!(meter.read().unwrap().memory_peak_bytes > 0);
}
