//! From the float model to the integer graph. Linear operators collect in pending sums
//! ([`expr`]) and become a node ([`emit`]) only when a function, a pool or a second reader needs
//! the numbers; layouts are followed by views ([`view`]). One operator family per file.

mod carve;
mod combine;
mod elementwise;
mod emit;
mod expr;
mod layout;
mod linear;
mod pool;
mod softmax;
mod view;

use zkml_graph::{Graph, Tensor, TensorId, Weights};

use crate::ReluProof;
use crate::array::Array;
use crate::calibrate::{Range, Stats};
use crate::error::{ImportError, Unsupported};
use crate::ir::{Constant, Ir, Node, ValueId};
use crate::scale::choose;
use emit::Target;
use expr::{Body, Expr, Factor, Item, Term};
use view::{View, layout};

/// Widths of the integer model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    pub(crate) weight: u8,
    pub(crate) activation: u8,
}

/// Why a node was not lowered.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It cannot be proven.
    Unsupported(String),
    /// It reads the result of a node that was refused.
    Follows,
    /// The model is faulty.
    Failed(ImportError),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Unsupported(reason)
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self::Unsupported(reason.into())
    }
}

/// A value of the float model: a stored tensor or a pending sum, and how it lies there.
/// A pending sum is always seen whole.
#[derive(Clone, Debug)]
struct Value {
    source: Stored,
    view: View,
    /// Node that made it.
    name: String,
}

#[derive(Clone, Debug)]
enum Stored {
    Tensor(TensorId),
    Pending(Expr),
}

/// The graph being built.
pub(crate) struct Lowering<'a> {
    ir: &'a Ir,
    stats: &'a Stats,
    bits: Bits,
    relu: ReluProof,
    graph: Graph,
    weights: Vec<Vec<i16>>,
    /// Mean square of every tensor's real values.
    power: Vec<f64>,
    values: Vec<Option<Value>>,
    uses: Vec<usize>,
}

/// What lowering yields.
pub(crate) struct Lowered {
    pub(crate) graph: Graph,
    pub(crate) weights: Weights,
}

/// A name as graphs accept it.
fn short(name: &str) -> String {
    let mut end = name.len().min(zkml_graph::validate::MAX_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].into()
}

/// Lowers a model. Every node that cannot be lowered is listed.
pub(crate) fn lower(
    ir: &Ir,
    stats: &Stats,
    bits: Bits,
    relu: ReluProof,
) -> Result<Lowered, ImportError> {
    let mut uses = vec![0; ir.values.len()];
    for node in &ir.nodes {
        node.inputs.iter().flatten().for_each(|&v| uses[v] += 1);
    }
    ir.outputs.iter().for_each(|&v| uses[v] += 1);
    let mut lowering = Lowering {
        ir,
        stats,
        bits,
        relu,
        graph: Graph {
            name: short(&ir.name),
            weight_bits: bits.weight,
            tensors: Vec::new(),
            params: Vec::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        },
        weights: Vec::new(),
        power: Vec::new(),
        values: vec![None; ir.values.len()],
        uses,
    };
    lowering.inputs();
    let mut problems = Vec::new();
    for node in &ir.nodes {
        match lowering.node(node) {
            Ok(()) | Err(Refusal::Follows) => {}
            Err(Refusal::Unsupported(reason)) => {
                let own = || (node.name.clone(), node.op.clone());
                let (node, operator) = node.origin.clone().unwrap_or_else(own);
                problems.push(Unsupported {
                    node,
                    operator,
                    reason,
                });
            }
            Err(Refusal::Failed(error)) => return Err(error),
        }
    }
    if problems.is_empty() {
        for &output in &ir.outputs {
            match lowering.output(output) {
                Ok(()) => {}
                Err(Refusal::Failed(error)) => return Err(error),
                Err(Refusal::Follows) => problems.push(Unsupported {
                    node: ir.values[output].name.clone(),
                    operator: "graph output".into(),
                    reason: "it does not depend on an input".into(),
                }),
                Err(Refusal::Unsupported(reason)) => problems.push(Unsupported {
                    node: ir.values[output].name.clone(),
                    operator: "graph output".into(),
                    reason,
                }),
            }
        }
    }
    if problems.is_empty() {
        Ok(Lowered {
            graph: lowering.graph,
            weights: Weights(lowering.weights),
        })
    } else {
        Err(ImportError::Unsupported(problems))
    }
}

