//! Graphs whose fields hold anything at all: validation and bounds give a verdict, never a panic.

mod support;

use proptest::prelude::*;
use support::{Rng, model};
use zkml_graph::bounds;
use zkml_graph::validate::validate;
use zkml_graph::{Graph, Op, OperandAxis, Source, Stage, Term, Weight};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any field may hold anything: a verdict, never a panic, also from the bounds.
    #[test]
    fn hostile_graphs(seed: u64) {
        let mut rng = Rng(seed);
        let mut graph = model(seed, 4).graph;
        for _ in 0..20 {
            disturb(&mut rng, &mut graph);
            let _ = validate(&graph);
            for node in &graph.nodes {
                let _ = bounds::accumulator(&graph, node);
            }
        }
    }
}

fn number(rng: &mut Rng) -> u32 {
    [0, 1, 2, 3, 7, 1 << 16, 1 << 31, u32::MAX][rng.u32(0, 7) as usize]
}

fn wide(rng: &mut Rng) -> i64 {
    [i64::MIN, -(1 << 50), -1, 0, 1, 1 << 40, 1 << 47, i64::MAX][rng.u32(0, 7) as usize]
}

/// Overwrites one field with an extreme value.
fn disturb(rng: &mut Rng, graph: &mut Graph) {
    fn pick<'a, T>(rng: &mut Rng, items: &'a mut [T]) -> Option<&'a mut T> {
        let count = items.len().max(1) as u64;
        items.get_mut((rng.next() % count) as usize)
    }
    let (small, large) = (number(rng), wide(rng));
    match rng.u32(0, 9) {
        0 => graph.weight_bits = small as u8,
        1 => graph.outputs.push(small),
        2 | 3 => {
            if let Some(tensor) = pick(rng, &mut graph.tensors) {
                match rng.u32(0, 2) {
                    0 => tensor.min = large,
                    1 => tensor.max = large,
                    _ => tensor.shape.push(small),
                }
            }
        }
        4 => {
            if let Some(param) = pick(rng, &mut graph.params) {
                (param.outer, param.inner) = (small, number(rng));
            }
        }
        _ => {
            let Some(node) = pick(rng, &mut graph.nodes) else {
                return;
            };
            match &mut node.op {
                Op::Affine { terms, .. } => {
                    if let Some(term) = pick(rng, terms) {
                        disturb_term(rng, term);
                    }
                }
                Op::Max { a, b } => {
                    a.tensor = small;
                    if let Some(map) = pick(rng, &mut b.map) {
                        (map.offset, map.out) = (large, Some((small, number(rng))));
                    }
                }
                Op::Product { a, inner, .. } => {
                    inner.push(small);
                    a.axes.push(OperandAxis::Inner(number(rng)));
                }
                Op::Normalize { axis, shift, .. } => {
                    (*axis, *shift) = (small, number(rng) as u8);
                }
            }
            if let Op::Affine { stage, .. } | Op::Product { stage, .. } = &mut node.op {
                match stage {
                    Stage::Requant { shift, domain_min, domain_bits, function } => match rng.u32(0, 3) {
                        0 => *shift = number(rng) as u8,
                        1 => *domain_min = large,
                        2 => *domain_bits = number(rng) as u8,
                        _ => function.out_min = large,
                    },
                    Stage::ReluBits { shift } => *shift = small as u8,
                    Stage::Exact => {}
                }
            }
        }
    }
}

fn disturb_term(rng: &mut Rng, term: &mut Term) {
    let (small, large) = (number(rng), wide(rng));
    if rng.chance(20) {
        term.region.push((small, number(rng)));
        return;
    }
    match &mut term.source {
        Source::Constant(value) => *value = large,
        Source::Index { axis, multiplier } => (*axis, *multiplier) = (small, large),
        Source::Bias { outer_axes, .. } => outer_axes.push(small),
        Source::Reshape { multiplier, .. } => *multiplier = large,
        Source::Tensor { inner, map, weight, .. } => match rng.u32(0, 3) {
            0 => inner.push(small),
            1 => {
                for map in map {
                    map.offset = large;
                }
            }
            2 => {
                for map in map {
                    map.out = Some((small, number(rng)));
                    map.inner = Some((number(rng), number(rng)));
                }
            }
            _ => *weight = Weight::Public(large),
        },
    }
}
