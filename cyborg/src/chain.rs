//! `cyborg chain …`: what the chain holds and says, and a transfer. Everything shown is finalised.

pub(crate) mod account;
pub(crate) mod arguments;
pub(crate) mod events;
mod money;
pub(crate) mod table;
pub(crate) mod tasks;
mod view;

use cyborg_chain_client::Chain;
use tokio::runtime::Builder;

use crate::begin;
use crate::error::Failure;
use crate::report::CommandOutput;
use arguments::{Action, ChainCommand, TaskAction};

/// Runs one of the commands.
pub(crate) fn run(command: &ChainCommand, json: bool) -> Result<CommandOutput, Failure> {
    begin::runtime(Builder::new_current_thread())?.block_on(async {
        let chain = Chain::connect(&command.node).await?;
        match &command.action {
            Action::Status => view::status(&chain, &command.node).await,
            Action::Miners(arguments) => view::miners(&chain, arguments).await,
            Action::Models => view::models(&chain).await,
            Action::Tasks(arguments) => {
                let owner = arguments.owner.as_deref().map(account::named).transpose()?;
                tasks::list(&chain, owner).await
            }
            Action::Task(TaskAction::Show { task }) => tasks::show(&chain, *task).await,
            Action::Balance(arguments) => money::balance(&chain, arguments).await,
            Action::Transfer(arguments) => money::transfer(&chain, arguments).await,
            Action::Events(arguments) => {
                let wanted = events::Wanted { pallet: arguments.pallet.as_deref(), task: None };
                events::run(&chain, arguments.from, arguments.follow, &wanted, json).await
            }
        }
    })
}
