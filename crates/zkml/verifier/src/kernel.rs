//! Linear functionals on the trace, as the relations produce them.
//!
//! At a point `rho` every expression is `<T, K> + <W, L> + constant`. `K` is a sum of
//! [`Kernel`]s; those that involve a hidden parameter are bilinear, `sum W T c`, and the
//! constant biases are functionals `L` on the weights alone. All of them factor over axes, so
//! that a verifier evaluates the multilinear extension of `K` in time that grows with the sum of
//! the extents, not their product ([`Kernel::Reshape`] excepted).
#![expect(
    clippy::indexing_slicing,
    reason = "sums and factors name tensors, axes and indices that the graph's validation has checked, and every block's variables are among the point's"
)]

use crate::circuit::{Axis, Block, BlockId, Circuit, Factor, Placed, QuadShape, Slot, Sum, WeightLayout};
use alloc::vec;
use alloc::vec::Vec;
use ark_ff::{Field, Zero};
use core::iter::StepBy;
use core::ops::Range;
use zkml_core::F;
use zkml_core::field::{self, powers};
use zkml_core::poly::{eq_prefix, eq_table};
use zkml_core::zip::{Unequal, equal, zip_eq};
use zkml_graph::{AxisMap, OperandAxis, Source, Weight};

/// A linear functional on one block.
#[derive(Clone, Debug)]
pub enum Kernel {
    /// `coefficient * eq(rho, cell)` on every cell, padding included.
    Eq {
        /// The block.
        block: BlockId,
        /// Factor.
        coefficient: F,
    },
    /// `coefficient * product over axes of vector[coordinate]`, true extents only.
    Separable {
        /// The block.
        block: BlockId,
        /// Factor.
        coefficient: F,
        /// One vector for each axis.
        axes: Vec<Vec<F>>,
    },
    /// Row-major renumbering: the element that is number `n` of the block gets the product of
    /// the output vectors at the output index number `n`.
    Reshape {
        /// The block.
        block: BlockId,
        /// Factor.
        coefficient: F,
        /// One vector for each output axis.
        output: Vec<Vec<F>>,
    },
    /// `sum over (row, i) of W[row][i] rows[row] ...`, see [`ParamKernel`].
    Param(ParamKernel),
}

/// A bilinear functional on one block and one parameter.
#[derive(Clone, Debug)]
pub struct ParamKernel {
    /// The block.
    pub block: BlockId,
    /// The parameter.
    pub param: usize,
    /// Factor.
    pub coefficient: F,
    /// The factor of a parameter's row: one vector for each of the axes that number it.
    pub rows: Vec<Vec<F>>,
    /// Extents of the indices that number a row's values.
    pub inner: Vec<usize>,
    /// What each axis of the block follows.
    pub axes: Vec<ParamAxis>,
}

/// What an axis of a block follows in a [`ParamKernel`].
#[derive(Clone, Debug)]
pub enum ParamAxis {
    /// A vector over the coordinate, whatever the weight.
    Vector(Vec<F>),
    /// An inner index: for each of its values, the coordinates and their factors.
    Inner {
        /// Position of the index in [`ParamKernel::inner`].
        dim: usize,
        /// Coordinates and factors for each value.
        entries: Vec<Vec<(usize, F)>>,
    },
    /// An axis of the parameter's row number: one coordinate (or none) for each of its values.
    Tied {
        /// Position of the axis in [`ParamKernel::rows`].
        row_axis: usize,
        /// The coordinates.
        coordinates: Vec<Option<usize>>,
    },
}

/// A linear functional on one parameter: a hidden bias.
#[derive(Clone, Debug)]
pub struct BiasKernel {
    /// The parameter.
    pub param: usize,
    /// Factor.
    pub coefficient: F,
    /// One vector for each of the axes that number the parameter's rows.
    pub rows: Vec<Vec<F>>,
    /// Factors of the digits in a row.
    pub digits: Vec<F>,
}

/// A linear functional `<T, K> + <W, L> + constant`.
#[derive(Clone, Debug, Default)]
pub struct Functional {
    /// The constant.
    pub constant: F,
    /// The parts of `K`.
    pub kernels: Vec<Kernel>,
    /// The parts of `L`.
    pub biases: Vec<BiasKernel>,
}

/// The coordinates of a point that belong to an axis.
#[must_use]
pub fn axis_point<'a>(axis: &Axis, point: &'a [F]) -> &'a [F] {
    &point[axis.shift..][..axis.log]
}

/// `eq` on the true extents of every axis of a block.
#[must_use]
pub fn axis_tables(block: &Block, point: &[F]) -> Vec<Vec<F>> {
    block.axes.iter().map(|axis| eq_prefix(axis_point(axis, point), axis.len)).collect()
}

