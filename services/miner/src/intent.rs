//! What the miner wants the chain to do, as the transaction queue keeps it.
//!
//! The names are on the disk: they are read by every later version, and never change.

use std::fmt;
use std::str::FromStr;

use cyborg_primitives::{RequestNumber, TaskId};

/// A transaction that the miner wants done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// The attestation of a task; each attempt is a separate intent.
    Confirm { task: TaskId, attempt: u32 },
    /// The refusal of a task.
    Decline { task: TaskId },
    /// Proofs of a task, in the transaction of this number.
    Proofs { task: TaskId, batch: u64 },
    /// The commitment to a period that begins with a request.
    Commit { task: TaskId, first: RequestNumber },
    /// The answer to a challenged receipt.
    Answer { task: TaskId, number: RequestNumber },
    /// The claim of what was acknowledged up to a request.
    Claim { task: TaskId, through: RequestNumber },
    /// The report of a period of what a task consumed.
    Report { task: TaskId, period: u32 },
    /// The heartbeat of a span of time.
    Heartbeat { span: u64 },
}

impl Intent {
    /// The task that it concerns.
    pub(crate) fn task(self) -> Option<TaskId> {
        match self {
            Self::Confirm { task, .. }
            | Self::Decline { task }
            | Self::Proofs { task, .. }
            | Self::Commit { task, .. }
            | Self::Answer { task, .. }
            | Self::Claim { task, .. }
            | Self::Report { task, .. } => Some(task),
            Self::Heartbeat { .. } => None,
        }
    }

    /// The first word of its name.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Confirm { .. } => "confirm",
            Self::Decline { .. } => "decline",
            Self::Proofs { .. } => "proofs",
            Self::Commit { .. } => "commit",
            Self::Answer { .. } => "answer",
            Self::Claim { .. } => "claim",
            Self::Report { .. } => "report",
            Self::Heartbeat { .. } => "heartbeat",
        }
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Confirm { task, attempt } => write!(formatter, "{kind}/{task}/{attempt}"),
            Self::Decline { task } => write!(formatter, "{kind}/{task}"),
            Self::Proofs { task, batch: number }
            | Self::Commit { task, first: number }
            | Self::Answer { task, number }
            | Self::Claim { task, through: number } => write!(formatter, "{kind}/{task}/{number}"),
            Self::Report { task, period } => write!(formatter, "{kind}/{task}/{period}"),
            Self::Heartbeat { span } => write!(formatter, "{kind}/{span}"),
        }
    }
}

/// A name in the queue that is not one of the miner's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownIntent;

impl FromStr for Intent {
    type Err = UnknownIntent;

    fn from_str(name: &str) -> Result<Self, UnknownIntent> {
        let (kind, rest) = name.split_once('/').ok_or(UnknownIntent)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| UnknownIntent);
        let small = |number: u64| u32::try_from(number).map_err(|_| UnknownIntent);
        let (task, last) = match rest.split_once('/') {
            None => (number(rest)?, None),
            Some((task, last)) => (number(task)?, Some(number(last)?)),
        };
        match (kind, last) {
            ("confirm", Some(attempt)) => Ok(Self::Confirm { task, attempt: small(attempt)? }),
            ("decline", None) => Ok(Self::Decline { task }),
            ("proofs", Some(batch)) => Ok(Self::Proofs { task, batch }),
            ("commit", Some(first)) => Ok(Self::Commit { task, first }),
            ("answer", Some(number)) => Ok(Self::Answer { task, number }),
            ("claim", Some(through)) => Ok(Self::Claim { task, through }),
            ("report", Some(period)) => Ok(Self::Report { task, period: small(period)? }),
            ("heartbeat", None) => Ok(Self::Heartbeat { span: task }),
            _ => Err(UnknownIntent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_disk_stay_as_they_are() {
        for (name, intent) in [
            ("confirm/7/2", Intent::Confirm { task: 7, attempt: 2 }),
            ("decline/7", Intent::Decline { task: 7 }),
            ("proofs/7/18446744073709551615", Intent::Proofs { task: 7, batch: u64::MAX }),
            ("commit/7/1", Intent::Commit { task: 7, first: 1 }),
            ("answer/7/3", Intent::Answer { task: 7, number: 3 }),
            ("claim/7/9", Intent::Claim { task: 7, through: 9 }),
            ("report/7/4294967295", Intent::Report { task: 7, period: u32::MAX }),
            ("heartbeat/5", Intent::Heartbeat { span: 5 }),
        ] {
            assert_eq!(intent.to_string(), name);
            assert_eq!(name.parse(), Ok(intent));
            assert_eq!(intent.task(), (name != "heartbeat/5").then_some(7), "{name}");
        }
        for name in
            ["", "confirm", "confirm/7", "decline/7/1", "proofs/x/1", "report/7/4294967296", "other/1"]
        {
            assert_eq!(name.parse::<Intent>(), Err(UnknownIntent), "{name}");
        }
    }
}
