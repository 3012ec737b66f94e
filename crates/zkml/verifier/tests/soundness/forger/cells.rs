//! A trace of field elements, and what the circuit says of it by definition: a cell may hold what no
//! integer is equal to.

use ark_ff::{One, Zero};
use zkml_core::F;
use zkml_core::poly::eq_table;
use zkml_graph::{AxisMap, OperandAxis, Source, Term, Weight};
use zkml_prover::trace::Trace;
use zkml_verifier::circuit::{Block, Circuit, Expr, Factor, Label, QuadShape};
use zkml_verifier::kernel::axis_point;
use zkml_verifier::protocol::QuadItem;

/// Every cell of a trace, padding included.
#[derive(Clone)]
pub(crate) struct Cells<'a> {
    pub(crate) circuit: &'a Circuit,
    pub(crate) values: Vec<F>,
}

/// Numerators and denominators of the leaves.
pub(crate) type Fractions = (Vec<F>, Vec<F>);

/// Calls `f` with every index of a box, row-major.
fn for_each_index(extents: &[usize], mut f: impl FnMut(&[usize])) {
    for flat in 0..extents.iter().product() {
        let (mut rest, mut index): (usize, Vec<usize>) = (flat, vec![0; extents.len()]);
        for (place, extent) in index.iter_mut().zip(extents).rev() {
            (*place, rest) = (rest % extent, rest / extent);
        }
        f(&index);
    }
}

/// The cell of a block at coordinates.
fn cell(block: &Block, coordinates: impl Iterator<Item = usize>) -> usize {
    coordinates.zip(&block.axes).map(|(coordinate, axis)| coordinate << axis.shift).sum()
}

fn extents(block: &Block) -> Vec<usize> {
    block.axes.iter().map(|axis| axis.len).collect()
}

impl<'a> Cells<'a> {
    /// The cells of an integer trace.
    pub(crate) fn new(circuit: &'a Circuit, trace: &Trace) -> Self {
        let mut values: Vec<F> = trace.cells.iter().map(|cell| F::from(*cell)).collect();
        values.resize(1 << circuit.trace_log, F::zero());
        Self { circuit, values }
    }

    /// An element of a block.
    pub(crate) fn at(&mut self, block: usize, element: usize) -> &mut F {
        let block = &self.circuit.blocks[block];
        let mut found = 0;
        block.for_each(|number, cell| found = if number == element { cell } else { found });
        &mut self.values[block.offset as usize + found]
    }

    fn read(&self, block: &Block, coordinates: impl Iterator<Item = usize>) -> F {
        self.values[block.offset as usize + cell(block, coordinates)]
    }

    /// The elements of a block, row-major.
    pub(crate) fn elements(&self, block: usize) -> Vec<F> {
        let block = &self.circuit.blocks[block];
        let mut values = vec![F::zero(); block.len()];
        block.for_each(|element, cell| values[element] = self.values[block.offset as usize + cell]);
        values
    }

    fn under(&self, block: &Block, map: &[AxisMap], o: &[usize], i: &[usize]) -> F {
        let mut coordinates = Vec::new();
        for (map, axis) in map.iter().zip(&block.axes) {
            let out = map.out.map_or(0, |(out, stride)| i64::from(stride) * o[out as usize] as i64);
            let inner = map.inner.map_or(0, |(dim, step)| i64::from(step) * i[dim as usize] as i64);
            match usize::try_from(map.offset + out + inner) {
                Ok(coordinate) if coordinate < axis.len => coordinates.push(coordinate),
                _ => return F::zero(),
            }
        }
        self.read(block, coordinates.into_iter())
    }

    fn add_term(&self, domain: &Block, term: &Term, values: &mut [F]) {
        let lens: Vec<usize> = term.region.iter().map(|(_, len)| *len as usize).collect();
        let mut number = 0;
        for_each_index(&lens, |o| {
            let value = match &term.source {
                Source::Constant(constant) => F::from(*constant),
                Source::Index { axis, multiplier } => {
                    F::from(*multiplier) * F::from(o[*axis as usize] as u64)
                }
                Source::Reshape { tensor, multiplier } => {
                    F::from(*multiplier) * self.elements(*tensor as usize)[number]
                }
                Source::Tensor { tensor, inner, map, weight: Weight::Public(factor) } => {
                    let block = &self.circuit.blocks[*tensor as usize];
                    let inner: Vec<usize> = inner.iter().map(|len| *len as usize).collect();
                    let mut total = F::zero();
                    for_each_index(&inner, |i| total += self.under(block, map, o, i));
                    F::from(*factor) * total
                }
                Source::Tensor { .. } | Source::Bias { .. } => panic!("the forger has no hidden weights"),
            };
            number += 1;
            let place = o.iter().zip(&term.region).map(|(at, (start, _))| at + *start as usize);
            values[cell(domain, place)] += value;
        });
    }

