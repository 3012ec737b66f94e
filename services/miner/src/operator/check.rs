//! What the doctor concludes from what it has found: rules without side effects.
//!
//! A *problem* stops the miner from working or costs it money; a *warning* is worth a look. Each of them
//! says what to do.

use cyborg_disk::files::size_shown;
use cyborg_primitives::money::Cyb;
use cyborg_scheduler::{PROBATION_BELOW, SUSPENDED_BELOW};
use serde_json::{Value, json};

use super::machine::{Memory, Power, energy_shown};
use super::record::{Duty, Record};

/// How far a clock may be off before somebody should look.
const CLOCK_MS: u64 = 30_000;
/// About how long after its own time a block is final.
const FINALITY_MS: u64 = 30_000;
/// Chain time of a block: a chain with faster blocks is a development chain.
const SLOT_MS: u64 = 6_000;
/// A heartbeat takes about 3 thousandths of a CYB, and there are 288 a day. Below the first amount an
/// account is silent within an hour, below the second within a day.
const NO_MONEY: u128 = 30_000_000_000;
const LITTLE_MONEY: u128 = 500_000_000_000;
/// Minimum of free room on the disk.
const LEAST_DISK: u64 = 1 << 30;
/// A process that is this many blocks behind does not follow the chain.
const BEHIND_BLOCKS: u64 = 50;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// Everything is as it should be.
    Ok,
    /// Worth a look.
    Warning,
    /// The miner does not work, or loses money.
    Problem,
    /// The check depends on something that is not right.
    Skipped,
}

impl Outcome {
    /// The word for it in both outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
            Self::Skipped => "skipped",
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found.
    pub finding: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl Check {
    /// Everything is as it should be.
    pub fn ok(name: &'static str, finding: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Ok, finding: finding.into(), remedy: None }
    }

    /// Something is worth a look.
    pub fn warning(name: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Warning, finding: finding.into(), remedy: Some(remedy.into()) }
    }

    /// Something stops the miner, or costs it money.
    pub fn problem(name: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Problem, finding: finding.into(), remedy: Some(remedy.into()) }
    }

    /// Nothing could be checked, and why.
    pub fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Skipped, finding: why.into(), remedy: None }
    }

    /// As programs read it.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "status": self.outcome.name(),
            "finding": self.finding,
            "remedy": self.remedy,
        })
    }

    /// As people read it. It holds words of other programs, which must not instruct a terminal.
    pub fn lines(&self) -> Vec<String> {
        let clean = |text: &str| text.replace(|letter: char| letter.is_control(), " ");
        let mut lines =
            vec![format!("{:<8} {:<13} {}", self.outcome.name(), self.name, clean(&self.finding))];
        if let Some(remedy) = &self.remedy {
            lines.push(format!("{:<8} {:<13} → {}", "", "", clean(remedy)));
        }
        lines
    }
}

/// Finalised blocks, as they were watched for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watched {
    /// The last one.
    pub block: u64,
    /// Chain time there.
    pub chain_ms: u64,
    /// This machine's clock when it was seen.
    pub local_ms: u64,
    /// Time from block to block; `None` if fewer than two came.
    pub interval_ms: Option<u64>,
    /// Number of blocks that came.
    pub came: u64,
    /// How long blocks were watched.
    pub watched_ms: u64,
}

/// Whether blocks become final.
pub fn blocks(watched: &Watched) -> Check {
    let Watched { block, came, watched_ms, interval_ms, .. } = *watched;
    if came == 0 {
        let finding = format!("no block became final in {} s; the last is {block}", watched_ms / 1000);
        let remedy = "is the node synchronised, and are its peers reachable? Look at its log";
        return Check::problem("blocks", finding, remedy);
    }
    let rate = interval_ms.map(|interval| format!(", one in {:.1} s", interval as f64 / 1e3));
    Check::ok("blocks", format!("block {block} is final{}", rate.unwrap_or_default()))
}

