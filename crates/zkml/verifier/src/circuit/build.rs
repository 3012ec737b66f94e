//! From a graph to its circuit: the relations of every operator, once for prover and verifier.

use super::layout::{WeightLayout, committed_rows, place_blocks, place_leaves};
use super::tables::{Table, TableKind};
use super::{
    Block, BlockId, Circuit, Expr, Factor, IO_CHUNK, Label, Limbs, Lookup, NodeCells, Property,
    Quad, Quotient, Relation, Source, Sum, log2_ceil,
};
use alloc::vec;
use alloc::vec::Vec;
use thiserror::Error;
use zkml_core::group::{MAX_COLUMNS, MAX_PADS};
use zkml_graph::bounds::{self, BoundsError};
use zkml_graph::{AxisMap, Function, Graph, Node, Op, OperandAxis, Stage, Term, View, Weight};

/// A valid graph that cannot be proven.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CircuitError {
    /// An accumulator may leave the range that is provably free of wrap-around.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// A range or table would need too many entries.
    #[error(
        "node {node}: {property} needs a table of 2^{log} entries, more than 2^{MAX_TABLE_LOG}"
    )]
    TableTooLarge {
        /// Position of the node.
        node: usize,
        /// The check.
        property: Property,
        /// log2 of the entries.
        log: usize,
    },
    /// A function's arguments are too far from zero: `2^shift` times the least of them is 2^63
    /// or more.
    #[error("node {node}: arguments from {domain_min} on are too far from zero for shift {shift}")]
    Domain {
        /// Position of the node.
        node: usize,
        /// The least argument.
        domain_min: i64,
        /// Bits dropped.
        shift: u8,
    },
    /// The trace is larger than a proof can have.
    #[error("the trace has 2^{log} cells, more than 2^{MAX_TRACE_LOG}")]
    TraceTooLarge {
        /// log2 of the cells.
        log: usize,
    },
    /// A proof would have more hidden scalars than there are generators.
    #[error("a proof would hide {count} scalars, more than {MAX_PADS}")]
    TooManyHidden {
        /// The number.
        count: usize,
    },
}

/// Greatest log2 of the entries of a table.
const MAX_TABLE_LOG: usize = 18;
/// Greatest log2 of the cells of a trace.
const MAX_TRACE_LOG: usize = 28;
/// log2 of the least and greatest number of columns.
const COLUMNS_LOG: core::ops::RangeInclusive<usize> =
    log2_ceil_const(IO_CHUNK)..=log2_ceil_const(MAX_COLUMNS);

const fn log2_ceil_const(value: usize) -> usize {
    value.next_power_of_two().trailing_zeros() as usize
}

impl Circuit {
    /// Derives the circuit of a graph that has passed [`zkml_graph::validate`].
    ///
    /// # Errors
    /// Where the graph is valid, but beyond what can be proven.
    pub fn new(graph: &Graph) -> Result<Self, CircuitError> {
        let mut builder = Builder::new(graph);
        for (position, tensor) in graph.inputs.iter().enumerate() {
            let _ = position;
            builder.input(*tensor as usize);
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            let cells = builder.node(index, node)?;
            builder.circuit.cells.push(cells);
        }
        builder.finish()
    }
}