    fn factor(&self, factor: &Factor, o: &[usize], i: &[usize]) -> F {
        let coordinates = factor.axes.iter().map(|follows| match follows {
            OperandAxis::Out(out) => o[*out as usize],
            OperandAxis::Inner(inner) => i[*inner as usize],
            OperandAxis::Fixed(fixed) => *fixed as usize,
        });
        self.read(&self.circuit.blocks[factor.block], coordinates)
    }

    /// An expression in every cell of a domain, padding included.
    pub(crate) fn expression(&self, expr: &Expr, domain: usize) -> Vec<F> {
        let circuit = self.circuit;
        let domain = &circuit.blocks[domain];
        let mut values = vec![F::from(expr.constant); 1 << domain.log];
        let mut add = |terms: &[F], factor: i64| {
            values.iter_mut().zip(terms).for_each(|(value, term)| *value += F::from(factor) * term);
        };
        for (block, factor) in &expr.cells {
            let block = &circuit.blocks[*block];
            assert_eq!(block.log, domain.log);
            add(&self.values[block.offset as usize..][..1 << block.log], *factor);
        }
        for (sum, factor) in &expr.sums {
            let mut terms = vec![F::zero(); 1 << domain.log];
            circuit.sums[*sum].terms.iter().for_each(|term| self.add_term(domain, term, &mut terms));
            add(&terms, *factor);
        }
        for (quad, factor) in &expr.quads {
            let quad = &circuit.quads[*quad];
            let inner: Vec<usize> = quad.inner.iter().map(|len| *len as usize).collect();
            let mut terms = vec![F::zero(); 1 << domain.log];
            for_each_index(&extents(domain), |o| {
                let place = cell(domain, o.iter().copied());
                for_each_index(&inner, |i| {
                    terms[place] += self.factor(&quad.a, o, i) * self.factor(&quad.b, o, i);
                });
            });
            add(&terms, *factor);
        }
        values
    }

    /// Every check that the cells break.
    pub(crate) fn broken(&self) -> Vec<Label> {
        let circuit = self.circuit;
        let mut broken = Vec::new();
        for lookup in &circuit.lookups {
            let table = circuit.tables[lookup.table].kind.columns();
            let domain = &circuit.blocks[lookup.domain];
            let columns: Vec<Vec<F>> =
                lookup.columns.iter().map(|expr| self.expression(expr, lookup.domain)).collect();
            let mut holds = true;
            domain.for_each(|_, cell| {
                holds &= (0..table[0].len())
                    .any(|entry| columns.iter().zip(&table).all(|(a, b)| a[cell] == F::from(b[entry])));
            });
            if !holds {
                broken.push(lookup.label);
            }
        }
        for relation in &circuit.relations {
            if self.expression(&relation.expr, relation.domain).iter().any(|value| !value.is_zero()) {
                broken.push(relation.label);
            }
        }
        broken
    }

    /// The leaves of the fraction tree.
    pub(crate) fn leaves(&self, alpha: F, gamma: [F; 4]) -> Fractions {
        let circuit = self.circuit;
        let mut numerators = vec![F::zero(); 1 << circuit.leaf_log];
        let mut denominators = vec![F::one(); 1 << circuit.leaf_log];
        for lookup in &circuit.lookups {
            let domain = &circuit.blocks[lookup.domain];
            let leaves = &mut denominators[lookup.leaf as usize..][..1 << domain.log];
            leaves.fill(alpha - gamma[3] * F::from(lookup.table as u64));
            for (expr, factor) in lookup.columns.iter().zip(gamma) {
                let values = self.expression(expr, lookup.domain);
                leaves.iter_mut().zip(values).for_each(|(leaf, value)| *leaf -= factor * value);
            }
            domain.for_each(|_, cell| numerators[lookup.leaf as usize + cell] = F::one());
        }
        for (tag, table) in circuit.tables.iter().enumerate() {
            let block = &circuit.blocks[table.multiplicities];
            let start = table.leaf as usize;
            let leaves = &mut denominators[start..][..1 << block.log];
            leaves.fill(alpha - gamma[3] * F::from(tag as u64));
            for (column, factor) in table.kind.columns().iter().zip(gamma) {
                leaves.iter_mut().zip(column).for_each(|(leaf, value)| *leaf -= factor * F::from(*value));
            }
            for entry in 0..table.kind.len() {
                numerators[start + entry] = -self.values[block.offset as usize + entry];
            }
        }
        (numerators, denominators)
    }

