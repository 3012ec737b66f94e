//! Cyborg's own pallets, and what each asks of the others.

use crate::configs::money::{TreasuryAccount, WeightToFee};
use crate::configs::system::MAXIMUM_BLOCK_WEIGHT;
use crate::economics::{
    AGENDA_BUCKET_MS, ANSWER_MS, BYTE_FEE, CHECK_INTERVAL_MS, CONFIRMATION_MS, DECLINE_MS,
    HEARTBEAT_TIMEOUT_MS, IDLE_FACTOR, KEYS_MS, MAX_ATTESTATION_AGE, MAX_DURATION_MS, MIN_DURATION_MS,
    MINIMUM_BOND, PROVE_MS, REPORT_PERIOD_MS, RETENTION_MS, RETRY_MS, REVEAL_MS, SERVICE_PERIOD_MS,
    SETTLEMENT_MS, TREASURY_SHARE, UNBONDING_MS, deposit, penalty,
};
use crate::{
    AccountId, Balance, Balances, Miners, Models, Payments, Proofs, Reports, Runtime, RuntimeHoldReason,
    Tasks, Timestamp,
};
use cyborg_chain_verifier::ZkVerifier;
use cyborg_interface::Verifier;
use cyborg_primitives::miner::Offence;
use cyborg_primitives::verification::Cost;
use polkadot_sdk::frame_support::parameter_types;
use polkadot_sdk::frame_support::traits::{ConstU8, ConstU32, ConstU64, ConstU128, TypedGet};
use polkadot_sdk::frame_support::weights::{Weight, WeightToFee as _};
use polkadot_sdk::pallet_transaction_payment::NextFeeMultiplier;
use polkadot_sdk::sp_runtime::traits::Convert;
use polkadot_sdk::sp_runtime::{FixedPointNumber, Perbill, Permill};

parameter_types! {
    /// The account that gets the network's share.
    pub Treasury: AccountId = TreasuryAccount::get();
    /// Of every payment.
    pub const TreasuryShare: Permill = TREASURY_SHARE;
    /// For a model in state.
    pub const ModelDeposit: Balance = deposit(3, 512);
    /// For a byte of its key.
    pub const ModelByteDeposit: Balance = deposit(0, 1);
    /// Work of tasks' deadlines in a block: at most a tenth of its time. Of its proof six tenths,
    /// because a deadline may have to look for a miner through every page that a ranking reads, and
    /// engage sixteen of them.
    pub AgendaWeight: Weight = Weight::from_parts(
        Perbill::from_percent(10) * MAXIMUM_BLOCK_WEIGHT.ref_time(),
        Perbill::from_percent(60) * MAXIMUM_BLOCK_WEIGHT.proof_size(),
    );
}

/// The table of offences.
pub struct Penalties;
impl pallet_miners::Penalties for Penalties {
    fn penalty(offence: Offence) -> pallet_miners::Penalty {
        let (share, points) = penalty(offence);
        pallet_miners::Penalty { share, points }
    }
}

/// What a miner pays to have one proof of a shape verified, at today's fees. A valid proof's pay
/// includes this fee.
pub struct VerificationFee;
impl Convert<Cost, Balance> for VerificationFee {
    fn convert(cost: Cost) -> Balance {
        let work = WeightToFee::weight_to_fee(&ZkVerifier::weight_of_true(&cost, 1));
        let bytes = Balance::from(cost.proof_bytes).saturating_mul(BYTE_FEE);
        NextFeeMultiplier::<Runtime>::get().saturating_mul_int(work).saturating_add(bytes)
    }
}

/// Tasks that a miner may have at once.
type MaxTasksPerMiner = ConstU32<64>;

