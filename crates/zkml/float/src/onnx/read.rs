//! From bytes to the float graph: versions, names and shapes are checked, nothing is computed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use prost::Message;

use super::messages::{AttributeProto, ModelProto, NodeProto, ValueInfoProto};
use super::{external, tensor};
use crate::array::Array;
use crate::error::{FloatError, limit};
use crate::ir::{Attr, Constant, Ir, Node, Value, ValueId};

/// Greatest size of a model file.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 31;
/// Most nodes of a model.
const MAX_NODES: usize = 1 << 16;
/// Operator sets whose semantics are implemented.
pub const OPSETS: std::ops::RangeInclusive<i64> = 7..=28;
const IR_VERSIONS: std::ops::RangeInclusive<i64> = 3..=14;

/// What a file leaves open, and how to get at what is not in it.
#[derive(Clone, Default)]
pub struct Reading<'a> {
    /// Shapes of inputs, by name, batch axis included: they fill in extents that the file leaves open.
    pub shapes: Vec<(String, Vec<usize>)>,
    /// Reads a file of weights beside the model; its argument is a relative path without `..`. Without it,
    /// weights in other files are refused.
    pub external: Option<&'a External<'a>>,
}

/// Reads a file beside the model.
pub type External<'a> = dyn Fn(&str) -> std::io::Result<Vec<u8>> + 'a;

/// What reading yields beside the model: element types and shapes that the file declares.
pub(crate) struct Declared {
    /// ONNX element type of every graph input.
    pub(crate) input_types: Vec<i32>,
    /// Shapes of `value_info` with numbers only.
    pub(crate) shapes: HashMap<ValueId, Vec<usize>>,
}

struct Names {
    ids: HashMap<String, ValueId>,
    values: Vec<Value>,
}

impl Names {
    fn define(&mut self, name: &str) -> Result<ValueId, FloatError> {
        let id = self.values.len();
        if self.ids.insert(name.into(), id).is_some() {
            return Err(FloatError::Duplicate { value: name.into() });
        }
        self.values.push(Value { name: name.into(), constant: None, shape: None });
        Ok(id)
    }
}

/// Reads a model file.
pub(crate) fn read(bytes: &[u8], reading: &Reading<'_>) -> Result<(Ir, Declared), FloatError> {
    limit("model file: bytes", MAX_FILE_BYTES, bytes.len() as u64)?;
    let model = ModelProto::decode(bytes)?;
    let opset = check_versions(&model)?;
    let mut graph = model.graph.ok_or_else(|| field("graph", "missing: not an ONNX model"))?;
    limit("graph: nodes", MAX_NODES as u64, graph.node.len() as u64)?;
    if !graph.sparse_initializer.is_empty() {
        return Err(field("sparse_initializer", "sparse tensors are not supported"));
    }

    external::load(&mut graph, reading.external)?;
    let mut names = Names { ids: HashMap::new(), values: Vec::new() };
    for proto in &graph.initializer {
        let array = tensor::array(proto, &proto.name)?;
        let id = names.define(&proto.name)?;
        names.values[id].shape = Some(array.shape.clone());
        names.values[id].constant = Some(Constant { array: Arc::new(array), secret: true });
    }
    let (inputs, input_types) = inputs(&graph.input, &mut names, &reading.shapes)?;
    let nodes = graph.node.iter().map(|proto| node(proto, &mut names)).collect::<Result<Vec<_>, _>>()?;
    let outputs = outputs(&graph.output, &names)?;
    let mut shapes = HashMap::new();
    for info in graph.value_info.iter().chain(&graph.output) {
        if let (Some(&id), Some(shape)) = (names.ids.get(&info.name), declared_shape(info)) {
            shapes.insert(id, shape);
        }
    }
    let ir = Ir {
        name: graph.name,
        producer: format!("{} {}", model.producer_name, model.producer_version).trim().into(),
        ir_version: model.ir_version,
        opset,
        values: names.values,
        nodes,
        inputs,
        outputs,
        integer: HashSet::new(),
        parameters: 0,
    };
    Ok((ir, Declared { input_types, shapes }))
}