    /// All linear relations at a point, with the powers of a challenge that begin with its square.
    pub(crate) fn relations(&self, beta: F, rho: &[F]) -> F {
        let mut power = beta;
        let mut total = F::zero();
        for relation in &self.circuit.relations {
            power *= beta;
            let values = self.expression(&relation.expr, relation.domain);
            let log = self.circuit.blocks[relation.domain].log;
            total += power * zkml_core::field::dot(&values, &eq_table(&rho[..log], F::one()));
        }
        total
    }

    /// The tables of a quadratic sum over `2^log` cells: `eq` with the sum's own factor, and both factors.
    pub(crate) fn quadratic(&self, item: &QuadItem, rho: &[F], log: usize) -> Vec<Vec<F>> {
        let QuadItem { quad, coefficient, shape } = item;
        let quad = &self.circuit.quads[*quad];
        let axes = &self.circuit.blocks[quad.domain].axes;
        let mut eq = vec![F::zero(); 1 << log];
        for (index, value) in eq.iter_mut().enumerate().take(1 << shape.log) {
            let batch = shape.batch.iter().map(|(axis, place)| {
                let coordinate = (index >> place.shift) & ((1 << place.log) - 1);
                eq_table(axis_point(&axes[*axis], rho), F::one())[coordinate]
            });
            *value = *coefficient * batch.product::<F>();
        }
        vec![eq, self.factor_table(&quad.a, shape, (quad.domain, rho), log), {
            self.factor_table(&quad.b, shape, (quad.domain, rho), log)
        }]
    }

    /// A factor over the variables of its sum, by the functional that opens it.
    fn factor_table(&self, factor: &Factor, shape: &QuadShape, at: (usize, &[F]), log: usize) -> Vec<F> {
        let (domain, rho) = at;
        let block = &self.circuit.blocks[factor.block];
        let (outer, lens) = (&self.circuit.blocks[domain].axes, extents(block));
        let mut own = vec![F::zero(); 1 << shape.log];
        for (index, sum) in own.iter_mut().enumerate() {
            let digit =
                |place: &zkml_verifier::circuit::Axis| (index >> place.shift) & ((1 << place.log) - 1);
            for_each_index(&lens, |coordinates| {
                let mut weight = self.read(block, coordinates.iter().copied());
                for (follows, at) in factor.axes.iter().zip(coordinates) {
                    let place = match follows {
                        OperandAxis::Inner(index) => Some(digit(&shape.inner[*index as usize])),
                        OperandAxis::Fixed(fixed) => Some(*fixed as usize),
                        OperandAxis::Out(out) => {
                            let batch = shape.batch.iter().find(|(axis, _)| *axis == *out as usize);
                            if batch.is_none() {
                                let point = axis_point(&outer[*out as usize], rho);
                                weight *= eq_table(point, F::one())[*at];
                            }
                            batch.map(|(_, place)| digit(place))
                        }
                    };
                    weight *= F::from(u64::from(place.is_none_or(|place| place == *at)));
                }
                *sum += weight;
            });
        }
        (0..1usize << log).map(|index| own[index & ((1 << shape.log) - 1)]).collect()
    }
}

impl Cells<'_> {
    /// Counts anew what is looked up: elements that no table has count nowhere.
    pub(crate) fn recount(&mut self) {
        let circuit = self.circuit;
        let tables: Vec<Vec<Vec<i64>>> = circuit.tables.iter().map(|table| table.kind.columns()).collect();
        let mut counts: Vec<Vec<u64>> = tables.iter().map(|table| vec![0; table[0].len()]).collect();
        for lookup in &circuit.lookups {
            let columns: Vec<Vec<F>> =
                lookup.columns.iter().map(|expr| self.expression(expr, lookup.domain)).collect();
            let table = &tables[lookup.table];
            circuit.blocks[lookup.domain].for_each(|_, cell| {
                let same =
                    |entry: &usize| columns.iter().zip(table).all(|(a, b)| a[cell] == F::from(b[*entry]));
                if let Some(entry) = (0..table[0].len()).find(same) {
                    counts[lookup.table][entry] += 1;
                }
            });
        }
        for (table, counts) in circuit.tables.iter().zip(counts) {
            let start = circuit.blocks[table.multiplicities].offset as usize;
            for (cell, count) in self.values[start..].iter_mut().zip(counts) {
                *cell = F::from(count);
            }
        }
    }
}
