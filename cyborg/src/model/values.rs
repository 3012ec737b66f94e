//! Values at a graph's edges, for people and for programs.

use serde_json::{Value, json};
use zkml_graph::Tensor;
use zkml_samples::{Ports, class_of};

/// Names, shapes, ranges and scales.
pub(crate) fn described(ports: &Ports<'_>) -> Value {
    let describe = |tensor: &&Tensor| {
        let Tensor { name, shape, min, max, scale } = tensor;
        json!({ "name": name, "shape": shape, "min": min, "max": max, "scale": scale })
    };
    ports.tensors.iter().map(describe).collect()
}

/// One sample's outputs as a file of samples has them: in the form that `--output` reads.
pub(crate) fn integers_as_json(ports: &Ports<'_>, outputs: &[Vec<i64>]) -> Value {
    match outputs {
        [output] => json!({ "outputs": [output] }),
        _ => {
            let arrays = outputs.iter().map(|output| json!([output]));
            Value::Object(ports.names.iter().cloned().zip(arrays).collect())
        }
    }
}

/// Values of tensors for people and for programs.
pub(crate) fn shown(ports: &Ports<'_>, integers: &[Vec<i64>]) -> (Vec<String>, Value) {
    const SHOWN: usize = 16;
    let (mut lines, mut list) = (Vec::new(), Vec::new());
    for ((tensor, values), real) in ports.tensors.iter().zip(integers).zip(ports.real(integers)) {
        let classes = tensor.shape.last().map_or(1, |&extent| extent as usize).max(1);
        let class: Vec<i64> = real.chunks_exact(classes).map(class_of).collect();
        let mut numbers: Vec<String> = real.iter().take(SHOWN).map(|value| format!("{value:.4}")).collect();
        if real.len() > SHOWN {
            numbers.push(format!("… {} in all", real.len()));
        }
        lines.push(format!("{} {:?}: {}", tensor.name, tensor.shape, numbers.join(" ")));
        if classes > 1 && class.len() == 1 {
            lines.push(format!("{}: greatest at {}", tensor.name, class[0]));
        }
        list.push(json!({
            "name": tensor.name,
            "shape": tensor.shape,
            "scale": tensor.scale,
            "integers": values,
            "values": real,
            "class": class,
        }));
    }
    (lines, Value::Array(list))
}
