//! The trace of an inference: every cell that the circuit names, as integers.

use zeroize::Zeroize;
use zkml_engine::Execution;
use zkml_graph::{AxisMap, Epilogue, Graph, Op, OperandAxis, Source, Term, Weight, bounds};
use zkml_verifier::circuit::{Block, Circuit, Factor, Limbs, NodeCells, Quad, Quotient, TableKind, class};

/// The cells of a trace, and the values that its lookups look up.
pub struct Trace {
    /// All cells, blocks at their offsets.
    pub cells: Vec<i64>,
    /// For each lookup and column, the values of the domain's elements, row-major.
    pub lookups: Vec<Vec<Vec<i64>>>,
    /// For each lookup, the table entry of every element; `None` if the table has no such entry.
    pub entries: Vec<Vec<Option<u32>>>,
    /// For each node, its accumulators.
    pub accumulators: Vec<Vec<i64>>,
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.cells.zeroize();
        self.lookups.zeroize();
        self.accumulators.zeroize();
    }
}

impl Trace {
    /// Lays out an execution.
    #[must_use]
    pub fn new(circuit: &Circuit, graph: &Graph, execution: Execution) -> Self {
        let mut trace = Self {
            cells: vec![0; circuit.trace_used],
            lookups: Vec::new(),
            entries: Vec::new(),
            accumulators: execution.accumulators,
        };
        for (tensor, values) in execution.tensors.iter().enumerate() {
            trace.write(&circuit.blocks[tensor], values);
        }
        for (index, (node, cells)) in graph.nodes.iter().zip(&circuit.cells).enumerate() {
            let accumulators = std::mem::take(&mut trace.accumulators[index]);
            trace.fill_node(circuit, &node.op, cells, &accumulators, node.output as usize);
            trace.accumulators[index] = accumulators;
        }
        trace.look_up(circuit);
        trace
    }

    /// The trace of a key's proof about itself: the weight rows.
    #[must_use]
    pub fn of_key(circuit: &Circuit, rows: impl Iterator<Item = Vec<i64>>) -> Self {
        let mut cells = vec![0; circuit.trace_used];
        for (row, values) in rows.enumerate() {
            let start = row << circuit.columns_log;
            cells[start..start + values.len()].copy_from_slice(&values);
        }
        let mut trace = Self { cells, lookups: Vec::new(), entries: Vec::new(), accumulators: Vec::new() };
        trace.look_up(circuit);
        trace
    }

    /// Recomputes the looked-up values and the multiplicities from the cells.
    pub fn look_up(&mut self, circuit: &Circuit) {
        let mut sums: Vec<Option<Vec<i64>>> = vec![None; circuit.sums.len()];
        let mut quads: Vec<Option<Vec<i64>>> = vec![None; circuit.quads.len()];
        let mut counts: Vec<Vec<i64>> =
            circuit.tables.iter().map(|table| vec![0; table.kind.len()]).collect();
        self.lookups.clear();
        self.entries.clear();
        for lookup in &circuit.lookups {
            let domain = &circuit.blocks[lookup.domain];
            let columns: Vec<Vec<i64>> = lookup
                .columns
                .iter()
                .map(|expr| {
                    let mut values = vec![expr.constant; domain.len()];
                    for (block, factor) in &expr.cells {
                        let cells = &self.cells[circuit.blocks[*block].offset as usize..];
                        domain.for_each(|element, cell| values[element] += factor * cells[cell]);
                    }
                    for (sum, factor) in &expr.sums {
                        let terms = sums[*sum].get_or_insert_with(|| self.sum(circuit, *sum));
                        values.iter_mut().zip(terms).for_each(|(value, term)| *value += factor * *term);
                    }
                    for (quad, factor) in &expr.quads {
                        let terms =
                            quads[*quad].get_or_insert_with(|| self.quad(circuit, &circuit.quads[*quad]));
                        values.iter_mut().zip(terms).for_each(|(value, term)| *value += factor * *term);
                    }
                    values
                })
                .collect();
            let kind = &circuit.tables[lookup.table].kind;
            let entries: Vec<Option<u32>> =
                (0..domain.len()).map(|element| entry(kind, |column| columns[column][element])).collect();
            for entry in entries.iter().flatten() {
                counts[lookup.table][*entry as usize] += 1;
            }
            self.lookups.push(columns);
            self.entries.push(entries);
        }
        for (table, counts) in circuit.tables.iter().zip(&counts) {
            self.write(&circuit.blocks[table.multiplicities], counts);
        }
    }

    /// The elements of a block, row-major.
    #[must_use]
    pub fn read(&self, block: &Block) -> Vec<i64> {
        let mut values = vec![0; block.len()];
        let cells = &self.cells[block.offset as usize..];
        block.for_each(|element, cell| values[element] = cells[cell]);
        values
    }

