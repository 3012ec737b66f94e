//! What the call costs, measured with all places for reports taken.

use super::*;
use cyborg_primitives::task::ProofPolicy;
use polkadot_sdk::frame_benchmarking::v2::*;
use polkadot_sdk::frame_system::RawOrigin;
use polkadot_sdk::pallet_timestamp;

#[benchmarks(where T: pallet_timestamp::Config<Moment = Moment>)]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn report() -> Result<(), BenchmarkError> {
        let owner: T::AccountId = account("owner", 0, 0);
        let miner: T::AccountId = account("miner", 0, 0);
        let task = T::Engagements::set_up_task(&owner, &miner, ProofPolicy::Every);
        let used = Report { memory_peak_bytes: 1, cpu_ms: 1, energy_mj: Some(1), requests: 1 };
        // So many periods after the epoch that all places can be taken.
        let period = T::Kept::get();
        pallet_timestamp::Now::<T>::put(T::PeriodMs::get().saturating_mul(u64::from(period) + 1));
        let last = BoundedVec::truncate_from((0..period).map(|earlier| (earlier, used)).collect());
        Records::<T>::insert(task, &miner, Record { totals: Totals::default(), last });
        #[extrinsic_call]
        _(RawOrigin::Signed(miner.clone()), task, period, used);
        let record = Records::<T>::get(task, &miner).ok_or(BenchmarkError::Stop("no record"))?;
        assert_eq!(record.last.last(), Some(&(period, used)));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
