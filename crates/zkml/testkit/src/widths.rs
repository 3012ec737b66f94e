//! Models whose circuits take every form of a rescale: widths, shifts, sizes.

use crate::maker::{Maker, out, read, table};
use zkml_graph::*;

/// `f` of a rescaled sum with a public factor, so that bounds are narrow.
#[must_use]
pub fn narrow(seed: u64, count: u32, shift: u8, kind: FunctionKind, domain: (i64, u8)) -> Maker {
    let mut maker = Maker::new(seed, &[count], -128, 127);
    let terms = vec![maker.whole(&[count], read(0, &[], vec![out(0)], 3))];
    let output = maker.tensor(&[count], -1000, 1000);
    let epilogue = table(shift, domain.0, domain.1, kind, (-1000, 1000));
    maker.node(Op::Affine { terms, epilogue }, output);
    maker.graph.outputs = vec![output];
    maker
}

/// A dense layer of given widths.
#[must_use]
pub fn wide(
    seed: u64,
    (inputs, outputs): (u32, u32),
    weight_bits: u8,
    activation_bits: u8,
    shift: u8,
) -> Maker {
    let half = 1i64 << (activation_bits - 1);
    let mut maker = Maker::new(seed, &[inputs], -half, half - 1);
    maker.graph.weight_bits = weight_bits;
    let terms = maker.dense(0, outputs);
    let output = maker.tensor(&[outputs], -half, half - 1);
    let kind = FunctionKind::Identity;
    let epilogue = table(shift, -half, activation_bits, kind, (-half, half - 1));
    maker.node(Op::Affine { terms, epilogue }, output);
    maker.graph.outputs = vec![output];
    maker
}

/// Large enough for weights in rows of their own beside packed ones, and for rows of padding
/// that a proof does not bring.
#[must_use]
pub fn large(seed: u64) -> Maker {
    let mut maker = Maker::new(seed, &[2, 300], -128, 127);
    let terms = maker.dense(0, 40);
    let hidden = maker.relu(&[40], terms, 11);
    let shape = [5, 9, 40];
    let (row, each) = (maker.param(9, 1), maker.param(5, 40));
    let terms = vec![
        maker.whole(&shape, crate::maker::weigh(hidden, &[], vec![out(2)], row, &[1])),
        maker.whole(&shape, Source::Bias { param: each, outer_axes: vec![0] }),
    ];
    maker.weights.0[each as usize].fill(0);
    maker.graph.params[each as usize].inner = 3;
    maker.weights.0[each as usize].truncate(15);
    let hidden = maker.rescale(&shape, terms, 17);
    let terms = maker.dense(hidden, 3);
    let output = maker.exact(&[3], terms);
    maker.graph.outputs = vec![output];
    maker
}