    /// Writes the elements of a block, row-major.
    pub fn write(&mut self, block: &Block, values: &[i64]) {
        if values.is_empty() {
            return;
        }
        let cells = &mut self.cells[block.offset as usize..];
        block.for_each(|element, cell| cells[cell] = values[element]);
    }

    /// The values of a sum, for every element of its domain.
    #[must_use]
    pub fn sum(&self, circuit: &Circuit, index: usize) -> Vec<i64> {
        let sum = &circuit.sums[index];
        if let Some(node) = sum.node {
            return self.accumulators[node].clone();
        }
        let domain = &circuit.blocks[sum.domain];
        let mut values = vec![0; domain.len()];
        for term in &sum.terms {
            self.add_term(circuit, domain, term, &mut values);
        }
        values
    }

    /// The values of a quadratic sum, for every element of its domain.
    #[must_use]
    pub fn quad(&self, circuit: &Circuit, quad: &Quad) -> Vec<i64> {
        if let Some(node) = quad.node {
            return self.accumulators[node].clone();
        }
        let domain = &circuit.blocks[quad.domain];
        let mut values = Vec::with_capacity(domain.len());
        let extents: Vec<usize> = domain.axes.iter().map(|axis| axis.len).collect();
        let inner: Vec<usize> = quad.inner.iter().map(|len| *len as usize).collect();
        for_each_index(&extents, |o| {
            let mut total = 0;
            for_each_index(&inner, |i| {
                total += self.factor(circuit, &quad.a, o, i) * self.factor(circuit, &quad.b, o, i)
            });
            values.push(total);
        });
        values
    }

    fn factor(&self, circuit: &Circuit, factor: &Factor, o: &[usize], i: &[usize]) -> i64 {
        let block = &circuit.blocks[factor.block];
        let cell: usize = factor
            .axes
            .iter()
            .zip(&block.axes)
            .map(|(follows, axis)| {
                let coordinate = match follows {
                    OperandAxis::Out(out) => o[*out as usize],
                    OperandAxis::Inner(inner) => i[*inner as usize],
                    OperandAxis::Fixed(fixed) => *fixed as usize,
                };
                coordinate << axis.shift
            })
            .sum();
        self.cells[block.offset as usize + cell]
    }

    fn add_term(&self, circuit: &Circuit, domain: &Block, term: &Term, values: &mut [i64]) {
        let extents: Vec<usize> = term.region.iter().map(|(_, len)| *len as usize).collect();
        let mut strides = vec![1; extents.len()];
        for axis in (0..extents.len().saturating_sub(1)).rev() {
            strides[axis] = strides[axis + 1] * domain.axes[axis + 1].len;
        }
        let mut each = |value: &mut dyn FnMut(&[usize]) -> i64| {
            for_each_index(&extents, |o| {
                let starts = o.iter().zip(&term.region).zip(&strides);
                let element: usize =
                    starts.map(|((index, (start, _)), stride)| (index + *start as usize) * stride).sum();
                values[element] += value(o);
            });
        };
        match &term.source {
            Source::Constant(constant) => each(&mut |_| *constant),
            Source::Index { axis, multiplier } => each(&mut |o| multiplier * o[*axis as usize] as i64),
            Source::Reshape { tensor, multiplier } => {
                let flat = self.read(&circuit.blocks[*tensor as usize]);
                let mut next = flat.iter();
                each(&mut |_| multiplier * next.next().copied().unwrap_or_default());
            }
            Source::Tensor { tensor, inner, map, weight: Weight::Public(factor) } => {
                let block = &circuit.blocks[*tensor as usize];
                let cells = &self.cells[block.offset as usize..];
                let inner: Vec<usize> = inner.iter().map(|len| *len as usize).collect();
                each(&mut |o| {
                    let mut total = 0;
                    for_each_index(&inner, |i| total += cell(block, map, o, i).map_or(0, |cell| cells[cell]));
                    factor * total
                });
            }
            // Sums with hidden parameters belong to nodes, whose accumulators the engine gives.
            Source::Tensor { weight: Weight::Param { .. }, .. } | Source::Bias { .. } => {}
        }
    }

