//! A transaction, to its finalised outcome.
//!
//! Each is mortal: it is valid for [`LIFETIME_BLOCKS`] blocks only, so that one whose outcome is
//! not known is either found in that time or never happens.

use std::time::Duration;

use cyborg_account::Signing;
use cyborg_primitives::money::Cyb;
use subxt::config::DefaultExtrinsicParamsBuilder;
use subxt::error::{
    ArithmeticError, BackendError, DispatchError, ExtrinsicError, RpcError, TokenError,
    TransactionEventsError,
};
use subxt::events::DecodeAsEvent;
use subxt::extrinsics::ExtrinsicEvents;
use subxt::tx::{Payload, TransactionStatus};
use subxt::utils::{AccountId32, MultiSignature};
use tokio::time::timeout;

use crate::{Chain, ChainError, Config, view};

/// How many blocks a transaction stays valid.
pub const LIFETIME_BLOCKS: u64 = 64;
/// How long a transaction's finality is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// A transaction that did what it was to do, in a finalised block.
pub struct Finalised {
    /// Number of the block.
    pub block: u64,
    /// Hash of the block.
    pub block_hash: [u8; 32],
    /// Hash of the transaction.
    pub hash: [u8; 32],
    events: ExtrinsicEvents<Config>,
}

impl Finalised {
    /// The transaction's events of one kind, in their order.
    ///
    /// # Errors
    /// Returns an error if an event cannot be decoded.
    pub fn events<E: DecodeAsEvent>(&self) -> Result<Vec<E>, ChainError> {
        self.events.find::<E>().map(|event| event.map_err(ChainError::from)).collect()
    }
}

impl Chain {
    /// Signs a call, sends it, and waits until a finalised block holds it and it did what it was
    /// to do.
    ///
    /// # Errors
    /// Returns an error if it is refused, fails in its pallet, or its outcome stays unknown.
    pub async fn submit<C: Payload>(&self, call: &C, signer: &dyn Signing) -> Result<Finalised, ChainError> {
        match self.submit_call(call, signer).await {
            Err(ChainError::Refused(reason)) if is_about_money(&reason) => {
                let account = signer.account();
                let free = Cyb(view::free(&self.at_finalised().await?, &account).await?);
                Err(ChainError::Poor { account: AccountId32(account).to_string(), free })
            }
            outcome => outcome,
        }
    }

    /// The fee of a call, by the chain's estimate; it is signed for that, and not sent.
    ///
    /// # Errors
    /// Returns an error if the node does not answer.
    pub async fn fee<C: Payload>(&self, call: &C, signer: &dyn Signing) -> Result<u128, ChainError> {
        let params = DefaultExtrinsicParamsBuilder::<Config>::new().mortal(LIFETIME_BLOCKS).build();
        let at = self.at_finalised().await?;
        let mut transactions = at.transactions();
        let transaction = transactions.create_signed(call, &Signer(signer), params).await?;
        Ok(transaction.partial_fee_estimate().await?)
    }

    async fn submit_call<C: Payload>(&self, call: &C, signer: &dyn Signing) -> Result<Finalised, ChainError> {
        let progress = {
            let _one_at_a_time = self.nonces.lock().await;
            let at = self.client.at_current_block().await?;
            let account = AccountId32(signer.account());
            let nonce = self.next_nonce(&account).await?;
            let params =
                DefaultExtrinsicParamsBuilder::<Config>::new().mortal(LIFETIME_BLOCKS).nonce(nonce).build();
            at.transactions()
                .sign_and_submit_then_watch(call, &Signer(signer), params)
                .await
                .map_err(refusal)?
        };
        let hash = progress.extrinsic_hash().0;
        let mut progress = progress;
        let waiting = async {
            while let Some(status) = progress.next().await {
                match status? {
                    TransactionStatus::InFinalizedBlock(block) => return Ok(block),
                    TransactionStatus::Invalid { message } => return Err(ChainError::Refused(message)),
                    TransactionStatus::Error { message } | TransactionStatus::Dropped { message } => {
                        return Err(ChainError::Unwatched(message));
                    }
                    _ => {}
                }
            }
            Err(ChainError::Unwatched("it stopped watching it".into()))
        };
        let block = match timeout(PATIENCE, waiting).await {
            Ok(outcome) => outcome?,
            Err(_) => {
                let hash = format!("{:?}", progress.extrinsic_hash());
                return Err(ChainError::Timeout { hash, seconds: PATIENCE.as_secs() });
            }
        };
        let at = block.at().await?;
        let events = block.wait_for_success().await.map_err(dispatch)?;
        Ok(Finalised { block: at.block_number(), block_hash: block.block_hash().0, hash, events })
    }
}

/// Whether a transaction was refused because its account has too little, in the words of the transaction pool if the
/// fee is too much for it, or of FRAME if the call is.
fn is_about_money(reason: &str) -> bool {
    let of_the_call = [
        TokenError::FundsUnavailable.to_string(),
        TokenError::NotExpendable.to_string(),
        // What a transfer beyond the balance is called.
        ArithmeticError::Underflow.to_string(),
    ];
    of_the_call.iter().any(|words| reason.contains(words)) || reason.contains("Inability to pay some fees")
}

/// An account's signatures in the chain's types.
pub struct Signer<'a>(pub &'a dyn Signing);

impl subxt::tx::Signer<Config> for Signer<'_> {
    fn account_id(&self) -> AccountId32 {
        AccountId32(self.0.account())
    }

    fn sign(&self, payload: &[u8]) -> MultiSignature {
        MultiSignature::Sr25519(self.0.sign(payload))
    }
}

/// What the node says of a transaction that it does not take: the reason is beside its error's message.
fn refusal(error: ExtrinsicError) -> ChainError {
    let ExtrinsicError::ErrorSubmittingTransaction(refused) = error else { return error.into() };
    let BackendError::Rpc(RpcError::ClientError(subxt::rpcs::Error::User(said))) = &refused else {
        return ChainError::Refused(refused.to_string());
    };
    let reason = said.data.as_ref().and_then(|data| serde_json::from_str::<String>(data.get()).ok());
    ChainError::Refused(reason.unwrap_or_else(|| said.message.clone()))
}

fn dispatch(error: TransactionEventsError) -> ChainError {
    let TransactionEventsError::ExtrinsicFailed(failure) = error else { return error.into() };
    module_error(&failure).unwrap_or_else(|| ChainError::Refused(failure.to_string()))
}

/// A pallet's error with what it says of it; `None` if no pallet refused.
pub(crate) fn module_error(failure: &DispatchError) -> Option<ChainError> {
    let DispatchError::Module(module) = failure else { return None };
    let details = module.details().ok()?;
    Some(ChainError::Dispatch {
        error: Box::new(module.as_root_error().ok()?),
        pallet: details.pallet.name().to_owned(),
        name: details.variant.name.clone(),
        description: details.variant.docs.join(" ").trim().to_owned(),
    })
}
