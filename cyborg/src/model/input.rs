//! The sample that a command is about: its integers, and how many of its values have none of their own.

use zkml_samples::{DataError, Ports, Samples};

use super::arguments::Sample;
use super::samples;
use crate::error::Failure;
use crate::report::CommandOutput;

/// A sample, quantized.
pub(crate) struct Input {
    /// One row-major vector for each of the graph's inputs.
    pub(crate) integers: Vec<Vec<i64>>,
    /// Values outside of what compiling calibrated: they count as the nearest one inside.
    pub(crate) saturated: usize,
    /// Values in all.
    pub(super) elements: usize,
}

impl Input {
    /// The sample that a command's flags name, for these inputs of a graph.
    pub(crate) fn read(ports: &Ports<'_>, arguments: &Sample) -> Result<Self, Failure> {
        let input = Self::of(ports, &samples(&arguments.input)?, arguments.index)?;
        if arguments.refuse_saturated && input.saturated > 0 {
            let problem = format!("sample {}: {}", arguments.index, input.shown());
            return Err(Failure::input(&arguments.input, problem));
        }
        Ok(input)
    }

    /// Sample `index` of a file.
    pub(crate) fn of(ports: &Ports<'_>, samples: &Samples, index: usize) -> Result<Self, Failure> {
        let reals = samples.inputs_for(&ports.names, &ports.sizes, index)?;
        let (saturated, elements) = ports.saturated(&reals);
        let integers = ports
            .integers(&reals)
            .map_err(|problem| DataError::Quantize { file: samples.file().to_owned(), problem })?;
        Ok(Self { integers, saturated, elements })
    }

    /// Says how many values saturate, if any does.
    pub(crate) fn describe(&self, report: &mut CommandOutput) {
        report.json("saturated_inputs", self.saturated);
        if self.saturated > 0 {
            report.line(format!("note: {}", self.shown()));
        }
    }

    fn shown(&self) -> String {
        saturation(self.saturated, self.elements)
    }
}

/// How many input values lie outside of what was calibrated.
pub(super) fn saturation(saturated: usize, elements: usize) -> String {
    format!(
        "{saturated} of {elements} input values lie outside of the range that compiling calibrated, and count \
         as its ends"
    )
}
