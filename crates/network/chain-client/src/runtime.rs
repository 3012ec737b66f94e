//! Calls, storage, constants and events of the chain, generated from its metadata. What the
//! runtime shares with everyone ([`cyborg_primitives`]) is not generated a second time.
#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated from metadata.scale")]

pub use api::*;

/// Version of the runtime whose metadata this is.
pub const SPEC_VERSION: u32 = 1;

#[subxt::subxt(
    runtime_metadata_path = "metadata.scale",
    substitute_type(
        path = "cyborg_primitives::signed::Authorisation",
        with = "::subxt::utils::Static<::cyborg_primitives::signed::Authorisation>"
    ),
    substitute_type(
        path = "cyborg_primitives::signed::Acknowledgement",
        with = "::subxt::utils::Static<::cyborg_primitives::signed::Acknowledgement>"
    ),
    substitute_type(
        path = "cyborg_primitives::signed::Receipt",
        with = "::subxt::utils::Static<::cyborg_primitives::signed::Receipt>"
    ),
    substitute_type(
        path = "cyborg_primitives::verification::Cost",
        with = "::subxt::utils::Static<::cyborg_primitives::verification::Cost>"
    ),
    substitute_type(
        path = "cyborg_primitives::place::Location",
        with = "::subxt::utils::Static<::cyborg_primitives::place::Location>"
    ),
    substitute_type(
        path = "cyborg_primitives::place::Cell",
        with = "::subxt::utils::Static<::cyborg_primitives::place::Cell>"
    ),
    substitute_type(
        path = "cyborg_primitives::place::Region",
        with = "::subxt::utils::Static<::cyborg_primitives::place::Region>"
    ),
    substitute_type(
        path = "cyborg_primitives::miner::Capacity",
        with = "::subxt::utils::Static<::cyborg_primitives::miner::Capacity>"
    ),
    substitute_type(
        path = "cyborg_primitives::miner::Offence",
        with = "::subxt::utils::Static<::cyborg_primitives::miner::Offence>"
    ),
    substitute_type(
        path = "cyborg_primitives::task::ProofPolicy",
        with = "::subxt::utils::Static<::cyborg_primitives::task::ProofPolicy>"
    ),
    substitute_type(
        path = "cyborg_primitives::task::TaskState",
        with = "::subxt::utils::Static<::cyborg_primitives::task::TaskState>"
    ),
    substitute_type(
        path = "cyborg_primitives::task::Role",
        with = "::subxt::utils::Static<::cyborg_primitives::task::Role>"
    ),
    substitute_type(
        path = "cyborg_primitives::window::Window",
        with = "::subxt::utils::Static<::cyborg_primitives::window::Window>"
    )
)]
mod api {}
