//! The engine against its reference: the same integers for every model, and every accumulator and
//! output inside the ranges that the graph declares.
#![expect(clippy::unwrap_used, reason = "a test: failures end it")]

use proptest::prelude::*;
use zkml_engine::{Engine, execute, reference, run};
use zkml_graph::bounds;
use zkml_graph::validate::validate;
use zkml_testkit::case::Case;
use zkml_testkit::random::model;

fn check(model: &Case) {
    let Case { graph, weights, inputs } = model;
    validate(graph).unwrap();
    let expected = match reference::execute(graph, weights, inputs) {
        Ok(expected) => expected,
        Err(error) => {
            assert_eq!(execute(graph, weights, inputs), Err(error));
            return;
        }
    };
    let found = execute(graph, weights, inputs).unwrap();
    for (node, (found, expected)) in
        graph.nodes.iter().zip(found.accumulators.iter().zip(&expected.accumulators))
    {
        assert_eq!(found, expected, "{node:?}");
        if let Ok((low, high)) = bounds::accumulator(graph, node) {
            assert!(found.iter().all(|acc| (low..=high).contains(acc)));
        }
    }
    assert_eq!(found, expected);
    for (tensor, values) in graph.tensors.iter().zip(&found.tensors) {
        let range = tensor.min..=tensor.max;
        assert!(values.iter().all(|value| range.contains(value)), "{tensor:?}");
    }
    let outputs = run(graph, weights, inputs).unwrap();
    for (&id, output) in graph.outputs.iter().zip(&outputs) {
        assert_eq!(output, &found.tensors[id as usize]);
    }
    // A second run on the same engine finds its memories filled.
    let engine = Engine::new(graph, weights).unwrap();
    assert_eq!(engine.run(inputs).unwrap(), outputs);
    assert_eq!(engine.run(inputs).unwrap(), outputs);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_models(seed: u64) {
        check(&model(seed, 5));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn larger_models(seed: u64) {
        check(&model(seed, 12));
    }
}
