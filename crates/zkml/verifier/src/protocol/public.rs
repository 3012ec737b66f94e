//! What both parties compute between the messages, from circuit, statement and challenges alone.
//!
//! The messages themselves do not depend on it. So a circuit's hidden scalars are counted by the
//! protocol itself, run with [`Skipped`] in the place of [`Computed`]: that takes time in
//! proportion to the messages, however much arithmetic a hostile graph puts between them.

use super::end::{self, ColumnChallenges, MasterEnd};
use super::relations::relations;
use super::{Class, Party, ProtocolError, QuadItem, Run, Stage};
use crate::circuit::{Circuit, Messages, QuadShape};
use crate::kernel::Functional;
use crate::statement::Shown;
use alloc::vec::Vec;
use ark_ff::{Field, Zero};
use zkml_core::F;
use zkml_core::ledger::Ledger;
use zkml_core::transcript::{Aborted, Transcript};

/// The arithmetic between the messages.
pub(super) trait Public {
    /// Whether the claims between the messages are followed, as forms.
    const CLAIMS: bool;

    /// Stage 2: everything that holds at `rho`, combined.
    fn relations(
        &self,
        circuit: &Circuit,
        challenges: (F, [F; 4], F),
        rho: &[F],
    ) -> Result<(Functional, Vec<QuadItem>), ProtocolError>;

    /// Stage 3: adds both factors of a quadratic sum to the functional, with one coefficient each.
    fn factors(
        &self,
        circuit: &Circuit,
        item: &QuadItem,
        coefficients: [F; 2],
        at: (&[F], &[F]),
        functional: &mut Functional,
    ) -> Result<(), ProtocolError>;

    /// Stage 4: the public kernels at `r`.
    fn end(
        &self,
        circuit: &Circuit,
        functional: &Functional,
        rho: &[F],
        r: &[F],
    ) -> Result<MasterEnd, ProtocolError>;

    /// Whether the statement has commitments.
    fn commits(&self) -> bool;

    /// Stage 5: the inner products, and what the public part of the statement contributes.
    fn classes(
        &self,
        circuit: &Circuit,
        functional: &Functional,
        end: &MasterEnd,
        challenges: ColumnChallenges,
        r: &[F],
    ) -> Result<(Vec<Class>, F), ProtocolError>;
}

/// The arithmetic of a proof.
pub(super) struct Computed<'a> {
    pub(super) weight_bits: u8,
    pub(super) statement: &'a [Shown],
}

impl Public for Computed<'_> {
    const CLAIMS: bool = true;

    fn relations(
        &self,
        circuit: &Circuit,
        challenges: (F, [F; 4], F),
        rho: &[F],
    ) -> Result<(Functional, Vec<QuadItem>), ProtocolError> {
        relations(circuit, self.weight_bits, challenges, rho)
    }

    #[expect(clippy::indexing_slicing, reason = "items are numbers of the circuit's own sums")]
    fn factors(
        &self,
        circuit: &Circuit,
        item: &QuadItem,
        coefficients: [F; 2],
        at: (&[F], &[F]),
        functional: &mut Functional,
    ) -> Result<(), ProtocolError> {
        let quad = &circuit.quads[item.quad];
        for (factor, coefficient) in [&quad.a, &quad.b].into_iter().zip(coefficients) {
            functional.add_factor(circuit, (factor, &item.shape), quad.domain, coefficient, at)?;
        }
        Ok(())
    }

    fn end(
        &self,
        circuit: &Circuit,
        functional: &Functional,
        rho: &[F],
        r: &[F],
    ) -> Result<MasterEnd, ProtocolError> {
        MasterEnd::new(circuit, functional, rho, r)
    }

    fn commits(&self) -> bool {
        self.statement.iter().any(|shown| matches!(shown, Shown::Committed(_)))
    }

    fn classes(
        &self,
        circuit: &Circuit,
        functional: &Functional,
        end: &MasterEnd,
        challenges: ColumnChallenges,
        r: &[F],
    ) -> Result<(Vec<Class>, F), ProtocolError> {
        end::classes(circuit, self.statement, functional, end, challenges, r)
    }
}

/// No arithmetic: for a party that only counts.
struct Skipped;

impl Public for Skipped {
    const CLAIMS: bool = false;

    fn relations(
        &self,
        circuit: &Circuit,
        _: (F, [F; 4], F),
        _: &[F],
    ) -> Result<(Functional, Vec<QuadItem>), ProtocolError> {
        let items = circuit.quads.iter().enumerate().map(|(quad, sum)| QuadItem {
            quad,
            coefficient: F::zero(),
            shape: QuadShape::new(circuit, sum),
        });
        Ok((Functional::default(), items.collect()))
    }

    fn factors(
        &self,
        _: &Circuit,
        _: &QuadItem,
        _: [F; 2],
        _: (&[F], &[F]),
        _: &mut Functional,
    ) -> Result<(), ProtocolError> {
        Ok(())
    }

    fn end(&self, _: &Circuit, _: &Functional, _: &[F], _: &[F]) -> Result<MasterEnd, ProtocolError> {
        Ok(MasterEnd { kernel: F::zero(), shares: Vec::new(), tables: Vec::new() })
    }

    fn commits(&self) -> bool {
        false
    }

    fn classes(
        &self,
        _: &Circuit,
        _: &Functional,
        _: &MasterEnd,
        _: ColumnChallenges,
        _: &[F],
    ) -> Result<(Vec<Class>, F), ProtocolError> {
        Ok((Vec::new(), F::zero()))
    }
}

/// Counts what it is asked for.
#[derive(Default)]
struct Counter {
    answered: usize,
    private: usize,
}

impl Party for Counter {
    fn begin(&mut self, _: Stage<'_>) -> Result<(), ProtocolError> {
        Ok(())
    }

    fn answer(&mut self, _: Option<&F>, out: &mut [F]) -> Result<(), ProtocolError> {
        self.answered = self.answered.saturating_add(out.len());
        Ok(())
    }

    fn private(&mut self) -> Result<(), ProtocolError> {
        self.private = self.private.saturating_add(1);
        Ok(())
    }

    fn reveal(&mut self, _: &F) -> Result<[F; 2], ProtocolError> {
        Ok([F::zero(); 2])
    }
}

/// Challenges for a party that only counts.
struct Constant;

impl Transcript for Constant {
    fn absorb(&mut self, _: &'static str, _: &[u8]) {}

    fn squeeze(&mut self, _: &'static str) -> Result<[u8; 64], Aborted> {
        Ok([0; 64])
    }

    fn challenge(&mut self, _: &'static str) -> Result<F, Aborted> {
        Ok(F::ONE)
    }
}

/// Counts the messages of a proof for a circuit.
pub(crate) fn count(circuit: &Circuit) -> Messages {
    let (mut party, mut transcript) = (Counter::default(), Constant);
    let mut run =
        Run { party: &mut party, transcript: &mut transcript, public: Skipped, ledger: Ledger::default() };
    // Neither this party nor these challenges fail; a count that ended early would be too low, and
    // a prover without a pad refuses.
    let _ = run.messages(circuit);
    let products = run.ledger.products.len();
    Messages { answered: party.answered, private: party.private, products }
}
