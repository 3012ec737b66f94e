//! The protocol, once for both parties.
//!
//! [`run`] walks through the stages, keeps the transcript and the ledger of constraints, and asks
//! a [`Party`] for the hidden scalars of each message: the prover computes them, the verifier
//! reads them from the proof, the simulator draws them at random. Whatever the party, the result
//! is one inner-product statement ([`Reduced`]).
//!
//! Stages, with the claims that they pass on (all claims are hidden, as linear forms):
//! 1. **Tree.** The fractions of all lookups and tables add up to zero, with a non-zero common
//!    denominator (logUp, GKR: ePrint 2023/1284), down to the leaves at a point `rho`.
//! 2. **Relations.** The leaves and all linear relations at `rho`, combined at random, are
//!    `<T, K> + <W, L> + constant + quadratic sums`.
//! 3. **Quadratic.** One sum-check for all quadratic sums, down to values of their factors.
//! 4. **Master.** One sum-check for `<T, K>`, down to `t = T(r)` and the kernel at `r`, which is
//!    a public number plus a linear functional `V` of the weights.
//! 5. **Columns.** `t`, `V` and the bias functional are inner products over rows of committed
//!    matrices: one sum-check over the columns, down to one column point for all of them.
//! 6. **Products.** All product constraints, by one sum-check, blinded by a random product.
//! 7. **Combination** of all linear constraints to one inner product with columns and pads. One
//!    argument opens both, and nothing forces a prover to keep rows off the pads' generators or
//!    the pads' commitment off the columns'. So that commitment enters times a last challenge
//!    `separation` (here `s`), and the demand is `s <row, eq> + <s pads, u> = s v`: what was
//!    committed on the wrong generators meets `s^0` or `s^2` and must cancel by itself.

mod end;
mod public;
mod relations;
mod rows;
mod stages;
mod tails;

use self::public::Computed;
use self::stages::{Columns, Run};
use self::tails::multipliers;
use crate::circuit::{Circuit, QuadShape};
use crate::kernel::Functional;
use crate::statement::Shown;
use alloc::vec::Vec;
use ark_ff::Field;
use zkml_core::F;
use zkml_core::labels;
use zkml_core::ledger::{Ledger, Product};
use zkml_core::poly::eq_table;
use zkml_core::transcript::Transcript;

pub use self::end::MasterEnd;
pub(crate) use self::public::count;
pub use self::rows::Row;
pub use self::tails::Tail;
pub use crate::error::ProtocolError;

/// What a party is asked for next. Within a stage the party answers a sequence of requests; each
/// passes the challenge that followed the previous answer.
pub enum Stage<'a> {
    /// Answers: `p0, p1, q0, q1` below the root, then `p0 q1`, `p1 q0`, `q0 q1`, `1 / (q0 q1)`.
    Tree {
        /// Position in a denominator.
        alpha: F,
        /// `1, gamma, gamma^2, gamma^3`: factors of the columns, then of the tag.
        gamma: [F; 4],
    },
    /// Answers: for every variable of `point`, highest first, the constant and the quadratic
    /// coefficient of the round polynomial without its `eq` factor; at the end
    /// `p0, p1, q0, q1`, `q1 (lambda q0 + p0)`, `p1 q0`.
    Layer {
        /// Claims of the layer above are at this point.
        point: &'a [F],
        /// Combines numerators and denominators.
        lambda: F,
    },
    /// Answers: the sum of all items; for every variable the coefficients of degrees 0, 2, 3 of
    /// the round polynomial; at the end `a, b, a b` for every item.
    Quadratic {
        /// The sums, with factors.
        items: &'a [QuadItem],
        /// Point of the relations.
        rho: &'a [F],
    },
    /// Answers: the bias functional; for every variable of the trace, highest first, the
    /// coefficients of degrees 0 and 2; at the end `t`, `V`, `t V`.
    Master {
        /// The functional.
        functional: &'a Functional,
        /// Point of the relations.
        rho: &'a [F],
    },
    /// Answers: for every variable of the columns, highest first, the coefficients of degrees
    /// 0 and 2.
    Columns {
        /// The inner products.
        classes: &'a [Class],
    },
    /// Answers: the product of the two private scalars; for every variable of the constraints,
    /// highest first, as in `Layer`. The last challenge comes with [`Party::reveal`].
    Products {
        /// The constraints, the last one on the private scalars. The third form of that one is
        /// not known to the ledger before the first answer.
        products: &'a [Product],
    },
    /// Announces the point of [`Stage::Products`]'s `eq` factor; no answer.
    ProductPoint {
        /// The point.
        point: &'a [F],
    },
}

