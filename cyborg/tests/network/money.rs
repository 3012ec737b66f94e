//! Money: whether a coin was lost, made, or held for nothing.

use std::collections::BTreeMap;

use cyborg_chain_client::AtBlock;
use cyborg_chain_client::runtime;
use cyborg_primitives::TaskId;
pub(crate) use cyborg_primitives::money::UNIT;

use crate::TestResult;

/// All that there is.
pub(crate) async fn issuance(at: &AtBlock) -> TestResult<u128> {
    let entry = at.storage().entry(runtime::storage().balances().total_issuance())?;
    Ok(entry.fetch(()).await?.decode()?)
}

/// What is held, by what for and of whom.
type Held = BTreeMap<(&'static str, [u8; 32]), u128>;

/// Checks that the issuance is what it was, that accounts have all of it, and that what is held of each
/// is what bonds, deposits and escrows say.
pub(crate) async fn conserved(at: &AtBlock, before: u128) -> TestResult {
    let now = issuance(at).await?;
    if now != before {
        return Err(format!("the issuance was {before} and is {now}").into());
    }
    let mut all = 0;
    let mut accounts = at.storage().iter(runtime::storage().system().account(), ()).await?;
    while let Some(account) = accounts.next().await {
        let data = account?.value().decode()?.data;
        all += data.free + data.reserved;
    }
    if all != now {
        return Err(format!("accounts have {all} of an issuance of {now}").into());
    }
    let (held, recorded) = (held(at).await?, recorded(at).await?);
    if held != recorded {
        return Err(format!("held: {held:?}\nrecorded: {recorded:?}").into());
    }
    Ok(())
}

async fn held(at: &AtBlock) -> TestResult<Held> {
    let mut held = Held::new();
    let mut holds = at.storage().iter(runtime::storage().balances().holds(), ()).await?;
    while let Some(entry) = holds.next().await {
        let entry = entry?;
        let (account,) = entry.key()?.decode()?;
        for hold in entry.value().decode()?.0 {
            let name = match format!("{:?}", hold.id) {
                id if id.contains("Bond") => "bond",
                id if id.contains("Escrow") => "escrow",
                id if id.contains("Models") => "deposit",
                _ => "another pallet's",
            };
            *held.entry((name, account.0)).or_default() += hold.amount;
        }
    }
    held.retain(|_, amount| *amount > 0);
    Ok(held)
}

async fn recorded(at: &AtBlock) -> TestResult<Held> {
    let mut recorded = Held::new();
    let mut miners = at.storage().iter(runtime::storage().miners().miners(), ()).await?;
    while let Some(entry) = miners.next().await {
        let entry = entry?;
        let (account,) = entry.key()?.decode()?;
        *recorded.entry(("bond", account.0)).or_default() += entry.value().decode()?.bond;
    }
    let mut models = at.storage().iter(runtime::storage().models().models(), ()).await?;
    while let Some(entry) = models.next().await {
        let model = entry?.value().decode()?;
        *recorded.entry(("deposit", model.owner.0)).or_default() += model.deposit;
    }
    let mut escrows = at.storage().iter(runtime::storage().payments().escrows(), ()).await?;
    while let Some(entry) = escrows.next().await {
        let escrow = entry?.value().decode()?;
        let left = escrow.compute.left + escrow.proofs.left;
        *recorded.entry(("escrow", escrow.owner.0)).or_default() += left;
    }
    recorded.retain(|_, amount| *amount > 0);
    Ok(recorded)
}

/// What was ever paid into a task's escrow, and what is left of it.
pub(crate) async fn escrow(at: &AtBlock, task: TaskId) -> TestResult<(u128, u128)> {
    let entry = at.storage().entry(runtime::storage().payments().escrows())?;
    let escrow = entry.fetch((task,)).await?.decode()?;
    let (compute, proofs) = (escrow.compute, escrow.proofs);
    Ok((compute.deposited + proofs.deposited, compute.left + proofs.left))
}

/// What a miner has staked.
pub(crate) async fn bond(at: &AtBlock, miner: &[u8; 32]) -> TestResult<u128> {
    let entry = at.storage().entry(runtime::storage().miners().miners())?;
    let record = entry.fetch((cyborg_chain_client::subxt::utils::AccountId32(*miner),)).await?;
    Ok(record.decode()?.bond)
}
