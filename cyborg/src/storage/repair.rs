//! `cyborg storage repair`: fragments that are lost or altered, found and stored again.

use std::sync::Arc;

use cyborg_account::keys;
use cyborg_chain_client::Chain;
use cyborg_chain_client::view;
use cyborg_owner::locations;
use cyborg_storage_client::coded::Event;

use super::arguments::StorageRepair;
use crate::error::Failure;
use crate::files;
use crate::progress::Progress;
use crate::report::CommandOutput;

/// Looks at every fragment of a model's file, and restores what is not what was stored.
pub(super) async fn run(arguments: &StorageRepair) -> Result<CommandOutput, Failure> {
    let signer = keys::load(&arguments.account)?;
    let roots = files::certificates(&arguments.ca)?;
    let bar = Progress::new("repair");
    let observer = move |event: &Event<'_>| {
        if let Event::Stripe { stripe, of } = event {
            bar.stage("stripes", stripe + 1, *of);
        }
    };
    let storage = locations::coded(&arguments.storage, &roots, &signer, Some(Arc::new(observer)))
        .map_err(|error| Failure::Usage { flag: "--storage", problem: error.to_string() })?;
    let at = Chain::connect(&arguments.node).await?.at_finalised().await?;
    let model = view::model(&at, arguments.model).await?.ok_or_else(|| Failure::Usage {
        flag: "MODEL",
        problem: format!("there is no model {} on this chain", arguments.model),
    })?;
    let found = storage.repair(&model.manifest, !arguments.check).await;
    let found = found.map_err(|error| Failure::Storage(error.to_string()))?;

    let mut report = CommandOutput::default();
    let file = format!("0x{}", hex::encode(model.manifest));
    report.field("model", arguments.model, "model", arguments.model);
    report.field("manifest", file.as_str(), "file", &file);
    report.field("fragments", found.fragments, "fragments", found.fragments);
    report.field("missing", found.missing, "missing", found.missing);
    report.field("altered", found.altered, "altered", found.altered);
    if !arguments.check {
        report.field("rebuilt", found.rebuilt, "stored again", found.rebuilt);
        report.field("manifests", found.manifests, "manifests given back", found.manifests);
    }
    for problem in &found.problems {
        report.line(problem.escape_debug().to_string());
    }
    report.json("problems", found.problems);
    Ok(report)
}
