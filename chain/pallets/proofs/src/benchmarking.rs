//! What the calls and the deadlines cost, with the neighbours of the runtime. The verification of
//! proofs is not in it: the verifier says what it takes. Each submission here is punished, for a
//! request that neither owner nor delegate has signed, and paid as well: it would be one or the other.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up has to stop")]

use crate::*;
use alloc::vec::Vec;
use cyborg_interface::{Engagements, Escrow, Models, Settled};
use cyborg_primitives::receipt::{path, root};
use cyborg_primitives::signed::{Authorisation, Payload, Receipt};
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::{Digest, MAX_BATCH, Moment, TaskId};
use polkadot_sdk::frame_benchmarking::v2::*;
use polkadot_sdk::frame_support::BoundedVec;
use polkadot_sdk::frame_system::pallet_prelude::BlockNumberFor;
use polkadot_sdk::frame_system::{Pallet as System, RawOrigin};
use polkadot_sdk::sp_core::crypto::KeyTypeId;
use polkadot_sdk::sp_core::sr25519::Public;
use polkadot_sdk::sp_io::crypto::{sr25519_generate, sr25519_sign};
use polkadot_sdk::sp_io::hashing::blake2_256;
use polkadot_sdk::sp_runtime::MultiSignature;
use polkadot_sdk::sp_runtime::traits::One;

const KEYS: KeyTypeId = KeyTypeId(*b"cybg");
/// Leaves of the trees here; a longer path costs a hash a level, far below a signature.
const LEAVES: u32 = 256;

struct Party<T: Config> {
    key: Public,
    id: T::AccountId,
}

impl<T: Config> Party<T> {
    fn new(seed: &str) -> Self {
        let key = sr25519_generate(KEYS, Some(seed.as_bytes().to_vec()));
        Self { key, id: key.0.into() }
    }

    fn sign(&self, payload: &impl Payload) -> MultiSignature {
        sr25519_sign(KEYS, &self.key, &payload.payload(&Pallet::<T>::genesis())).unwrap().into()
    }
}

struct Setting<T: Config> {
    owner: Party<T>,
    miner: Party<T>,
    task: TaskId,
    cost: Cost,
}

impl<T: Config> Setting<T> {
    /// An engaged miner with all the offences that are kept.
    fn new(policy: ProofPolicy) -> Self {
        Self::of(Party::new("//owner"), policy)
    }

    fn of(owner: Party<T>, policy: ProofPolicy) -> Self {
        let miner = Party::<T>::new("//miner");
        let task = T::Engagements::set_up_task(&owner.id, &miner.id, policy);
        let model = T::Engagements::engagement(task, &miner.id).unwrap().model;
        let cost = T::Models::model(model).unwrap().cost;
        let evidence = Evidence {
            task,
            number: 1,
            fault: Fault::InventedRequest,
            hash: [0; 32],
            block: One::one(),
            at: 0,
        };
        Offences::<T>::insert(
            &miner.id,
            BoundedVec::truncate_from(alloc::vec![evidence; MAX_EVIDENCE as usize]),
        );
        Self { owner, miner, task, cost }
    }

    fn sampled() -> Self {
        Self::new(ProofPolicy::Sampled { samples: u8::MAX })
    }

    fn authorise(&self, number: u64) -> Authorisation {
        Authorisation {
            task: self.task,
            miner: self.miner.key.0,
            number,
            input: [1; 32],
            price_cap: u128::MAX,
        }
    }

    fn receipt(&self, number: u64) -> Receipt {
        Receipt { task: self.task, miner: self.miner.key.0, number, input: [1; 32], output: [2; 32] }
    }

    fn signed(&self, receipt: Receipt) -> SignedReceipt {
        SignedReceipt { receipt, signature: self.miner.sign(&receipt) }
    }

    /// Signed by the miner alone.
    fn invented(&self, number: u64) -> Submission {
        let authorisation = self.authorise(number);
        Submission { authorisation, signature: self.miner.sign(&authorisation), proof: BoundedVec::new() }
    }

    /// What a true proof takes beside its verification.
    fn pay(&self, requests: Settled) {
        let model = T::Engagements::engagement(self.task, &self.miner.id).unwrap().model;
        assert!(T::Models::model(model).is_some());
        let paid = T::Escrow::settle(self.task, &self.miner.id, requests, u32::MAX.into(), 1);
        assert!(paid.is_ok());
    }

    fn claim(&self, proofs: u32) -> Cost {
        (0..proofs).fold(Cost::default(), |claim, _| claim.with(self.cost))
    }

