//! Sliding windows: kernel, stride, dilation and padding of convolutions and pools.

use crate::ir::Node;

/// The window of one spatial axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Extent of the input.
    pub input: usize,
    /// Taps.
    pub kernel: usize,
    /// Distance of neighbouring outputs.
    pub stride: usize,
    /// Distance of neighbouring taps.
    pub dilation: usize,
    /// Padding before and after the input.
    pub pad: (usize, usize),
    /// Extent of the output.
    pub output: usize,
}

impl Window {
    /// The input coordinate of tap `k` of output `o`; `None` in the padding.
    pub fn tap(&self, o: usize, k: usize) -> Option<usize> {
        (o * self.stride + k * self.dilation).checked_sub(self.pad.0).filter(|&i| i < self.input)
    }

    /// How many taps of output `o` count in an average.
    pub fn divisor(&self, o: usize, include_pad: bool) -> usize {
        let start = o * self.stride;
        let padding = if include_pad { self.pad } else { (0, 0) };
        // Taps at `start + k * dilation` from `first` up to `end` count.
        let first = self.pad.0 - padding.0;
        let end = self.pad.0 + self.input + padding.1;
        let below = |limit: usize| limit.saturating_sub(start).div_ceil(self.dilation);
        below(end).min(self.kernel) - below(first).min(self.kernel)
    }
}

fn positive(values: Option<&[i64]>, rank: usize, what: &str) -> Result<Vec<usize>, String> {
    let Some(values) = values else {
        return Ok(vec![1; rank]);
    };
    if values.len() != rank {
        return Err(format!("{what} {values:?} does not fit {rank} spatial axes"));
    }
    values
        .iter()
        .map(|&v| {
            usize::try_from(v)
                .ok()
                .filter(|&v| (1..=1 << 20).contains(&v))
                .ok_or_else(|| format!("{what} {values:?}: {v} is out of range"))
        })
        .collect()
}

/// The windows of a node over `spatial` axes. `kernel` overrides the attribute `kernel_shape`.
pub fn windows(node: &Node, spatial: &[usize], kernel: Option<&[usize]>) -> Result<Vec<Window>, String> {
    let rank = spatial.len();
    let attribute = node.ints("kernel_shape");
    let kernel = match (kernel, attribute) {
        (Some(kernel), Some(attribute)) => {
            if positive(Some(attribute), rank, "kernel_shape")? != kernel {
                return Err(format!("kernel_shape {attribute:?} is not the weights' {kernel:?}"));
            }
            kernel.to_vec()
        }
        (Some(kernel), None) => kernel.to_vec(),
        (None, Some(attribute)) => positive(Some(attribute), rank, "kernel_shape")?,
        (None, None) => return Err("kernel_shape is missing".into()),
    };
    if kernel.contains(&0) {
        return Err(format!("a kernel of shape {kernel:?}"));
    }
    let strides = positive(node.ints("strides"), rank, "strides")?;
    let dilations = positive(node.ints("dilations"), rank, "dilations")?;
    let pads = match node.ints("pads") {
        None => vec![0; 2 * rank],
        Some(pads) if pads.len() == 2 * rank => pads
            .iter()
            .map(|&p| {
                usize::try_from(p)
                    .ok()
                    .filter(|&p| p <= 1 << 20)
                    .ok_or_else(|| format!("pads {pads:?}: {p} is out of range"))
            })
            .collect::<Result<_, _>>()?,
        Some(pads) => return Err(format!("pads {pads:?} do not fit {rank} spatial axes")),
    };
    let ceil = node.int("ceil_mode", 0) != 0;
    (0..rank)
        .map(|axis| {
            let reach = (kernel[axis] - 1) * dilations[axis] + 1;
            let (input, stride) = (spatial[axis], strides[axis]);
            let mut pad = (pads[axis], pads[rank + axis]);
            let mut output = None;
            match node.text("auto_pad") {
                "" | "NOTSET" => {}
                "VALID" => pad = (0, 0),
                mode @ ("SAME_UPPER" | "SAME_LOWER") => {
                    let out = input.div_ceil(stride);
                    let total = ((out.max(1) - 1) * stride + reach).saturating_sub(input);
                    let small = total / 2;
                    pad = if mode == "SAME_UPPER" { (small, total - small) } else { (total - small, small) };
                    output = Some(out);
                }
                mode => return Err(format!("auto_pad {mode:?} is unknown")),
            }
            let room = (input + pad.0 + pad.1).checked_sub(reach).ok_or_else(|| {
                format!("a window of {reach} does not fit {input} elements and padding {pad:?}")
            })?;
            let output = output.unwrap_or_else(|| {
                if ceil {
                    let out = room.div_ceil(stride) + 1;
                    // The last window must start inside the input or its leading padding.
                    if (out - 1) * stride >= input + pad.0 { out - 1 } else { out }
                } else {
                    room / stride + 1
                }
            });
            Ok(Window { input, kernel: kernel[axis], stride, dilation: dilations[axis], pad, output })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divisors_count_taps() {
        for pad in [(0, 0), (1, 0), (2, 1)] {
            for (kernel, stride, dilation) in [(3, 1, 1), (2, 2, 1), (3, 2, 2)] {
                let window = Window { input: 7, kernel, stride, dilation, pad, output: 4 };
                for o in 0..4 {
                    let taps = (0..kernel).filter(|&k| window.tap(o, k).is_some()).count();
                    assert_eq!(window.divisor(o, false), taps);
                    let end = 7 + pad.0 + pad.1;
                    let taps = (0..kernel).filter(|&k| o * stride + k * dilation < end).count();
                    assert_eq!(window.divisor(o, true), taps);
                }
            }
        }
    }
}
