//! Transactions, signed without a node.

use codec::Encode;
use cyborg_runtime::{
    Address, RuntimeCall, Signature, SignedPayload, TxExtension, UncheckedExtrinsic, VERSION,
};
use polkadot_sdk::frame_metadata_hash_extension::CheckMetadataHash;
use polkadot_sdk::pallet_transaction_payment::ChargeTransactionPayment;
use polkadot_sdk::sp_core::crypto::AccountId32;
use polkadot_sdk::sp_core::{H256, hexdisplay::HexDisplay};
use polkadot_sdk::sp_keyring::Sr25519Keyring;
use polkadot_sdk::sp_runtime::generic::Era;
use polkadot_sdk::{frame_system as system, pallet_balances};
use serde_json::{Value, json};

use super::{Rpc, TestResult};

/// An account's transactions.
pub(crate) struct Sender {
    key: Sr25519Keyring,
    genesis: H256,
    nonce: u32,
}

impl Sender {
    /// The account of a development key, as a node knows it.
    pub(crate) fn new(key: Sr25519Keyring, rpc: &Rpc, ready: &Value) -> TestResult<Self> {
        let genesis: H256 = ready["genesis"].as_str().ok_or("no genesis")?.parse()?;
        let nonce = rpc.call("system_accountNextIndex", json!([key.to_account_id().to_string()]))?;
        Ok(Self { key, genesis, nonce: u32::try_from(nonce.as_u64().ok_or("no nonce")?)? })
    }

    /// The next transaction, in hexadecimal.
    pub(crate) fn sign(&mut self, call: RuntimeCall) -> TestResult<String> {
        let extension: TxExtension =
            polkadot_sdk::cumulus_pallet_weight_reclaim::StorageWeightReclaim::new((
                system::AuthorizeCall::new(),
                system::CheckNonZeroSender::new(),
                system::CheckSpecVersion::new(),
                system::CheckTxVersion::new(),
                system::CheckGenesis::new(),
                system::CheckEra::from(Era::Immortal),
                system::CheckNonce::from(self.nonce),
                system::CheckWeight::new(),
                ChargeTransactionPayment::from(0),
                CheckMetadataHash::new(false),
            ));
        let implicit = (
            (),
            (),
            VERSION.spec_version,
            VERSION.transaction_version,
            self.genesis,
            self.genesis,
            (),
            (),
            (),
            None,
        );
        let payload = SignedPayload::from_raw(call, extension, implicit);
        let signature = Signature::Sr25519(payload.using_encoded(|bytes| self.key.sign(bytes)));
        let (call, extension, _) = payload.deconstruct();
        let transaction =
            UncheckedExtrinsic::new_signed(call, Address::Id(self.key.to_account_id()), signature, extension);
        self.nonce += 1;
        Ok(format!("0x{}", HexDisplay::from(&transaction.encode())))
    }

    /// A transfer of one CYB to an account that has nothing yet.
    pub(crate) fn transfer(&mut self, to: [u8; 32]) -> TestResult<String> {
        self.sign(RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive {
            dest: Address::Id(AccountId32::new(to)),
            value: cyborg_runtime::economics::UNIT,
        }))
    }
}
