//! Balances, other assets, and transaction fees.
//!
//! The issuance changes only where the standard lets it: by Root (governance) setting a balance,
//! and by assets of messages from other chains that are trapped and claimed. Fees, tips and dust
//! go to the treasury's account and to the collators' pot; genesis gives both the existential
//! deposit, so that they can always receive.

use crate::configs::system::MAXIMUM_BLOCK_WEIGHT;
use crate::economics::{BYTE_FEE, COLLATORS_SHARE, EXISTENTIAL_DEPOSIT, SECOND_FEE, deposit};
use crate::{
    AccountId, Balance, Balances, Runtime, RuntimeEvent, RuntimeFreezeReason, RuntimeHoldReason, System,
};
use polkadot_sdk::frame_support::PalletId;
use polkadot_sdk::frame_support::parameter_types;
use polkadot_sdk::frame_support::traits::fungible::Credit;
use polkadot_sdk::frame_support::traits::tokens::imbalance::ResolveTo;
use polkadot_sdk::frame_support::traits::{
    AsEnsureOriginWithArg, ConstU8, ConstU32, Currency, Imbalance, OnUnbalanced, TypedGet, VariantCountOf,
};
use polkadot_sdk::frame_support::weights::constants::WEIGHT_REF_TIME_PER_SECOND;
use polkadot_sdk::frame_support::weights::{ConstantMultiplier, Weight, WeightToFee as WeightToFeeTrait};
use polkadot_sdk::frame_system::{EnsureRoot, EnsureSigned};
use polkadot_sdk::pallet_collator_selection::StakingPotAccountId;
use polkadot_sdk::pallet_transaction_payment::{Multiplier, TargetedFeeAdjustment};
use polkadot_sdk::sp_runtime::traits::{AccountIdConversion, Bounded};
use polkadot_sdk::sp_runtime::{FixedPointNumber, Perquintill};
use polkadot_sdk::{pallet_assets, pallet_balances, pallet_transaction_payment};

/// The account that the treasury's share goes to. Only governance can move it.
pub struct TreasuryAccount;
impl TypedGet for TreasuryAccount {
    type Type = AccountId;
    fn get() -> AccountId {
        PalletId(*b"cy/trsry").into_account_truncating()
    }
}

/// Gives money without an owner to the treasury.
pub type ToTreasury = ResolveTo<TreasuryAccount, Balances>;

/// Gives reserved money that is slashed to the treasury.
pub struct SlashToTreasury;
impl OnUnbalanced<pallet_balances::NegativeImbalance<Runtime>> for SlashToTreasury {
    fn on_nonzero_unbalanced(amount: pallet_balances::NegativeImbalance<Runtime>) {
        Balances::resolve_creating(&TreasuryAccount::get(), amount);
    }
}

/// Fees are shared between the collators and the treasury; tips are the collators'.
pub struct DealWithFees;
impl OnUnbalanced<Credit<AccountId, Balances>> for DealWithFees {
    fn on_unbalanceds(mut fees_then_tips: impl Iterator<Item = Credit<AccountId, Balances>>) {
        type ToCollators = ResolveTo<StakingPotAccountId<Runtime>, Balances>;
        if let Some(fees) = fees_then_tips.next() {
            let share = COLLATORS_SHARE * fees.peek();
            let (collators, treasury) = fees.split(share);
            ToCollators::on_unbalanced(collators);
            ToTreasury::on_unbalanced(treasury);
        }
        for tip in fees_then_tips {
            ToCollators::on_unbalanced(tip);
        }
    }
}

parameter_types! {
    /// Below it an account is dust.
    pub const ExistentialDeposit: Balance = EXISTENTIAL_DEPOSIT;
    /// For a byte of a transaction.
    pub const ByteFee: Balance = BYTE_FEE;
    /// Fees rise while blocks are fuller than this, and fall while they are emptier.
    pub const TargetFullness: Perquintill = Perquintill::from_percent(25);
    /// How fast: at most a third in a day.
    pub AdjustmentSpeed: Multiplier = Multiplier::saturating_from_rational(75, 1_000_000);
    /// Fees never fall below this part.
    pub MinimumMultiplier: Multiplier = Multiplier::saturating_from_rational(1, 10);
    /// Fees never rise above this multiple.
    pub MaximumMultiplier: Multiplier = Bounded::max_value();
    /// For an asset of one's own.
    pub const AssetDeposit: Balance = deposit(2, 300);
    /// For an account that holds no native token.
    pub const AssetAccountDeposit: Balance = deposit(1, 16);
    /// For an asset's name.
    pub const MetadataDepositBase: Balance = deposit(1, 68);
    /// For a byte of it.
    pub const MetadataDepositPerByte: Balance = deposit(0, 1);
    /// For letting another spend.
    pub const ApprovalDeposit: Balance = EXISTENTIAL_DEPOSIT;
}

impl pallet_balances::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type Balance = Balance;
    type DustRemoval = ToTreasury;
    type ExistentialDeposit = ExistentialDeposit;
    type AccountStore = System;
    type ReserveIdentifier = [u8; 8];
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxLocks = ConstU32<50>;
    type MaxReserves = ConstU32<50>;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type DoneSlashHandler = ();
    type WeightInfo = pallet_balances::weights::SubstrateWeight<Runtime>;
}

/// Number of an asset.
pub type AssetId = u32;

impl pallet_assets::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Balance = Balance;
    type RemoveItemsLimit = ConstU32<1000>;
    type AssetId = AssetId;
    type AssetIdParameter = codec::Compact<AssetId>;
    type ReserveData = ();
    type Currency = Balances;
    type CreateOrigin = AsEnsureOriginWithArg<EnsureSigned<AccountId>>;
    type ForceOrigin = EnsureRoot<AccountId>;
    type AssetDeposit = AssetDeposit;
    type AssetAccountDeposit = AssetAccountDeposit;
    type MetadataDepositBase = MetadataDepositBase;
    type MetadataDepositPerByte = MetadataDepositPerByte;
    type ApprovalDeposit = ApprovalDeposit;
    type StringLimit = ConstU32<50>;
    type Freezer = ();
    type Holder = ();
    type Extra = ();
    type CallbackHandle = ();
    type AssetIdAllocator = ();
    type WeightInfo = pallet_assets::weights::SubstrateWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
}

/// The fee of a weight: the dearer of its time and its part of the proof of validity, so priced
/// that a block full of either costs the same.
pub struct WeightToFee;
impl WeightToFeeTrait for WeightToFee {
    type Balance = Balance;
    fn weight_to_fee(weight: &Weight) -> Balance {
        let block = MAXIMUM_BLOCK_WEIGHT;
        let second = Balance::from(WEIGHT_REF_TIME_PER_SECOND);
        let time = Balance::from(weight.ref_time()).saturating_mul(SECOND_FEE) / second;
        let as_time = Balance::from(weight.proof_size()).saturating_mul(block.ref_time().into())
            / Balance::from(block.proof_size());
        time.max(as_time.saturating_mul(SECOND_FEE) / second)
    }
}

impl pallet_transaction_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type OnChargeTransaction = pallet_transaction_payment::FungibleAdapter<Balances, DealWithFees>;
    type WeightToFee = WeightToFee;
    type LengthToFee = ConstantMultiplier<Balance, ByteFee>;
    type FeeMultiplierUpdate =
        TargetedFeeAdjustment<Self, TargetFullness, AdjustmentSpeed, MinimumMultiplier, MaximumMultiplier>;
    type OperationalFeeMultiplier = ConstU8<5>;
    type WeightInfo = pallet_transaction_payment::weights::SubstrateWeight<Runtime>;
}
