//! How each ONNX operator becomes integers: one row for each.

use super::{Lowering, Refusal};
use zkml_float::exec::function_kind;
use zkml_float::ir::Node;

impl Lowering<'_> {
    /// Lowers a node.
    pub(super) fn operator(&mut self, node: &Node) -> Result<(), Refusal> {
        if let Some(kind) = function_kind(node) {
            return self.function(node, kind);
        }
        match node.op.as_str() {
            "Identity" | "Dropout" => self.alias(node),
            "Cast" => self.cast(node),
            "Relu" => self.clamp(node, Some(0.0), None),
            "Clip" => self.clip(node),
            "Neg" => self.scaled(node, -1.0),
            "Sign" => self.sign(node),
            "Add" | "Sub" | "Mul" | "Div" => self.binary(node),
            "Sum" | "Mean" => self.sum(node),
            "Pow" => self.power(node),
            "Max" => self.greater_or_less(node, true),
            "Min" => self.greater_or_less(node, false),
            "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" | "Xor" => {
                self.compare(node)
            }
            "Not" => self.not(node),
            "PRelu" => self.prelu(node),
            "BatchNormalization" => self.batch_norm(node),
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => self.reshape(node),
            "Transpose" => self.transpose(node),
            "Slice" => self.slice(node),
            "Split" => self.split(node),
            "Concat" => self.concat(node),
            "Expand" => self.expand(node),
            "Tile" => self.tile(node),
            "Pad" => self.pad(node),
            "Gather" => self.gather(node),
            "OneHot" => self.one_hot(node),
            "Where" => self.select(node),
            "DepthToSpace" | "SpaceToDepth" => self.space(node),
            "MatMul" => self.matmul(node),
            "Gemm" => self.gemm(node),
            "Conv" => self.conv(node),
            "AveragePool" => self.average_pool(node),
            "MaxPool" => self.max_pool(node),
            "GlobalAveragePool" => self.sum_axes(node, None, true),
            "GlobalMaxPool" => self.max_axes(node, None, 1.0),
            "ReduceMean" => self.reduced(node).and_then(|axes| self.sum_axes(node, Some(axes), true)),
            "ReduceSum" => self.reduced(node).and_then(|axes| self.sum_axes(node, Some(axes), false)),
            "ReduceMax" => self.reduced(node).and_then(|axes| self.max_axes(node, Some(axes), 1.0)),
            "ReduceMin" => self.reduced(node).and_then(|axes| self.max_axes(node, Some(axes), -1.0)),
            "Softmax" => self.softmax(node),
            "LogSoftmax" => self.log_softmax(node),
            "ArgMax" => self.arg_max(node),
            _ => Err("the operator is not supported".into()),
        }
    }
}
