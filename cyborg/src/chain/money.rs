//! `cyborg chain balance` and `transfer`.

use cyborg_account::{Address, keys};
use cyborg_chain_client::{Chain, ChainError, json as chain_json, runtime};
use serde_json::{Value, json};

use super::account;
use super::arguments::{Balance, Transfer};
use crate::error::Failure;
use crate::report::CommandOutput;
use cyborg_primitives::money::Cyb;

/// An account's money: free, and held for what.
pub(super) async fn balance(chain: &Chain, arguments: &Balance) -> Result<CommandOutput, Failure> {
    let account = account::named(&arguments.account)?;
    let at = chain.at_finalised().await?;
    let storage = at.storage();
    let info = storage.try_fetch(runtime::storage().system().account(), (account,)).await;
    let (nonce, money) = match info.map_err(ChainError::from)? {
        Some(info) => {
            let info = info.decode().map_err(ChainError::from)?;
            (info.nonce, Some(info.data))
        }
        None => (0, None),
    };
    let holds = storage.try_fetch(runtime::storage().balances().holds(), (account,)).await;
    let holds = match holds.map_err(ChainError::from)? {
        Some(holds) => chain_json::stored(holds.bytes(), holds.type_id(), at.metadata_ref())?,
        None => json!([]),
    };
    let (free, held, frozen) = money.map_or((0, 0, 0), |money| (money.free, money.reserved, money.frozen));

    let mut report = CommandOutput::default();
    report.field("account", account.to_string(), "account", account);
    report.field("free", free.to_string(), "free", Cyb(free));
    report.field("held", held.to_string(), "held", Cyb(held));
    for hold in holds.as_array().into_iter().flatten() {
        let (reason, amount) = (reason(&hold["id"]), units(&hold["amount"]));
        report.line(format!("{:<24} {amount}", format!("  {reason}")));
    }
    report.json("holds", holds);
    if frozen > 0 {
        report.line(format!("{:<24} {}", "frozen", Cyb(frozen)));
    }
    report.json("frozen", frozen.to_string());
    report.field("total", (free.saturating_add(held)).to_string(), "total", Cyb(free.saturating_add(held)));
    report.field("nonce", nonce, "transactions sent", nonce);
    report.field("block", at.block_number(), "at block", at.block_number());
    Ok(report)
}

/// Sends money, and waits until it is final.
pub(super) async fn transfer(chain: &Chain, arguments: &Transfer) -> Result<CommandOutput, Failure> {
    let signer = keys::load(&arguments.from)?;
    let to = account::named(&arguments.to)?;
    let Cyb(amount) = arguments.amount;
    if amount == 0 {
        return Err(Failure::Usage {
            flag: "AMOUNT",
            problem: "nothing would be sent, for a fee".to_owned(),
        });
    }
    let call = runtime::tx().balances().transfer_keep_alive(to.into(), amount);
    let done = chain.submit(&call, &signer).await?;
    let fee: u128 = done
        .events::<runtime::transaction_payment::events::TransactionFeePaid>()?
        .iter()
        .map(|paid| paid.actual_fee)
        .sum();
    let mut report = CommandOutput::default();
    let from = Address(keys::account(&signer));
    let hash = format!("0x{}", hex::encode(done.hash));
    report.field("from", from.to_string(), "from", from);
    report.field("to", to.to_string(), "to", to);
    report.field("amount", amount.to_string(), "amount", Cyb(amount));
    report.field("fee", fee.to_string(), "fee", Cyb(fee));
    report.field("block", done.block, "final in block", done.block);
    report.field("transaction", hash.as_str(), "transaction", &hash);
    Ok(report)
}

/// `{"Payments": "Escrow"}` as `Payments.Escrow`.
fn reason(id: &Value) -> String {
    let Some((pallet, reason)) = id.as_object().and_then(|id| id.iter().next()) else {
        return id.to_string();
    };
    format!("{pallet}.{}", reason.as_str().unwrap_or_default())
}

/// An amount that the JSON of the chain's values gives as digits.
pub(super) fn units(value: &Value) -> Cyb {
    Cyb(value.as_str().and_then(|digits| digits.parse().ok()).unwrap_or(0))
}
