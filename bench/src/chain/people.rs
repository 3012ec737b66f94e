//! Accounts with keys that count their own transactions, which are signed here without asking the node.

use anyhow::Result;
use cyborg_account::{Keypair, keys};
use cyborg_chain_client::submit::Signer;
use cyborg_chain_client::subxt::config::DefaultExtrinsicParamsBuilder;
use cyborg_chain_client::subxt::ext::scale_encode::EncodeAsFields;
use cyborg_chain_client::subxt::tx::StaticPayload;
use cyborg_chain_client::subxt::utils::AccountId32;
use cyborg_chain_client::{AtBlock, Config};
use cyborg_primitives::Account;

use super::session::to_hex;

/// Somebody with a key.
pub(crate) struct Person {
    key: Keypair,
    nonce: u64,
}

impl Person {
    /// A well-known account of development chains, which has money and has not sent anything.
    ///
    /// # Errors
    /// Returns an error if there is no such name.
    pub(crate) fn known(name: &str) -> Result<Self> {
        Ok(Self { key: keys::load(name)?, nonce: 0 })
    }

    /// The person of a number, new on the chain.
    ///
    /// # Errors
    /// Never fails; the key's type requires a result.
    pub(crate) fn numbered(number: u32) -> Result<Self> {
        let mut seed = [0x5e; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        Ok(Self { key: Keypair::from_secret_key(seed)?, nonce: 0 })
    }

    /// The account, as calls have it.
    pub(crate) fn id(&self) -> AccountId32 {
        AccountId32(self.account())
    }

    /// The account, as what is signed has it.
    pub(crate) fn account(&self) -> Account {
        keys::account(&self.key)
    }

    /// Signs bytes outside of a transaction.
    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).0
    }

    /// Its next transaction, in hexadecimal. It stays valid for ever. That the calls are the chain's was
    /// checked once, when the connection was made.
    ///
    /// # Errors
    /// Returns an error if the chain's metadata does not have the call.
    pub(crate) fn transaction<C: EncodeAsFields>(
        &mut self,
        at: &AtBlock,
        call: StaticPayload<C>,
    ) -> Result<String> {
        let params = DefaultExtrinsicParamsBuilder::<Config>::new().immortal().nonce(self.nonce).build();
        let call = call.unvalidated();
        let signed = at.transactions().create_signable_offline(&call, params)?.sign(&Signer(&self.key))?;
        self.nonce += 1;
        Ok(to_hex(signed.encoded()))
    }
}
