//! Keys: who may wrap them, for whom, and until when.

use super::*;

#[test]
fn every_replica_gets_one() {
    new_test_ext(5).execute_with(|| {
        let id = submit(spec()).unwrap();
        let refused = |miners: &[AccountId], error: Error<Test>| {
            assert_eq!(provide(OWNER, id, miners), Err(error.into()));
        };
        refused(&[], Error::MissingWrap);
        refused(&[101], Error::MissingWrap);
        refused(&[102, 104], Error::MissingWrap);
        refused(&[101, 102, 104], Error::NotAssigned);
        refused(&[101, 102, 103], Error::StandbyMayNotRead);
        refused(&[101, 102, 101], Error::AlreadyKeyed);
        assert!(task(id).keys.is_none());
        assert_eq!(provide(STRANGER, id, &[101, 102]), Err(Error::<Test>::NotOwner.into()));
        assert_eq!(provide(DELEGATE, id, &[101, 102]), Err(Error::<Test>::NotOwner.into()));
        assert_eq!(provide(101, id, &[101, 102]), Err(Error::<Test>::NotOwner.into()));
        assert_eq!(provide(OWNER, id + 1, &[101, 102]), Err(Error::<Test>::UnknownTask.into()));
        assert_ok!(provide(OWNER, id, &[102, 101]));
        assert_eq!(crate::Wraps::<Test>::get(id, 101), Some(WRAP));
        refused(&[101, 102], Error::NoKeysDue);
    });
}

#[test]
fn standbys_read_now_or_not() {
    new_test_ext(5).execute_with(|| {
        let id = submit(TaskSpec { standbys_read_now: true, ..spec() }).unwrap();
        assert_eq!(provide(OWNER, id, &[101, 102]), Err(Error::<Test>::MissingWrap.into()));
        assert_ok!(provide(OWNER, id, &[101, 102, 103]));
        assert_ok!(confirm(103, id));
        // It takes over without a word of the owner.
        assert_ok!(decline(101, id));
        assert_eq!(live(id, Role::Replica), [102, 103]);
        assert_eq!(status(id, 103), Status::Confirmed);
    });
}

/// Who comes later gets the same files, for the same key of the owner.
#[test]
fn later_keys_are_for_the_same_files() {
    new_test_ext(5).execute_with(|| {
        let id = running(single());
        assert_ok!(vacate(101, id));
        let later = |manifest, result_key| Call::provide_keys {
            task: id,
            manifest,
            result_key,
            wraps: wraps(&[102]),
        };
        let differ = Err(Error::<Test>::KeysDiffer.into());
        assert_eq!(call(OWNER, later([9; 32], RESULT_KEY)), differ);
        assert_eq!(call(OWNER, later(MANIFEST, [9; 32])), differ);
        // One that has left is not wrapped for.
        assert_eq!(provide(OWNER, id, &[102, 101]), Err(Error::<Test>::NotAssigned.into()));
        assert_ok!(call(OWNER, later(MANIFEST, RESULT_KEY)));
        assert!(crate::Wraps::<Test>::get(id, 101).is_none());
    });
}

#[test]
fn an_owner_that_is_late_gets_its_money_back_and_no_service() {
    new_test_ext(5).execute_with(|| {
        let id = submit(spec()).unwrap();
        pass(KEYS);
        assert!(StoredTasks::<Test>::contains_key(id), "the last moment is in time");
        Timestamp::set_timestamp(now() + 1);
        assert_eq!(provide(OWNER, id, &[101, 102]), Err(Error::<Test>::TooLate.into()));
        pass(3 * SLOT);
        assert_ended(id, Cause::KeysLate);
        assert_eq!(Ended::<Test>::get(id).unwrap().refunded, 2_001_000);
        assert_eq!(Punished::get(), []);
    });
}

#[test]
fn the_last_moment_is_in_time() {
    new_test_ext(5).execute_with(|| {
        let id = submit(spec()).unwrap();
        pass(KEYS);
        assert_ok!(provide(OWNER, id, &[101, 102]));
    });
}

/// An owner that wraps nothing for a replacement loses the place, and nobody is punished.
#[test]
fn a_replacement_without_key_is_let_go() {
    new_test_ext(5).execute_with(|| {
        let id = running(spec());
        assert_ok!(vacate(101, id));
        assert_eq!(live(id, Role::Replica), [102, 103]);
        assert_eq!(live(id, Role::Standby), [104]);
        let before = Punished::get();
        pass(KEYS + 3 * SLOT);
        assert_eq!(status(id, 103), Status::Left { confirmed: false });
        assert_eq!(live(id, Role::Replica), [102]);
        assert_eq!(task(id).placement.replicas, 1);
        assert_eq!(task(id).state, TaskState::Running);
        assert_eq!(Punished::get(), before);
        // With the last one gone, the task stops: an owner that gives no keys wants no miners.
        assert_ok!(vacate(102, id));
        assert_eq!(live(id, Role::Replica), [104]);
        pass(KEYS + 3 * SLOT);
        assert_eq!(task(id).state, TaskState::Stopped);
        assert_eq!(task(id).cause, Some(Cause::NoMiners));
    });
}

#[test]
fn a_stopped_task_gets_no_keys() {
    new_test_ext(5).execute_with(|| {
        let id = running(single());
        assert_ok!(stop(OWNER, id));
        assert_eq!(provide(OWNER, id, &[101]), Err(Error::<Test>::TaskStopped.into()));
    });
}
