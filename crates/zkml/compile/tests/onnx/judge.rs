//! One case: the float model and the integer graph, each against the outputs that come with the model.

use std::collections::BTreeSet;

use zkml_compile::{CompileError, Compiled, Options, Sample, compile};
use zkml_engine::Engine;
use zkml_float::{FloatError, Model, Unsupported};
use zkml_samples::Ports;
use zkml_testkit::fixtures::{Fixture, Outcome, Port, samples};

/// Bits of the integer graph: the most that the search would take.
const BITS: u8 = 12;
/// Greatest error of the integer graph, of an output's range: what rounding to 12 bits at a few nodes makes.
const TOLERANCE: f64 = 0.01;

/// How an executor did.
#[derive(Debug)]
pub(crate) enum Answer {
    /// All outputs of all samples are right.
    Right,
    /// It said that it cannot, and why.
    Refused(String),
    /// An output is not what ONNX says, and nothing said so.
    Wrong(String),
}

/// How both executors did.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) float: Answer,
    pub(crate) integer: Answer,
}

impl Verdict {
    /// For a case that ended otherwise.
    pub(crate) fn wrong(what: &str) -> Self {
        Self { float: Answer::Wrong(what.into()), integer: Answer::Refused("not tried".into()) }
    }
}

/// Judges a case.
pub(crate) fn judge(case: &Fixture) -> Verdict {
    let untried = |float| Verdict { float, integer: Answer::Refused("not tried".into()) };
    let model = match Model::read(&case.model) {
        Ok(model) => model,
        Err(error) => return untried(Answer::Refused(float_reason(&error))),
    };
    let cases = match Cases::new(case, &model) {
        Ok(cases) => cases,
        Err(error) => return untried(Answer::Wrong(error.to_string())),
    };
    match cases.floats(&model) {
        Answer::Right => Verdict { float: Answer::Right, integer: cases.integers(&model) },
        other => untried(other),
    }
}

/// The samples of a case, in the order of the model's inputs and outputs.
struct Cases<'a> {
    inputs: Vec<Vec<Vec<f32>>>,
    outputs: Vec<&'a Port>,
    tolerance: Option<f64>,
}

impl<'a> Cases<'a> {
    fn new(case: &'a Fixture, model: &Model) -> Outcome<Self> {
        let inputs = samples(&case.inputs, model.inputs().iter().map(|v| v.name.as_str()))?;
        let mut outputs = Vec::new();
        for value in model.outputs() {
            let port = case.outputs.get(&value.name).ok_or_else(|| format!("{} is missing", value.name))?;
            outputs.push(port);
        }
        Ok(Self { inputs, outputs, tolerance: case.tolerance })
    }

    fn floats(&self, model: &Model) -> Answer {
        let runs: Result<Vec<_>, FloatError> = self.inputs.iter().map(|sample| model.run(sample)).collect();
        match runs {
            Err(error) => Answer::Refused(float_reason(&error)),
            Ok(runs) => match self.shape(model) {
                Some(problem) => Answer::Wrong(problem),
                None => self.answer(&runs, None),
            },
        }
    }

    /// An output of another shape.
    fn shape(&self, model: &Model) -> Option<String> {
        let mut pairs = model.outputs().iter().zip(&self.outputs);
        let (value, port) = pairs.find(|(value, port)| value.shape != port.shape)?;
        Some(format!("{}: shape {:?}, not {:?}", value.name, value.shape, port.shape))
    }