struct Builder<'a> {
    graph: &'a Graph,
    circuit: Circuit,
    limb_bits: usize,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut blocks: Vec<Block> = graph
            .tensors
            .iter()
            .map(|tensor| Block::new(&tensor.shape, Source::Proof))
            .collect();
        let statement: Vec<BlockId> = graph
            .inputs
            .iter()
            .chain(&graph.outputs)
            .map(|id| *id as usize)
            .collect();
        for block in &statement {
            blocks[*block].source = Source::Statement;
        }
        let elements: usize = graph
            .nodes
            .iter()
            .map(|node| blocks[node.output as usize].len())
            .sum();
        Self {
            graph,
            limb_bits: log2_ceil(elements).clamp(8, 14),
            circuit: Circuit {
                columns_log: 0,
                trace_log: 0,
                trace_used: 0,
                leaf_log: 0,
                leaf_used: 0,
                blocks,
                tables: Vec::new(),
                lookups: Vec::new(),
                relations: Vec::new(),
                sums: Vec::new(),
                quads: Vec::new(),
                rows: Vec::new(),
                weights: WeightLayout::default(),
                cells: Vec::new(),
                statement,
            },
        }
    }

    fn input(&mut self, tensor: usize) {
        let (min, max) = (
            self.graph.tensors[tensor].min,
            self.graph.tensors[tensor].max,
        );
        let table = self.table(TableKind::Range {
            len: (max - min + 1) as usize,
        });
        let column = Expr {
            constant: -min,
            cells: vec![(tensor, 1)],
            ..Expr::default()
        };
        self.lookup(
            table,
            tensor,
            vec![column],
            Label {
                node: None,
                property: Property::InputRange,
            },
        );
    }

    fn node(&mut self, index: usize, node: &Node) -> Result<NodeCells, CircuitError> {
        let output = node.output as usize;
        match &node.op {
            Op::Affine { terms, stage } => {
                self.circuit.sums.push(Sum {
                    domain: output,
                    terms: terms.clone(),
                    node: Some(index),
                });
                let accumulator = Expr {
                    sums: vec![(self.circuit.sums.len() - 1, 1)],
                    ..Expr::default()
                };
                self.stage(index, node, stage, accumulator)
            }
            Op::Product { a, b, inner, stage } => {
                let factor = |operand: &zkml_graph::Operand| Factor {
                    block: operand.tensor as usize,
                    axes: operand.axes.clone(),
                };
                self.circuit.quads.push(Quad {
                    domain: output,
                    a: factor(a),
                    b: factor(b),
                    inner: inner.clone(),
                    node: Some(index),
                });
                let accumulator = Expr {
                    quads: vec![(self.circuit.quads.len() - 1, 1)],
                    ..Expr::default()
                };
                self.stage(index, node, stage, accumulator)
            }
            Op::Max { a, b } => {
                self.maximum(index, output, a, b);
                Ok(NodeCells::Plain)
            }
            Op::Normalize {
                numerator,
                axis,
                shift,
            } => self.division(index, output, *numerator as usize, *axis as usize, *shift),
        }
    }

    fn stage(
        &mut self,
        index: usize,
        node: &Node,
        stage: &Stage,
        accumulator: Expr,
    ) -> Result<NodeCells, CircuitError> {
        let output = node.output as usize;
        let range = bounds::accumulator(self.graph, node)?;
        match stage {
            Stage::Exact => {
                self.equality(index, output, accumulator.minus_cell(output, 1));
                Ok(NodeCells::Plain)
            }
            Stage::ReluBits { shift } => self.relu_bits(index, output, accumulator, range, *shift),
            Stage::Requant {
                shift,
                domain_min,
                domain_bits,
                function,
            } => {
                let quotient_range = bounds::quotient(range, *shift);
                let (quotient, parts) = self.quotient(
                    index,
                    output,
                    quotient_range,
                    *domain_min,
                    *domain_bits,
                    function,
                )?;
                // remainder = accumulator + half - 2^shift * quotient
                let mut remainder = accumulator;
                remainder.constant += half(*shift);
                for (block, factor) in parts.cells {
                    remainder = remainder.minus_cell(block, factor << shift);
                }
                let offset = parts.constant.checked_mul(1 << shift);
                remainder.constant -= offset.ok_or(CircuitError::Domain {
                    node: index,
                    domain_min: *domain_min,
                    shift: *shift,
                })?;
                let limbs = if *shift == 0 {
                    self.relation(
                        output,
                        remainder,
                        Label {
                            node: Some(index),
                            property: Property::Quotient,
                        },
                    );
                    Limbs::default()
                } else {
                    self.range(
                        index,
                        output,
                        remainder,
                        usize::from(*shift),
                        Property::Remainder,
                    )?
                };
                Ok(NodeCells::Requant {
                    remainder: limbs,
                    quotient,
                })
            }
        }
    }

    /// Commits the quotient, proves the output from it, and returns it as an expression.
    fn quotient(
        &mut self,
        index: usize,
        output: BlockId,
        (least, greatest): (i64, i64),
        domain_min: i64,
        domain_bits: u8,
        function: &Function,
    ) -> Result<(Quotient, Expr), CircuitError> {
        let size = 1i64 << domain_bits;
        let label = Label {
            node: Some(index),
            property: Property::Function,
        };
        let inside = least >= domain_min && greatest < domain_min + size;
        if inside && is_identity(function, domain_min, size) {
            let table = self.table(TableKind::Range {
                len: (greatest - least + 1) as usize,
            });
            let column = Expr {
                constant: -least,
                cells: vec![(output, 1)],
                ..Expr::default()
            };
            self.lookup(
                table,
                output,
                vec![column],
                Label {
                    node: Some(index),
                    property: Property::Quotient,
                },
            );
            return Ok((Quotient::Output, Expr::default().minus_cell(output, -1)));
        }
        let elements = self.circuit.blocks[output].len();
        let span = greatest - least + 1;
        if span <= (2 * elements as i64).clamp(512, 1 << 16) {
            let block = self.auxiliary(output);
            let table = self.table(TableKind::Whole {
                first: least,
                len: span as usize,
                domain_min,
                domain_bits,
                function: function.clone(),
            });
            let argument = Expr {
                constant: -least,
                cells: vec![(block, 1)],
                ..Expr::default()
            };
            let value = Expr::default().minus_cell(output, -1);
            self.lookup(table, output, vec![argument, value], label);
            return Ok((
                Quotient::Whole { block },
                Expr::default().minus_cell(block, -1),
            ));
        }
        // low + 2^bits * high: widen the low part until the table of high parts is small.
        let mut bits = domain_bits;
        let high_of = |value: i64, bits: u8| (value - domain_min) >> bits;
        while high_of(greatest, bits) - high_of(least, bits) >= 1 << 14 {
            bits += 1;
        }
        if usize::from(bits) + 2 > MAX_TABLE_LOG {
            let log = usize::from(bits) + 2;
            return Err(CircuitError::TableTooLarge {
                node: index,
                property: Property::Function,
                log,
            });
        }
        let (low, high, class) = (
            self.auxiliary(output),
            self.auxiliary(output),
            self.auxiliary(output),
        );
        let cell = |block: BlockId| Expr::default().minus_cell(block, -1);
        let first = high_of(least, bits);
        let classes = self.table(TableKind::Class {
            first,
            len: (high_of(greatest, bits) - first + 1) as usize,
        });
        let argument = Expr {
            constant: -first,
            ..cell(high)
        };
        let saturation = Label {
            node: Some(index),
            property: Property::Saturation,
        };
        self.lookup(classes, output, vec![argument, cell(class)], saturation);
        let values = self.table(TableKind::Split {
            bits,
            domain_min,
            domain_bits,
            function: function.clone(),
        });
        self.lookup(
            values,
            output,
            vec![cell(class), cell(low), cell(output)],
            label,
        );
        let quotient = Expr {
            constant: domain_min,
            cells: vec![(low, 1), (high, 1 << bits)],
            ..Expr::default()
        };
        Ok((
            Quotient::Split {
                low,
                high,
                class,
                bits,
                domain_min,
            },
            quotient,
        ))
    }

    fn maximum(&mut self, index: usize, output: BlockId, a: &View, b: &View) {
        let (a_sum, b_sum) = (self.view(output, a), self.view(output, b));
        let tensor = |view: &View| &self.graph.tensors[view.tensor as usize];
        let reach = (tensor(a).max - tensor(b).min).max(tensor(b).max - tensor(a).min);
        let table = self.table(TableKind::Positive { reach });
        let difference = Expr {
            constant: reach,
            sums: vec![(a_sum, 1), (b_sum, -1)],
            ..Expr::default()
        };
        let excess = Expr {
            cells: vec![(output, 1)],
            sums: vec![(b_sum, -1)],
            ..Expr::default()
        };
        let label = Label {
            node: Some(index),
            property: Property::Maximum,
        };
        self.lookup(table, output, vec![difference, excess], label);
    }

    /// The sum that reads a view, with the tensor's minimum where a coordinate is outside.
    fn view(&mut self, domain: BlockId, view: &View) -> usize {
        let tensor = &self.graph.tensors[view.tensor as usize];
        let extents: Vec<u32> = self.circuit.blocks[domain]
            .axes
            .iter()
            .map(|axis| axis.len as u32)
            .collect();
        let whole: Vec<(u32, u32)> = extents.iter().map(|len| (0, *len)).collect();
        let mut terms = vec![Term {
            region: whole.clone(),
            source: zkml_graph::Source::Tensor {
                tensor: view.tensor,
                inner: Vec::new(),
                map: view.map.clone(),
                weight: Weight::Public(1),
            },
        }];
        if tensor.min != 0 {
            // The positions whose coordinates are all inside form a box.
            let mut inside = whole.clone();
            let mut empty = false;
            for (map, len) in view.map.iter().zip(&tensor.shape) {
                match map.out {
                    Some((axis, stride)) => {
                        let (from, to) = inside_range(map, i64::from(stride), i64::from(*len));
                        let (start, count) = &mut inside[axis as usize];
                        let end = to.min(i64::from(*start + *count));
                        let begin = from.max(i64::from(*start));
                        empty |= begin >= end;
                        *start = begin.max(0) as u32;
                        *count = (end - begin).max(0) as u32;
                    }
                    None => empty |= !(0..i64::from(*len)).contains(&map.offset),
                }
            }
            let constant = |region, value| Term {
                region,
                source: zkml_graph::Source::Constant(value),
            };
            if empty {
                terms.push(constant(whole, tensor.min));
            } else if inside != whole {
                terms.push(constant(whole, tensor.min));
                terms.push(constant(inside, -tensor.min));
            }
        }
        self.circuit.sums.push(Sum {
            domain,
            terms,
            node: None,
        });
        self.circuit.sums.len() - 1
    }

    fn division(
        &mut self,
        index: usize,
        output: BlockId,
        numerator: BlockId,
        axis: usize,
        shift: u8,
    ) -> Result<NodeCells, CircuitError> {
        let rank = self.circuit.blocks[output].axes.len();
        let extents: Vec<u32> = self.circuit.blocks[output]
            .axes
            .iter()
            .map(|axis| axis.len as u32)
            .collect();
        let along = extents[axis];
        let identity = |axis: usize| AxisMap {
            out: Some((axis as u32, 1)),
            ..AxisMap::default()
        };
        let map = (0..rank).map(|a| {
            if a == axis {
                AxisMap {
                    inner: Some((0, 1)),
                    ..AxisMap::default()
                }
            } else {
                identity(a)
            }
        });
        let term = Term {
            region: extents.iter().map(|len| (0, *len)).collect(),
            source: zkml_graph::Source::Tensor {
                tensor: numerator as u32,
                inner: vec![along],
                map: map.collect(),
                weight: Weight::Public(1),
            },
        };
        self.circuit.sums.push(Sum {
            domain: output,
            terms: vec![term],
            node: None,
        });
        let divisor = self.circuit.sums.len() - 1;
        let out = |a: usize| OperandAxis::Out(a as u32);
        self.circuit.quads.push(Quad {
            domain: output,
            a: Factor {
                block: output,
                axes: (0..rank).map(out).collect(),
            },
            b: Factor {
                block: numerator,
                axes: (0..rank)
                    .map(|a| {
                        if a == axis {
                            OperandAxis::Inner(0)
                        } else {
                            out(a)
                        }
                    })
                    .collect(),
            },
            inner: vec![along],
            node: None,
        });
        let product = self.circuit.quads.len() - 1;
        let greatest = self.graph.tensors[numerator]
            .max
            .max(1)
            .saturating_mul(i64::from(along));
        let bits = 64 - greatest.leading_zeros() as usize;
        let remainder = Expr {
            cells: vec![(numerator, 1 << shift)],
            quads: vec![(product, -1)],
            ..Expr::default()
        };
        // divisor - 1 - remainder; the constant counts in padding too, where all else is zero,
        // so it is added on the true extents only.
        let minus_one = Term {
            region: extents.iter().map(|len| (0, *len)).collect(),
            source: zkml_graph::Source::Constant(-1),
        };
        self.circuit.sums.push(Sum {
            domain: output,
            terms: vec![minus_one],
            node: None,
        });
        let one_less = self.circuit.sums.len() - 1;
        let complement = Expr {
            cells: vec![(numerator, -(1 << shift))],
            sums: vec![(divisor, 1), (one_less, 1)],
            quads: vec![(product, 1)],
            ..Expr::default()
        };
        let remainder = self.range(index, output, remainder, bits, Property::DivisionRemainder)?;
        let complement = self.range(
            index,
            output,
            complement,
            bits,
            Property::DivisionComplement,
        )?;
        let table = self.table(TableKind::Range {
            len: (1usize << shift) + 1,
        });
        let column = Expr::default().minus_cell(output, -1);
        self.lookup(
            table,
            output,
            vec![column],
            Label {
                node: Some(index),
                property: Property::DivisionRange,
            },
        );
        Ok(NodeCells::Division {
            remainder,
            complement,
        })
    }

    fn relu_bits(
        &mut self,
        index: usize,
        output: BlockId,
        accumulator: Expr,
        (least, greatest): (i64, i64),
        shift: u8,
    ) -> Result<NodeCells, CircuitError> {
        let magnitude_of =
            |value: i64| 64 - (if value < 0 { !value } else { value }).leading_zeros();
        let width = 1 + magnitude_of(least + half(shift)).max(magnitude_of(greatest + half(shift)));
        let width = width.max(u32::from(shift) + 2);
        let mut shape: Vec<u32> = self.circuit.blocks[output]
            .axes
            .iter()
            .map(|axis| axis.len as u32)
            .collect();
        let rank = shape.len();
        shape.push(width);
        self.circuit.blocks.push(Block::new(&shape, Source::Proof));
        let bits = self.circuit.blocks.len() - 1;
        let magnitude = self.auxiliary(output);
        let bit_axes = |last: OperandAxis| {
            (0..rank)
                .map(|axis| OperandAxis::Out(axis as u32))
                .chain([last])
                .collect::<Vec<OperandAxis>>()
        };
        let weighted = |factors: &dyn Fn(u32) -> i64| -> Vec<Term> {
            (0..width)
                .filter(|bit| factors(*bit) != 0)
                .map(|bit| Term {
                    region: shape[..rank].iter().map(|len| (0, *len)).collect(),
                    source: zkml_graph::Source::Tensor {
                        tensor: bits as u32,
                        inner: Vec::new(),
                        map: (0..rank)
                            .map(|axis| AxisMap {
                                out: Some((axis as u32, 1)),
                                ..AxisMap::default()
                            })
                            .chain([AxisMap {
                                offset: i64::from(bit),
                                ..AxisMap::default()
                            }])
                            .collect(),
                        weight: Weight::Public(factors(bit)),
                    },
                })
                .collect()
        };
        let rounding = Term {
            region: shape[..rank].iter().map(|len| (0, *len)).collect(),
            source: zkml_graph::Source::Constant(-half(shift)),
        };
        let mut whole = weighted(&|bit| {
            if bit == width - 1 {
                -(1i64 << bit)
            } else {
                1 << bit
            }
        });
        whole.push(rounding);
        let quotient = weighted(&|bit| {
            if bit >= u32::from(shift) && bit < width - 1 {
                1 << (bit - u32::from(shift))
            } else {
                0
            }
        });
        let sum = |this: &mut Self, terms| {
            this.circuit.sums.push(Sum {
                domain: output,
                terms,
                node: None,
            });
            this.circuit.sums.len() - 1
        };
        let (whole, quotient) = (sum(self, whole), sum(self, quotient));
        let bit_sum = Label {
            node: Some(index),
            property: Property::BitSum,
        };
        // accumulator + half = two's complement
        let mut expr = accumulator;
        expr.sums.push((whole, -1));
        self.relation(output, expr, bit_sum);
        // magnitude = the quotient's bits without the sign
        let expr = Expr {
            cells: vec![(magnitude, 1)],
            sums: vec![(quotient, -1)],
            ..Expr::default()
        };
        self.relation(output, expr, bit_sum);
        // output = magnitude - sign * magnitude
        self.circuit.quads.push(Quad {
            domain: output,
            a: Factor {
                block: bits,
                axes: bit_axes(OperandAxis::Fixed(width - 1)),
            },
            b: Factor {
                block: magnitude,
                axes: (0..rank)
                    .map(|axis| OperandAxis::Out(axis as u32))
                    .collect(),
            },
            inner: Vec::new(),
            node: None,
        });
        let signed = self.circuit.quads.len() - 1;
        let expr = Expr {
            cells: vec![(output, 1), (magnitude, -1)],
            quads: vec![(signed, 1)],
            ..Expr::default()
        };
        self.relation(
            output,
            expr,
            Label {
                node: Some(index),
                property: Property::Function,
            },
        );
        // bit^2 = bit
        let all = bit_axes(OperandAxis::Out(rank as u32));
        self.circuit.quads.push(Quad {
            domain: bits,
            a: Factor {
                block: bits,
                axes: all.clone(),
            },
            b: Factor {
                block: bits,
                axes: all,
            },
            inner: Vec::new(),
            node: None,
        });
        let square = self.circuit.quads.len() - 1;
        let expr = Expr {
            cells: vec![(bits, -1)],
            quads: vec![(square, 1)],
            ..Expr::default()
        };
        self.relation(
            bits,
            expr,
            Label {
                node: Some(index),
                property: Property::Bits,
            },
        );
        Ok(NodeCells::Bits { bits, magnitude })
    }

    /// Proves `0 <= expr < 2^bits` with limbs of balanced width; the lowest limb is implied.
    fn range(
        &mut self,
        index: usize,
        domain: BlockId,
        expr: Expr,
        bits: usize,
        property: Property,
    ) -> Result<Limbs, CircuitError> {
        let count = bits.div_ceil(self.limb_bits);
        let width = bits.div_ceil(count);
        let mut lowest = expr;
        let mut upper = Vec::new();
        for limb in 1..count {
            let block = self.auxiliary(domain);
            let width_here = width.min(bits - limb * width);
            let table = self.table(TableKind::Range {
                len: 1 << width_here,
            });
            let column = Expr::default().minus_cell(block, -1);
            self.lookup(
                table,
                domain,
                vec![column],
                Label {
                    node: Some(index),
                    property: Property::Limb,
                },
            );
            lowest = lowest.minus_cell(block, 1 << (limb * width));
            upper.push(block);
        }
        let table = self.table(TableKind::Range {
            len: 1 << width.min(bits),
        });
        self.lookup(
            table,
            domain,
            vec![lowest],
            Label {
                node: Some(index),
                property,
            },
        );
        Ok(Limbs { bits: width, upper })
    }

    fn equality(&mut self, index: usize, output: BlockId, expr: Expr) {
        self.relation(
            output,
            expr,
            Label {
                node: Some(index),
                property: Property::Equality,
            },
        );
    }

    fn relation(&mut self, domain: BlockId, expr: Expr, label: Label) {
        // Rounding constants belong to true elements only, in relations as in sums.
        let mut expr = expr;
        if expr.constant != 0 {
            let region = self.circuit.blocks[domain]
                .axes
                .iter()
                .map(|axis| (0, axis.len as u32))
                .collect();
            let term = Term {
                region,
                source: zkml_graph::Source::Constant(expr.constant),
            };
            self.circuit.sums.push(Sum {
                domain,
                terms: vec![term],
                node: None,
            });
            expr.sums.push((self.circuit.sums.len() - 1, 1));
            expr.constant = 0;
        }
        self.circuit.relations.push(Relation {
            domain,
            expr,
            label,
        });
    }

    fn lookup(&mut self, table: usize, domain: BlockId, columns: Vec<Expr>, label: Label) {
        self.circuit.lookups.push(Lookup {
            table,
            domain,
            columns,
            leaf: 0,
            label,
        });
    }

    fn table(&mut self, kind: TableKind) -> usize {
        if let Some(found) = self
            .circuit
            .tables
            .iter()
            .position(|table| table.kind == kind)
        {
            return found;
        }
        self.circuit
            .blocks
            .push(Block::new(&[kind.len() as u32], Source::Proof));
        let multiplicities = self.circuit.blocks.len() - 1;
        self.circuit.tables.push(Table {
            kind,
            multiplicities,
            leaf: 0,
        });
        self.circuit.tables.len() - 1
    }

    fn auxiliary(&mut self, like: BlockId) -> BlockId {
        let mut block = self.circuit.blocks[like].clone();
        block.source = Source::Proof;
        self.circuit.blocks.push(block);
        self.circuit.blocks.len() - 1
    }

    fn finish(mut self) -> Result<Circuit, CircuitError> {
        if let Some(table) = self
            .circuit
            .tables
            .iter()
            .find(|table| table.kind.len() > 1 << MAX_TABLE_LOG)
        {
            let log = log2_ceil(table.kind.len());
            return Err(CircuitError::TableTooLarge {
                node: 0,
                property: Property::Function,
                log,
            });
        }
        let dense = dense_params(self.graph);
        let place = |circuit: &mut Circuit, columns_log: usize| {
            circuit.columns_log = columns_log;
            circuit.trace_used = place_blocks(&mut circuit.blocks, columns_log);
            circuit.trace_log = log2_ceil(circuit.trace_used);
            circuit.weights = WeightLayout::new(&self.graph.params, &dense, columns_log);
            circuit.rows = committed_rows(&circuit.blocks, columns_log);
        };
        // Group operations of a verifier; a proof's row costs its bytes and a square root too.
        let cost =
            |circuit: &Circuit| circuit.columns() + circuit.weights.rows + 4 * circuit.rows.len();
        let mut best = (usize::MAX, *COLUMNS_LOG.start());
        for columns_log in COLUMNS_LOG {
            place(&mut self.circuit, columns_log);
            best = best.min((cost(&self.circuit), columns_log));
        }
        place(&mut self.circuit, best.1);
        let log = self.circuit.trace_log;
        if log > MAX_TRACE_LOG {
            return Err(CircuitError::TraceTooLarge { log });
        }
        let relations = self
            .circuit
            .relations
            .iter()
            .map(|relation| self.circuit.blocks[relation.domain].log);
        let least = relations.max().unwrap_or(0);
        place_leaves(&mut self.circuit, least);
        let count = self.circuit.hidden_count();
        if count > MAX_PADS {
            return Err(CircuitError::TooManyHidden { count });
        }
        Ok(self.circuit)
    }
}

