//! The cost of a verification, known before it is done: counts that follow from the shape of a model
//! alone. A caller claims them; the chain charges for the claim and checks it against the key.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Counts of a verification.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Cost {
    /// Products in the scalar field, tables of lookups included.
    pub field_products: u64,
    /// Points that the key and the proof bring to the multi-scalar multiplication.
    pub own_points: u32,
    /// Fixed generators that it needs; shared by the proofs of a batch.
    pub generators: u32,
    /// Bytes of the verifying key.
    pub key_bytes: u32,
    /// Bytes of the longest proof of this shape.
    pub proof_bytes: u32,
}

impl Cost {
    /// Whether a claim covers this cost in every count.
    #[must_use]
    pub fn is_covered_by(&self, claim: &Self) -> bool {
        self.field_products <= claim.field_products
            && self.own_points <= claim.own_points
            && self.generators <= claim.generators
            && self.key_bytes <= claim.key_bytes
            && self.proof_bytes <= claim.proof_bytes
    }

    /// The cost of both with one multi-scalar multiplication.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            field_products: self.field_products.saturating_add(other.field_products),
            own_points: self.own_points.saturating_add(other.own_points),
            generators: self.generators.max(other.generators),
            key_bytes: self.key_bytes.saturating_add(other.key_bytes),
            proof_bytes: self.proof_bytes.saturating_add(other.proof_bytes),
        }
    }
}
