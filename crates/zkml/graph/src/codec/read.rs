//! Reading; the mirror of `write.rs`, in the same order. Every byte is hostile.
#![deny(clippy::wildcard_enum_match_arm)]

use alloc::string::String;
use alloc::vec::Vec;

use super::{CodecError, GRAPH_MAGIC, VERSION};
use crate::types::{
    AxisMap, Epilogue, Function, FunctionKind, Graph, Node, Op, Operand, OperandAxis, Param, Source, Tensor,
    Term, View, Weight,
};

type Result<T> = core::result::Result<T, CodecError>;

/// The bytes that are left, and how many are not.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    pub(super) fn take(&mut self, field: &'static str, bytes: u64) -> Result<&'a [u8]> {
        let split = usize::try_from(bytes).ok().and_then(|bytes| self.rest.split_at_checked(bytes));
        let Some((taken, rest)) = split else {
            return Err(CodecError::Truncated {
                field,
                offset: self.offset,
                needed: bytes,
                left: self.rest.len(),
            });
        };
        self.rest = rest;
        self.offset = self.offset.saturating_add(taken.len());
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(field, N as u64)?);
        Ok(array)
    }

    fn u8(&mut self, field: &'static str) -> Result<u8> {
        self.array(field).map(|[byte]| byte)
    }

    fn i8(&mut self, field: &'static str) -> Result<i8> {
        self.array(field).map(i8::from_le_bytes)
    }

    fn u32(&mut self, field: &'static str) -> Result<u32> {
        self.array(field).map(u32::from_le_bytes)
    }

    fn i32(&mut self, field: &'static str) -> Result<i32> {
        self.array(field).map(i32::from_le_bytes)
    }

    fn i64(&mut self, field: &'static str) -> Result<i64> {
        self.array(field).map(i64::from_le_bytes)
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// A list of items of at least `item_bytes` each: a count beyond what the bytes can hold is
    /// refused before anything is allocated.
    fn list<T>(
        &mut self,
        field: &'static str,
        item_bytes: u64,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let count = self.u32(field)?;
        let needed = u64::from(count).saturating_mul(item_bytes);
        if needed > self.rest.len() as u64 {
            return Err(CodecError::Truncated { field, offset: self.offset, needed, left: self.rest.len() });
        }
        // Grown as items arrive: an item in memory is larger than its least encoding.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn name(&mut self, field: &'static str) -> Result<String> {
        let length = self.u32(field)?;
        let bytes = self.take(field, u64::from(length))?;
        match core::str::from_utf8(bytes) {
            Ok(name) => Ok(name.into()),
            Err(_) => Err(CodecError::Name { field, offset: self.offset }),
        }
    }

    fn u32s(&mut self, field: &'static str) -> Result<Vec<u32>> {
        self.list(field, 4, |reader| reader.u32(field))
    }

    fn option(&mut self, field: &'static str) -> Result<Option<(u32, u32)>> {
        match self.u8(field)? {
            0 => Ok(None),
            1 => Ok(Some((self.u32(field)?, self.u32(field)?))),
            tag => Err(self.tag(field, tag)),
        }
    }

    fn tag(&self, field: &'static str, tag: u8) -> CodecError {
        CodecError::Tag { field, offset: self.offset, tag }
    }

    pub(super) fn header(&mut self, expected: &'static str, magic: [u8; 4]) -> Result<()> {
        let got = self.array("magic bytes")?;
        if got != magic {
            return Err(CodecError::Magic { expected, got });
        }
        let got = self.array("version").map(u16::from_le_bytes)?;
        if got != VERSION {
            return Err(CodecError::Version { expected: VERSION, got });
        }
        Ok(())
    }

    pub(super) fn finish(&self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(CodecError::Trailing { offset: self.offset, extra: self.rest.len() })
    }
}

pub(super) fn graph(reader: &mut Reader<'_>) -> Result<Graph> {
    reader.header("graph", GRAPH_MAGIC)?;
    Ok(Graph {
        name: reader.name("graph name")?,
        weight_bits: reader.u8("weight width")?,
        tensors: reader.list("tensors", 25, tensor)?,
        params: reader.list("parameters", 12, param)?,
        nodes: reader.list("nodes", 14, node)?,
        inputs: reader.u32s("inputs")?,
        outputs: reader.u32s("outputs")?,
    })
}

fn tensor(reader: &mut Reader<'_>) -> Result<Tensor> {
    Ok(Tensor {
        name: reader.name("tensor name")?,
        shape: reader.u32s("tensor shape")?,
        min: reader.i64("tensor minimum")?,
        max: reader.i64("tensor maximum")?,
        scale: reader.i8("tensor scale")?,
    })
}

fn param(reader: &mut Reader<'_>) -> Result<Param> {
    Ok(Param {
        name: reader.name("parameter name")?,
        outer: reader.u32("parameter rows")?,
        inner: reader.u32("parameter columns")?,
    })
}

fn node(reader: &mut Reader<'_>) -> Result<Node> {
    let name = reader.name("node name")?;
    let output = reader.u32("node output")?;
    let op = match reader.u8("operation")? {
        0 => Op::Affine { terms: reader.list("terms", 13, term)?, epilogue: epilogue(reader)? },
        1 => Op::Max { a: view(reader)?, b: view(reader)? },
        2 => Op::Product {
            a: operand(reader)?,
            b: operand(reader)?,
            inner: reader.u32s("inner extents")?,
            epilogue: epilogue(reader)?,
        },
        3 => Op::Normalize {
            numerator: reader.u32("numerator")?,
            axis: reader.u32("axis")?,
            shift: reader.u8("shift")?,
        },
        tag => return Err(reader.tag("operation", tag)),
    };
    Ok(Node { name, op, output })
}

