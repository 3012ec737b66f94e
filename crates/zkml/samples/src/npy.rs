//! `.npy`: a header that is a Python dictionary, then the elements.
//!
//! Versions 1.0, 2.0 and 3.0, little-endian, C or Fortran order (returned in C order).

use std::io::{self, Read};

use super::{Array, ArrayError, MAX_AXES, Values};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// NumPy refuses to read more than 10,000 bytes by default.
const MAX_HEADER_BYTES: u64 = 1 << 16;
/// Bytes read at a time; a multiple of every element's size.
const CHUNK_BYTES: usize = 1 << 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dtype {
    F4,
    F8,
    I1,
    I2,
    I4,
    I8,
    U1,
    U2,
    U4,
    U8,
    B1,
}

impl Dtype {
    fn bytes(self) -> usize {
        match self {
            Self::I1 | Self::U1 | Self::B1 => 1,
            Self::I2 | Self::U2 => 2,
            Self::F4 | Self::I4 | Self::U4 => 4,
            Self::F8 | Self::I8 | Self::U8 => 8,
        }
    }

    fn parse(text: &str) -> Result<Self, ArrayError> {
        let (order, kind) = match text.as_bytes().first() {
            Some(b'<' | b'>' | b'=' | b'|') => text.split_at(1),
            _ => ("|", text),
        };
        let dtype = match kind {
            "f4" => Self::F4,
            "f8" => Self::F8,
            "i1" => Self::I1,
            "i2" => Self::I2,
            "i4" => Self::I4,
            "i8" => Self::I8,
            "u1" => Self::U1,
            "u2" => Self::U2,
            "u4" => Self::U4,
            "u8" => Self::U8,
            "b1" => Self::B1,
            _ => return Err(ArrayError::Dtype(text.chars().take(32).collect())),
        };
        match order {
            "<" => Ok(dtype),
            _ if dtype.bytes() == 1 => Ok(dtype),
            ">" => Err(ArrayError::BigEndian(text.to_owned())),
            _ => Err(ArrayError::Dtype(text.to_owned())),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Header {
    dtype: Dtype,
    fortran_order: bool,
    shape: Vec<usize>,
}

/// Reads one array to its last byte. `max_elements` bounds what is allocated.
pub(super) fn read(mut reader: impl Read, max_elements: usize) -> Result<Array, ArrayError> {
    let header = parse_header(&read_header(&mut reader)?)?;
    let Header { dtype, fortran_order, shape } = header;
    let count = shape
        .iter()
        .try_fold(1_usize, |product, &extent| product.checked_mul(extent))
        .filter(|&count| count <= max_elements)
        .ok_or(ArrayError::TooManyElements)?;
    if count == 0 {
        return Err(ArrayError::Empty { shape });
    }
    let mut values = match dtype {
        Dtype::F4 | Dtype::F8 => Values::Float(Vec::new()),
        _ => Values::Integer(Vec::new()),
    };
    // What is allocated grows with what is there, never with what the header claims.
    let mut left = count;
    let mut chunk = vec![0_u8; CHUNK_BYTES];
    while left > 0 {
        let wanted = left.min(CHUNK_BYTES / dtype.bytes());
        let bytes = wanted * dtype.bytes();
        let got = fill(&mut reader, &mut chunk[..bytes])? / dtype.bytes();
        let position = |element: usize| position_of(count - left + element, &shape, fortran_order);
        decode(dtype, &chunk[..got * dtype.bytes()], &mut values, position)?;
        left -= got;
        if got < wanted {
            return Err(ArrayError::Truncated { got: count - left, expected: count, shape });
        }
    }
    // Also makes the archive check the entry's checksum.
    if fill(&mut reader, &mut chunk[..1])? != 0 {
        return Err(ArrayError::Trailing);
    }
    if fortran_order && shape.len() > 1 {
        values = match values {
            Values::Float(values) => Values::Float(to_c_order(&values, &shape)),
            Values::Integer(values) => Values::Integer(to_c_order(&values, &shape)),
        };
    }
    Ok(Array { shape, values })
}

/// Reads until the buffer is full or the reader ends; returns how many bytes were read.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, ArrayError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ArrayError::Damaged(error.to_string())),
        }
    }
    Ok(filled)
}

fn read_header(reader: &mut impl Read) -> Result<String, ArrayError> {
    let mut take = |bytes: usize| {
        let mut buffer = vec![0_u8; bytes];
        match fill(reader, &mut buffer)? {
            got if got == bytes => Ok(buffer),
            _ => Err(ArrayError::HeaderTruncated),
        }
    };
    if take(MAGIC.len())? != MAGIC {
        return Err(ArrayError::Magic);
    }
    let version = take(2)?;
    let (major, minor) = (version[0], version[1]);
    let length = match (major, minor) {
        (1, 0) => take(2)?,
        (2 | 3, 0) => take(4)?,
        _ => return Err(ArrayError::Version { major, minor }),
    };
    let length = length.iter().rev().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
    if length > MAX_HEADER_BYTES {
        return Err(ArrayError::HeaderTooLong { bytes: length, limit: MAX_HEADER_BYTES });
    }
    let text = take(length as usize)?;
    String::from_utf8(text)
        .map_err(|error| ArrayError::Header { position: error.utf8_error().valid_up_to(), expected: "UTF-8" })
}

