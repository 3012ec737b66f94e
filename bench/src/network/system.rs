//! Processes and the machine as the kernel sees them, in `/proc`.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;

/// Ticks of a second in `stat`: what every Linux has had since 2.6.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processes that wanted a processor over the last minute, on average.
pub(crate) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Processor time of a process so far, in seconds.
///
/// # Errors
/// Returns an error if there is no such process.
pub(crate) fn processor_s(process: u32) -> Result<f64> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    processor_of(&text).with_context(|| format!("{path} is not as the kernel writes it"))
}

/// User and system time of a line of `stat`, in seconds.
fn processor_of(stat: &str) -> Option<f64> {
    // The name, in parentheses, may hold anything; after it fields are parted by blanks.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// Greatest resident memory of a process so far, in bytes.
///
/// # Errors
/// Returns an error if there is no such process.
pub(crate) fn peak_bytes(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    peak_of(&text).with_context(|| format!("{path} does not say how much memory it took"))
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1_024)
}

/// Time that all processors were busy since the machine was started, in seconds.
fn machine_s() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    busy_of(&text).context("/proc/stat is not as the kernel writes it")
}

fn busy_of(stat: &str) -> Option<f64> {
    let fields: Vec<f64> = stat
        .lines()
        .find_map(|line| line.strip_prefix("cpu "))?
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    // Of user, nice, system, idle, iowait, irq, softirq and steal, all but idle and waiting. The guests' time
    // that follows is counted in user time already.
    let busy = fields.iter().take(8).enumerate().filter(|(index, _)| !matches!(index, 3 | 4));
    (fields.len() >= 8).then(|| busy.map(|(_, ticks)| ticks).sum::<f64>() / TICKS_PER_SECOND)
}

/// The processors that each group of processes used: 1.5 is one and a half of them all the time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shares {
    /// How long this was watched.
    pub(crate) seconds: f64,
    /// Each group of processes, by name.
    pub(crate) of: Vec<(String, f64)>,
    /// Everything else on the machine.
    pub(crate) others: f64,
}

/// Groups of processes that are watched.
pub(crate) struct Watch {
    begun: Instant,
    groups: Vec<(String, Vec<u32>, f64)>,
    machine_s: f64,
}

impl Watch {
    /// Begins to watch; this process itself is the client.
    ///
    /// # Errors
    /// Returns an error if one of them is not there.
    pub(crate) fn begin(groups: &[(&str, Vec<u32>)]) -> Result<Self> {
        let mut watched = Vec::new();
        for (name, processes) in groups {
            watched.push(((*name).to_owned(), processes.clone(), sum(processes)?));
        }
        Ok(Self { begun: Instant::now(), groups: watched, machine_s: machine_s()? })
    }

    /// The processor time of each group since then.
    ///
    /// # Errors
    /// Returns an error if one of them has ended.
    pub(crate) fn end(&self) -> Result<Shares> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut others = machine_s()? - self.machine_s;
        let mut of = Vec::new();
        for (name, processes, before) in &self.groups {
            let took = sum(processes)? - before;
            others -= took;
            of.push((name.clone(), took / seconds));
        }
        Ok(Shares { seconds, of, others: others.max(0.0) / seconds })
    }
}

impl Shares {
    /// For a cell of a table.
    pub(crate) fn cell(&self) -> String {
        let mut cells: Vec<String> =
            self.of.iter().map(|(name, share)| format!("{name} {share:.2}")).collect();
        cells.push(format!("others {:.2}", self.others));
        cells.join(", ")
    }
}

fn sum(processes: &[u32]) -> Result<f64> {
    processes.iter().map(|process| processor_s(*process)).sum()
}

#[cfg(test)]
mod tests {
    use super::{Watch, busy_of, peak_of, processor_of};

    #[test]
    fn what_the_kernel_writes_is_read() {
        let stat = "17 (a) name (b)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
        assert_eq!(processor_of(stat), Some(3.0));
        assert_eq!(processor_of("nothing"), None);
        assert_eq!(peak_of("VmPeak:\t 9 kB\nVmHWM:\t 20 kB\n"), Some(20_480));
        assert_eq!(busy_of("cpu  100 0 100 700 50 0 0 100 30 0\ncpu0 1"), Some(3.0));
        assert_eq!(busy_of("cpu  1 2"), None);
    }

    #[test]
    fn shares_are_those_of_the_time_between() -> anyhow::Result<()> {
        let watch = Watch::begin(&[("client", vec![std::process::id()])])?;
        std::thread::sleep(std::time::Duration::from_millis(20));
        let shares = watch.end()?;
        assert!(shares.seconds >= 0.02 && shares.of[0].1 >= 0.0);
        assert!(shares.cell().starts_with("client 0."), "{}", shares.cell());
        Ok(())
    }
}
