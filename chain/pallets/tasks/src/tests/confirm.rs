//! Confirming and declining: which attestations serve, who may, and what it costs not to.

use super::*;
use cyborg_primitives::miner::Offence;

fn keyed() -> TaskId {
    let id = submit(spec()).unwrap();
    provide(OWNER, id, &[101, 102]).unwrap();
    id
}

#[test]
fn an_attestation_starts_the_task() {
    new_test_ext(5).execute_with(|| {
        let id = keyed();
        assert_ok!(confirm(101, id));
        assert_eq!(task(id).state, TaskState::Running);
        assert_eq!(crate::Attestations::<Test>::get(id, 101), Some(attestation()));
        assert_eq!(confirm(101, id), Err(Error::<Test>::AlreadyConfirmed.into()));
        assert_ok!(confirm(102, id));
        use cyborg_interface::Engagements as _;
        let engagement = Tasks::engagement(id, &101).unwrap();
        assert!(engagement.confirmed && engagement.delegate == Some(DELEGATE));
        assert!(!Tasks::engagement(id, &103).unwrap().confirmed);
        assert!(Tasks::engagement(id, &104).is_none());
        assert_eq!(Tasks::miners(id), [101, 102, 103]);
        assert!(Tasks::miners(id + 1).is_empty());
    });
}

#[test]
fn attestations_of_others_and_of_yesterday_are_refused() {
    new_test_ext(5).execute_with(|| {
        pass(30 * SLOT);
        let id = keyed();
        let attest = |change: &dyn Fn(&mut AttestationOf<Test>)| {
            let mut attestation = attestation();
            change(&mut attestation);
            call(101, Call::confirm { task: id, attestation })
        };
        let refused = |error: Error<Test>| Err(error.into());
        assert_eq!(attest(&|a| a.model = [0; 32]), refused(Error::WrongModel));
        let block = System::block_number();
        let at = |number, hash| attest(&move |a| (a.block, a.block_hash) = (number, hash));
        assert_eq!(at(block - 1, System::block_hash(block - 2)), refused(Error::ForeignAttestation));
        assert_eq!(at(block - 1, Default::default()), refused(Error::ForeignAttestation));
        assert_eq!(at(block, System::block_hash(block)), refused(Error::ForeignAttestation));
        assert_eq!(at(u64::MAX, Default::default()), refused(Error::ForeignAttestation));
        assert_eq!(at(block - 21, System::block_hash(block - 21)), refused(Error::StaleAttestation));
        assert_eq!(at(0, System::block_hash(0)), refused(Error::StaleAttestation));
        assert_ok!(at(block - 20, System::block_hash(block - 20)));
    });
}

#[test]
fn only_a_keyed_miner_confirms_in_time() {
    new_test_ext(5).execute_with(|| {
        let id = submit(spec()).unwrap();
        assert_eq!(confirm(101, id), Err(Error::<Test>::NotKeyed.into()));
        assert_eq!(confirm(103, id), Err(Error::<Test>::NotKeyed.into()));
        assert_eq!(confirm(104, id), Err(Error::<Test>::NotAssigned.into()));
        assert_eq!(confirm(OWNER, id), Err(Error::<Test>::NotAssigned.into()));
        assert_eq!(confirm(101, id + 1), Err(Error::<Test>::UnknownTask.into()));
        provide(OWNER, id, &[101, 102]).unwrap();
        pass(CONFIRMATION);
        assert_ok!(confirm(101, id));
        Timestamp::set_timestamp(now() + 1);
        assert_eq!(confirm(102, id), Err(Error::<Test>::TooLate.into()));
        assert_eq!(decline(102, id), Err(Error::<Test>::TooLate.into()));
    });
}

/// Late miners are punished, to nobody's profit, and replaced: first by the standby.
#[test]
fn who_does_not_confirm_is_punished_and_replaced() {
    new_test_ext(5).execute_with(|| {
        let id = keyed();
        assert_ok!(confirm(101, id));
        pass(CONFIRMATION + 3 * SLOT);
        assert_eq!(Punished::get(), [(102, Offence::Unconfirmed, None)]);
        assert_eq!(live(id, Role::Replica), [101, 103]);
        assert_eq!(live(id, Role::Standby), [104]);
        assert_eq!(keyless(id), [103]);
        assert_eq!(Machines::get(102).unwrap().liabilities, 0);
        assert_eq!(confirm(102, id), Err(Error::<Test>::NotAssigned.into()));
        assert_ok!(provide(OWNER, id, &[103]));
        assert_ok!(confirm(103, id));
    });
}

#[test]
fn declining_is_free_but_not_often() {
    new_test_ext(9).execute_with(|| {
        let first = keyed();
        assert_ok!(decline(101, first));
        assert_eq!(live(first, Role::Replica), [102, 103]);
        assert_eq!(decline(101, first), Err(Error::<Test>::NotAssigned.into()));
        assert_eq!(decline(STRANGER, first), Err(Error::<Test>::NotAssigned.into()));
        assert_eq!(decline(101, first + 1), Err(Error::<Test>::UnknownTask.into()));
        let second = submit(single()).unwrap();
        assert_ok!(decline(101, second));
        let third = submit(single()).unwrap();
        assert_eq!(decline(101, third), Err(Error::<Test>::DeclinedTooOften.into()));
        pass(50 * SLOT);
        // The third was vacated for want of keys. One decline has come back after ten minutes.
        pass(50 * SLOT);
        let fourth = submit(single()).unwrap();
        assert_ok!(decline(101, fourth));
        let fifth = submit(single()).unwrap();
        assert_eq!(decline(101, fifth), Err(Error::<Test>::DeclinedTooOften.into()));
        assert_eq!(Punished::get().iter().filter(|(miner, ..)| *miner == 101).count(), 0);
    });
}

#[test]
fn who_has_confirmed_cannot_decline() {
    new_test_ext(5).execute_with(|| {
        let id = running(single());
        assert_eq!(decline(101, id), Err(Error::<Test>::AlreadyConfirmed.into()));
    });
}

/// A standby that never was needed may decline too; another stands by.
#[test]
fn standbys_decline() {
    new_test_ext(5).execute_with(|| {
        let id = keyed();
        assert_ok!(decline(103, id));
        assert_eq!(live(id, Role::Standby), [104]);
        assert_eq!(live(id, Role::Replica), [101, 102]);
    });
}
