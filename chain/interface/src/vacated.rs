//! Tasks that are over, as proofs and reports hear of them.

use cyborg_primitives::TaskId;

/// Receives the end of tasks, in order to remove what it kept about them.
pub trait Vacated<AccountId> {
    /// The task is over. `miners` are all that were ever engaged on it: their number bounds the
    /// weight of this call.
    fn vacated(task: TaskId, miners: &[AccountId]);
}

impl<AccountId> Vacated<AccountId> for () {
    fn vacated(_: TaskId, _: &[AccountId]) {}
}

impl<AccountId, A: Vacated<AccountId>, B: Vacated<AccountId>> Vacated<AccountId> for (A, B) {
    fn vacated(task: TaskId, miners: &[AccountId]) {
        A::vacated(task, miners);
        B::vacated(task, miners);
    }
}