    fn receipts(&self) -> Vec<Receipt> {
        (1..=u64::from(LEAVES)).map(|number| self.receipt(number)).collect()
    }

    fn insert(&self, change: impl FnOnce(&mut Obligations<BlockNumberFor<T>>)) {
        let mut owed = Obligations { anchor: Some(blake2_256(&[1; 32])), ..Default::default() };
        change(&mut owed);
        Owed::<T>::insert(self.task, &self.miner.id, owed);
    }

    /// Opens a period, drawn as far as it goes.
    fn open_period(&self, draw: Option<Draw>, challenge: Option<Challenge>) {
        let root = root(&self.receipts(), &Pallet::<T>::genesis()).unwrap();
        self.insert(|owed| {
            owed.next = u64::from(LEAVES) + 1;
            owed.period = Some(Period {
                root,
                first: 1,
                count: LEAVES,
                price_cap: u128::MAX,
                block: System::<T>::block_number(),
                reveal_by: Moment::MAX,
                draw,
                challenge,
            });
        });
    }

    fn challenge(&self) -> Challenge {
        Challenge { number: 1, input: [1; 32], output: [2; 32], due: Moment::MAX - 1 }
    }

    fn add_deadline(&self, kind: Kind) {
        Pallet::<T>::add_deadline(kind, Moment::MAX - 1, self.task, &self.miner.id, 1);
    }

    fn punished(&self, fault: Fault) {
        assert_eq!(Offences::<T>::get(&self.miner.id).last().map(|evidence| evidence.fault), Some(fault));
    }
}

fn all_leaves() -> Draw {
    Draw { due: Moment::MAX, drawn: u8::MAX, left: BoundedVec::truncate_from((0..MAX_SAMPLES).collect()) }
}

fn no_leaves() -> Draw {
    Draw { left: BoundedVec::new(), ..all_leaves() }
}

#[benchmarks]
mod benches {
    use super::*;

    /// Each on a task of its own, with an owner and a model of its own.
    #[benchmark]
    fn submit(n: Linear<1, MAX_BATCH>) -> Result<(), BenchmarkError> {
        let owners = (0..n).map(|number| alloc::format!("//owner//{number}"));
        let settings: Vec<_> =
            owners.map(|owner| Setting::<T>::of(Party::new(&owner), ProofPolicy::Every)).collect();
        let last = settings.last().unwrap();
        let numbered = settings.iter().zip(1..);
        let submissions: Vec<_> = numbered.map(|(setting, number)| setting.invented(number)).collect();
        let origin = RawOrigin::Signed(last.miner.id.clone()).into();

        #[block]
        {
            Pallet::<T>::submit(origin, last.claim(n), submissions.try_into().unwrap())
                .map_err(|e| e.error)?;
            for (setting, number) in settings.iter().zip(1..) {
                setting.pay(Settled::One(number));
            }
        }

        last.punished(Fault::InventedRequest);
        Ok(())
    }

    #[benchmark]
    fn set_anchor() {
        let setting = Setting::<T>::sampled();

        #[extrinsic_call]
        _(RawOrigin::Signed(setting.owner.id.clone()), setting.task, setting.miner.id.clone(), [1; 32]);

        assert!(Owed::<T>::contains_key(setting.task, &setting.miner.id));
    }

    #[benchmark]
    fn commit() {
        let setting = Setting::<T>::sampled();
        let last = setting.authorise(u64::from(LEAVES));
        // Signed by somebody else: both keys are tried, and the miner is punished.
        let signature = setting.miner.sign(&last);

        #[extrinsic_call]
        _(RawOrigin::Signed(setting.miner.id.clone()), [1; 32], 1, LEAVES, last, signature);

        setting.punished(Fault::InventedRequest);
    }

    #[benchmark]
    fn reveal() {
        let setting = Setting::<T>::sampled();
        setting.open_period(None, None);
        let number = System::<T>::block_number();
        System::<T>::set_block_number(number + One::one() + One::one());
        let preimage: Digest = [1; 32];

        #[extrinsic_call]
        _(RawOrigin::Signed(setting.owner.id.clone()), setting.task, setting.miner.id.clone(), preimage);

        assert!(Owed::<T>::get(setting.task, &setting.miner.id).unwrap().period.unwrap().draw.is_some());
    }

