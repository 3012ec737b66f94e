//! A chain in memory: genesis from a preset, signed transactions, blocks that pass.

pub(crate) mod money;
pub(crate) mod world;

use codec::Encode;
use cyborg_runtime::economics::SLOT_MS;
use cyborg_runtime::{
    AccountId, AllPalletsWithSystem, Balance, Balances, BlockNumber, Executive, Runtime, RuntimeCall,
    RuntimeEvent, Signature, SignedPayload, System, TxExtension, UncheckedExtrinsic, genesis,
};
use polkadot_sdk::frame_support::genesis_builder_helper;
use polkadot_sdk::frame_support::traits::{OnIdle, OnInitialize};
use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::sp_consensus_aura::{AURA_ENGINE_ID, Slot};
use polkadot_sdk::sp_core::{H256, Pair, sr25519};
use polkadot_sdk::sp_io::TestExternalities;
use polkadot_sdk::sp_keyring::Sr25519Keyring;
use polkadot_sdk::sp_runtime::generic::Era;
use polkadot_sdk::sp_runtime::traits::Dispatchable;
use polkadot_sdk::sp_runtime::{ApplyExtrinsicResult, Digest, DigestItem, DispatchResultWithInfo};
use polkadot_sdk::{
    cumulus_pallet_weight_reclaim, frame_metadata_hash_extension, frame_system, pallet_timestamp,
    pallet_transaction_payment,
};
use serde_json::Value;

/// When the first block is.
pub(crate) const START_MS: u64 = 1_800_000_000_000;

/// Puts what a patch says over what is there.
fn merge(base: &mut Value, patch: Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, patch) => *base = patch,
    }
}

/// State of a chain that begins with a preset's patch.
pub(crate) fn chain(patch: Value) -> TestExternalities {
    let mut ext = TestExternalities::new_empty();
    ext.execute_with(|| {
        let default =
            genesis_builder_helper::get_preset::<cyborg_runtime::RuntimeGenesisConfig>(&None, |_| None);
        let mut config: Value = serde_json::from_slice(&default.unwrap()).unwrap();
        merge(&mut config, patch);
        genesis_builder_helper::build_state::<cyborg_runtime::RuntimeGenesisConfig>(
            serde_json::to_vec(&config).unwrap(),
        )
        .unwrap();
        next_block();
    });
    ext
}

/// The development chain in its first block.
pub(crate) fn development() -> TestExternalities {
    chain(genesis::development())
}

/// Begins the next block: hooks run, and time advances by a slot.
pub(crate) fn next_block() {
    skip_to(System::block_number() + 1);
}

/// As [`next_block`], without the blocks between.
pub(crate) fn skip_to(number: BlockNumber) {
    let parent = System::block_number();
    let now = START_MS + u64::from(number) * SLOT_MS;
    let slot = DigestItem::PreRuntime(AURA_ENGINE_ID, Slot::from(now / SLOT_MS).encode());
    System::reset_events();
    System::set_block_number(number - 1);
    System::initialize(
        &number,
        &H256::repeat_byte(u8::try_from(parent % 251 + 1).unwrap()),
        &Digest { logs: vec![slot] },
    );
    AllPalletsWithSystem::on_initialize(number);
    pallet_timestamp::Now::<Runtime>::put(now);
    System::note_finished_initialize();
    AllPalletsWithSystem::on_idle(number, Weight::from_parts(100_000_000_000, 1 << 20));
}

/// A signed transaction as a wallet makes it.
pub(crate) fn sign(key: Sr25519Keyring, call: RuntimeCall, tip: Balance) -> UncheckedExtrinsic {
    sign_as(&key.pair(), call, tip)
}

/// As [`sign`], with any key.
pub(crate) fn sign_as(pair: &sr25519::Pair, call: RuntimeCall, tip: Balance) -> UncheckedExtrinsic {
    let account = AccountId::new(pair.public().0);
    let extension: TxExtension = cumulus_pallet_weight_reclaim::StorageWeightReclaim::new((
        frame_system::AuthorizeCall::new(),
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        frame_system::CheckEra::from(Era::Immortal),
        frame_system::CheckNonce::from(System::account_nonce(&account)),
        frame_system::CheckWeight::new(),
        pallet_transaction_payment::ChargeTransactionPayment::from(tip),
        frame_metadata_hash_extension::CheckMetadataHash::new(false),
    ));
    let payload = SignedPayload::new(call, extension).unwrap();
    let signature = Signature::Sr25519(payload.using_encoded(|bytes| pair.sign(bytes)));
    let (call, extension, _) = payload.deconstruct();
    UncheckedExtrinsic::new_signed(call, account.into(), signature, extension)
}

/// Applies a signed transaction, as a block does.
pub(crate) fn apply(key: Sr25519Keyring, call: impl Into<RuntimeCall>) -> ApplyExtrinsicResult {
    Executive::apply_extrinsic(sign(key, call.into(), 0))
}

/// Dispatches a call without fees.
pub(crate) fn call(
    account: &AccountId,
    call: impl Into<RuntimeCall>,
) -> DispatchResultWithInfo<polkadot_sdk::frame_support::dispatch::PostDispatchInfo> {
    call.into().dispatch(frame_system::RawOrigin::Signed(account.clone()).into())
}

/// What the account can use.
pub(crate) fn free(account: &AccountId) -> Balance {
    Balances::free_balance(account)
}

/// Whether an event of this block is as asked.
pub(crate) fn happened(test: impl Fn(&RuntimeEvent) -> bool) -> bool {
    System::events().iter().any(|record| test(&record.event))
}