fn epilogue(reader: &mut Reader<'_>) -> Result<Epilogue> {
    Ok(match reader.u8("epilogue")? {
        0 => Epilogue::Exact,
        1 => Epilogue::Requant {
            shift: reader.u8("shift")?,
            domain_min: reader.i64("domain minimum")?,
            domain_bits: reader.u8("domain bits")?,
            function: function(reader)?,
        },
        2 => Epilogue::ReluBits { shift: reader.u8("shift")? },
        tag => return Err(reader.tag("epilogue", tag)),
    })
}

fn function(reader: &mut Reader<'_>) -> Result<Function> {
    const PARAMETER: &str = "function parameter";
    let kind = match reader.u8("function")? {
        0 => FunctionKind::Identity,
        1 => FunctionKind::LeakyRelu { alpha: reader.i32(PARAMETER)? },
        2 => FunctionKind::Sigmoid,
        3 => FunctionKind::Tanh,
        4 => FunctionKind::HardSigmoid { alpha: reader.i32(PARAMETER)?, beta: reader.i32(PARAMETER)? },
        5 => FunctionKind::HardSwish,
        6 => FunctionKind::Elu { alpha: reader.i32(PARAMETER)? },
        7 => FunctionKind::Selu { alpha: reader.i32(PARAMETER)?, gamma: reader.i32(PARAMETER)? },
        8 => FunctionKind::Softplus,
        9 => FunctionKind::Gelu,
        10 => FunctionKind::GeluTanh,
        11 => FunctionKind::Silu,
        12 => FunctionKind::Erf,
        13 => FunctionKind::Exp,
        14 => FunctionKind::Log,
        15 => FunctionKind::Sqrt,
        16 => FunctionKind::Rsqrt,
        17 => FunctionKind::Reciprocal,
        18 => FunctionKind::Abs,
        19 => FunctionKind::Square,
        20 => FunctionKind::Sin,
        21 => FunctionKind::Cos,
        22 => FunctionKind::Floor,
        23 => FunctionKind::Ceil,
        24 => FunctionKind::ArgIndex { n: reader.u32(PARAMETER)? },
        25 => FunctionKind::Round,
        26 => FunctionKind::Truncate { divisor: reader.i32(PARAMETER)? },
        tag => return Err(reader.tag("function", tag)),
    };
    Ok(Function {
        kind,
        in_scale: reader.i8("function argument scale")?,
        out_scale: reader.i8("function result scale")?,
        out_min: reader.i64("function minimum")?,
        out_max: reader.i64("function maximum")?,
    })
}

fn term(reader: &mut Reader<'_>) -> Result<Term> {
    let region =
        reader.list("region", 8, |reader| Ok((reader.u32("region start")?, reader.u32("region length")?)))?;
    let source = match reader.u8("source")? {
        0 => Source::Constant(reader.i64("constant")?),
        1 => Source::Index { axis: reader.u32("index axis")?, multiplier: reader.i64("multiplier")? },
        2 => Source::Bias { param: reader.u32("bias parameter")?, outer_axes: reader.u32s("bias axes")? },
        3 => Source::Tensor {
            tensor: reader.u32("term tensor")?,
            inner: reader.u32s("inner extents")?,
            map: reader.list("axis maps", 10, axis_map)?,
            weight: weight(reader)?,
        },
        4 => Source::Reshape { tensor: reader.u32("term tensor")?, multiplier: reader.i64("multiplier")? },
        tag => return Err(reader.tag("source", tag)),
    };
    Ok(Term { region, source })
}

fn weight(reader: &mut Reader<'_>) -> Result<Weight> {
    Ok(match reader.u8("weight")? {
        0 => Weight::Public(reader.i64("public weight")?),
        1 => {
            Weight::Param { param: reader.u32("weight parameter")?, outer_axes: reader.u32s("weight axes")? }
        }
        tag => return Err(reader.tag("weight", tag)),
    })
}

fn axis_map(reader: &mut Reader<'_>) -> Result<AxisMap> {
    Ok(AxisMap {
        offset: reader.i64("axis map offset")?,
        out: reader.option("axis map output")?,
        inner: reader.option("axis map inner")?,
    })
}

fn view(reader: &mut Reader<'_>) -> Result<View> {
    Ok(View { tensor: reader.u32("view tensor")?, map: reader.list("axis maps", 10, axis_map)? })
}

fn operand(reader: &mut Reader<'_>) -> Result<Operand> {
    Ok(Operand {
        tensor: reader.u32("operand tensor")?,
        axes: reader.list("operand axes", 5, |reader| {
            let tag = reader.u8("operand axis")?;
            let value = reader.u32("operand axis")?;
            match tag {
                0 => Ok(OperandAxis::Out(value)),
                1 => Ok(OperandAxis::Inner(value)),
                2 => Ok(OperandAxis::Fixed(value)),
                tag => Err(reader.tag("operand axis", tag)),
            }
        })?,
    })
}

/// The cells of a parameter; the caller checks their width.
pub(super) fn weights(reader: &mut Reader<'_>, cells: u64, bits: u8) -> Result<Vec<i16>> {
    if bits <= 8 {
        let bytes = reader.take("weights", cells)?;
        return Ok(bytes.iter().map(|&byte| i16::from(byte.cast_signed())).collect());
    }
    let bytes = reader.take("weights", cells.saturating_mul(2))?;
    Ok(bytes.chunks_exact(2).map(|pair| pair.try_into().map_or(0, i16::from_le_bytes)).collect())
}