    fn integers(&self, model: &Model) -> Answer {
        // Every sample twice: all are calibrated on, and all are judged.
        let twice = self.inputs.iter().flat_map(|inputs| [inputs, inputs]);
        let calibration: Vec<Sample> =
            twice.map(|inputs| Sample { inputs: inputs.clone(), ..Sample::default() }).collect();
        let options =
            Options { weight_bits: BITS, activation_bits: BITS, search: false, ..Options::default() };
        let Compiled { graph, weights, .. } = match compile(model, &calibration, &options, &mut |_, _, _| ())
        {
            Ok(compiled) => compiled,
            Err(error) => return Answer::Refused(compile_reason(&error)),
        };
        let (inputs, outputs) = (Ports::inputs(&graph), Ports::outputs(&graph));
        let run = |sample: &Vec<Vec<f32>>| -> Outcome<Vec<Vec<f32>>> {
            Ok(outputs.real(&Engine::new(&graph, &weights)?.run(&inputs.integers(sample)?)?))
        };
        match self.inputs.iter().map(run).collect::<Outcome<Vec<_>>>() {
            Err(error) => Answer::Wrong(format!("the compiled graph cannot be run: {error}")),
            Ok(runs) => self.answer(&runs, Some(TOLERANCE)),
        }
    }

    /// Compares what was computed, for each sample one array for each output. Integers and truth values are exact.
    fn answer(&self, runs: &[Vec<Vec<f32>>], tolerance: Option<f64>) -> Answer {
        let (mut wrong, mut worst) = (0, (0.0, String::new()));
        for (index, port) in self.outputs.iter().enumerate() {
            let tolerance = match port.element.as_str() {
                kind if ["int", "uint", "bool"].iter().any(|exact| kind.starts_with(exact)) => 0.0,
                kind => tolerance.or(self.tolerance).unwrap_or_else(|| float_tolerance(kind)),
            };
            let got: Vec<usize> = runs.iter().map(|run| run.get(index).map_or(0, Vec::len)).collect();
            let expected: Vec<usize> = port.samples.iter().map(Vec::len).collect();
            if got != expected {
                return Answer::Wrong(format!("output {index}: {got:?} elements instead of {expected:?}"));
            }
            let range = range(port);
            let pairs =
                runs.iter().zip(&port.samples).flat_map(|(run, expected)| run[index].iter().zip(expected));
            for (got, expected) in pairs {
                let error = distance(*got, *expected) / range;
                wrong += usize::from(error > tolerance);
                if error > tolerance && error > worst.0 {
                    worst = (
                        error,
                        format!("output {index}: {got} instead of {expected}, {error:.5} of the range"),
                    );
                }
            }
        }
        if wrong == 0 {
            Answer::Right
        } else {
            Answer::Wrong(format!("{wrong} elements, worst in {}", worst.1))
        }
    }
}

/// What floats may differ by, of the range: the type's precision, and sums in another order.
fn float_tolerance(element: &str) -> f64 {
    match element {
        "bfloat16" => 1e-2,
        "float16" => 2e-3,
        _ => 2e-5,
    }
}

/// The range of an output over all samples, zero included.
fn range(port: &Port) -> f64 {
    let finite = port.samples.iter().flatten().copied().filter(|v| v.is_finite());
    let (low, high) = finite.fold((0f32, 0f32), |(low, high), v| (low.min(v), high.max(v)));
    f64::from(high - low).max(1e-6)
}

/// NaN is NaN's equal alone, and an infinity its own.
fn distance(got: f32, expected: f32) -> f64 {
    if got == expected || (got.is_nan() && expected.is_nan()) {
        return 0.0;
    }
    let error = f64::from((got - expected).abs());
    if error.is_nan() { f64::INFINITY } else { error }
}

fn float_reason(error: &FloatError) -> String {
    match error {
        FloatError::Unsupported(nodes) => reasons(nodes),
        FloatError::Node { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

fn compile_reason(error: &CompileError) -> String {
    match error {
        CompileError::Unsupported(nodes) => reasons(nodes),
        CompileError::Float(error) => float_reason(error),
        other => other.to_string(),
    }
}

/// The operators that cannot be proven, with the reasons, each once.
fn reasons(nodes: &[Unsupported]) -> String {
    let reasons: BTreeSet<String> = nodes.iter().map(|n| format!("{}: {}", n.operator, n.reason)).collect();
    reasons.into_iter().collect::<Vec<_>>().join("; ")
}