/// The product over several vectors, row-major: the first vector's index is slowest.
#[must_use]
pub fn outer_product(vectors: &[Vec<F>], scale: F) -> Vec<F> {
    let mut product = vec![scale];
    for vector in vectors {
        product = product.iter().flat_map(|left| vector.iter().map(move |right| *left * right)).collect();
    }
    product
}

/// [`field::dot`] of vectors that must be equally long.
fn dot(a: &[F], b: &[F]) -> Result<F, Unequal> {
    equal(a.len(), b.len())?;
    Ok(field::dot(a, b))
}

impl Functional {
    /// Adds `coefficient` times a sum at `rho`.
    ///
    /// # Errors
    /// Returns an error if a term has not one range, or map, for each axis of its block.
    pub fn add_sum(
        &mut self,
        graph: &GraphView<'_>,
        sum: &Sum,
        coefficient: F,
        rho: &[F],
    ) -> Result<(), Unequal> {
        let tables = axis_tables(&graph.blocks[sum.domain], rho);
        for term in &sum.terms {
            let local: Vec<Vec<F>> = zip_eq(&tables, &term.region)?
                .map(|(table, (start, len))| table[*start as usize..][..*len as usize].to_vec())
                .collect();
            // The factor of axes that nothing follows.
            let rest = |used: &dyn Fn(u32) -> bool| -> F {
                (0..)
                    .zip(&local)
                    .filter(|(axis, _)| !used(*axis))
                    .map(|(_, factors)| factors.iter().sum::<F>())
                    .product()
            };
            match &term.source {
                Source::Constant(value) => self.constant += coefficient * F::from(*value) * rest(&|_| false),
                Source::Index { axis, multiplier } => {
                    let indices = local[*axis as usize].iter().enumerate();
                    let weighted: F = indices.map(|(index, factor)| F::from(index as u64) * factor).sum();
                    self.constant +=
                        coefficient * F::from(*multiplier) * weighted * rest(&|used| used == *axis);
                }
                Source::Bias { param, outer_axes } => self.biases.push(BiasKernel {
                    param: *param as usize,
                    coefficient: coefficient * rest(&|axis| outer_axes.contains(&axis)),
                    rows: outer_axes.iter().map(|axis| local[*axis as usize].clone()).collect(),
                    digits: powers(&F::from(1u64 << graph.weight_bits), graph.param_inner(*param as usize)),
                }),
                Source::Reshape { tensor, multiplier } => self.kernels.push(Kernel::Reshape {
                    block: *tensor as usize,
                    coefficient: coefficient * F::from(*multiplier),
                    output: local,
                }),
                Source::Tensor { tensor, inner, map, weight } => {
                    let follows =
                        |axis: u32| map.iter().any(|map| map.out.is_some_and(|(out, _)| out == axis));
                    let block = *tensor as usize;
                    let inner: Vec<usize> = inner.iter().map(|len| *len as usize).collect();
                    let extents = graph.blocks[block].axes.iter().map(|axis| axis.len);
                    match weight {
                        Weight::Public(factor) => self.kernels.push(Kernel::Separable {
                            block,
                            coefficient: coefficient * F::from(*factor) * rest(&follows),
                            axes: zip_eq(map, extents)?
                                .map(|(map, len)| axis_vector(map, len, &local, &inner))
                                .collect(),
                        }),
                        Weight::Param { param, outer_axes } => {
                            let axes = zip_eq(map, extents)?
                                .map(|(map, len)| param_axis(map, len, &local, &inner, outer_axes));
                            self.kernels.push(Kernel::Param(ParamKernel {
                                block,
                                param: *param as usize,
                                coefficient: coefficient
                                    * rest(&|axis| follows(axis) || outer_axes.contains(&axis)),
                                rows: outer_axes.iter().map(|axis| local[*axis as usize].clone()).collect(),
                                axes: axes.collect(),
                                inner,
                            }));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds `coefficient` times a factor of a quadratic sum at the sum-check's point.
    ///
    /// # Errors
    /// Returns an error if the factor does not follow something on each axis of its block.
    pub fn add_factor(
        &mut self,
        circuit: &Circuit,
        (factor, shape): (&Factor, &QuadShape),
        domain: BlockId,
        coefficient: F,
        (rho, point): (&[F], &[F]),
    ) -> Result<(), Unequal> {
        let block = &circuit.blocks[factor.block];
        let axes = zip_eq(&factor.axes, &block.axes)?.map(|(follows, axis)| match follows {
            OperandAxis::Inner(index) => {
                eq_prefix(axis_point(&shape.inner[*index as usize], point), axis.len)
            }
            OperandAxis::Out(out) => match shape.batch.iter().find(|(batch, _)| *batch == *out as usize) {
                Some((_, place)) => eq_prefix(axis_point(place, point), axis.len),
                None => eq_prefix(axis_point(&circuit.blocks[domain].axes[*out as usize], rho), axis.len),
            },
            OperandAxis::Fixed(coordinate) => unit(*coordinate as usize, axis.len),
        });
        let axes = axes.collect();
        self.kernels.push(Kernel::Separable { block: factor.block, coefficient, axes });
        Ok(())
    }
}

/// What kernels need to know of a graph and its blocks.
#[derive(Clone, Copy)]
pub struct GraphView<'a> {
    /// Blocks of the circuit.
    pub blocks: &'a [Block],
    /// Width of a weight.
    pub weight_bits: u8,
    /// The parameters.
    pub params: &'a [Placed],
}

impl GraphView<'_> {
    fn param_inner(&self, param: usize) -> usize {
        self.params[param].inner
    }
}

/// Coefficients on the weights, in their committed layout.
#[derive(Clone, Debug)]
pub struct WeightCoefficients {
    /// One for each packed cell.
    pub packed: Vec<F>,
    /// For each parameter in rows: its number, the factor of every row, and of every value.
    pub matrices: Vec<(usize, Vec<F>, Vec<F>)>,
}

impl WeightCoefficients {
    /// No coefficients.
    #[must_use]
    pub fn new(layout: &WeightLayout) -> Self {
        Self { packed: vec![F::zero(); layout.packed_cells], matrices: Vec::new() }
    }

    /// Adds the functional that a bilinear kernel leaves on the weights when the trace is
    /// replaced by `eq(r, .)`; `tables[axis]` holds `eq(r)` on the block's axes.
    ///
    /// # Errors
    /// Returns an error if the kernel has not the block's axes and extents, or the parameter's shape.
    pub fn add_param(
        &mut self,
        layout: &WeightLayout,
        kernel: &ParamKernel,
        tables: &[Vec<F>],
        scale: F,
    ) -> Result<(), Unequal> {
        let mut rows = kernel.rows.clone();
        let mut scale = scale * kernel.coefficient;
        let mut inner: Vec<Vec<F>> = kernel.inner.iter().map(|len| vec![F::ONE; *len]).collect();
        for (axis, table) in zip_eq(&kernel.axes, tables)? {
            match axis {
                ParamAxis::Vector(vector) => scale *= dot(vector, table)?,
                ParamAxis::Inner { dim, entries } => {
                    for (value, entry) in zip_eq(&mut inner[*dim], entries)? {
                        *value = entry.iter().map(|(coordinate, factor)| *factor * table[*coordinate]).sum();
                    }
                }
                ParamAxis::Tied { row_axis, coordinates } => {
                    for (value, coordinate) in zip_eq(&mut rows[*row_axis], coordinates)? {
                        *value *= coordinate.map_or(F::zero(), |coordinate| table[coordinate]);
                    }
                }
            }
        }
        let (rows, values) = (outer_product(&rows, F::ONE), outer_product(&inner, scale));
        self.add(layout, kernel.param, rows, values)
    }

    /// Adds a bias functional.
    ///
    /// # Errors
    /// Returns an error if the kernel has not the parameter's shape.
    pub fn add_bias(&mut self, layout: &WeightLayout, kernel: &BiasKernel, scale: F) -> Result<(), Unequal> {
        let rows = outer_product(&kernel.rows, scale * kernel.coefficient);
        self.add(layout, kernel.param, rows, kernel.digits.clone())
    }

    fn add(
        &mut self,
        layout: &WeightLayout,
        param: usize,
        rows: Vec<F>,
        values: Vec<F>,
    ) -> Result<(), Unequal> {
        let Placed { slot, outer, inner } = layout.params[param];
        equal(outer, rows.len())?;
        equal(inner, values.len())?;
        match slot {
            Slot::Packed { cell } => {
                let cells = self.packed[cell..].chunks_exact_mut(inner).take(outer);
                for (row, cells) in zip_eq(&rows, cells)? {
                    for (value, cell) in zip_eq(&values, cells)? {
                        *cell += *row * value;
                    }
                }
            }
            Slot::Rows { .. } => self.matrices.push((param, rows, values)),
        }
        Ok(())
    }
}

impl Kernel {
    /// The block.
    #[must_use]
    pub fn block(&self) -> BlockId {
        match self {
            Self::Eq { block, .. } | Self::Separable { block, .. } | Self::Reshape { block, .. } => *block,
            Self::Param(kernel) => kernel.block,
        }
    }

    /// The multilinear extension at `r` within the block, for kernels without a parameter;
    /// `prefix_eq[v]` is `eq(rho, r)` on the first `v` coordinates.
    ///
    /// # Errors
    /// Returns an error if the kernel has not the block's axes and extents.
    pub fn evaluate(&self, block: &Block, tables: &[Vec<F>], prefix_eq: &[F]) -> Result<F, Unequal> {
        Ok(match self {
            Self::Eq { coefficient, .. } => *coefficient * prefix_eq[block.log],
            Self::Separable { coefficient, axes, .. } => {
                let factors = zip_eq(axes, tables)?.map(|(vector, table)| dot(vector, table));
                *coefficient * factors.product::<Result<F, Unequal>>()?
            }
            Self::Reshape { coefficient, output, .. } => {
                *coefficient * dot(&outer_product(output, F::ONE), &outer_product(tables, F::ONE))?
            }
            Self::Param(_) => F::zero(),
        })
    }
}

/// The selector of a block (or of a segment of `2^log` cells at `offset`): `eq` of the
/// coordinates above it.
#[must_use]
pub fn selector(point: &[F], log: usize, offset: u64) -> F {
    zkml_core::poly::eq_index(&point[log..], offset >> log)
}

/// `eq` tables of a point, by number of variables: entry `v` covers the first `v` coordinates.
#[must_use]
pub fn prefix_tables(point: &[F], greatest: usize) -> Vec<Vec<F>> {
    (0..=greatest.min(point.len())).map(|log| eq_table(&point[..log], F::ONE)).collect()
}

fn unit(coordinate: usize, len: usize) -> Vec<F> {
    let mut vector = vec![F::zero(); len];
    if let Some(entry) = vector.get_mut(coordinate) {
        *entry = F::ONE;
    }
    vector
}

/// The coordinates of a map inside `0..len` at an inner index, as the output index runs, and the first output
/// index that has one. They are found at once, not one by one: a window may be as long as its tensor.
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_wrap,
    reason = "the graph's validation has checked that coordinates are within 2^40, and strides are not zero"
)]
fn coordinates(map: &AxisMap, inner: usize, len: usize) -> (usize, StepBy<Range<usize>>) {
    let dilation = map.inner.map_or(0, |(_, dilation)| i64::from(dilation));
    let stride = map.out.map_or(1, |(_, stride)| stride);
    let start = map.offset + dilation * inner as i64;
    let before = start.min(0).unsigned_abs().div_ceil(stride.into());
    let first = start.saturating_add_unsigned(before * u64::from(stride));
    let [before, first] =
        [usize::try_from(before), usize::try_from(first)].map(|at| at.unwrap_or(usize::MAX));
    (before, (first..len).step_by(stride as usize))
}

/// The factors of an axis under a public weight.
fn axis_vector(map: &AxisMap, len: usize, local: &[Vec<F>], inner: &[usize]) -> Vec<F> {
    let mut vector = vec![F::zero(); len];
    let ones = [F::ONE];
    let outs: &[F] = map.out.map_or(&ones, |(axis, _)| &local[axis as usize]);
    let inners = map.inner.map_or(1, |(dim, _)| inner[dim as usize]);
    for i in 0..inners {
        let (before, inside) = coordinates(map, i, len);
        // The outputs may end before the coordinates leave the axis, or after.
        for (factor, at) in outs.iter().skip(before).zip(inside) {
            vector[at] += factor;
        }
    }
    vector
}

fn param_axis(map: &AxisMap, len: usize, local: &[Vec<F>], inner: &[usize], outer_axes: &[u32]) -> ParamAxis {
    match (map.out, map.inner) {
        (out, Some((dim, _))) => {
            let ones = [F::ONE];
            let outs: &[F] = out.map_or(&ones, |(axis, _)| &local[axis as usize]);
            let entries = (0..inner[dim as usize]).map(|i| {
                let (before, inside) = coordinates(map, i, len);
                inside.zip(outs.iter().skip(before).copied()).collect()
            });
            ParamAxis::Inner { dim: dim as usize, entries: entries.collect() }
        }
        (Some((axis, _)), None) => match outer_axes.iter().position(|outer| *outer == axis) {
            Some(row_axis) => {
                let mut of_rows = vec![None; local[axis as usize].len()];
                let (before, inside) = coordinates(map, 0, len);
                of_rows.iter_mut().skip(before).zip(inside).for_each(|(row, at)| *row = Some(at));
                ParamAxis::Tied { row_axis, coordinates: of_rows }
            }
            None => ParamAxis::Vector(axis_vector(map, len, local, inner)),
        },
        (None, None) => ParamAxis::Vector(axis_vector(map, len, local, inner)),
    }
}
