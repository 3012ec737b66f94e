//! `cyborg chain …`: what the chain holds and says, and a transfer. Everything shown is finalised.

mod account;
mod amount;
pub(crate) mod arguments;
mod events;
mod money;
mod table;
mod tasks;
mod view;

use cyborg_chain_client::Chain;

use crate::error::Failure;
use crate::report::Report;
use arguments::{Action, ChainCommand, TaskAction};

/// Runs one of the commands.
pub(crate) fn run(command: &ChainCommand, json: bool) -> Result<Report, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::Io { file: "the asynchronous runtime".to_owned(), action: "start", source: error }
    })?;
    runtime.block_on(async {
        let chain = Chain::connect(&command.node).await?;
        match &command.action {
            Action::Status => view::status(&chain, &command.node).await,
            Action::Miners(arguments) => view::miners(&chain, arguments).await,
            Action::Models => view::models(&chain).await,
            Action::Tasks(arguments) => tasks::list(&chain, arguments).await,
            Action::Task(TaskAction::Show { task }) => tasks::show(&chain, *task).await,
            Action::Balance(arguments) => money::balance(&chain, arguments).await,
            Action::Transfer(arguments) => money::transfer(&chain, arguments).await,
            Action::Events(arguments) => events::run(&chain, arguments, json).await,
        }
    })
}