    #[benchmark]
    fn prove_samples(n: Linear<0, MAX_BATCH>) -> Result<(), BenchmarkError> {
        let setting = Setting::<T>::sampled();
        setting.open_period(Some(all_leaves()), None);
        let (receipts, genesis) = (setting.receipts(), Pallet::<T>::genesis());
        let samples: Vec<Sample> = (0..n)
            .map(|leaf| Sample {
                output: [2; 32],
                path: path(&receipts, leaf as usize, &genesis).unwrap().try_into().unwrap(),
                submission: setting.invented(u64::from(leaf) + 1),
            })
            .collect();
        let claim = setting.claim(n);
        let origin = RawOrigin::Signed(setting.miner.id.clone()).into();

        #[block]
        {
            Pallet::<T>::prove_samples(origin, claim, setting.task, samples.try_into().unwrap())
                .map_err(|e| e.error)?;
            setting.pay(Settled::Through(LEAVES.into()));
        }

        if n > 0 {
            setting.punished(Fault::InventedRequest);
        }
        Ok(())
    }

    #[benchmark]
    fn challenge() {
        let setting = Setting::<T>::sampled();
        setting.open_period(Some(all_leaves()), None);
        let receipt = setting.signed(setting.receipt(1));

        #[extrinsic_call]
        _(RawOrigin::Signed(setting.owner.id.clone()), setting.task, setting.miner.id.clone(), receipt);

        assert_eq!(Queues::<T>::get(Kind::Answer).end, 1);
    }

    #[benchmark]
    fn answer() {
        let setting = Setting::<T>::sampled();
        setting.open_period(Some(no_leaves()), Some(setting.challenge()));
        let path = path(&setting.receipts(), 0, &Pallet::<T>::genesis()).unwrap();

        #[extrinsic_call]
        _(RawOrigin::Signed(setting.miner.id.clone()), setting.task, path.try_into().unwrap());

        let owed = Owed::<T>::get(setting.task, &setting.miner.id).unwrap();
        assert!(owed.period.is_none_or(|period| period.challenge.is_none()));
    }

    #[benchmark]
    fn demand() {
        let setting = Setting::<T>::new(ProofPolicy::OnDemand);
        let receipt = setting.signed(setting.receipt(1));

        #[extrinsic_call]
        _(RawOrigin::Signed(setting.owner.id.clone()), setting.task, setting.miner.id.clone(), receipt);

        assert_eq!(Queues::<T>::get(Kind::Demand).end, 1);
    }

    #[benchmark]
    fn equivocation() {
        let setting = Setting::<T>::new(ProofPolicy::Every);
        let one = setting.signed(setting.receipt(1));
        let other = setting.signed(Receipt { output: [3; 32], ..one.receipt });

        #[extrinsic_call]
        _(RawOrigin::Signed(setting.owner.id.clone()), one, other);

        setting.punished(Fault::TwoReceipts);
    }

    #[benchmark]
    fn no_deadline() {
        let setting = Setting::<T>::sampled();
        for kind in Kind::ALL {
            setting.add_deadline(kind);
        }

        #[block]
        {
            Pallet::<T>::process_deadlines();
        }

        assert!(Kind::ALL.into_iter().all(|kind| Queues::<T>::get(kind).first == 0));
    }

    #[benchmark]
    fn end_reveal() {
        let setting = Setting::<T>::sampled();
        setting.open_period(None, None);
        setting.add_deadline(Kind::Reveal);
        let number = System::<T>::block_number();
        System::<T>::set_block_number(number + One::one() + One::one());

        #[block]
        {
            Pallet::<T>::process_next(Kind::Reveal, Moment::MAX);
        }

        assert_eq!(Queues::<T>::get(Kind::Prove).end, 1);
    }

    #[benchmark]
    fn end_prove() {
        let setting = Setting::<T>::sampled();
        setting.open_period(Some(all_leaves()), None);
        setting.add_deadline(Kind::Prove);

        #[block]
        {
            Pallet::<T>::process_next(Kind::Prove, Moment::MAX);
        }

        setting.punished(Fault::UnprovenSample);
    }

    #[benchmark]
    fn end_answer() {
        let setting = Setting::<T>::sampled();
        setting.open_period(Some(all_leaves()), Some(setting.challenge()));
        setting.add_deadline(Kind::Answer);

        #[block]
        {
            Pallet::<T>::process_next(Kind::Answer, Moment::MAX);
        }

        setting.punished(Fault::UnansweredChallenge);
    }

    #[benchmark]
    fn end_demand() {
        let setting = Setting::<T>::new(ProofPolicy::OnDemand);
        let Challenge { number, input, output, due } = setting.challenge();
        let open = Demand { number, input, output, due };
        setting.insert(|owed| owed.demands = BoundedVec::truncate_from(alloc::vec![open]));
        setting.add_deadline(Kind::Demand);

        #[block]
        {
            Pallet::<T>::process_next(Kind::Demand, Moment::MAX);
        }

        setting.punished(Fault::UnprovenDemand);
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
