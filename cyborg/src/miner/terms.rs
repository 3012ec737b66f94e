//! `cyborg miner update`, `bond`, `leave` and `withdraw`: changes of a miner's record.
//!
//! Each is one transaction. It may be sent while the miner runs: if two take the same number of the
//! account, the miner's is signed again.

use std::time::Duration;

use cyborg_account::keys;
use cyborg_chain_client::runtime::transactions;
use cyborg_chain_client::subxt::tx::Payload;
use cyborg_chain_client::subxt::utils::Static;
use cyborg_miner::meter::Sources;
use cyborg_miner::operator::record::{self, Record};
use cyborg_miner::operator::{machine, register};
use cyborg_primitives::miner::Capacity;
use cyborg_primitives::place::Location;

use super::arguments::{Bond, Home, Update};
use super::settings::Settings;
use super::{connect, folder, init, runtime, status};
use crate::error::Failure;
use crate::report::CommandOutput;
use cyborg_primitives::money::Cyb;

/// Changes what is asked for, how much is offered, and where the miner is.
pub(super) fn update(arguments: &Update) -> Result<CommandOutput, Failure> {
    let memory = arguments.memory.map(|wanted| {
        let total = machine::memory(&Sources::default()).map(|memory| memory.total);
        init::memory_mib(Some(wanted), total)
    });
    let memory = memory.transpose().map_err(|problem| Failure::Usage { flag: "--memory", problem })?;
    let price = arguments.price.map(|price| price.0);
    change(&arguments.home, |record| {
        let capacity = memory.map(|memory_mib| Capacity { memory_mib, ..record.capacity });
        let location = Location {
            region: arguments.region.unwrap_or(record.location.region),
            cell: arguments.at.unwrap_or(record.location.cell),
        };
        let location = (location != record.location).then_some(location);
        transactions().miners().update(None, None, location.map(Static), capacity.map(Static), price)
    })
}

/// Adds to what is staked.
pub(super) fn bond(arguments: &Bond) -> Result<CommandOutput, Failure> {
    if arguments.amount.0 == 0 {
        return Err(Failure::Usage {
            flag: "AMOUNT",
            problem: "nothing would be added, for a fee".to_owned(),
        });
    }
    change(&arguments.home, |_| transactions().miners().bond_more(arguments.amount.0))
}

/// Stops offering the miner.
pub(super) fn leave(home: &Home) -> Result<CommandOutput, Failure> {
    change(home, |_| transactions().miners().deregister())
}

/// Gets the bond back of a miner that has left.
pub(super) fn withdraw(home: &Home) -> Result<CommandOutput, Failure> {
    change(home, |_| transactions().miners().withdraw_bond())
}

/// Sends the transaction that follows from the record of a folder's miner, waits until it is final, and
/// shows the new record.
fn change<C: Payload>(home: &Home, call: impl FnOnce(&Record) -> C) -> Result<CommandOutput, Failure> {
    let folder = folder::of(home)?;
    let settings = Settings::read(&folder)?;
    let signer = settings.signer(&folder)?;
    let node = home.node.as_deref().unwrap_or(&settings.node);
    runtime()?.block_on(async {
        let chain = connect(node, Duration::ZERO).await?;
        let account = keys::account(&signer);
        let Some(before) = record::record(&chain.at_finalised().await?, &account).await? else {
            return Err(register::no_miner(&settings.address, &folder).into());
        };
        let done = chain.submit(&call(&before), &signer).await?;
        let after = record::snapshot(&chain, &account).await?;
        let mut report = CommandOutput::default();
        report.field("miner", settings.address.as_str(), "miner", &settings.address);
        report.field("final_in_block", done.block, "final in block", done.block);
        report.field("free", after.free.to_string(), "free money", Cyb(after.free));
        status::show_standing(&mut report, &after);
        Ok(report)
    })
}
