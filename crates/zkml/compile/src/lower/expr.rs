//! Pending operations: sums in real numbers over stored tensors, not yet quantized, so that
//! scales, biases, normalisations and residual sums fold into one accumulator.

use zkml_graph::{AxisMap, OperandAxis, TensorId};

/// What a tensor is multiplied by.
#[derive(Clone, Debug)]
pub(crate) enum Factor {
    Public(f64),
    /// `rows[outer][inner]`, outer numbered by the local indices on `outer_axes`, ascending.
    Hidden {
        rows: Vec<f32>,
        outer_axes: Vec<usize>,
        name: String,
    },
}

/// One summand.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Tensor { tensor: TensorId, inner: Vec<usize>, map: Vec<AxisMap>, factor: Factor },
    Reshape { tensor: TensorId, factor: f64 },
    Constant(f64),
    Bias { rows: Vec<f32>, outer_axes: Vec<usize>, name: String },
}

/// A summand inside a box of the output.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    /// Start and length on every output axis.
    pub(crate) region: Vec<(usize, usize)>,
    pub(crate) item: Item,
}

/// A factor of a product of activations.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    pub(crate) tensor: TensorId,
    pub(crate) axes: Vec<OperandAxis>,
}

/// What an accumulator sums.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Affine(Vec<Term>),
    /// `factor` is plus a power of two.
    Product {
        a: Operand,
        b: Operand,
        inner: Vec<usize>,
        factor: f64,
    },
}

/// A pending operation with the shape of its output.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) shape: Vec<usize>,
    pub(crate) body: Body,
}

/// Why an expression cannot take a factor in place: it must become a tensor first.
pub(crate) struct NeedsTensor;

/// log2 of the magnitude of a power of two.
pub(crate) fn power_of_two(value: f64) -> Option<i32> {
    let log = value.abs().log2();
    (log.is_finite() && log.fract() == 0.0 && log.abs() < 64.0).then_some(log as i32)
}

/// A constant broadcast over output axes: one value for each index of `axes`, row-major.
#[derive(Clone, Debug)]
pub(crate) struct Broadcast {
    pub(crate) axes: Vec<usize>,
    pub(crate) values: Vec<f32>,
    pub(crate) secret: bool,
    pub(crate) name: String,
}

impl Broadcast {
    /// A public number, the same everywhere.
    pub(crate) fn number(value: f64, name: &str) -> Self {
        Self { axes: Vec::new(), values: vec![value as f32], secret: false, name: name.into() }
    }

    /// The value if it is the same everywhere.
    pub(crate) fn uniform(&self) -> Option<f64> {
        match self.values[..] {
            [value] => Some(f64::from(value)),
            _ => None,
        }
    }

    /// Whether it may stand in the public graph: structure, or a scalar power of two.
    fn is_public(&self) -> bool {
        self.uniform().is_some_and(|v| !self.secret || v == 0.0 || power_of_two(v).is_some())
    }
}

impl Expr {
    /// The box of the whole output.
    pub(crate) fn everywhere(shape: &[usize]) -> Vec<(usize, usize)> {
        shape.iter().map(|&extent| (0, extent)).collect()
    }

    /// One term over the whole output.
    pub(crate) fn single(shape: Vec<usize>, item: Item) -> Self {
        let region = Self::everywhere(&shape);
        Self { shape, body: Body::Affine(vec![Term { region, item }]) }
    }

    /// Multiplies by a constant.
    pub(crate) fn multiply(&mut self, by: &Broadcast) -> Result<(), NeedsTensor> {
        let shape = self.shape.clone();
        match &mut self.body {
            Body::Product { factor, .. } => match by.uniform() {
                Some(v) if v > 0.0 && power_of_two(v).is_some() => {
                    *factor *= v;
                    Ok(())
                }
                _ => Err(NeedsTensor),
            },
            Body::Affine(terms) => {
                let mut scaled = Vec::with_capacity(terms.len());
                for term in terms.iter() {
                    scaled.push(multiply_term(term, by, &shape)?);
                }
                *terms = scaled;
                Ok(())
            }
        }
    }

