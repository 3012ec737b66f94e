//! Submission: what is refused, what is held, who is taken.

use super::*;
use cyborg_primitives::place::{Cell, Region};
use proptest::prelude::*;

fn refused(change: impl FnOnce(&mut TaskSpec<AccountId>), error: Error<Test>) {
    new_test_ext(10).execute_with(|| {
        let mut spec = spec();
        change(&mut spec);
        let before = MinerTasks::<Test>::iter().count();
        assert_noop!(Tasks::submit(RuntimeOrigin::signed(OWNER), spec.clone()).map_err(|e| e.error), error);
        assert_eq!(MinerTasks::<Test>::iter().count(), before);
    });
}

#[test]
fn engages_the_best_and_holds_the_money() {
    new_test_ext(10).execute_with(|| {
        let id = submit(spec()).unwrap();
        assert_eq!(live(id, Role::Replica), [101, 102]);
        assert_eq!(live(id, Role::Standby), [103]);
        assert_eq!(status(id, 103), Status::Waiting);
        assert_eq!(Moneys::get(id), Some(Money { compute: 2_000_000, proofs: 1_000 }));
        // A millisecond of 3.6 million at a price of a million is 0.28, rounded up; a proof takes a
        // hundred times as long, and the chain's fee.
        assert_eq!(Tariffs::get(id, 101), Some((1, 28 + FEE)));
        assert_eq!(task(id).state, TaskState::Assigned);
        assert!(has_event(Event::Engaged { task: id, miner: 103, role: Role::Standby }));
        assert_eq!(submit(spec()), Ok(id + 1));
    });
}

#[test]
fn each_check_refuses() {
    refused(|spec| spec.model = 77, Error::UnknownModel);
    refused(|spec| spec.model = DELISTED, Error::Delisted);
    refused(|spec| spec.placement.replicas = 0, Error::NoReplicas);
    refused(|spec| spec.placement.standbys = MAX_ASSIGNED as u8 - 1, Error::TooManyMiners);
    refused(|spec| spec.placement.standbys = u8::MAX, Error::TooManyMiners);
    refused(|spec| spec.placement.regions.try_push(Region(*b"d3")).unwrap(), Error::InvalidRegion);
    refused(
        |spec| spec.placement.near = Some((Cell { latitude: 9_000, longitude: 0 }, 1)),
        Error::InvalidCell,
    );
    refused(|spec| spec.placement.min_reputation = 101, Error::InvalidReputation);
    refused(|spec| spec.policy = ProofPolicy::Sampled { samples: 0 }, Error::NoSamples);
    refused(|spec| spec.compute_ms = 0, Error::NoCompute);
    refused(|spec| (spec.price_cap, spec.compute_ms) = (Balance::MAX, HOUR_MS + 1), Error::EscrowOverflow);
    refused(|spec| (spec.proof_cap, spec.max_proofs) = (Balance::MAX, 2), Error::EscrowOverflow);
    refused(|spec| (spec.price_cap, spec.compute_ms) = (Balance::MAX, HOUR_MS), Error::EscrowOverflow);
}

/// A submission that finds too few miners, or too little money for one answer, holds nothing and
/// engages nobody. [`call`] checks that, and `assert_noop` cannot: the runtime rolls back, not the
/// function.
#[test]
fn nothing_is_held_for_what_cannot_run() {
    new_test_ext(1).execute_with(|| {
        assert_eq!(submit(spec()), Err(Error::<Test>::NoMiners.into()));
        assert_eq!(Machines::get(101).unwrap().liabilities, 0);
        let dust = TaskSpec { max_proofs: 0, ..single() };
        assert_eq!(submit(dust), Err(Error::<Test>::EscrowTooSmall.into()));
        let unproven = TaskSpec { max_proofs: 0, policy: ProofPolicy::OnDemand, ..single() };
        assert_ok!(submit(unproven));
        let sampled = |samples| TaskSpec { policy: ProofPolicy::Sampled { samples }, ..single() };
        // Ten proofs at a hundred pay 25 at 39.
        assert_eq!(submit(sampled(26)), Err(Error::<Test>::EscrowTooSmall.into()));
        assert_ok!(submit(sampled(25)));
        let poor = call(0, Call::submit { spec: single() });
        assert_eq!(poor, Err(DispatchError::Other("poor")));
        assert_eq!(Machines::get(101).unwrap().liabilities, 2);
    });
}