    fn fill_node(
        &mut self,
        circuit: &Circuit,
        op: &Op,
        cells: &NodeCells,
        accumulators: &[i64],
        output: usize,
    ) {
        let epilogue = match op {
            Op::Affine { epilogue, .. } | Op::Product { epilogue, .. } => Some(epilogue),
            Op::Max { .. } | Op::Normalize { .. } => None,
        };
        match (cells, epilogue, op) {
            (NodeCells::Requant { remainder, quotient }, Some(Epilogue::Requant { shift, .. }), _) => {
                let quotients: Vec<i64> =
                    accumulators.iter().map(|acc| bounds::rescale(*acc, *shift)).collect();
                self.fill_quotient(circuit, *quotient, &quotients);
                let half = if *shift == 0 { 0 } else { 1i64 << (shift - 1) };
                let remainders =
                    accumulators.iter().zip(&quotients).map(|(acc, q)| acc + half - (q << shift));
                self.fill_limbs(circuit, remainder, &remainders.collect::<Vec<i64>>());
            }
            (NodeCells::Bits { bits, magnitude }, Some(Epilogue::ReluBits { shift }), _) => {
                let half = if *shift == 0 { 0 } else { 1i64 << (shift - 1) };
                let width = circuit.blocks[*bits].axes.last().map_or(1, |axis| axis.len);
                let rounded = accumulators.iter().map(|acc| acc + half);
                let expanded: Vec<i64> =
                    rounded.clone().flat_map(|value| (0..width).map(move |bit| value >> bit & 1)).collect();
                self.write(&circuit.blocks[*bits], &expanded);
                let magnitudes: Vec<i64> =
                    rounded.map(|value| (value & ((1 << (width - 1)) - 1)) >> shift).collect();
                self.write(&circuit.blocks[*magnitude], &magnitudes);
            }
            (NodeCells::Division { remainder, complement }, _, Op::Normalize { numerator, axis, shift }) => {
                let numerator = self.read(&circuit.blocks[*numerator as usize]);
                let block = &circuit.blocks[output];
                let quotients = self.read(block);
                let len = block.axes[*axis as usize].len;
                let stride: usize = block.axes[*axis as usize + 1..].iter().map(|axis| axis.len).product();
                let divisor = |element: usize| -> i64 {
                    let first = element - (element / stride % len) * stride;
                    (0..len).map(|j| numerator[first + j * stride]).sum()
                };
                let remainders: Vec<i64> = (0..numerator.len())
                    .map(|e| (numerator[e] << shift) - quotients[e] * divisor(e))
                    .collect();
                let complements: Vec<i64> =
                    remainders.iter().enumerate().map(|(e, r)| divisor(e) - 1 - r).collect();
                self.fill_limbs(circuit, remainder, &remainders);
                self.fill_limbs(circuit, complement, &complements);
            }
            _ => {}
        }
    }

    fn fill_quotient(&mut self, circuit: &Circuit, quotient: Quotient, quotients: &[i64]) {
        match quotient {
            Quotient::Output => {}
            Quotient::Whole { block } => self.write(&circuit.blocks[block], quotients),
            Quotient::Split { low, high, class: class_block, bits, domain_min } => {
                let part = |f: &dyn Fn(i64) -> i64| {
                    quotients.iter().map(|q| f(q - domain_min)).collect::<Vec<i64>>()
                };
                self.write(&circuit.blocks[low], &part(&|u| u & ((1 << bits) - 1)));
                self.write(&circuit.blocks[high], &part(&|u| u >> bits));
                self.write(&circuit.blocks[class_block], &part(&|u| class(u >> bits)));
            }
        }
    }

    fn fill_limbs(&mut self, circuit: &Circuit, limbs: &Limbs, values: &[i64]) {
        for (index, block) in limbs.upper.iter().enumerate() {
            let last = index + 1 == limbs.upper.len();
            let limb = |value: &i64| {
                let shifted = value >> ((index + 1) * limbs.bits);
                if last { shifted } else { shifted & ((1 << limbs.bits) - 1) }
            };
            self.write(&circuit.blocks[*block], &values.iter().map(limb).collect::<Vec<i64>>());
        }
    }
}

/// The entry of a table that holds the values, if there is one.
fn entry(kind: &TableKind, value: impl Fn(usize) -> i64) -> Option<u32> {
    let index = match kind {
        TableKind::Split { bits, .. } => {
            let (class, low) = (value(0), value(1));
            if !(0..3).contains(&class) || !(0..1 << bits).contains(&low) {
                return None;
            }
            class << bits | low
        }
        _ => value(0),
    };
    (0..kind.len() as i64).contains(&index).then_some(index as u32)
}

/// The cell that a map reads, if it is inside the block.
fn cell(block: &Block, map: &[AxisMap], o: &[usize], i: &[usize]) -> Option<usize> {
    let mut cell = 0;
    for (map, axis) in map.iter().zip(&block.axes) {
        let out = map.out.map_or(0, |(axis, stride)| i64::from(stride) * o[axis as usize] as i64);
        let inner = map.inner.map_or(0, |(dim, step)| i64::from(step) * i[dim as usize] as i64);
        let at = usize::try_from(map.offset + out + inner).ok().filter(|at| *at < axis.len)?;
        cell += at << axis.shift;
    }
    Some(cell)
}

/// Calls `f` with every index of a box, row-major; once for a box without axes.
fn for_each_index(extents: &[usize], mut f: impl FnMut(&[usize])) {
    if extents.contains(&0) {
        return;
    }
    let mut index = vec![0; extents.len()];
    loop {
        f(&index);
        let mut axis = extents.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < extents[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}
