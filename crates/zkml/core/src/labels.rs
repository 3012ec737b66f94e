//! Every label that a transcript absorbs or draws under, in the order of the protocol.

/// Name and version of the protocol.
pub const PROTOCOL: &str = "protocol";
/// A live verifier's nonce.
pub const NONCE: &str = "nonce";
/// Digest of the verifying key.
pub const KEY: &str = "key digest";
/// Context: what else the proof is about.
pub const CONTEXT: &str = "context";
/// Visibility, public values and commitments of inputs and outputs.
pub const STATEMENT: &str = "statement";
/// Row commitments of the trace.
pub const TRACE: &str = "trace commitments";
/// Commitment to the pads of hidden scalars.
pub const PADS: &str = "pad commitment";
/// Masked hidden scalars.
pub const HIDDEN: &str = "hidden scalars";
/// Position in a lookup's denominator.
pub const LOOKUP_ALPHA: &str = "lookup alpha";
/// Combines the columns of a lookup.
pub const LOOKUP_GAMMA: &str = "lookup gamma";
/// Combines numerators and denominators of a layer.
pub const LAYER_LAMBDA: &str = "layer lambda";
/// A round of a sum-check.
pub const ROUND: &str = "sum-check round";
/// Joins the two halves of a layer.
pub const LAYER_JOIN: &str = "layer join";
/// Combines the relations of the trace.
pub const RELATIONS: &str = "relations";
/// Combines the factors of quadratic terms.
pub const FACTORS: &str = "factors";
/// Combines trace, weight and bias functionals.
pub const COLUMNS: &str = "columns";
/// Demands zeros in the columns that the chunks of a statement do not use.
pub const TAILS: &str = "tails";
/// Point of the equality polynomial over product constraints.
pub const PRODUCTS: &str = "products";
/// The two blinded factors of the last product constraint.
pub const REVEALED: &str = "revealed factors";
/// Combines all linear constraints.
pub const CONSTRAINTS: &str = "constraints";
/// Keeps the pads' commitment apart from the commitments to rows.
pub const SEPARATION: &str = "separation";
/// Binds the value of an inner product to its generator.
pub const IPA_VALUE: &str = "inner product value";
/// Cross terms of a round of the inner-product argument.
pub const IPA_ROUND: &str = "inner product round";
/// Commitment of the last step.
pub const IPA_LAST: &str = "inner product last";
/// Commitments of Algorithm 1.
pub const OPENING: &str = "opening";