impl Expr {
    fn minus_cell(mut self, block: BlockId, factor: i64) -> Self {
        self.cells.push((block, -factor));
        self
    }
}

/// Whether each parameter is a plain matrix of one term: no bias, no row tied to a coordinate.
fn dense_params(graph: &Graph) -> Vec<bool> {
    let mut dense = vec![false; graph.params.len()];
    for node in &graph.nodes {
        let Op::Affine { terms, .. } = &node.op else {
            continue;
        };
        for term in terms {
            if let zkml_graph::Source::Tensor {
                map,
                weight: Weight::Param { param, outer_axes },
                ..
            } = &term.source
            {
                let tied = map
                    .iter()
                    .any(|map| map.out.is_some_and(|(axis, _)| outer_axes.contains(&axis)));
                dense[*param as usize] = !tied;
            }
        }
    }
    dense
}

fn is_identity(function: &Function, domain_min: i64, size: i64) -> bool {
    function.kind == zkml_graph::FunctionKind::Identity
        && function.in_scale == function.out_scale
        && function.out_min <= domain_min
        && function.out_max >= domain_min + size - 1
}

/// Half of `2^shift`, or zero.
fn half(shift: u8) -> i64 {
    if shift == 0 { 0 } else { 1 << (shift - 1) }
}

/// The local output indices `from..to` whose coordinate is inside `0..len`.
fn inside_range(map: &AxisMap, stride: i64, len: i64) -> (i64, i64) {
    let from = (-map.offset + stride - 1).div_euclid(stride).max(0);
    let to = (len - 1 - map.offset).div_euclid(stride) + 1;
    (from, to)
}
