//! Graphs whose fields hold anything at all: validation and bounds give a verdict, never a panic.

use proptest::prelude::*;
use zkml_graph::bounds;
use zkml_graph::validate::validate;
use zkml_graph::{Epilogue, Graph, Op, OperandAxis, Source, Term, Weight};
use zkml_testkit::dice::Dice;
use zkml_testkit::random::model;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any field may hold anything: a verdict, never a panic, also from the bounds.
    #[test]
    fn hostile_graphs(seed: u64) {
        let mut dice = Dice::new(seed);
        let mut graph = model(seed, 4).graph;
        for _ in 0..20 {
            disturb(&mut dice, &mut graph);
            let _ = validate(&graph);
            for node in &graph.nodes {
                let _ = bounds::accumulator(&graph, node);
            }
        }
    }
}

fn number(dice: &mut Dice) -> u32 {
    [0, 1, 2, 3, 7, 1 << 16, 1 << 31, u32::MAX][dice.u32(0, 7) as usize]
}

fn wide(dice: &mut Dice) -> i64 {
    [i64::MIN, -(1 << 50), -1, 0, 1, 1 << 40, 1 << 47, i64::MAX][dice.u32(0, 7) as usize]
}

/// Overwrites one field with an extreme value.
fn disturb(dice: &mut Dice, graph: &mut Graph) {
    fn pick<'a, T>(dice: &mut Dice, items: &'a mut [T]) -> Option<&'a mut T> {
        let count = items.len().max(1) as u64;
        items.get_mut((dice.word() % count) as usize)
    }
    let (small, large) = (number(dice), wide(dice));
    match dice.u32(0, 9) {
        0 => graph.weight_bits = small as u8,
        1 => graph.outputs.push(small),
        2 | 3 => {
            if let Some(tensor) = pick(dice, &mut graph.tensors) {
                match dice.u32(0, 2) {
                    0 => tensor.min = large,
                    1 => tensor.max = large,
                    _ => tensor.shape.push(small),
                }
            }
        }
        4 => {
            if let Some(param) = pick(dice, &mut graph.params) {
                (param.outer, param.inner) = (small, number(dice));
            }
        }
        _ => {
            let Some(node) = pick(dice, &mut graph.nodes) else {
                return;
            };
            match &mut node.op {
                Op::Affine { terms, .. } => {
                    if let Some(term) = pick(dice, terms) {
                        disturb_term(dice, term);
                    }
                }
                Op::Max { a, b } => {
                    a.tensor = small;
                    if let Some(map) = pick(dice, &mut b.map) {
                        (map.offset, map.out) = (large, Some((small, number(dice))));
                    }
                }
                Op::Product { a, inner, .. } => {
                    inner.push(small);
                    a.axes.push(OperandAxis::Inner(number(dice)));
                }
                Op::Normalize { axis, shift, .. } => {
                    (*axis, *shift) = (small, number(dice) as u8);
                }
            }
            if let Op::Affine { epilogue, .. } | Op::Product { epilogue, .. } = &mut node.op {
                match epilogue {
                    Epilogue::Requant { shift, domain_min, domain_bits, function } => match dice.u32(0, 3) {
                        0 => *shift = number(dice) as u8,
                        1 => *domain_min = large,
                        2 => *domain_bits = number(dice) as u8,
                        _ => function.out_min = large,
                    },
                    Epilogue::ReluBits { shift } => *shift = small as u8,
                    Epilogue::Exact => {}
                }
            }
        }
    }
}

fn disturb_term(dice: &mut Dice, term: &mut Term) {
    let (small, large) = (number(dice), wide(dice));
    if dice.chance(20) {
        term.region.push((small, number(dice)));
        return;
    }
    match &mut term.source {
        Source::Constant(value) => *value = large,
        Source::Index { axis, multiplier } => (*axis, *multiplier) = (small, large),
        Source::Bias { outer_axes, .. } => outer_axes.push(small),
        Source::Reshape { multiplier, .. } => *multiplier = large,
        Source::Tensor { inner, map, weight, .. } => match dice.u32(0, 3) {
            0 => inner.push(small),
            1 => {
                for map in map {
                    map.offset = large;
                }
            }
            2 => {
                for map in map {
                    map.out = Some((small, number(dice)));
                    map.inner = Some((number(dice), number(dice)));
                }
            }
            _ => *weight = Weight::Public(large),
        },
    }
}
