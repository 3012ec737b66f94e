//! Who leaves a running task, and who comes instead.

use super::*;
use cyborg_interface::Departures as _;
use cyborg_primitives::miner::Offence;

fn go(miner: AccountId) {
    Machines::mutate(miner, |machine| machine.as_mut().unwrap().serving = false);
    Tasks::gone(&miner);
}

#[test]
fn abandoning_compensates_the_owner() {
    new_test_ext(5).execute_with(|| {
        let id = running(spec());
        assert_eq!(vacate(STRANGER, id), Err(Error::<Test>::NotAssigned.into()));
        assert_eq!(vacate(OWNER, id), Err(Error::<Test>::NotAssigned.into()));
        assert_eq!(vacate(103, id), Err(Error::<Test>::NotConfirmed.into()));
        assert_eq!(vacate(101, id + 1), Err(Error::<Test>::UnknownTask.into()));
        assert_ok!(vacate(101, id));
        assert_eq!(Punished::get(), [(101, Offence::Abandoned, Some(OWNER))]);
        assert_eq!(live(id, Role::Replica), [102, 103]);
        assert_eq!(Machines::get(101).unwrap().liabilities, 1, "what it answered may still be false");
        assert_eq!(vacate(101, id), Err(Error::<Test>::NotAssigned.into()));
        assert!(has_event(Event::Left { task: id, miner: 101, departure: Departure::Abandoned }));
    });
}

/// Nobody works for an escrow that is empty.
#[test]
fn who_cannot_be_paid_may_leave() {
    new_test_ext(5).execute_with(|| {
        let id = running(spec());
        Moneys::mutate(id, |money| money.as_mut().unwrap().proofs = 38);
        assert_ok!(vacate(101, id));
        assert_eq!(Punished::get(), []);
        assert_eq!(live(id, Role::Replica), [102]);
        assert_eq!(task(id).placement.replicas, 1, "it is not replaced");
        assert_ok!(vacate(102, id));
        assert_eq!((task(id).state, task(id).cause), (TaskState::Stopped, Some(Cause::NoMiners)));
        assert_eq!(Punished::get(), []);
    });
}

#[test]
fn the_gone_are_replaced_soon() {
    new_test_ext(6).execute_with(|| {
        let tasks: Vec<_> = (0..3).map(|_| running(spec())).collect();
        go(101);
        Tasks::gone(&101);
        pass(3 * SLOT);
        for id in tasks {
            assert_eq!(live(id, Role::Replica), [102, 103]);
            assert_eq!(live(id, Role::Standby), [104]);
            assert_eq!(status(id, 101), Status::Left { confirmed: true });
        }
        assert!(!MinerTasks::<Test>::contains_key(101));
        assert_eq!(Punished::get(), [], "the register has punished it");
        // With nothing to give back it is nothing to anybody.
        Tasks::gone(&101);
        Tasks::gone(&77);
        check();
    });
}

#[test]
fn who_comes_back_in_time_stays() {
    new_test_ext(6).execute_with(|| {
        let id = running(spec());
        go(101);
        Machines::mutate(101, |machine| machine.as_mut().unwrap().serving = true);
        pass(5 * SLOT);
        assert_eq!(live(id, Role::Replica), [101, 102]);
        assert_eq!(crate::Departing::<Test>::iter().count(), 0);
    });
}

/// Gone in the settlement period: nobody comes, and what was done stays payable.
#[test]
fn the_gone_of_a_stopped_task_are_not_replaced() {
    new_test_ext(6).execute_with(|| {
        let id = running(single());
        assert_ok!(stop(OWNER, id));
        go(101);
        pass(3 * SLOT);
        assert_eq!(task(id).parts.len(), 1);
        assert_eq!(status(id, 101), Status::Left { confirmed: true });
        pass(SETTLEMENT);
        assert_ended(id, Cause::Owner);
    });
}

/// The register suspends a miner while this pallet punishes it, and calls back: its other tasks
/// are reassigned too.
#[test]
fn a_punishment_that_suspends_comes_back() {
    new_test_ext(8).execute_with(|| {
        let tasks: Vec<_> = (0..4).map(|_| running(spec())).collect();
        for id in &tasks[..3] {
            assert_ok!(vacate(101, *id));
        }
        assert!(!Machines::get(101).unwrap().serving);
        assert_eq!(crate::Departing::<Test>::iter().count(), 1);
        pass(3 * SLOT);
        assert!(!live(tasks[3], Role::Replica).contains(&101));
    });
}

/// An empty place is searched for, for a while; then the task ends and the money goes back.
#[test]
fn a_task_without_miners_waits_and_ends() {
    new_test_ext(1).execute_with(|| {
        let id = running(single());
        go(101);
        pass(3 * SLOT);
        assert_eq!(task(id).state, TaskState::Running);
        assert!(task(id).retry.is_some());
        pass(3 * (RETRY + 2 * SLOT));
        assert_eq!((task(id).state, task(id).cause), (TaskState::Stopped, Some(Cause::NoMiners)));
        pass(SETTLEMENT + 3 * SLOT);
        assert_ended(id, Cause::NoMiners);
    });
}

#[test]
fn a_miner_that_comes_in_time_saves_the_task() {
    new_test_ext(1).execute_with(|| {
        let id = running(single());
        go(101);
        pass(RETRY);
        add_miner(102, 5);
        pass(RETRY + 3 * SLOT);
        assert_eq!(keyless(id), [102]);
        assert_ok!(provide(OWNER, id, &[102]));
        assert_ok!(confirm(102, id));
        assert_eq!(task(id).retries, 0);
    });
}

/// All that decline before anybody confirmed: vacated and refunded, without settlement.
#[test]
fn an_assigned_task_that_nobody_wants_is_vacated() {
    new_test_ext(2).execute_with(|| {
        let id = submit(spec()).unwrap();
        assert_ok!(provide(OWNER, id, &[101, 102]));
        assert_ok!(decline(101, id));
        assert_ok!(decline(102, id));
        assert_eq!(task(id).state, TaskState::Assigned);
        pass(4 * (RETRY + 2 * SLOT));
        assert_ended(id, Cause::NoMiners);
    });
}

/// Past miners are not asked again, and their number is bounded.
#[test]
fn a_task_is_not_passed_around_for_ever() {
    new_test_ext(20).execute_with(|| {
        let id = submit(single()).unwrap();
        let mut seen = Vec::new();
        while let Some(live) = StoredTasks::<Test>::get(id).and_then(|_| live(id, Role::Replica).pop()) {
            assert!(!seen.contains(&live));
            seen.push(live);
            assert_ok!(decline(live, id));
        }
        assert_eq!(seen.len(), MAX_MINERS as usize);
        assert_ended(id, Cause::NoMiners);
    });
}
