//! Real numbers to the integers of a graph tensor, and back.

use zkml_graph::Tensor;

use crate::error::QuantizeError;

/// The integers of a tensor nearest to real values, row-major: halves round away from zero, and
/// what is outside the tensor's range saturates.
///
/// # Errors
/// Returns an error if there are not as many values as the tensor has elements, and if a value is
/// NaN or infinite.
pub fn quantize(tensor: &Tensor, values: &[f32]) -> Result<Vec<i64>, QuantizeError> {
    let shape: Vec<usize> = tensor.shape.iter().map(|&e| e as usize).collect();
    let expected = shape.iter().product();
    if values.len() != expected {
        return Err(QuantizeError::ArraySize {
            name: tensor.name.clone(),
            shape,
            expected,
            got: values.len(),
        });
    }
    let factor = f64::from(tensor.scale).exp2();
    values
        .iter()
        .enumerate()
        .map(|(index, &value)| {
            if !value.is_finite() {
                return Err(QuantizeError::NotFinite { tensor: tensor.name.clone(), index, got: value });
            }
            Ok(((f64::from(value) * factor).round() as i64).clamp(tensor.min, tensor.max))
        })
        .collect()
}

/// How many real values lie outside of what a tensor represents, and saturate.
#[must_use]
pub fn saturated(tensor: &Tensor, values: &[f32]) -> usize {
    let factor = f64::from(tensor.scale).exp2();
    let range = tensor.min as f64..=tensor.max as f64;
    values.iter().filter(|&&value| !range.contains(&(f64::from(value) * factor).round())).count()
}

/// The real numbers that the integers of a tensor stand for.
#[must_use]
pub fn dequantize(tensor: &Tensor, values: &[i64]) -> Vec<f32> {
    let factor = (-f64::from(tensor.scale)).exp2();
    values.iter().map(|&value| (value as f64 * factor) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor() -> Tensor {
        Tensor { name: "x".into(), shape: vec![4], min: -8, max: 7, scale: 1 }
    }

    #[test]
    fn halves_round_away_and_values_saturate() {
        let q = quantize(&tensor(), &[0.25, -0.25, 9.0, -9.0]).unwrap_or_default();
        assert_eq!(q, [1, -1, 7, -8]);
        assert_eq!(saturated(&tensor(), &[0.25, 3.74, 9.0, -9.0]), 2);
        assert_eq!(dequantize(&tensor(), &q), [0.5, -0.5, 3.5, -4.0]);
    }

    #[test]
    fn bad_values_are_refused() {
        assert!(matches!(
            quantize(&tensor(), &[0.0; 3]),
            Err(QuantizeError::ArraySize { expected: 4, got: 3, .. })
        ));
        assert!(matches!(
            quantize(&tensor(), &[0.0, f32::NAN, 0.0, 0.0]),
            Err(QuantizeError::NotFinite { index: 1, .. })
        ));
    }
}
