//! What the calls cost, measured: each at the state in which it does most.

use super::*;
use cyborg_primitives::HOUR_MS;
use polkadot_sdk::frame_benchmarking::v2::*;
use polkadot_sdk::frame_support::traits::fungible::{Inspect, Mutate};
use polkadot_sdk::frame_system::RawOrigin;
use polkadot_sdk::sp_core::crypto::KeyTypeId;
use polkadot_sdk::sp_io::crypto::{sr25519_generate, sr25519_sign};

const KEY: KeyTypeId = KeyTypeId(*b"benc");
/// Enough for every task and payment here, in existential deposits.
const WEALTH: Balance = 1_000_000_000;

/// A task paid by acknowledgements: its number, owner and miner.
fn set_up<T: Config>(owner: AccountId32) -> Result<(TaskId, AccountId32, AccountId32), BenchmarkError>
where
    T::Currency: Mutate<AccountId32>,
{
    let miner: AccountId32 = account("miner", 0, 0);
    let wealth = T::Currency::minimum_balance().saturating_mul(WEALTH);
    for who in [&owner, &miner, &T::Treasury::get()] {
        T::Currency::set_balance(who, wealth);
    }
    let task = T::Engagements::set_up_task(&owner, &miner, ProofPolicy::OnDemand);
    if !Escrows::<T>::contains_key(task) {
        Pallet::<T>::open(task, &owner, T::Currency::minimum_balance().saturating_mul(HOUR_MS.into()), 0)?;
        let per_request = T::Currency::minimum_balance();
        Pallet::<T>::admit(task, &miner, Tariff { per_request, per_proof: per_request });
    }
    Ok((task, owner, miner))
}

#[benchmarks(where T::Currency: Mutate<AccountId32>)]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn acknowledge() -> Result<(), BenchmarkError> {
        let (task, owner, miner) = set_up::<T>(account("owner", 0, 0))?;
        #[extrinsic_call]
        _(RawOrigin::Signed(owner), task, miner.clone(), 1);
        assert!(Pallet::<T>::is_settled(task, &miner, 1));
        Ok(())
    }

    /// Signed by the owner, after a signature by nobody: the delegate's is tried after the owner's.
    #[benchmark]
    fn claim() -> Result<(), BenchmarkError> {
        let key = sr25519_generate(KEY, None);
        let (task, _, miner) = set_up::<T>(AccountId32::new(key.0))?;
        let acknowledgement = Acknowledgement { task, miner: miner.clone().into(), through: 1 };
        let payload = acknowledgement.payload(&Pallet::<T>::genesis());
        let signature = sr25519_sign(KEY, &key, &payload).ok_or(BenchmarkError::Stop("no signature"))?;
        let signature = MultiSignature::Sr25519(signature);
        let caller: AccountId32 = account("caller", 0, 0);
        let by_caller;
        #[block]
        {
            by_caller = signature.verify(payload.as_slice(), &caller);
            Pallet::<T>::claim(RawOrigin::Signed(caller).into(), acknowledgement, signature)?;
        }
        assert!(!by_caller);
        assert!(Pallet::<T>::is_settled(task, &miner, 1));
        Ok(())
    }

    #[benchmark]
    fn top_up() -> Result<(), BenchmarkError> {
        let (task, owner, _) = set_up::<T>(account("owner", 0, 0))?;
        let before = Escrows::<T>::get(task).map_or(0, |account| account.compute.left);
        #[extrinsic_call]
        _(RawOrigin::Signed(owner), task, 1, 1);
        assert!(Escrows::<T>::get(task).is_some_and(|account| account.compute.left > before));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