/// What the model takes, with the element types.
fn inputs(
    infos: &[ValueInfoProto],
    names: &mut Names,
    shapes: &[(String, Vec<usize>)],
) -> Result<(Vec<ValueId>, Vec<i32>), FloatError> {
    let (mut inputs, mut types) = (Vec::new(), Vec::new());
    if let Some((name, _)) = shapes.iter().find(|(name, _)| !infos.iter().any(|info| info.name == *name)) {
        return Err(field(
            &format!("input {name:?}"),
            "a shape is given for it, and the model has no such input",
        ));
    }
    // Old exporters list initialisers among the inputs.
    for info in infos {
        if names.ids.contains_key(&info.name) {
            continue;
        }
        let id = names.define(&info.name)?;
        let told = shapes.iter().find(|(name, _)| *name == info.name).map(|(_, shape)| &shape[..]);
        let (element, shape) = input_type(info, told)?;
        names.values[id].shape = Some(shape);
        inputs.push(id);
        types.push(element);
    }
    if inputs.is_empty() {
        return Err(field("graph.input", "the model has no inputs"));
    }
    Ok((inputs, types))
}

fn outputs(infos: &[ValueInfoProto], names: &Names) -> Result<Vec<ValueId>, FloatError> {
    let unknown = |info: &ValueInfoProto| FloatError::UnknownValue {
        node: "(graph output)".into(),
        value: info.name.clone(),
    };
    let outputs = infos.iter().map(|info| names.ids.get(&info.name).copied().ok_or_else(|| unknown(info)));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    if outputs.is_empty() {
        return Err(field("graph.output", "the model has no outputs"));
    }
    Ok(outputs)
}

fn field(field: &str, reason: &str) -> FloatError {
    FloatError::Field { field: field.into(), reason: reason.into() }
}

fn check_versions(model: &ModelProto) -> Result<i64, FloatError> {
    if !IR_VERSIONS.contains(&model.ir_version) {
        return Err(FloatError::Version { field: "ir_version", expected: "3 to 14", got: model.ir_version });
    }
    let opset = model
        .opset_import
        .iter()
        .find(|o| o.domain.is_empty() || o.domain == "ai.onnx")
        .ok_or_else(|| field("opset_import", "the default operator set is missing"))?
        .version;
    if !OPSETS.contains(&opset) {
        return Err(FloatError::Version { field: "opset", expected: "7 to 28", got: opset });
    }
    Ok(opset)
}

/// Element type and shape of a graph input. An extent that the file leaves open is as told, or 1 if it leads:
/// the batch.
fn input_type(info: &ValueInfoProto, told: Option<&[usize]>) -> Result<(i32, Vec<usize>), FloatError> {
    let name = &info.name;
    let tensor = info
        .r#type
        .as_ref()
        .and_then(|t| t.tensor_type.as_ref())
        .ok_or_else(|| field(&format!("input {name:?}, type"), "not a tensor"))?;
    let proto = tensor.shape.as_ref().ok_or_else(|| field(&format!("input {name:?}, shape"), "missing"))?;
    if let Some(told) = told.filter(|told| told.len() != proto.dim.len()) {
        let reason = format!("a shape of rank {} is given for rank {}", told.len(), proto.dim.len());
        return Err(field(&format!("input {name:?}"), &reason));
    }
    let mut shape = Vec::with_capacity(proto.dim.len());
    for (axis, dim) in proto.dim.iter().enumerate() {
        let told = told.map(|told| told[axis]);
        // Some converters write -1 or 0 for an extent that they leave open.
        let fixed =
            dim.dim_value.and_then(|extent| usize::try_from(extent).ok()).filter(|&extent| extent > 0);
        let place = || format!("input {name:?}, axis {axis}");
        shape.push(match (fixed, told) {
            (Some(fixed), Some(told)) if fixed != told => {
                return Err(field(&place(), &format!("extent {fixed} in the file, and {told} is given")));
            }
            (Some(extent), _) | (None, Some(extent)) => extent,
            (None, None) if axis == 0 => 1,
            (None, None) => {
                let symbol = dim.dim_param.clone().unwrap_or_default();
                let reason = format!("extent {symbol:?} is left open; give the shape: --shape NAME=1,…");
                return Err(field(&place(), &reason));
            }
        });
    }
    let elements = shape.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64));
    if elements > crate::array::MAX_ELEMENTS as u64 {
        return Err(FloatError::TooLarge {
            what: format!("input {name:?}: elements"),
            limit: crate::array::MAX_ELEMENTS as u64,
            got: elements,
        });
    }
    Ok((tensor.elem_type, shape))
}

