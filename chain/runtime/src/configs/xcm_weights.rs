//! Weights of `pallet_xcm`, which ships none. Estimates from above: a call that executes a message
//! is charged the message beside this, at a millisecond for each instruction.

use polkadot_sdk::frame_support::weights::Weight;
use polkadot_sdk::pallet_xcm::WeightInfo;

/// A call that sends or executes a message.
const MESSAGE: Weight = Weight::from_parts(1_000_000_000, 16 * 1024);
/// A call or step that touches a few items.
const ITEMS: Weight = Weight::from_parts(500_000_000, 8 * 1024);
/// Work without storage, for each instruction or asset.
const EACH: Weight = Weight::from_parts(50_000_000, 1024);

/// The weights.
pub struct XcmWeights;
impl WeightInfo for XcmWeights {
    fn send() -> Weight {
        MESSAGE
    }
    fn teleport_assets() -> Weight {
        MESSAGE
    }
    fn reserve_transfer_assets() -> Weight {
        MESSAGE
    }
    fn transfer_assets() -> Weight {
        MESSAGE
    }
    fn execute() -> Weight {
        MESSAGE
    }
    fn force_xcm_version() -> Weight {
        ITEMS
    }
    fn force_default_xcm_version() -> Weight {
        ITEMS
    }
    fn force_subscribe_version_notify() -> Weight {
        MESSAGE
    }
    fn force_unsubscribe_version_notify() -> Weight {
        MESSAGE
    }
    fn force_suspension() -> Weight {
        ITEMS
    }
    fn migrate_supported_version() -> Weight {
        ITEMS
    }
    fn migrate_version_notifiers() -> Weight {
        ITEMS
    }
    fn already_notified_target() -> Weight {
        ITEMS
    }
    fn notify_current_targets() -> Weight {
        MESSAGE
    }
    fn notify_target_migration_fail() -> Weight {
        ITEMS
    }
    fn migrate_version_notify_targets() -> Weight {
        ITEMS
    }
    fn migrate_and_notify_old_targets() -> Weight {
        MESSAGE
    }
    fn new_query() -> Weight {
        ITEMS
    }
    fn take_response() -> Weight {
        ITEMS
    }
    fn claim_assets(assets: u32) -> Weight {
        MESSAGE.saturating_add(EACH.saturating_mul(assets.into()))
    }
    fn add_authorized_alias() -> Weight {
        ITEMS
    }
    fn remove_authorized_alias() -> Weight {
        ITEMS
    }
    fn weigh_message(instructions: u32) -> Weight {
        EACH.saturating_mul(instructions.saturating_add(1).into())
    }
    fn decode_xcm(bytes: u32) -> Weight {
        EACH.saturating_add(Weight::from_parts(20_000, 0).saturating_mul(bytes.into()))
    }
}
