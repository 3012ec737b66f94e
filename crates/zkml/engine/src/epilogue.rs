//! From accumulators to outputs, with the values of functions remembered.

use std::sync::Mutex;

use zkml_graph::bounds::rescale;
use zkml_graph::{Epilogue, Function, FunctionKind, Graph};

/// Below this many elements a function's values are not worth remembering.
const REMEMBER_CELLS: usize = 64;

/// The values of one node's function found so far; empty until the first.
type Memory = Mutex<Vec<Option<i64>>>;

/// The remembered values of all nodes' functions.
#[derive(Debug)]
pub(crate) struct Memories(Vec<Memory>);

impl Memories {
    pub(crate) fn new(graph: &Graph) -> Self {
        Self(graph.nodes.iter().map(|_| Memory::default()).collect())
    }

    /// The output of the node at `index`, from its accumulators.
    pub(crate) fn apply(&self, index: usize, epilogue: &Epilogue, acc: &[i64]) -> Vec<i64> {
        match epilogue {
            Epilogue::Exact => acc.to_vec(),
            Epilogue::ReluBits { shift } => acc.iter().map(|&acc| rescale(acc, *shift).max(0)).collect(),
            Epilogue::Requant { shift, domain_min, domain_bits, function } => {
                let domain_max = domain_min + (1_i64 << domain_bits) - 1;
                let argument = |acc| rescale(acc, *shift).clamp(*domain_min, domain_max);
                if acc.len() < REMEMBER_CELLS || is_cheap(function) {
                    return acc.iter().map(|&acc| function.eval(argument(acc))).collect();
                }
                // A poisoned memory holds only values that a function gave.
                let mut memory = match self.0[index].lock() {
                    Ok(memory) => memory,
                    Err(poisoned) => poisoned.into_inner(),
                };
                if memory.is_empty() {
                    memory.resize(1 << domain_bits, None);
                }
                acc.iter()
                    .map(|&acc| {
                        let u = argument(acc);
                        let entry = &mut memory[(u - domain_min) as usize];
                        *entry.get_or_insert_with(|| function.eval(u))
                    })
                    .collect()
            }
        }
    }
}

/// Whether a function costs less than remembering its values.
fn is_cheap(function: &Function) -> bool {
    match function.kind {
        FunctionKind::Identity => function.in_scale == function.out_scale,
        FunctionKind::ArgIndex { .. } => true,
        _ => false,
    }
}