fn declared_shape(info: &ValueInfoProto) -> Option<Vec<usize>> {
    let shape = info.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?;
    shape
        .dim
        .iter()
        .enumerate()
        .map(|(axis, dim)| match dim.dim_value {
            Some(extent) if extent > 0 => usize::try_from(extent).ok(),
            None if axis == 0 => Some(1),
            _ => None,
        })
        .collect()
}

fn node(proto: &NodeProto, names: &mut Names) -> Result<Node, FloatError> {
    let name = if proto.name.is_empty() {
        proto.output.iter().find(|o| !o.is_empty()).cloned().unwrap_or_default()
    } else {
        proto.name.clone()
    };
    let mut inputs = Vec::with_capacity(proto.input.len());
    for input in &proto.input {
        inputs.push(match names.ids.get(input) {
            Some(&id) => Some(id),
            None if input.is_empty() => None,
            None => {
                return Err(FloatError::UnknownValue { node: name, value: input.clone() });
            }
        });
    }
    let mut attrs = BTreeMap::new();
    for attribute in &proto.attribute {
        attrs.insert(attribute.name.clone(), attr(attribute, &name)?);
    }
    let mut outputs = Vec::with_capacity(proto.output.len());
    for output in &proto.output {
        outputs.push(if output.is_empty() { None } else { Some(names.define(output)?) });
    }
    let op = match proto.domain.as_str() {
        "" | "ai.onnx" => proto.op_type.clone(),
        domain => format!("{domain}.{}", proto.op_type),
    };
    let mut node = Node { name, op, attrs, inputs, outputs, fused: None, origin: None };
    update(&mut node, names)?;
    Ok(node)
}

/// Brings forms of operator sets before 11 up to date: what was an attribute of a Slice is an input since
/// set 10.
fn update(node: &mut Node, names: &mut Names) -> Result<(), FloatError> {
    if node.op != "Slice" || !node.attrs.contains_key("starts") {
        return Ok(());
    }
    let lists = ["starts", "ends", "axes"].map(|key| node.attrs.remove(key));
    for (key, list) in ["starts", "ends", "axes"].into_iter().zip(lists) {
        let input = match list {
            Some(Attr::Ints(list)) => {
                let id = names.define(&format!("{}.{key}", node.name))?;
                let array = Array::i64(vec![list.len()], list);
                names.values[id].shape = Some(array.shape.clone());
                names.values[id].constant = Some(Constant { array: Arc::new(array), secret: false });
                Some(id)
            }
            _ => None,
        };
        node.inputs.push(input);
    }
    Ok(())
}

fn attr(proto: &AttributeProto, node: &str) -> Result<Attr, FloatError> {
    Ok(match proto.r#type {
        1 => Attr::Float(proto.f),
        2 => Attr::Int(proto.i),
        3 => Attr::Text(String::from_utf8_lossy(&proto.s).into_owned()),
        4 => match &proto.t {
            Some(t) => Attr::Tensor(Arc::new(tensor::array(t, &format!("{node}.{}", proto.name))?)),
            None => Attr::Other,
        },
        6 => Attr::Floats(proto.floats.clone()),
        7 => Attr::Ints(proto.ints.clone()),
        8 => {
            Attr::Texts(proto.strings.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect())
        }
        _ => Attr::Other,
    })
}
