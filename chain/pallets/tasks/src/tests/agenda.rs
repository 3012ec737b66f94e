//! The agenda under load: bounded per block, nothing lost, nothing early.

use super::*;
use polkadot_sdk::frame_support::traits::Hooks;
use polkadot_sdk::frame_support::weights::Weight;

/// Many tasks due in one moment: pages follow one another, a block handles what its weight allows,
/// and in the end all were handled.
#[test]
fn a_crowded_moment_takes_several_blocks() {
    new_test_ext(0).execute_with(|| {
        let count = 150;
        for miner in 0..count {
            add_miner(1_000 + miner, 1);
            // Only the newcomer has room.
            Machines::mutate(1_000 + miner, |machine| machine.as_mut().unwrap().macs_per_second += miner);
            let id = submit(single()).unwrap();
            for (other, _) in MinerTasks::<Test>::iter() {
                Machines::mutate(other, |machine| machine.as_mut().unwrap().serving = false);
            }
            assert_eq!(id, miner);
        }
        let bucket = Tasks::bucket_of(now() + KEYS);
        assert_eq!(crate::AgendaPageCount::<Test>::get(bucket), 3);
        assert!(crate::AgendaPages::<Test>::iter_values().all(|page| page.len() <= 64));
        AgendaWeight::set(least());
        let mut blocks = 0;
        while StoredTasks::<Test>::iter().next().is_some() {
            let weight = next_block();
            assert!(weight.all_lte(AgendaWeight::get()), "{weight}");
            blocks += 1;
            assert!(blocks < 1_000);
        }
        assert!(blocks > 20, "{blocks}");
        for id in 0..count {
            assert_ended(id, Cause::KeysLate);
        }
    });
}

fn least() -> Weight {
    use crate::WeightInfo;
    <() as WeightInfo>::look().saturating_mul(2).saturating_add(Tasks::most_of_an_entry())
}

#[test]
fn the_integrity_test_wants_room_for_one_entry() {
    new_test_ext(0).execute_with(|| {
        AgendaWeight::set(least());
        Tasks::integrity_test();
    });
}

#[test]
#[should_panic(expected = "the agenda gets on")]
fn the_integrity_test_refuses_less() {
    new_test_ext(0).execute_with(|| {
        AgendaWeight::set(least() - Weight::from_parts(1, 0));
        Tasks::integrity_test();
    });
}

/// A chain that stood still goes through the time it missed, and handles all of it.
#[test]
fn time_that_jumps_is_caught_up_with() {
    new_test_ext(5).execute_with(|| {
        let id = running(spec());
        next_block();
        Timestamp::set_timestamp(now() + 30 * 24 * HOUR_MS);
        AgendaWeight::set(least().saturating_mul(4));
        let mut blocks = 0;
        while StoredTasks::<Test>::contains_key(id) {
            next_block();
            blocks += 1;
            assert!(blocks < 100_000);
        }
        assert_ended(id, Cause::Expired);
    });
}

/// A deadline that comes nearer moves the entry; one that moves away does not, and no task ever has
/// two. [`check`] looks after each block.
#[test]
fn entries_move_only_forward_in_need() {
    new_test_ext(5).execute_with(|| {
        let id = submit(single()).unwrap();
        let keys_due = task(id).wake.unwrap();
        assert_ok!(provide(OWNER, id, &[101]));
        assert_ok!(confirm(101, id));
        assert_eq!(task(id).wake.unwrap(), keys_due);
        pass(KEYS + 3 * SLOT);
        assert_eq!(task(id).wake.unwrap().bucket, Tasks::bucket_of(task(id).ends));
        assert_ok!(stop(OWNER, id));
        assert_eq!(task(id).wake.unwrap().bucket, Tasks::bucket_of(now() + SETTLEMENT));
    });
}
