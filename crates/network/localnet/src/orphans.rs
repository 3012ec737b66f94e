//! Processes of a network do not outlive what started them.
//!
//! Each process carries a mark in its environment, which names the supervisor and the folder. A process
//! that finds the mark asks the kernel, first of all, to be told when its parent ends. If a process is not
//! told in time, the next network of the folder finds it by the mark and ends it.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::error::LocalnetError;

/// The variable that holds the mark: the supervisor's number, a space, the network's folder.
pub const MARK: &str = "CYBORG_SUPERVISED";
/// How long they may take to end in order, and then to be gone.
const GRACE: Duration = Duration::from_secs(10);
/// Interval at which they are looked for meanwhile.
const POLL: Duration = Duration::from_millis(50);

/// The mark of what this process starts for a folder.
pub fn mark(root: &Path) -> OsString {
    let mut mark = OsString::from(format!("{} ", std::process::id()));
    mark.push(root);
    mark
}

/// If this process is one of a network, has it end, in order, when its supervisor ends.
///
/// # Errors
/// Returns an error if the supervisor has ended already.
pub fn obey() -> Result<(), LocalnetError> {
    let Some(mark) = std::env::var_os(MARK) else { return Ok(()) };
    let supervisor = mark.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    let supervisor = String::from_utf8_lossy(supervisor).into_owned();
    // If the kernel cannot do it, the next start finds what is left.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
    // It may have ended before the kernel was asked.
    if std::os::unix::process::parent_id().to_string() == supervisor {
        return Ok(());
    }
    Err(LocalnetError::Failed(format!("the network's supervisor (process {supervisor}) has ended")))
}

/// Ends what an earlier supervisor of a folder left behind: in order, then at once. The caller
/// holds the folder's lock, so that there is no other supervisor.
///
/// # Errors
/// Returns an error if something does not end.
pub async fn end(root: &Path) -> Result<(), LocalnetError> {
    let left = of(root);
    if left.is_empty() {
        return Ok(());
    }
    crate::notify(&format!("{} processes are left over from before, and are ended first", left.len()));
    for signal in [Signal::TERM, Signal::KILL] {
        for pid in of(root) {
            // It may just have ended.
            let _ = kill_process(pid, signal);
        }
        let begun = Instant::now();
        while begun.elapsed() < GRACE {
            if of(root).is_empty() {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }
    let left: Vec<String> = of(root).iter().map(|pid| pid.as_raw_nonzero().to_string()).collect();
    Err(LocalnetError::Failed(format!("processes of an earlier start do not end: {}", left.join(", "))))
}

/// The processes that carry a folder's mark; empty on a system without `/proc`.
fn of(root: &Path) -> Vec<Pid> {
    let own = std::process::id();
    let name = fs::read_to_string("/proc/self/comm").unwrap_or_default();
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        (number != own).then_some(number)
    });
    numbers
        .filter(|number| match fs::read(format!("/proc/{number}/environ")) {
            Ok(environment) if !environment.is_empty() => {
                environment.split(|byte| *byte == 0).any(|variable| is_mark(variable, root))
            }
            // Another user's.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => false,
            // On its way out; some kernels say so with an error.
            _ => {
                let stat = fs::read_to_string(format!("/proc/{number}/stat"));
                stat.is_ok_and(|stat| is_ending(&stat, name.trim()))
            }
        })
        .filter_map(|number| i32::try_from(number).ok().and_then(Pid::from_raw))
        .collect()
}

/// Whether a process of this program's name, which has lost its memory and with it the mark, has not
/// given back its files and ports yet.
fn is_ending(stat: &str, name: &str) -> bool {
    // The name is in parentheses, and may hold some.
    let (before, after) = stat.rsplit_once(')').unwrap_or_default();
    let same = before.split_once('(').is_some_and(|(_, other)| other == name);
    let mut fields = after.split_whitespace();
    let dead = fields.next().is_none_or(|state| matches!(state, "Z" | "X"));
    // The first thread may have ended before the others, which still hold everything.
    let threads = fields.nth(16).and_then(|threads| threads.parse().ok()).unwrap_or(1);
    same && (!dead || threads > 1)
}

/// Whether a variable of an environment is the mark of a folder, whoever the supervisor was.
fn is_mark(variable: &[u8], root: &Path) -> bool {
    let value = variable.strip_prefix(MARK.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
    let folder = value.and_then(|value| {
        let space = value.iter().position(|byte| *byte == b' ')?;
        Some(&value[space + 1..])
    });
    folder == Some(root.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::process::Command;

    use super::*;

    #[test]
    fn marks_are_of_one_folder() {
        let root = Path::new("/srv/a network");
        let variable = [MARK.as_bytes(), b"=", mark(root).as_bytes()].concat();
        assert!(is_mark(&variable, root));
        assert!(!is_mark(&variable, Path::new("/srv/a")));
        assert!(!is_mark(&variable, Path::new("/srv/a network/b")));
        for other in ["", "CYBORG_SUPERVISED", "CYBORG_SUPERVISED=1", "CYBORG_SUPERVISEDX=1 /srv/a network"] {
            assert!(!is_mark(other.as_bytes(), root), "{other}");
        }
    }

    #[test]
    fn a_process_has_ended_when_nothing_of_it_is_left() {
        let stat = |name: &str, state: char, threads: u32| {
            format!("17 ({name}) {state} 1 17 17 0 -1 4227 1 0 0 0 1 2 0 0 20 0 {threads} 0 4711 0 0")
        };
        assert!(is_ending(&stat("cyborg", 'R', 3), "cyborg"));
        assert!(is_ending(&stat("cyborg", 'Z', 2), "cyborg"));
        assert!(is_ending(&stat("a (b) c", 'D', 1), "a (b) c"));
        for other in [
            stat("cyborg", 'Z', 1),
            stat("cyborg", 'X', 0),
            stat("kworker/0:1", 'I', 1),
            String::new(),
            "17 (cyborg".to_owned(),
        ] {
            assert!(!is_ending(&other, "cyborg"), "{other}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_is_left_over_is_ended() {
        let root = Path::new("/nowhere/this test's network");
        let start = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]).env(MARK, mark(root)).spawn().unwrap()
        };
        let mut left = start("while :; do sleep 0.1; done");
        let begun = Instant::now();
        while of(root).is_empty() {
            assert!(begun.elapsed() < GRACE);
            sleep(POLL).await;
        }
        // Zombies of this test's own have no environment, and count as gone.
        end(root).await.unwrap();
        assert!(of(root).is_empty());
        assert!(!left.wait().unwrap().success());
        end(root).await.unwrap();
    }
}