fn parse_header(text: &str) -> Result<Header, ArrayError> {
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    let mut parser = Parser { text: text.as_bytes(), position: 0 };
    parser.expect(b'{', "`{`")?;
    while !parser.accept(b'}') {
        let key = parser.string()?;
        parser.expect(b':', "`:`")?;
        match key {
            "descr" => set(&mut descr, "descr", parser.dtype()?)?,
            "fortran_order" => set(&mut fortran_order, "fortran_order", parser.boolean()?)?,
            "shape" => set(&mut shape, "shape", parser.shape()?)?,
            _ => return Err(parser.error("`descr`, `fortran_order` or `shape`")),
        }
        if !parser.accept(b',') {
            parser.expect(b'}', "`,` or `}`")?;
            break;
        }
    }
    parser.skip_space();
    if parser.position != text.len() {
        return Err(parser.error("the end"));
    }
    Ok(Header {
        dtype: descr.ok_or(ArrayError::FieldMissing("descr"))?,
        fortran_order: fortran_order.ok_or(ArrayError::FieldMissing("fortran_order"))?,
        shape: shape.ok_or(ArrayError::FieldMissing("shape"))?,
    })
}

fn set<T>(field: &mut Option<T>, name: &'static str, value: T) -> Result<(), ArrayError> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(ArrayError::FieldTwice(name)),
    }
}

/// The part of Python's syntax that a header uses.
struct Parser<'a> {
    text: &'a [u8],
    position: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, expected: &'static str) -> ArrayError {
        ArrayError::Header { position: self.position, expected }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        let space = self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.position += space;
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.skip_space();
        let there = self.rest().first() == Some(&byte);
        self.position += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), ArrayError> {
        if self.accept(byte) { Ok(()) } else { Err(self.error(expected)) }
    }

    fn string(&mut self) -> Result<&'a str, ArrayError> {
        self.skip_space();
        let quote = match self.rest().first() {
            Some(&quote @ (b'\'' | b'"')) => quote,
            _ => return Err(self.error("a string")),
        };
        let text = &self.rest()[1..];
        let length = text
            .iter()
            .position(|&byte| byte == quote || byte == b'\\')
            .filter(|&end| text[end] == quote)
            .ok_or_else(|| self.error("a string without escapes"))?;
        let string = std::str::from_utf8(&text[..length]).map_err(|_| self.error("UTF-8"))?;
        self.position += length + 2;
        Ok(string)
    }

    fn dtype(&mut self) -> Result<Dtype, ArrayError> {
        self.skip_space();
        if self.rest().first() == Some(&b'[') {
            return Err(ArrayError::Dtype("a record".to_owned()));
        }
        Dtype::parse(self.string()?)
    }

    fn boolean(&mut self) -> Result<bool, ArrayError> {
        self.skip_space();
        for (word, value) in [("True", true), ("False", false)] {
            if self.rest().starts_with(word.as_bytes()) {
                self.position += word.len();
                return Ok(value);
            }
        }
        Err(self.error("True or False"))
    }

    fn shape(&mut self) -> Result<Vec<usize>, ArrayError> {
        self.expect(b'(', "`(`")?;
        let mut shape = Vec::new();
        while !self.accept(b')') {
            if shape.len() == MAX_AXES {
                return Err(ArrayError::Axes { axes: shape.len() + 1 });
            }
            self.skip_space();
            let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
            let extent = std::str::from_utf8(&self.rest()[..digits])
                .ok()
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(|| self.error("an extent"))?;
            shape.push(extent);
            self.position += digits;
            if !self.accept(b',') {
                self.expect(b')', "`,` or `)`")?;
                break;
            }
        }
        Ok(shape)
    }
}

/// Appends decoded elements; `position` gives an element's indices for messages.
fn decode(
    dtype: Dtype,
    bytes: &[u8],
    values: &mut Values,
    position: impl Fn(usize) -> Vec<usize>,
) -> Result<(), ArrayError> {
    for (element, cell) in bytes.chunks_exact(dtype.bytes()).enumerate() {
        let mut word = [0_u8; 8];
        word[..cell.len()].copy_from_slice(cell);
        let word = u64::from_le_bytes(word);
        match values {
            Values::Float(values) => {
                let value = match dtype {
                    Dtype::F4 => f64::from(f32::from_bits(word as u32)),
                    _ => f64::from_bits(word),
                };
                if !(value as f32).is_finite() {
                    return Err(ArrayError::NotFinite { value, position: position(element) });
                }
                values.push(value as f32);
            }
            Values::Integer(values) => values.push(match dtype {
                Dtype::I1 => i64::from(word as i8),
                Dtype::I2 => i64::from(word as i16),
                Dtype::I4 => i64::from(word as i32),
                Dtype::I8 => word as i64,
                Dtype::B1 if word > 1 => {
                    let value = word as u8;
                    return Err(ArrayError::NotBoolean { value, position: position(element) });
                }
                _ => i64::try_from(word)
                    .map_err(|_| ArrayError::TooLarge { value: word, position: position(element) })?,
            }),
        }
    }
    Ok(())
}

/// The indices of the element that is stored at `flat`.
fn position_of(flat: usize, shape: &[usize], fortran_order: bool) -> Vec<usize> {
    let mut position = vec![0; shape.len()];
    let mut rest = flat;
    let mut step = |axis: usize| {
        position[axis] = rest % shape[axis];
        rest /= shape[axis];
    };
    if fortran_order {
        (0..shape.len()).for_each(&mut step);
    } else {
        (0..shape.len()).rev().for_each(&mut step);
    }
    position
}

/// Reorders elements stored first axis fastest into row-major order.
fn to_c_order<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for extent in shape {
        strides.push(stride);
        stride *= extent;
    }
    let mut position = vec![0; shape.len()];
    let mut source = 0;
    let mut ordered = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        ordered.push(values[source]);
        for axis in (0..shape.len()).rev() {
            position[axis] += 1;
            source += strides[axis];
            if position[axis] < shape[axis] {
                break;
            }
            source -= strides[axis] * shape[axis];
            position[axis] = 0;
        }
    }
    ordered
}
