//! Nothing but a referendum changes the rules, and a referendum can: the upgrade of the runtime.

use crate::common::{call, chain, happened, next_block, skip_to};
use codec::Encode;
use cyborg_runtime::configs::governance::DECISION_DEPOSIT;
use cyborg_runtime::economics::{DAYS, HOURS, UNIT};
use cyborg_runtime::{
    AccountId, Balances, OriginCaller, Runtime, RuntimeCall, RuntimeEvent, System, VERSION, genesis,
};
use polkadot_sdk::cumulus_primitives_core::AbridgedHostConfiguration;
use polkadot_sdk::cumulus_primitives_core::{PersistedValidationData, relay_chain};
use polkadot_sdk::frame_support::traits::Bounded;
use polkadot_sdk::frame_support::traits::schedule::DispatchTime;
use polkadot_sdk::frame_system::RawOrigin;
use polkadot_sdk::pallet_conviction_voting::{AccountVote, Conviction, Vote};
use polkadot_sdk::pallet_referenda::ReferendumInfo;
use polkadot_sdk::sp_core::H256;
use polkadot_sdk::sp_core::traits::{ReadRuntimeVersion, ReadRuntimeVersionExt};
use polkadot_sdk::sp_io::TestExternalities;
use polkadot_sdk::sp_keyring::Sr25519Keyring;
use polkadot_sdk::sp_runtime::DispatchError;
use polkadot_sdk::sp_runtime::traits::{BlakeTwo256, Hash};
use polkadot_sdk::{
    cumulus_pallet_parachain_system, frame_system, pallet_conviction_voting, pallet_preimage,
    pallet_referenda,
};

/// Reads a version out of code, in place of an executor: the next version of this runtime.
struct NextVersion;
impl ReadRuntimeVersion for NextVersion {
    fn read_runtime_version(
        &self,
        _: &[u8],
        _: &mut dyn sp_externalities::Externalities,
    ) -> Result<Vec<u8>, String> {
        let mut version = VERSION;
        version.spec_version += 1;
        Ok(version.encode())
    }
}

fn launched() -> TestExternalities {
    let [whale, fish, collator] = [Sr25519Keyring::Alice, Sr25519Keyring::Bob, Sr25519Keyring::Charlie];
    let holders = vec![
        (whale.to_account_id(), 900_000 * UNIT),
        (fish.to_account_id(), 100_000 * UNIT),
        (collator.to_account_id(), UNIT),
    ];
    let mut ext = chain(genesis::production(
        2_000.into(),
        &[(collator.to_account_id(), collator.public().into())],
        holders,
    ));
    ext.register_extension(ReadRuntimeVersionExt::new(NextVersion));
    ext
}

/// What the relay chain says in each block, and an upgrade asks for.
fn relay_speaks() {
    cumulus_pallet_parachain_system::ValidationData::<Runtime>::put(PersistedValidationData {
        parent_head: relay_chain::HeadData(Vec::new()),
        relay_parent_number: 1,
        relay_parent_storage_root: H256::zero(),
        max_pov_size: 10 << 20,
    });
    cumulus_pallet_parachain_system::HostConfiguration::<Runtime>::put(AbridgedHostConfiguration {
        max_code_size: 3 << 20,
        max_head_data_size: 20 << 10,
        max_upward_queue_count: 8,
        max_upward_queue_size: 1 << 20,
        max_upward_message_size: 50 << 10,
        max_upward_message_num_per_candidate: 2,
        hrmp_max_message_num_per_candidate: 2,
        validation_upgrade_cooldown: 2,
        validation_upgrade_delay: 2,
        async_backing_params: relay_chain::AsyncBackingParams {
            max_candidate_depth: 3,
            allowed_ancestry_len: 2,
        },
    });
}

/// Submits a proposal as Root's, with its deposits.
fn propose(by: &AccountId, proposal: RuntimeCall) -> u32 {
    let index = pallet_referenda::ReferendumCount::<Runtime>::get();
    let bytes = proposal.encode();
    let (hash, len) = (BlakeTwo256::hash(&bytes), u32::try_from(bytes.len()).unwrap());
    call(by, pallet_preimage::Call::note_preimage { bytes }).unwrap();
    let proposal = Bounded::Lookup { hash, len };
    call(
        by,
        pallet_referenda::Call::submit {
            proposal_origin: Box::new(OriginCaller::system(RawOrigin::Root)),
            proposal,
            enactment_moment: DispatchTime::After(1),
        },
    )
    .unwrap();
    call(by, pallet_referenda::Call::place_decision_deposit { index }).unwrap();
    index
}