/// This machine's clock against the chain's time.
pub fn clock(watched: &Watched) -> Check {
    let Watched { chain_ms, local_ms, interval_ms, .. } = *watched;
    let off = chain_ms.abs_diff(local_ms);
    let shown = span(off);
    let remedy = "set the clock by the network: `timedatectl set-ntp true`";
    if chain_ms <= local_ms {
        // Finalised blocks are some time old.
        return match off > CLOCK_MS + FINALITY_MS {
            false => Check::ok("clock", "agrees with the chain's time"),
            true => Check::warning(
                "clock",
                format!("{shown} ahead of the chain's time"),
                format!("is the node behind, or a development chain that stood still? Else {remedy}"),
            ),
        };
    }
    if off <= CLOCK_MS {
        return Check::ok("clock", "agrees with the chain's time");
    }
    match interval_ms {
        Some(interval) if interval + SLOT_MS / 6 < SLOT_MS => {
            let finding = format!(
                "the chain's time is {shown} ahead, as on a development chain: a block every {:.1} s, each {} s \
                 of chain time",
                interval as f64 / 1e3,
                SLOT_MS / 1000
            );
            Check::ok("clock", finding)
        }
        _ => Check::warning("clock", format!("{shown} behind the chain's time"), remedy),
    }
}

/// A time in milliseconds as people read it: in its greatest unit.
pub fn span(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Whether the account is a miner with the folder's key. `own` is that key, if it could be read.
pub fn registered(address: &str, dir: &str, record: Option<&Record>, own: Option<[u8; 32]>) -> Check {
    let name = "registration";
    match (record, own) {
        (None, _) => Check::problem(
            name,
            format!("{address} is not registered as a miner on this chain"),
            format!("`cyborg miner init --dir {dir}` registers it"),
        ),
        (Some(record), Some(own)) if record.key != own => Check::problem(
            name,
            "the chain names another key than this folder's: owners encrypt to one that is not here",
            "use the folder that the account was registered with, or another account for this one",
        ),
        (Some(record), _) if record.leaves_at.is_some() => Check::warning(
            name,
            "deregistered: it gets no new tasks",
            format!("when the bond is free: `cyborg miner withdraw --dir {dir}`"),
        ),
        (Some(_), Some(_)) => Check::ok(name, format!("{address} is registered with this folder's key")),
        (Some(_), None) => Check::ok(name, format!("{address} is registered; its key was not compared")),
    }
}

/// Whether enough is staked for the miner to be offered tasks.
pub fn bond(bond: u128, minimum: u128, dir: &str) -> Check {
    let missing = minimum.saturating_sub(bond);
    if missing == 0 {
        return Check::ok("bond", format!("{}", Cyb(bond)));
    }
    let finding = format!("{}, less than the {} of a miner on offer", Cyb(bond), Cyb(minimum));
    let remedy = format!("`cyborg miner bond --dir {dir} {}`", Cyb(missing).number());
    Check::problem("bond", finding, remedy)
}

/// Whether the chain trusts the miner enough to give it tasks.
pub fn reputation(points: u8) -> Check {
    let finding = format!("{points} of 100");
    let remedy = "points come back with time served without an offence, one a day; `cyborg chain events` says \
                  what it was punished for";
    if points < SUSPENDED_BELOW {
        return Check::problem(
            "reputation",
            format!("{finding}: suspended, below {SUSPENDED_BELOW}"),
            remedy,
        );
    }
    if points < PROBATION_BELOW {
        return Check::warning(
            "reputation",
            format!("{finding}: ranked last, below {PROBATION_BELOW}"),
            remedy,
        );
    }
    Check::ok("reputation", finding)
}

/// Whether the chain hears of the miner.
pub fn heartbeat(record: &Record, now: u64, timeout_ms: u64, runs: bool) -> Check {
    let silent = now.saturating_sub(record.seen);
    let finding = format!("{} of chain time ago, and {} are allowed", span(silent), span(timeout_ms));
    let remedy = match runs {
        true => "is its account out of money, or its node? Look at the miner's log",
        false => "start the miner",
    };
    match record.duty {
        Duty::Over => Check::skipped("heartbeat", "the miner has left; none is expected"),
        Duty::Lapsed => {
            Check::problem("heartbeat", format!("{finding}: it lapsed, and was punished"), remedy)
        }
        Duty::Serving if silent > timeout_ms / 2 => Check::warning("heartbeat", finding, remedy),
        Duty::Serving => Check::ok("heartbeat", finding),
    }
}

/// Whether the account can pay for transactions.
pub fn money(address: &str, free: u128) -> Check {
    let finding = format!("{} for transactions", Cyb(free));
    let remedy =
        format!("send some, a day of heartbeats takes 0.9: `cyborg chain transfer --from KEY {address} 5`");
    match free {
        0..NO_MONEY => Check::problem("money", finding, remedy),
        NO_MONEY..LITTLE_MONEY => Check::warning("money", finding, remedy),
        _ => Check::ok("money", finding),
    }
}

/// Whether the memory that is offered is there.
pub fn memory(offered_mib: u32, memory: Option<Memory>) -> Check {
    let offered = u64::from(offered_mib) << 20;
    let Some(memory) = memory else {
        return Check::skipped("memory", "the kernel does not say how much there is");
    };
    let finding = format!("{offered_mib} MiB offered of {} MiB", memory.total >> 20);
    if offered > memory.total {
        let remedy = "declare less with the chain's call miners.update, or add memory";
        return Check::problem("memory", finding, remedy);
    }
    if offered > memory.total / 10 * 9 {
        let remedy = "leave a tenth to the system and to proofs: declare less with the call miners.update";
        return Check::warning("memory", finding, remedy);
    }
    Check::ok("memory", format!("{finding}, {} MiB are free", memory.available >> 20))
}

/// Whether there is room on the disk, and whether it can be written.
pub fn disk(free_bytes: u64, writable: Result<(), String>, offered_mib: u32) -> Check {
    let finding = format!("{} free", size_shown(free_bytes));
    if let Err(problem) = writable {
        let remedy = "is it full, mounted read-only, or another user's?";
        return Check::problem("disk", format!("{finding}, and cannot be written: {problem}"), remedy);
    }
    if free_bytes < LEAST_DISK {
        return Check::problem("disk", finding, "make room, or move the folder to a larger disk");
    }
    let offered = u64::from(offered_mib) << 20;
    if free_bytes < offered {
        let finding = format!("{finding}, less than the {} of memory that is offered", size_shown(offered));
        return Check::warning("disk", finding, "models lie on the disk too: make room, or offer less");
    }
    Check::ok("disk", finding)
}

/// Where power comes from, and whether consumption can be read.
pub fn power(power: Power, energy: &[String], locked: bool) -> Check {
    let finding = format!("{}, {}", power.name(), energy_shown(energy));
    if power == Power::Battery {
        return Check::warning(
            "power",
            finding,
            "plug it in: a miner that vanishes loses bond and reputation",
        );
    }
    if energy.is_empty() && locked {
        let remedy = "there are counters that only root reads: `chmod a+r /sys/class/powercap/*/energy_uj`";
        return Check::warning("power", finding, remedy);
    }
    Check::ok("power", if energy.is_empty() { format!("{finding}: reports say so") } else { finding })
}

/// Whether models can be fetched: each location by its name, and what is wrong with it.
pub fn storage(locations: &[(String, Option<String>)]) -> Check {
    let silent: Vec<&(String, Option<String>)> =
        locations.iter().filter(|(_, problem)| problem.is_some()).collect();
    let answer = locations.len() - silent.len();
    let finding = format!("{answer} of {} locations answer", locations.len());
    let Some((name, Some(problem))) = silent.first() else { return Check::ok("storage", finding) };
    let finding = format!("{finding}; {name}: {problem}");
    if answer == 0 {
        let remedy = "no model can be fetched: is it named right, are keys set, and is the network there?";
        return Check::problem("storage", finding, remedy);
    }
    let remedy = "models are fetched from the others while those have enough fragments";
    Check::warning("storage", finding, remedy)
}

/// What was found of the miner's process.
#[derive(Clone, Debug, PartialEq)]
pub enum Running {
    /// It answers.
    Answers {
        /// Where.
        url: String,
        /// The last block that it handled.
        block: u64,
    },
    /// It holds the folder and listens nowhere yet.
    Starting,
    /// It holds the folder and does not answer where it listens.
    Silent {
        /// Where it should answer.
        url: String,
        /// What was wrong.
        problem: String,
    },
    /// It does not run, and its port is free.
    Down,
    /// It does not run, and something else listens at its address.
    Taken {
        /// The address.
        listen: String,
    },
    /// A miner of this account answers, and does not hold this folder.
    Elsewhere {
        /// Where it answers.
        url: String,
    },
}

/// Whether the miner runs, answers, and keeps up with the chain. `head` is the last final block.
pub fn process(running: &Running, dir: &str, head: Option<u64>) -> Check {
    let name = "process";
    match running {
        Running::Answers { url, block } => match head {
            Some(head) if head > block.saturating_add(BEHIND_BLOCKS) => Check::warning(
                name,
                format!("answers at {url}, and is {} blocks behind", head - block),
                "does it use the same node? Look at its log",
            ),
            _ => Check::ok(name, format!("answers at {url}, handled block {block}")),
        },
        Running::Starting => Check::warning(
            name,
            "is starting, and does not listen yet",
            "it waits for the chain, or for the endpoint to be updated: look at its log",
        ),
        Running::Silent { url, problem } => Check::problem(
            name,
            format!("runs, and does not answer at {url}: {problem}"),
            "look at its log; end it and start it again",
        ),
        Running::Down => Check::warning(name, "does not run", format!("`cyborg miner start --dir {dir}`")),
        Running::Taken { listen } => Check::problem(
            name,
            format!("does not run, and another program listens at {listen}"),
            "end that program, or start the miner with another --listen",
        ),
        Running::Elsewhere { url } => Check::problem(
            name,
            format!("a miner of this account answers at {url}, from another folder"),
            "end one of them: two miners of one account sign two answers, and lose half the bond",
        ),
    }
}

/// How clients reach the miner.
#[derive(Clone, Debug, PartialEq)]
pub enum Reached {
    /// It answers, with a certificate that everybody trusts, or without one.
    Yes,
    /// It answers, with a certificate that clients do not trust.
    Distrusted(String),
    /// Another program answers.
    Other,
    /// Nobody answers.
    No(String),
}

/// Whether clients find the miner where the chain says that it is. `expected` is where it should be,
/// `reached` is `None` if it does not run.
pub fn endpoint(on_chain: &str, expected: Option<&str>, reached: Option<&Reached>) -> Check {
    let name = "endpoint";
    let shown = on_chain.escape_debug();
    match (reached, expected) {
        (Some(Reached::Other), _) => Check::problem(
            name,
            format!("another program answers at {shown}"),
            "name the right one: `cyborg miner start --endpoint URL`",
        ),
        (Some(Reached::No(problem)), _) => Check::problem(
            name,
            format!("nobody answers at {shown}: {problem}"),
            "open the port in firewall and router, or name the right endpoint: `cyborg miner start --endpoint \
             URL`; some routers do not show a network its own outside: then ask from elsewhere",
        ),
        (_, Some(expected)) if expected != on_chain => Check::warning(
            name,
            format!("the chain names {shown}, and the miner is set up for {expected}"),
            "the next start updates the chain",
        ),
        (Some(Reached::Distrusted(problem)), _) => Check::warning(
            name,
            format!("answers at {shown}, by a certificate that clients do not trust: {problem}"),
            "get a certificate for this name from an authority that they know",
        ),
        (Some(Reached::Yes), _) => Check::ok(name, format!("answers at {shown}")),
        (None, _) => Check::skipped(name, format!("{shown}: asked when the miner runs")),
    }
}

#[cfg(test)]
mod tests;