impl pallet_miners::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Time = Timestamp;
    type Departures = Tasks;
    type Treasury = Treasury;
    type Penalties = Penalties;
    type MinimumBond = ConstU128<MINIMUM_BOND>;
    type MaxLoad = MaxTasksPerMiner;
    type UnbondingDelay = ConstU64<UNBONDING_MS>;
    type HeartbeatTimeout = ConstU64<HEARTBEAT_TIMEOUT_MS>;
    type CheckInterval = ConstU64<CHECK_INTERVAL_MS>;
    type ServicePeriod = ConstU64<SERVICE_PERIOD_MS>;
    type ServicePoints = ConstU8<1>;
    /// Twenty thousand miners in a check interval.
    type MaxChecks = ConstU32<200>;
    type MaxLapses = ConstU32<20>;
    type MaxPages = ConstU32<128>;
    type MaxRanked = ConstU32<64>;
    type WeightInfo = pallet_miners::weights::SubstrateWeight<Runtime>;
}

impl pallet_models::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Verifier = ZkVerifier;
    type DepositBase = ModelDeposit;
    type DepositPerByte = ModelByteDeposit;
    type WeightInfo = pallet_models::weights::SubstrateWeight<Runtime>;
}

impl pallet_payments::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Engagements = Tasks;
    type Treasury = Treasury;
    type TreasuryShare = TreasuryShare;
    type WeightInfo = pallet_payments::weights::SubstrateWeight<Runtime>;
}

impl pallet_tasks::Config for Runtime {
    type Time = Timestamp;
    type Registry = Miners;
    type Models = Models;
    type Escrow = Payments;
    type Vacated = (Proofs, Reports);
    type VerificationFee = VerificationFee;
    type MaxAssigned = ConstU32<16>;
    type MaxMiners = ConstU32<32>;
    type MaxTasksPerMiner = MaxTasksPerMiner;
    type KeysPeriod = ConstU64<KEYS_MS>;
    type ConfirmationPeriod = ConstU64<CONFIRMATION_MS>;
    type SettlementPeriod = ConstU64<SETTLEMENT_MS>;
    type RetryPeriod = ConstU64<RETRY_MS>;
    type MaxRetries = ConstU8<30>;
    type MinDuration = ConstU64<MIN_DURATION_MS>;
    type MaxDuration = ConstU64<MAX_DURATION_MS>;
    type IdleFactor = ConstU64<IDLE_FACTOR>;
    type RetentionPeriod = ConstU64<RETENTION_MS>;
    type DeclinePeriod = ConstU64<DECLINE_MS>;
    type DeclineBurst = ConstU64<3>;
    type MaxAttestationAge = ConstU32<MAX_ATTESTATION_AGE>;
    type BucketPeriod = ConstU64<AGENDA_BUCKET_MS>;
    type AgendaWeight = AgendaWeight;
    type WeightInfo = pallet_tasks::weights::SubstrateWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Funds;
}

impl pallet_proofs::Config for Runtime {
    type Balance = Balance;
    type Time = Timestamp;
    type Engagements = Tasks;
    type Models = Models;
    type Escrow = Payments;
    type Registry = Miners;
    type Verifier = ZkVerifier;
    type RevealTime = ConstU64<REVEAL_MS>;
    type ProveTime = ConstU64<PROVE_MS>;
    type AnswerTime = ConstU64<ANSWER_MS>;
    type MaxDeadlines = ConstU32<16>;
    type WeightInfo = pallet_proofs::weights::SubstrateWeight<Runtime>;
}

impl pallet_reports::Config for Runtime {
    type Engagements = Tasks;
    type Time = Timestamp;
    type PeriodMs = ConstU64<REPORT_PERIOD_MS>;
    type MaxLate = ConstU32<6>;
    type Kept = ConstU32<12>;
    type WeightInfo = pallet_reports::weights::SubstrateWeight<Runtime>;
}

/// Gives accounts of benchmarks something to spend.
#[cfg(feature = "runtime-benchmarks")]
pub struct Funds;
#[cfg(feature = "runtime-benchmarks")]
impl pallet_tasks::BenchmarkHelper<AccountId> for Funds {
    fn fund(account: &AccountId) {
        use polkadot_sdk::frame_support::traits::fungible::Mutate;
        let _ = Balances::mint_into(account, 1_000_000 * crate::economics::UNIT);
    }
}