    /// Adds a constant.
    pub(crate) fn add(&mut self, constant: &Broadcast) -> Result<(), NeedsTensor> {
        let shape = self.shape.clone();
        let Body::Affine(terms) = &mut self.body else {
            return Err(NeedsTensor);
        };
        if !constant.secret && constant.values.iter().all(|&v| v == 0.0) {
            return Ok(());
        }
        let region = Self::everywhere(&shape);
        for term in terms.iter_mut() {
            if let Item::Bias { rows, outer_axes, .. } = &mut term.item
                && *outer_axes == constant.axes
                && term.region == region
            {
                rows.iter_mut().zip(&constant.values).for_each(|(a, b)| *a += b);
                return Ok(());
            }
        }
        let item = match constant.uniform() {
            Some(value) if constant.is_public() => Item::Constant(value),
            _ => Item::Bias {
                rows: constant.values.clone(),
                outer_axes: constant.axes.clone(),
                name: constant.name.clone(),
            },
        };
        terms.push(Term { region, item });
        Ok(())
    }

    /// Adds another sum of the same shape.
    pub(crate) fn join(&mut self, other: Self) -> Result<(), NeedsTensor> {
        match (&mut self.body, other.body) {
            (Body::Affine(terms), Body::Affine(more)) => {
                terms.extend(more);
                Ok(())
            }
            _ => Err(NeedsTensor),
        }
    }
}

fn multiply_term(term: &Term, by: &Broadcast, shape: &[usize]) -> Result<Term, NeedsTensor> {
    let region = term.region.clone();
    let item = match (&term.item, by.uniform()) {
        (Item::Constant(c), Some(v)) if by.is_public() => Item::Constant(c * v),
        (Item::Constant(c), _) => Item::Bias {
            rows: by.values.iter().map(|v| (f64::from(*v) * c) as f32).collect(),
            outer_axes: by.axes.clone(),
            name: by.name.clone(),
        },
        (Item::Bias { rows, outer_axes, name }, _) => {
            let (rows, outer_axes) = broadcast_rows(rows, outer_axes, 1, by, &region, shape);
            Item::Bias { rows, outer_axes, name: name.clone() }
        }
        (Item::Reshape { tensor, factor }, Some(v)) if by.is_public() => {
            Item::Reshape { tensor: *tensor, factor: factor * v }
        }
        (Item::Reshape { .. }, _) => return Err(NeedsTensor),
        (Item::Tensor { tensor, inner, map, factor }, uniform) => {
            let factor = match (factor, uniform) {
                (Factor::Public(f), Some(v)) if by.is_public() => Factor::Public(f * v),
                (factor, _) => {
                    let width: usize = inner.iter().product();
                    let blocked = map.iter().any(|m| {
                        m.inner.is_some() && m.out.is_some_and(|(o, _)| by.axes.contains(&(o as usize)))
                    });
                    let (rows, outer_axes, name) = match factor {
                        Factor::Public(f) => (vec![*f as f32; width], Vec::new(), &by.name),
                        Factor::Hidden { rows, outer_axes, name } => (rows.clone(), outer_axes.clone(), name),
                    };
                    let before = rows.len();
                    let (rows, outer_axes) = broadcast_rows(&rows, &outer_axes, width, by, &region, shape);
                    // Never trade one small multiplication for a much larger matrix.
                    if blocked || rows.len() > 2 * before + by.values.len() {
                        return Err(NeedsTensor);
                    }
                    Factor::Hidden { rows, outer_axes, name: name.clone() }
                }
            };
            Item::Tensor { tensor: *tensor, inner: inner.clone(), map: map.clone(), factor }
        }
    };
    Ok(Term { region, item })
}

/// Multiplies rows over `outer_axes` (local indices of `region`) by a constant over other axes.
fn broadcast_rows(
    rows: &[f32],
    outer_axes: &[usize],
    width: usize,
    by: &Broadcast,
    region: &[(usize, usize)],
    shape: &[usize],
) -> (Vec<f32>, Vec<usize>) {
    let mut axes: Vec<usize> = outer_axes.iter().chain(&by.axes).copied().collect();
    axes.sort_unstable();
    axes.dedup();
    let extents: Vec<usize> = axes.iter().map(|&a| region[a].1).collect();
    let position = |index: &[usize], of: &[usize], global: bool| {
        of.iter().fold(0, |at, a| {
            let i = axes.iter().position(|x| x == a).map_or(0, |p| index[p]);
            if global { at * shape[*a] + i + region[*a].0 } else { at * region[*a].1 + i }
        })
    };
    let mut out = Vec::with_capacity(extents.iter().product::<usize>() * width);
    zkml_float::array::for_each_index(&extents, |index| {
        let row = position(index, outer_axes, false) * width;
        let factor = by.values[position(index, &by.axes, true)];
        out.extend(rows[row..row + width].iter().map(|r| r * factor));
    });
    (out, axes)
}
