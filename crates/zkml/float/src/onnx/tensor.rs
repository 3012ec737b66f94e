//! Constant tensors: from `TensorProto` to [`Array`], with every length checked.

use super::messages::TensorProto;
use crate::array::{Array, Data, MAX_ELEMENTS};
use crate::error::FloatError;

/// ONNX's numbers for element types.
#[expect(missing_docs, reason = "the names are ONNX's")]
pub mod element {
    pub const FLOAT: i32 = 1;
    pub const UINT8: i32 = 2;
    pub const INT8: i32 = 3;
    pub const UINT16: i32 = 4;
    pub const INT16: i32 = 5;
    pub const INT32: i32 = 6;
    pub const INT64: i32 = 7;
    pub const BOOL: i32 = 9;
    pub const FLOAT16: i32 = 10;
    pub const DOUBLE: i32 = 11;
    pub const UINT32: i32 = 12;
    pub const UINT64: i32 = 13;
    pub const BFLOAT16: i32 = 16;
}

/// The array of a constant tensor; `name` is used in errors.
pub(crate) fn array(proto: &TensorProto, name: &str) -> Result<Array, FloatError> {
    let mut total = 1u64;
    let mut shape = Vec::with_capacity(proto.dims.len());
    for &dim in &proto.dims {
        let dim = u64::try_from(dim).map_err(|_| FloatError::Field {
            field: format!("tensor {name:?}, dims"),
            reason: format!("extent {dim} is negative"),
        })?;
        // Zeros count as ones, so that they do not hide extents that overflow elsewhere.
        total = total.saturating_mul(dim.max(1));
        if total > MAX_ELEMENTS as u64 {
            return Err(FloatError::TooLarge {
                what: format!("tensor {name:?}: elements"),
                limit: MAX_ELEMENTS as u64,
                got: total,
            });
        }
        shape.push(dim as usize);
    }
    if shape.contains(&0) {
        total = 0;
    }
    let data = data(proto, name)?;
    let array = Array { shape, data };
    if array.len() as u64 != total {
        return Err(FloatError::TensorSize {
            tensor: name.into(),
            shape: proto.dims.clone(),
            expected: total,
            got: array.len() as u64,
        });
    }
    Ok(array)
}

fn data(proto: &TensorProto, name: &str) -> Result<Data, FloatError> {
    use element::*;
    let raw = &proto.raw_data;
    let ints = |v: &[i32]| v.iter().map(|&x| i64::from(x)).collect::<Vec<i64>>();
    Ok(match proto.data_type {
        FLOAT if raw.is_empty() => Data::F32(proto.float_data.clone()),
        FLOAT => Data::F32(raw_values(proto, name, f32::from_le_bytes)?),
        DOUBLE if raw.is_empty() => Data::F32(proto.double_data.iter().map(|&x| x as f32).collect()),
        DOUBLE => Data::F32(raw_values(proto, name, |b| f64::from_le_bytes(b) as f32)?),
        FLOAT16 if raw.is_empty() => Data::F32(proto.int32_data.iter().map(|&x| half(x as u16)).collect()),
        FLOAT16 => Data::F32(raw_values(proto, name, |b| half(u16::from_le_bytes(b)))?),
        BFLOAT16 if raw.is_empty() => Data::F32(proto.int32_data.iter().map(|&x| brain(x as u16)).collect()),
        BFLOAT16 => Data::F32(raw_values(proto, name, |b| brain(u16::from_le_bytes(b)))?),
        INT64 if raw.is_empty() => Data::I64(proto.int64_data.clone()),
        INT64 => Data::I64(raw_values(proto, name, i64::from_le_bytes)?),
        UINT64 | UINT32 if raw.is_empty() => {
            Data::I64(proto.uint64_data.iter().map(|&x| i64::try_from(x).unwrap_or(i64::MAX)).collect())
        }
        UINT64 => {
            Data::I64(raw_values(proto, name, |b| i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX))?)
        }
        UINT32 => Data::I64(raw_values(proto, name, |b| i64::from(u32::from_le_bytes(b)))?),
        INT32 | INT16 | INT8 | UINT16 | UINT8 if raw.is_empty() => Data::I64(ints(&proto.int32_data)),
        INT32 => Data::I64(raw_values(proto, name, |b| i64::from(i32::from_le_bytes(b)))?),
        INT16 => Data::I64(raw_values(proto, name, |b| i64::from(i16::from_le_bytes(b)))?),
        UINT16 => Data::I64(raw_values(proto, name, |b| i64::from(u16::from_le_bytes(b)))?),
        INT8 => Data::I64(raw_values(proto, name, |b: [u8; 1]| i64::from(b[0] as i8))?),
        UINT8 => Data::I64(raw_values(proto, name, |b: [u8; 1]| i64::from(b[0]))?),
        BOOL if raw.is_empty() => Data::Bool(proto.int32_data.iter().map(|&x| x != 0).collect()),
        BOOL => Data::Bool(raw.iter().map(|&x| x != 0).collect()),
        got => {
            return Err(FloatError::ElementType { tensor: name.into(), got });
        }
    })
}

fn raw_values<const N: usize, T>(
    proto: &TensorProto,
    name: &str,
    read: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, FloatError> {
    let (chunks, rest) = proto.raw_data.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(FloatError::Field {
            field: format!("tensor {name:?}, raw_data"),
            reason: format!("{} bytes are not a multiple of {N}", proto.raw_data.len()),
        });
    }
    Ok(chunks.iter().map(|&chunk| read(chunk)).collect())
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        e => (1024.0 + fraction) * 2f32.powi(e - 25),
    }
}

fn brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        assert_eq!(half(0x3c00), 1.0);
        assert_eq!(half(0xc000), -2.0);
        assert_eq!(half(0x0001), 2f32.powi(-24));
        assert_eq!(half(0x7c00), f32::INFINITY);
        assert!(half(0x7e00).is_nan());
        assert_eq!(brain(0x3f80), 1.0);
    }
}