/// Standbys are taken where there are any; replicas must be complete.
#[test]
fn standbys_may_be_missing() {
    new_test_ext(2).execute_with(|| {
        let id = submit(spec()).unwrap();
        assert!(live(id, Role::Standby).is_empty());
    });
}

/// Zero price, the least and the most of time: no arithmetic fails, nothing is free that is not.
#[test]
fn edges_of_arithmetic() {
    new_test_ext(0).execute_with(|| {
        add_miner(101, 0);
        let free = TaskSpec { price_cap: 0, compute_ms: u64::MAX, proof_cap: FEE, ..single() };
        let id = submit(free).unwrap();
        assert_eq!(Moneys::get(id), Some(Money { compute: 0, proofs: 10 * FEE }));
        assert_eq!(Tariffs::get(id, 101), Some((0, FEE)));
        assert_eq!(task(id).ends, now() + MAX_DURATION);
        let least = TaskSpec { price_cap: 1, compute_ms: 1, ..single() };
        let id = submit(least).unwrap();
        assert_eq!(Moneys::get(id).unwrap().compute, 1, "rounded up");
        assert_eq!(task(id).ends, now() + MIN_DURATION);
        let most = TaskSpec { price_cap: Balance::MAX - 1_000, compute_ms: HOUR_MS, ..single() };
        assert_ok!(submit(most));
    });
}

/// A machine that claims to be slow would be paid more for the same proof: the owner's cap keeps
/// it out, at the price at which it would be taken otherwise.
#[test]
fn slow_machines_do_not_drain_the_escrow() {
    new_test_ext(1).execute_with(|| {
        add_miner(50, 1);
        Machines::mutate(50, |machine| machine.as_mut().unwrap().macs_per_second = 1);
        let id = submit(single()).unwrap();
        assert_eq!(live(id, Role::Replica), [101]);
        assert_eq!(Machines::get(50).unwrap().liabilities, 0);
    });
}

/// Even where the ranking ignores price and region, the pallet does not.
#[test]
fn a_wrong_ranking_breaks_no_constraint() {
    new_test_ext(2).execute_with(|| {
        add_miner(LIAR, 0);
        Machines::mutate(LIAR, |machine| machine.as_mut().unwrap().region = US);
        add_miner(LIAR + 1, 2_000_001);
        let mut spec = spec();
        spec.placement.regions.try_push(DE).unwrap();
        let id = submit(spec).unwrap();
        assert_eq!(live(id, Role::Replica), [101, 102]);
        assert!(live(id, Role::Standby).is_empty());
        // Nobody minds that it is in the United States where no region is asked for.
        let id = submit(single()).unwrap();
        assert_eq!(live(id, Role::Replica), [LIAR]);
        // Nobody is asked twice.
        assert_ok!(decline(LIAR, id));
        assert_eq!(live(id, Role::Replica), [101]);
    });
}

#[test]
fn a_miner_has_a_bounded_number_of_tasks() {
    new_test_ext(2).execute_with(|| {
        for _ in 0..MAX_TASKS {
            assert_eq!(live(submit(single()).unwrap(), Role::Replica), [101]);
        }
        assert_eq!(live(submit(single()).unwrap(), Role::Replica), [102]);
    });
}

proptest! {
    /// No specification panics, and none that is refused leaves a trace.
    #[test]
    fn any_specification(
        model in 0_u64..6, replicas in 0_u8..8, standbys in 0_u8..8, price_cap: u128, proof_cap: u128,
        compute_ms: u64, max_proofs: u32, samples: u8, read: bool,
    ) {
        new_test_ext(6).execute_with(|| {
            let mut spec = spec();
            (spec.model, spec.price_cap, spec.proof_cap) = (model, price_cap, proof_cap);
            (spec.compute_ms, spec.max_proofs, spec.standbys_read_now) = (compute_ms, max_proofs, read);
            (spec.placement.replicas, spec.placement.standbys) = (replicas, standbys);
            spec.policy = ProofPolicy::Sampled { samples };
            let _ = submit(spec);
        });
    }
}