fn vote(by: &AccountId, poll_index: u32, aye: bool, balance: u128) {
    let vote = AccountVote::Standard { vote: Vote { aye, conviction: Conviction::Locked1x }, balance };
    call(by, pallet_conviction_voting::Call::vote { poll_index, vote }).unwrap();
}

/// Days go by, an hour at a time: the scheduler's alarms ring on the way.
fn pass(blocks: u32) {
    let end = System::block_number() + blocks;
    while System::block_number() < end {
        // Every block with something scheduled runs; others are skipped.
        let next = polkadot_sdk::pallet_scheduler::Agenda::<Runtime>::iter_keys()
            .filter(|at| *at > System::block_number())
            .min()
            .map_or(end, |at| at.min(end));
        // It looks at every block since its last one, and would take many to see that all are empty.
        polkadot_sdk::pallet_scheduler::IncompleteSince::<Runtime>::kill();
        skip_to(next);
    }
}

#[test]
fn an_upgrade_is_enacted_by_votes() {
    launched().execute_with(|| {
        let [whale, fish] = [Sr25519Keyring::Alice, Sr25519Keyring::Bob].map(|key| key.to_account_id());
        let code = b"code of the next runtime".to_vec();
        let code_hash = BlakeTwo256::hash(&code);
        let index = propose(&fish, frame_system::Call::authorize_upgrade { code_hash }.into());
        vote(&whale, index, true, 800_000 * UNIT);

        pass(2 * HOURS + 1);
        assert!(matches!(
            pallet_referenda::ReferendumInfoFor::<Runtime>::get(index),
            Some(ReferendumInfo::Ongoing(status)) if status.deciding.is_some()
        ));
        pass(14 * DAYS);
        assert!(matches!(
            pallet_referenda::ReferendumInfoFor::<Runtime>::get(index),
            Some(ReferendumInfo::Approved(..))
        ));
        pass(2 * DAYS);
        assert_eq!(frame_system::Pallet::<Runtime>::authorized_upgrade().unwrap().code_hash(), &code_hash);

        // Anyone may now bring the code, and no other.
        relay_speaks();
        let other = b"other code".to_vec();
        assert!(call(&fish, frame_system::Call::apply_authorized_upgrade { code: other }).is_err());
        call(&fish, frame_system::Call::apply_authorized_upgrade { code: code.clone() }).unwrap();
        assert!(happened(|event| matches!(
            event,
            RuntimeEvent::ParachainSystem(cumulus_pallet_parachain_system::Event::ValidationFunctionStored)
        )));
        assert_eq!(cumulus_pallet_parachain_system::PendingValidationCode::<Runtime>::get(), code);
    });
}

#[test]
fn without_votes_nothing_is_enacted() {
    launched().execute_with(|| {
        let fish = Sr25519Keyring::Bob.to_account_id();
        let before = Balances::total_issuance();
        let index = propose(&fish, frame_system::Call::authorize_upgrade { code_hash: H256::zero() }.into());
        // A tenth of the issuance alone is not enough while support must be above it, and the whale
        // says no.
        vote(&fish, index, true, 80_000 * UNIT);
        vote(&Sr25519Keyring::Alice.to_account_id(), index, false, 800_000 * UNIT);
        pass(17 * DAYS);
        assert!(matches!(
            pallet_referenda::ReferendumInfoFor::<Runtime>::get(index),
            Some(ReferendumInfo::Rejected(..))
        ));
        assert!(frame_system::Pallet::<Runtime>::authorized_upgrade().is_none());
        assert_eq!(Balances::total_issuance(), before);
    });
}

#[test]
fn no_account_is_root() {
    launched().execute_with(|| {
        for key in Sr25519Keyring::iter() {
            let account = key.to_account_id();
            let forbidden: [RuntimeCall; 4] = [
                frame_system::Call::set_storage { items: Vec::new() }.into(),
                frame_system::Call::authorize_upgrade { code_hash: H256::zero() }.into(),
                polkadot_sdk::pallet_balances::Call::force_set_balance {
                    who: account.clone().into(),
                    new_free: 1,
                }
                .into(),
                polkadot_sdk::pallet_collator_selection::Call::set_desired_candidates { max: 1 }.into(),
            ];
            for attempt in forbidden {
                assert_eq!(call(&account, attempt).unwrap_err().error, DispatchError::BadOrigin);
            }
        }
        let cost = DECISION_DEPOSIT;
        assert!(cost > 1_000 * UNIT);
        next_block();
    });
}
