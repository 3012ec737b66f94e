//! From stop to refund.

use super::*;

#[test]
fn stop_settle_vacate_forget() {
    new_test_ext(5).execute_with(|| {
        let id = running(spec());
        assert_eq!(stop(STRANGER, id), Err(Error::<Test>::NotOwner.into()));
        assert_eq!(stop(101, id), Err(Error::<Test>::NotOwner.into()));
        assert_eq!(stop(DELEGATE, id), Err(Error::<Test>::NotOwner.into()));
        assert_eq!(stop(OWNER, id + 1), Err(Error::<Test>::UnknownTask.into()));
        assert_ok!(stop(OWNER, id));
        assert_eq!(task(id).state, TaskState::Stopped);
        assert_eq!(status(id, 103), Status::Left { confirmed: false });
        assert_eq!(stop(OWNER, id), Err(Error::<Test>::TaskStopped.into()));
        pass(SETTLEMENT);
        assert!(Moneys::contains_key(id), "settles until the last moment");
        pass(3 * SLOT);
        assert_ended(id, Cause::Owner);
        assert_eq!(Ending::get(id), [101, 102, 103]);
        assert_eq!(stop(OWNER, id), Err(Error::<Test>::UnknownTask.into()));
        pass(RETENTION + 3 * SLOT);
        assert!(Ended::<Test>::get(id).is_none());
        assert_eq!(crate::AgendaPageCount::<Test>::iter().count(), 0);
    });
}

#[test]
fn stopped_before_anybody_confirmed_is_over_at_once() {
    new_test_ext(5).execute_with(|| {
        let id = submit(spec()).unwrap();
        assert_ok!(provide(OWNER, id, &[101, 102]));
        assert_ok!(stop(OWNER, id));
        assert_ended(id, Cause::Owner);
        assert_eq!(confirm(101, id), Err(Error::<Test>::UnknownTask.into()));
    });
}

#[test]
fn a_forgotten_task_ends() {
    new_test_ext(5).execute_with(|| {
        let short = TaskSpec { compute_ms: 1, ..spec() };
        let id = running(short);
        pass(MIN_DURATION - SLOT);
        assert_eq!(task(id).state, TaskState::Running);
        pass(4 * SLOT);
        assert_eq!((task(id).state, task(id).cause), (TaskState::Stopped, Some(Cause::Expired)));
        assert_eq!(Punished::get(), []);
        pass(SETTLEMENT + 3 * SLOT);
        assert_ended(id, Cause::Expired);
    });
}

/// More is bought, longer it lives, up to a bound.
#[test]
fn life_follows_what_was_bought() {
    new_test_ext(5).execute_with(|| {
        let life = |compute_ms| {
            let id = submit(TaskSpec { compute_ms, ..single() }).unwrap();
            task(id).ends - now()
        };
        assert_eq!(life(1), MIN_DURATION);
        assert_eq!(life(300_000), 3_000_000);
        assert_eq!(life(u64::MAX / 2_000_000), MAX_DURATION);
    });
}

/// In the settlement period a miner gives its memory back when it likes, and stays liable.
#[test]
fn leaving_a_stopped_task_is_free_but_does_not_end_liability() {
    new_test_ext(5).execute_with(|| {
        let id = running(single());
        assert_ok!(stop(OWNER, id));
        assert_ok!(vacate(101, id));
        let machine = Machines::get(101).unwrap();
        assert_eq!((machine.free_mib, machine.liabilities), (10_000, 1));
        assert_eq!(Punished::get(), []);
        pass(SETTLEMENT + 3 * SLOT);
        assert_ended(id, Cause::Owner);
        assert_eq!(Machines::get(101).unwrap().liabilities, 0);
    });
}
