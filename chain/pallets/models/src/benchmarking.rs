//! What the calls cost, measured: each at the state in which it does most. A key's check is not in
//! them: the verifier says what it takes.

use super::*;
use alloc::vec;
use cyborg_interface::{KeyError, KeyFacts, Verifier};
use polkadot_sdk::frame_benchmarking::v2::*;
use polkadot_sdk::frame_support::traits::fungible::Mutate;
use polkadot_sdk::frame_system::RawOrigin;
use polkadot_sdk::sp_runtime::traits::Bounded;

const ANY: Cost = Cost {
    field_products: u64::MAX,
    own_points: u32::MAX,
    generators: u32::MAX,
    key_bytes: u32::MAX,
    proof_bytes: u32::MAX,
};

/// Registers the fixture without a deposit.
pub(crate) fn set_up_model<T: Config>(owner: &T::AccountId) -> ModelId {
    let id = NextModel::<T>::mutate(|next| {
        *next = next.saturating_add(1);
        next.saturating_sub(1)
    });
    let facts = T::Verifier::check_key(fixture::KEY, &ANY);
    if let (Ok(facts), Ok(key)) = (facts, Key::try_from(fixture::KEY.to_vec())) {
        let KeyFacts { digest, memory_mib, work_macs, proof_macs, cost } = facts;
        let record = Record {
            owner: owner.clone(),
            predecessor: None,
            version: 1,
            listed: true,
            tasks: 0,
            key: digest,
            manifest: [0; 32],
            model: [0; 32],
            memory_mib,
            work_macs,
            proof_macs,
            cost,
            deposit: Default::default(),
        };
        Models::<T>::insert(id, record);
        Keys::<T>::insert(id, key);
    }
    id
}

fn owner<T: Config>() -> T::AccountId
where
    T::Currency: Mutate<T::AccountId>,
{
    let owner: T::AccountId = account("owner", 0, 0);
    let wealth = BalanceOf::<T>::max_value() / 1_000u32.into();
    T::Currency::set_balance(&owner, wealth);
    owner
}

#[benchmarks(where T::Currency: Mutate<T::AccountId>)]
mod benchmarks {
    use super::*;

    /// With a key of `l` bytes, whose check finds at once what the fixture's finds.
    #[benchmark]
    fn register(l: Linear<1, MAX_KEY_BYTES>) -> Result<(), BenchmarkError> {
        let owner = owner::<T>();
        let before = set_up_model::<T>(&owner);
        let key = Key::try_from(vec![7; l as usize]).map_err(|_| BenchmarkError::Stop("key too long"))?;
        let facts = T::Verifier::check_key(fixture::KEY, &ANY);
        let facts = facts.map_err(|_| BenchmarkError::Stop("the fixture is no key"))?;
        let check = |_: &[u8], _: &Cost| Ok::<KeyFacts, KeyError>(facts);
        #[block]
        {
            Pallet::<T>::do_register(
                owner,
                key,
                ANY,
                ([1; 32], [2; 32]),
                facts.memory_mib,
                Some(before),
                check,
            )?;
        }
        assert!(Models::<T>::contains_key(before.saturating_add(1)));
        Ok(())
    }

    /// The check itself, to compare with what the verifier's weight says of it.
    #[benchmark(extra)]
    fn check_key() -> Result<(), BenchmarkError> {
        let facts;
        #[block]
        {
            facts = T::Verifier::check_key(fixture::KEY, &ANY);
        }
        facts.map(drop).map_err(|_| BenchmarkError::Stop("the fixture is no key"))
    }

    #[benchmark]
    fn delist() -> Result<(), BenchmarkError> {
        let owner = owner::<T>();
        let model = set_up_model::<T>(&owner);
        #[extrinsic_call]
        _(RawOrigin::Signed(owner), model);
        assert!(Models::<T>::get(model).is_some_and(|record| !record.listed));
        Ok(())
    }

    #[benchmark]
    fn remove() -> Result<(), BenchmarkError> {
        let owner = owner::<T>();
        let model = set_up_model::<T>(&owner);
        let longest = Key::try_from(vec![7; MAX_KEY_BYTES as usize]);
        Keys::<T>::insert(model, longest.map_err(|_| BenchmarkError::Stop("key too long"))?);
        #[extrinsic_call]
        _(RawOrigin::Signed(owner), model);
        assert!(!Models::<T>::contains_key(model));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