/// One quadratic sum in the batch.
#[derive(Clone, Debug)]
pub struct QuadItem {
    /// Position in [`Circuit::quads`].
    pub quad: usize,
    /// Factor.
    pub coefficient: F,
    /// Its variables.
    pub shape: QuadShape,
}

/// `factor * sum over columns of row_sum(column) * values(column)`, where `row_sum` is a linear
/// combination of committed rows.
#[derive(Clone, Debug)]
pub struct Class {
    /// Which rows, with which factors.
    pub rows: ClassRows,
    /// One factor for each of the first columns.
    pub values: Vec<F>,
    /// The factors of the columns beyond them; `None` where they are zero.
    pub tail: Option<Tail>,
}

/// The rows of a class.
#[derive(Clone, Debug)]
pub enum ClassRows {
    /// Trace rows, including those of a key: one factor for each.
    Trace(Vec<F>),
    /// One row of packed weights.
    Packed(usize),
    /// One chunk of a parameter in rows, with the factor of each output.
    Matrix {
        /// The parameter.
        param: usize,
        /// The chunk.
        chunk: usize,
        /// One factor for each output.
        factors: Vec<F>,
    },
    /// A chunk of a committed input or output.
    Chunk {
        /// Position in the statement.
        tensor: usize,
        /// The chunk.
        chunk: usize,
    },
}

/// One side of the protocol.
pub trait Party {
    /// A stage begins.
    ///
    /// # Errors
    /// Returns an error if the stage does not fit what the party knows.
    fn begin(&mut self, stage: Stage<'_>) -> Result<(), ProtocolError>;
    /// The next hidden scalars of the stage, with their pads added. `challenge` is the one that
    /// followed the party's previous answer in this sum-check, which the party binds first; `None`
    /// before the first.
    ///
    /// # Errors
    /// Returns an error if the party has no such scalars, or no pads for them.
    fn answer(&mut self, challenge: Option<&F>, out: &mut [F]) -> Result<(), ProtocolError>;
    /// A pad is used as a hidden scalar itself (negated).
    ///
    /// # Errors
    /// Returns an error if the party has no pad for it.
    fn private(&mut self) -> Result<(), ProtocolError>;
    /// The two factors of the product sum-check, in clear: they are blinded. `challenge` is the
    /// sum-check's last.
    ///
    /// # Errors
    /// Returns an error if the party is not in that sum-check.
    fn reveal(&mut self, challenge: &F) -> Result<[F; 2], ProtocolError>;
}

/// The inner-product statement that a proof comes down to: the combination of committed rows by
/// `classes` and `multipliers`, plus `separation` times the pads, has inner product `value` with
/// `coefficients`: columns first, then pads.
pub struct Reduced {
    /// The inner products over rows.
    pub classes: Vec<Class>,
    /// Factor of each class in the combination.
    pub multipliers: Vec<F>,
    /// Factor of the commitment to the pads.
    pub separation: F,
    /// The public vector: `separation` times `eq` of the column point, then one factor for each
    /// pad.
    pub coefficients: Vec<F>,
    /// The inner product.
    pub value: F,
    /// Everything that was sent and demanded.
    pub ledger: Ledger,
}

/// Runs the protocol after key, context, statement and commitments have been absorbed.
///
/// # Errors
/// Returns an error if a live verifier has gone, or the party has no answer.
#[expect(clippy::indexing_slicing, reason = "a claim's terms are numbers of answers that the ledger holds")]
pub fn run<P: Party, T: Transcript + ?Sized>(
    circuit: &Circuit,
    weight_bits: u8,
    statement: &[Shown],
    party: &mut P,
    transcript: &mut T,
) -> Result<Reduced, ProtocolError> {
    let public = Computed { weight_bits, statement };
    let mut run = Run { party, transcript, public, ledger: Ledger::default() };
    let Columns { classes, point, claim } = run.messages(circuit)?;
    let combine = run.transcript.challenge(labels::CONSTRAINTS)?;
    let (mut pads, mut value) = run.ledger.combine(&combine);
    for (index, coefficient) in &claim.terms {
        pads[*index as usize] += coefficient;
        value += *coefficient * run.ledger.wire[*index as usize];
    }
    value += claim.constant;
    let mut coefficients = eq_table(&point, F::ONE);
    let multipliers = multipliers(&classes, &point, &coefficients)?;
    let separation = run.transcript.challenge(labels::SEPARATION)?;
    for coefficient in &mut coefficients {
        *coefficient *= separation;
    }
    coefficients.append(&mut pads);
    Ok(Reduced {
        classes,
        multipliers,
        separation,
        coefficients,
        value: separation * value,
        ledger: run.ledger,
    })
}