impl Lowering<'_> {
    fn inputs(&mut self) {
        for &id in &self.ir.inputs {
            let name = self.ir.values[id].name.clone();
            let logical = self.ir.values[id].shape.clone().unwrap_or_default();
            // The batch axis of 1 is not stored.
            let storage = match logical[..] {
                [] => vec![1],
                [1, ref rest @ ..] if !rest.is_empty() => rest.to_vec(),
                _ => logical.clone(),
            };
            let fallback = Range::known(0.0, 0.0);
            let range = self.stats[id].as_ref().unwrap_or(&fallback);
            let integral = range.kept.iter().all(|v| v.fract() == 0.0);
            let mut window = choose(range, self.bits.activation, 30, None);
            if integral && window.scale > 0 {
                window.min = (window.min as f64 / crate::scale::exp2(window.scale)).floor() as i64;
                window.scale = 0;
            }
            let power = range.mean_square();
            let bounds = (window.min, window.max());
            let tensor = self.push_tensor(&name, &storage, bounds, window.scale);
            self.power[tensor as usize] = power;
            self.graph.inputs.push(tensor);
            // Row-major order is kept, so the reshape always succeeds.
            let view = View::whole(&storage).reshape(&logical);
            self.values[id] = view.map(|view| Value {
                source: Stored::Tensor(tensor),
                view,
                name,
            });
        }
    }

    fn tensor(&self, id: TensorId) -> &Tensor {
        &self.graph.tensors[id as usize]
    }

    fn shape_of(&self, id: TensorId) -> Vec<usize> {
        self.tensor(id).shape.iter().map(|&e| e as usize).collect()
    }

    fn range(&self, id: ValueId) -> Result<Range, Refusal> {
        self.stats[id].clone().ok_or(Refusal::Follows)
    }

    fn logical_shape(&self, id: ValueId) -> Result<Vec<usize>, Refusal> {
        self.ir.values[id].shape.clone().ok_or(Refusal::Follows)
    }

    fn constant(&self, node: &Node, index: usize) -> Option<&Constant> {
        node.input(index).and_then(|id| self.ir.constant(id))
    }

    fn constant_array(&self, node: &Node, index: usize) -> Option<&Array> {
        self.constant(node, index).map(|c| c.array.as_ref())
    }

    /// The value of a node's input; a pending sum with several readers becomes a tensor first.
    fn take(&mut self, id: ValueId) -> Result<Value, Refusal> {
        let value = self.values[id].clone().ok_or(Refusal::Follows)?;
        if self.uses[id] > 1 && matches!(value.source, Stored::Pending(_)) {
            let (tensor, view) = self.store(value, id)?;
            let name = self.ir.values[id].name.clone();
            let value = Value {
                source: Stored::Tensor(tensor),
                view,
                name,
            };
            self.values[id] = Some(value.clone());
            return Ok(value);
        }
        Ok(value)
    }

    /// The required input `index` of a node.
    fn input(&mut self, node: &Node, index: usize) -> Result<(ValueId, Value), Refusal> {
        let id = node
            .input(index)
            .ok_or_else(|| format!("input {index} is missing"))?;
        Ok((id, self.take(id)?))
    }

    /// The input `index` of a node as a stored tensor.
    fn input_tensor(
        &mut self,
        node: &Node,
        index: usize,
    ) -> Result<(ValueId, TensorId, View), Refusal> {
        let (id, value) = self.input(node, index)?;
        let (tensor, view) = self.store(value, id)?;
        Ok((id, tensor, view))
    }

    /// Makes a value a stored tensor; `id` says which range it has.
    fn store(&mut self, value: Value, id: ValueId) -> Result<(TensorId, View), Refusal> {
        match value.source {
            Stored::Tensor(tensor) => Ok((tensor, value.view)),
            Stored::Pending(expr) => {
                let (expr, view) = match carve::split(&expr, &value.view) {
                    Some(split) => split,
                    None => (expr, value.view),
                };
                let range = self.range(id)?;
                let bits = self.bits.activation;
                let target = Target::Value {
                    range: &range,
                    bits,
                };
                Ok((self.emit(expr, &value.name, target)?, view))
            }
        }
    }

    /// A tensor whose integers span at most `bits` bits.
    fn narrow(&mut self, tensor: TensorId, id: ValueId, bits: u8) -> Result<TensorId, Refusal> {
        let t = self.tensor(tensor);
        if ((t.max - t.min) as u64) < 1 << bits {
            return Ok(tensor);
        }
        let name = t.name.clone();
        let range = self.range(id)?;
        let copy = self.copy_of(tensor);
        self.emit(
            copy,
            &name,
            Target::Clamp {
                low: None,
                high: None,
                range: &range,
                bits,
            },
        )
    }

    /// The value as a pending sum whose axes are its view's atoms, in their order or another.
    fn pending(&mut self, value: Value, id: ValueId) -> Result<(Expr, View), Refusal> {
        if let Stored::Pending(expr) = value.source {
            if value.view.is_simple() {
                return Ok((expr, value.view));
            }
            if let Some(split) = carve::split(&expr, &value.view) {
                return Ok(split);
            }
            let (tensor, view) = self.store(
                Value {
                    source: Stored::Pending(expr),
                    ..value
                },
                id,
            )?;
            return self.copy_view(tensor, &view);
        }
        let Stored::Tensor(tensor) = value.source else {
            return Err(Refusal::Follows);
        };
        if value.view.is_simple() {
            return Ok((self.copy_of(tensor), value.view));
        }
        self.copy_view(tensor, &value.view)
    }

    /// A pending copy of a view, with one axis per atom.
    fn copy_view(&mut self, tensor: TensorId, view: &View) -> Result<(Expr, View), Refusal> {
        let (shape, out) = View::grouped(&view.extents());
        let item = self.read(tensor, view, &layout(&view.extents()))?;
        Ok((Expr::single(shape, item), out))
    }

    /// A term that reads a view into an output of the given layout and shape.
    fn read(&mut self, tensor: TensorId, view: &View, to: &view::Layout) -> Result<Item, Refusal> {
        if let Some(map) = view.read(to) {
            return Ok(Item::Tensor {
                tensor,
                inner: vec![],
                map,
                factor: Factor::Public(1.0),
            });
        }
        let (tensor, flat) = self.contiguous(tensor, view)?;
        if let Some(map) = flat.read(to) {
            return Ok(Item::Tensor {
                tensor,
                inner: vec![],
                map,
                factor: Factor::Public(1.0),
            });
        }
        let order: Vec<usize> = to.iter().flatten().map(|t| t.0).collect();
        let ordered = order.windows(2).all(|w| w[0] < w[1]);
        let elements: usize = to.iter().flatten().map(|t| t.1).product();
        if ordered && self.shape_of(tensor).iter().product::<usize>() == elements {
            return Ok(Item::Reshape {
                tensor,
                factor: 1.0,
            });
        }
        Err("operands whose layouts differ in a way that is not supported".into())
    }

    /// The same logical array, stored row-major.
    fn contiguous(&mut self, tensor: TensorId, view: &View) -> Result<(TensorId, View), Refusal> {
        if view.is_row_major() {
            return Ok((tensor, view.clone()));
        }
        let name = self.tensor(tensor).name.clone();
        let mut tensor = tensor;
        let mut view = view.clone();
        if view.read(&layout(&view.extents())).is_none() {
            (tensor, view) = self.split_axes(tensor, &view)?;
        }
        let (shape, out) = View::grouped(&view.extents());
        let map = view
            .read(&layout(&view.extents()))
            .ok_or("a layout that is not supported")?;
        let item = Item::Tensor {
            tensor,
            inner: vec![],
            map,
            factor: Factor::Public(1.0),
        };
        let copy = Expr::single(shape, item);
        Ok((self.exact(copy, &name)?, out))
    }

    /// Stores a tensor again with every axis cut where the view's atoms cut it.
    fn split_axes(&mut self, tensor: TensorId, view: &View) -> Result<(TensorId, View), Refusal> {
        let name = self.tensor(tensor).name.clone();
        let mut shape = Vec::new();
        let mut axes = view.axes.clone();
        let mut offset = Vec::new();
        for (axis, &extent) in view.storage.iter().enumerate() {
            let mut strides: Vec<usize> = view
                .atoms()
                .filter(|a| a.axis == Some(axis))
                .flat_map(|a| [a.stride, a.stride * a.extent])
                .chain([1, extent])
                .collect();
            strides.sort_unstable_by(|a, b| b.cmp(a));
            strides.dedup();
            let fits = strides[0] == extent
                && view.offset[axis] >= 0
                && strides.windows(2).all(|w| w[0].is_multiple_of(w[1]));
            if !fits {
                return Err("a slice of a reshaped axis".into());
            }
            let mut rest = view.offset[axis];
            for cut in strides.windows(2) {
                for atom in axes.iter_mut().flatten() {
                    if atom.axis == Some(axis) && atom.stride == cut[1] {
                        // Marked as done by an axis beyond the old ones.
                        atom.axis = Some(view.storage.len() + shape.len());
                        atom.stride = 1;
                    }
                }
                shape.push(cut[0] / cut[1]);
                offset.push(rest / cut[1] as i64);
                rest %= cut[1] as i64;
            }
            if shape.is_empty() || strides.len() == 1 {
                shape.push(1);
                offset.push(0);
            }
        }
        for atom in axes.iter_mut().flatten() {
            if let Some(axis) = &mut atom.axis {
                *axis = axis
                    .checked_sub(view.storage.len())
                    .ok_or("a slice of a reshaped axis")?;
            }
        }
        let copy = Expr::single(
            shape.clone(),
            Item::Reshape {
                tensor,
                factor: 1.0,
            },
        );
        let tensor = self.exact(copy, &name)?;
        let view = View {
            axes,
            offset,
            storage: shape,
            padded: false,
        };
        if view.read(&layout(&view.extents())).is_none() {
            return Err("a layout that is not supported".into());
        }
        Ok((tensor, view))
    }

    /// Emits a copy: no rounding.
    fn exact(&mut self, copy: Expr, name: &str) -> Result<TensorId, Refusal> {
        let source = match &copy.body {
            Body::Affine(terms) => terms.iter().find_map(|t| match &t.item {
                Item::Tensor { tensor, .. } | Item::Reshape { tensor, .. } => Some(*tensor),
                _ => None,
            }),
            Body::Product { .. } => None,
        };
        let out = self.emit(copy, name, Target::Raw)?;
        if let Some(source) = source {
            self.power[out as usize] = self.power[source as usize];
        }
        Ok(out)
    }

    fn set(&mut self, node: &Node, value: Value) -> Result<(), Refusal> {
        self.set_at(node, 0, value)
    }

    fn set_at(&mut self, node: &Node, index: usize, value: Value) -> Result<(), Refusal> {
        if let Some(id) = node.output(index) {
            let expected = self.logical_shape(id)?;
            if value.view.shape() != expected {
                return Err(format!(
                    "internal: lowered to shape {:?} instead of {expected:?}",
                    value.view.shape()
                )
                .into());
            }
            self.values[id] = Some(value);
        }
        Ok(())
    }

    fn set_pending(&mut self, node: &Node, expr: Expr, view: View) -> Result<(), Refusal> {
        self.set(
            node,
            Value {
                source: Stored::Pending(expr),
                view,
                name: node.name.clone(),
            },
        )
    }

    fn set_tensor(&mut self, node: &Node, tensor: TensorId, view: View) -> Result<(), Refusal> {
        self.set(
            node,
            Value {
                source: Stored::Tensor(tensor),
                view,
                name: node.name.clone(),
            },
        )
    }

    /// Makes a value a graph output, row-major.
    fn output(&mut self, id: ValueId) -> Result<(), Refusal> {
        let value = self.values[id].clone().ok_or(Refusal::Follows)?;
        let name = self.ir.values[id].name.clone();
        let (tensor, view) = match value.source {
            Stored::Pending(expr) if self.uses[id] == 1 => {
                (self.emit(expr, &name, Target::Raw)?, value.view)
            }
            _ => self.store(value, id)?,
        };
        let (mut tensor, _) = self.contiguous(tensor, &view)?;
        if self.graph.inputs.contains(&tensor) || self.graph.outputs.contains(&tensor) {
            let copy = self.copy_of(tensor);
            tensor = self.exact(copy, &name)?;
        }
        self.graph.tensors[tensor as usize].name = short(&name);
        self.graph.outputs.push(tensor);
        Ok(())
    }

    fn node(&mut self, node: &Node) -> Result<(), Refusal> {
        for family in [
            Self::lower_elementwise,
            Self::lower_combine,
            Self::lower_layout,
            Self::lower_linear,
            Self::lower_pool,
            Self::lower_softmax,
        ] {
            if let Some(result) = family(self, node) {
                return result;
            }
        }
        Err("the operator is not supported".into())
    }
}

/// A term over a whole output.
fn everywhere(shape: &[usize], item: Item) -> Term {
    Term {
        region: Expr::everywhere(shape),
        item,
    }
}
