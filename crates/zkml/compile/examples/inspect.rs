//! Prints what ONNX models contain, the nodes that they would become, and what cannot be proven: `inspect MODEL.onnx ..`.

use std::error::Error;
use std::io::Write;

use zkml_compile::{Options, inspect, sketch};
use zkml_float::Model;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    for path in std::env::args().skip(1) {
        match Model::read(&std::fs::read(&path)?) {
            Ok(model) => {
                let found = inspect(&model);
                let (n, macs) = (found.parameters, found.macs);
                writeln!(out, "{path}: {n} parameters, {macs} MACs, {:?}", found.operators)?;
                if let Ok((graph, _)) = sketch(&model, &Options::default()) {
                    for node in &graph.nodes {
                        let tensor = &graph.tensors[node.output as usize];
                        let op = format!("{:?}", node.op);
                        let epilogue = op.split("epilogue: ").nth(1).unwrap_or("");
                        let (kind, shape) = (op.split(' ').next().unwrap_or(""), &tensor.shape);
                        writeln!(out, "  {}: {kind} {shape:?} {epilogue:.120}", node.name)?;
                    }
                }
                for node in found.unsupported {
                    writeln!(out, "  {} ({}): {}", node.node, node.operator, node.reason)?;
                }
            }
            Err(error) => writeln!(out, "{path}: {error}")?,
        }
    }
    Ok(())
}
