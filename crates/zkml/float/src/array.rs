//! Dense arrays of the float model: row-major, slowest axis first.

use crate::onnx::tensor::element;

/// Most elements that one array may have.
pub const MAX_ELEMENTS: usize = 1 << 26;

/// Elements. 16- and 64-bit floats are held as `F32`, all integers as `I64`.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Floats.
    F32(Vec<f32>),
    /// Integers.
    I64(Vec<i64>),
    /// Truth values.
    Bool(Vec<bool>),
}

/// An array and its shape; a scalar has an empty shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Extents, slowest axis first.
    pub shape: Vec<usize>,
    /// Elements, row-major.
    pub data: Data,
}

/// Number of elements of a shape. Refused above [`MAX_ELEMENTS`], extents of zero left out, so
/// that no product of some extents is larger.
pub fn count(shape: &[usize]) -> Result<usize, String> {
    let nonzero = shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d.max(1)).filter(|&n| n <= MAX_ELEMENTS))
        .ok_or_else(|| format!("shape {shape:?} has more than {MAX_ELEMENTS} elements"))?;
    Ok(if shape.contains(&0) { 0 } else { nonzero })
}

/// Row-major strides.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut out = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        out[axis - 1] = out[axis] * shape[axis];
    }
    out
}

/// Calls `visit` with every index of `shape`, row-major.
pub fn for_each_index(shape: &[usize], mut visit: impl FnMut(&[usize])) {
    if shape.contains(&0) {
        return;
    }
    let mut index = vec![0; shape.len()];
    loop {
        visit(&index);
        let mut axis = shape.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// Resolves a possibly negative axis.
pub fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let resolved = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(resolved)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| format!("axis {axis} does not fit rank {rank}"))
}

/// Shape of the elementwise combination of two shapes.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let mut out = vec![1; rank];
    for (i, o) in out.iter_mut().enumerate() {
        let x = if i + a.len() >= rank { a[i + a.len() - rank] } else { 1 };
        let y = if i + b.len() >= rank { b[i + b.len() - rank] } else { 1 };
        *o = match (x, y) {
            (1, y) => y,
            (x, 1) => x,
            (x, y) if x == y => x,
            _ => return Err(format!("shapes {a:?} and {b:?} do not broadcast")),
        };
    }
    Ok(out)
}

/// For each element of `out`, the position in an array of shape `from` broadcast to it.
pub fn broadcast_positions(from: &[usize], out: &[usize]) -> Vec<usize> {
    let lead = out.len() - from.len();
    let from_strides = strides(from);
    let steps: Vec<usize> = (0..out.len())
        .map(|i| if i < lead || from[i - lead] == 1 { 0 } else { from_strides[i - lead] })
        .collect();
    let mut positions = Vec::with_capacity(out.iter().product());
    for_each_index(out, |index| {
        positions.push(index.iter().zip(&steps).map(|(i, s)| i * s).sum());
    });
    positions
}

impl Array {
    /// Floats of a shape, row-major.
    #[must_use]
    pub fn f32(shape: Vec<usize>, data: Vec<f32>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape, data: Data::F32(data) }
    }

    /// Integers of a shape, row-major.
    #[must_use]
    pub fn i64(shape: Vec<usize>, data: Vec<i64>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape, data: Data::I64(data) }
    }

    /// Truth values of a shape, row-major.
    #[must_use]
    pub fn bool(shape: Vec<usize>, data: Vec<bool>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape, data: Data::Bool(data) }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.data {
            Data::F32(v) => v.len(),
            Data::I64(v) => v.len(),
            Data::Bool(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The floats.
    ///
    /// # Errors
    /// Returns an error for other element types.
    pub fn floats(&self) -> Result<&[f32], String> {
        match &self.data {
            Data::F32(v) => Ok(v),
            _ => Err("expected floating-point elements".into()),
        }
    }

    /// The integers.
    ///
    /// # Errors
    /// Returns an error for other element types.
    pub fn ints(&self) -> Result<&[i64], String> {
        match &self.data {
            Data::I64(v) => Ok(v),
            _ => Err("expected integer elements".into()),
        }
    }

    /// Every element as a float.
    pub fn to_floats(&self) -> Vec<f32> {
        match &self.data {
            Data::F32(v) => v.clone(),
            Data::I64(v) => v.iter().map(|&x| x as f32).collect(),
            Data::Bool(v) => v.iter().map(|&x| f32::from(u8::from(x))).collect(),
        }
    }

    /// ONNX's number for the type of the elements as they are held.
    pub(crate) fn element_type(&self) -> i32 {
        match self.data {
            Data::F32(_) => element::FLOAT,
            Data::I64(_) => element::INT64,
            Data::Bool(_) => element::BOOL,
        }
    }

    /// The element as a float, if it is the only one.
    pub fn scalar(&self) -> Option<f32> {
        (self.len() == 1).then(|| self.to_floats()[0])
    }

    /// The same elements in another shape.
    pub fn reshaped(&self, shape: Vec<usize>) -> Result<Self, String> {
        if count(&shape)? != self.len() {
            return Err(format!("{} elements do not fill shape {shape:?}", self.len()));
        }
        Ok(Self { shape, data: self.data.clone() })
    }

    /// The elements at `positions`, in a new shape.
    pub fn gather(&self, shape: Vec<usize>, positions: &[usize]) -> Self {
        fn pick<T: Copy>(from: &[T], positions: &[usize]) -> Vec<T> {
            positions.iter().map(|&p| from[p]).collect()
        }
        let data = match &self.data {
            Data::F32(v) => Data::F32(pick(v, positions)),
            Data::I64(v) => Data::I64(pick(v, positions)),
            Data::Bool(v) => Data::Bool(pick(v, positions)),
        };
        Self { shape, data }
    }
}
