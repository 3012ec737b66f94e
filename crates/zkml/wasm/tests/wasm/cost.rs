//! What a verification costs is known before it is done: the counts of [`zkml_verifier::cost`]
//! against the instructions that a wasm engine executes, which are the same on every machine.
//!
//! The models are those of the protocol's own tests, the digits, and shapes that a hostile owner
//! would choose: small keys with much work behind them.

use zkml_core::msm::half_additions;
use zkml_graph::*;
use zkml_prover::{Request, keygen, prove};
use zkml_verifier::wire::{header, put_run};
use zkml_verifier::{Cost, VerifierKey, Visibility};

use zkml_testkit::case::{self, Case};
use zkml_testkit::maker::{Maker, at, out, read, sum, table, weigh};
use zkml_testkit::wasm::{Host, PAGE_BYTES, build};
use zkml_testkit::{data, models, widths};

/// Instructions of a field product. Products themselves take about 900.
const PRODUCT: u64 = 1_000;
/// Of half a point's addition.
const HALF_ADDITION: u64 = 3_300;
/// Of a byte of key or proof.
const BYTE: u64 = 500;
/// Of a verification, whatever it verifies.
const FIXED: u64 = 10_000_000;

/// Of reading a byte of a key that nobody has paid for, and of bounding its accumulators.
const HOSTILE_BYTE: u64 = 1_500;
const HOSTILE_KEY: u64 = 160_000_000;

fn price(cost: &Cost) -> u64 {
    cost.field_products * PRODUCT
        + half_additions(cost.own_points + cost.generators) * HALF_ADDITION
        + (cost.key_bytes + cost.proof_bytes) * BYTE
        + FIXED
}

fn host() -> Host {
    Host::counting(&std::fs::read(build().unwrap()).unwrap()).unwrap()
}

/// The price covers every form of the statement and the key's check; for an honest model it is at
/// most half more than what is executed.
fn measure(host: &Host, name: &str, mut maker: Maker, most: f64) {
    let inputs = maker.inputs();
    measure_model(host, name, Case { graph: maker.graph, weights: maker.weights, inputs }, most);
}

fn measure_model(host: &Host, name: &str, case: Case, most: f64) {
    let Case { graph, weights, inputs } = case;
    let keys = keygen(graph, weights, &mut |_| ()).unwrap();
    let key = keys.verifier.to_bytes();
    let cost = VerifierKey::from_bytes(&key).unwrap().cost();
    assert_eq!((cost, cost.key_bytes), (keys.verifier.cost(), key.len() as u64));
    let check = host.check_key(&key).unwrap();
    assert_eq!(check.verdict, 0);
    let mut greatest = check.instructions;
    let mut pages = check.pages;
    for shown in [Visibility::Committed, Visibility::Public] {
        let request = Request { inputs: &inputs, context: b"", input: shown, output: shown };
        let proof = prove(&keys.prover, &request).unwrap().proof;
        let verified = host.verify(&key, &proof, b"").unwrap();
        assert_eq!(verified.verdict, 0);
        assert!(proof.len() as u64 <= cost.proof_bytes);
        greatest = greatest.max(verified.instructions);
        pages = pages.max(verified.pages);
    }
    let (price, ratio) = (price(&cost), price(&cost) as f64 / greatest as f64);
    eprintln!("{name}: {greatest} instructions, price {price}, {ratio:.2}; {pages} pages; {cost:?}");
    assert!(ratio >= 1.0, "{name} is under-priced: {ratio}");
    assert!(ratio <= most, "{name} is over-priced: {ratio}");
    // The module alone, with its generators, takes less than 3 MiB.
    let memory = 3 * 1024 * 1024 + cost.memory_bytes + cost.key_bytes + cost.proof_bytes;
    assert!(pages * PAGE_BYTES <= memory, "{name} takes {pages} pages");
}

macro_rules! small {
    ($host:expr, $($name:ident)*) => { $( measure($host, stringify!($name), models::$name(7), HONEST); )* };
}

/// By how much honest models may be over-priced.
const HONEST: f64 = 1.5;

#[test]
fn every_model() {
    let host = &host();
    small! { host,
        dense convolution convolution_1d groups depthwise max_pool odd_views average_pool
        reduce_and_broadcast residual concat layout arg_max scale_by_hidden tied_rows products
        attention normalize relu_bits
    }
    measure(host, "large", widths::large(7), HONEST);
    for name in ["digits_mlp", "digits_cnn"] {
        measure_model(host, name, data::digits(name).unwrap(), HONEST);
    }
    for widths in [&[2048u32, 2056, 10][..], &[784, 1024, 1024, 1024, 1024, 10], &[30, 3000, 3000, 5]] {
        measure_model(host, &format!("dense {widths:?}"), case::dense(widths, 1).unwrap(), HONEST);
    }
}

/// One function over all that a table can hold.
fn function(kind: FunctionKind, (in_scale, out_scale): (i8, i8)) -> Maker {
    let mut maker = Maker::new(1, &[3], -128, 127);
    let terms = vec![maker.whole(&[3], read(0, &[], vec![out(0)], 1 << 12))];
    let output = maker.tensor(&[3], -30_000, 30_000);
    let function = Function { kind, in_scale, out_scale, out_min: -30_000, out_max: 30_000 };
    let epilogue = Epilogue::Requant { shift: 0, domain_min: -(1 << 15), domain_bits: 16, function };
    maker.node(Op::Affine { terms, epilogue }, output);
    maker.graph.outputs = vec![output];
    maker
}

/// A window of public weights that is as long as the tensor: quadratic in its extent.
fn long_window(len: u32) -> Maker {
    let mut maker = Maker::new(1, &[len], -1, 1);
    let map = vec![at(-i64::from(len), Some((0, 1)), Some((0, 1)))];
    let terms = vec![maker.whole(&[2 * len], read(0, &[len], map, 1))];
    let output = maker.exact(&[2 * len], terms);
    maker.graph.outputs = vec![output];
    maker
}

/// A reshape of everything.
fn reshape(rows: u32, columns: u32) -> Maker {
    let mut maker = Maker::new(1, &[rows, columns], -1, 1);
    let source = Source::Reshape { tensor: 0, multiplier: 1 };
    let terms = vec![maker.whole(&[columns, rows], source)];
    let output = maker.exact(&[columns, rows], terms);
    maker.graph.outputs = vec![output];
    maker
}

/// Many terms over the same large region.
fn many_terms(count: usize, len: u32) -> Maker {
    let mut maker = Maker::new(1, &[len], -1, 1);
    let term = maker.whole(&[len], read(0, &[], vec![out(0)], 1));
    let output = maker.exact(&[len], vec![term; count]);
    maker.graph.outputs = vec![output];
    maker
}

/// By how much models that nobody would make may be over-priced.
const HOSTILE: f64 = 4.0;

#[test]
fn hostile_models() {
    let host = &host();
    for (name, kind, scales) in [
        ("gelu", FunctionKind::Gelu, (10, 50)),
        ("erf", FunctionKind::Erf, (10, 50)),
        ("softplus", FunctionKind::Softplus, (16, 100)),
        ("gelu tanh", FunctionKind::GeluTanh, (13, 127)),
        ("silu", FunctionKind::Silu, (12, 12)),
        ("sin", FunctionKind::Sin, (127, 127)),
        ("rsqrt", FunctionKind::Rsqrt, (12, 12)),
        ("hard swish", FunctionKind::HardSwish, (12, 12)),
    ] {
        measure(host, name, function(kind, scales), HOSTILE);
    }
    measure(host, "long window", long_window(2000), HOSTILE);
    measure(host, "reshape", reshape(300, 200), HOSTILE);
    measure(host, "many terms", many_terms(400, 3000), HOSTILE);
    measure(host, "hidden window", hidden_window(400), HOSTILE);
    measure(host, "deep", deep(), HOSTILE);
    measure(host, "many inputs", many_inputs(40), HOSTILE);
    measure(host, "many squares", many_squares(250), HOSTILE);
    for (name, graph) in [("many bits", bits(150)), ("many tables", tables(900))] {
        measure(host, name, Maker { graph, ..Maker::new(1, &[1], 0, 0) }, HOSTILE);
    }
}

/// [`long_window`] with hidden weights, and a bias for every element.
fn hidden_window(len: u32) -> Maker {
    let mut maker = Maker::new(1, &[len], -1, 1);
    let map = vec![at(-i64::from(len), Some((0, 1)), Some((0, 1)))];
    let (param, bias) = (maker.param(1, len), maker.param(2 * len, 5));
    let terms = vec![
        maker.whole(&[2 * len], weigh(0, &[len], map, param, &[])),
        maker.whole(&[2 * len], Source::Bias { param: bias, outer_axes: vec![0] }),
        maker.whole(&[2 * len], Source::Index { axis: 0, multiplier: 3 }),
    ];
    let output = maker.exact(&[2 * len], terms);
    maker.graph.outputs = vec![output];
    maker
}

/// As many axes as there can be, most of them short.
fn deep() -> Maker {
    let shape = [1, 1, 1, 1, 1, 1, 60, 70];
    let mut maker = Maker::new(1, &shape, -1, 1);
    let mut last = 0;
    for _ in 0..6 {
        let source = Source::Reshape { tensor: last, multiplier: 1 };
        let terms = vec![maker.whole(&shape, source)];
        last = maker.exact(&shape, terms);
    }
    maker.graph.outputs = vec![last];
    maker
}

/// Inputs with a range, hence a table, of their own.
fn many_inputs(count: i64) -> Maker {
    let mut maker = Maker::new(1, &[1], 0, 10_000);
    let mut terms = Vec::new();
    for index in 0..count {
        let input = maker.another_input(&[1], 0, 10_001 + index);
        terms.push(maker.whole(&[1], read(input, &[], vec![out(0)], 1)));
    }
    terms.push(maker.whole(&[1], read(0, &[], vec![out(0)], 1)));
    let output = maker.exact(&[1], terms);
    maker.graph.outputs = vec![output];
    maker
}

/// Quadratic sums of one element.
fn many_squares(count: usize) -> Maker {
    let mut maker = Maker::new(1, &[2], -2, 2);
    let operand = || Operand { tensor: 0, axes: vec![OperandAxis::Out(0)] };
    for _ in 0..count {
        let output = maker.tensor(&[2], -4, 4);
        maker.node(
            Op::Product { a: operand(), b: operand(), inner: vec![], epilogue: Epilogue::Exact },
            output,
        );
        maker.graph.outputs.push(output);
    }
    maker
}

/// Keys that nobody has paid for: what reading them can cost grows with their bytes alone.
#[test]
fn reading_a_hostile_key() {
    let host = &host();
    let graphs = [
        ("staircase", staircase(1400)),
        ("bits", bits(400)),
        ("tables", tables(1200)),
        ("padding", padding()),
    ];
    for (name, graph) in graphs {
        let mut key = header(b"CYBvky", 1);
        put_run(&mut key, &codec::encode_graph(&graph));
        assert!(VerifierKey::from_bytes(&key).is_err());
        let read = host.check_key(&key).unwrap();
        let (bytes, instructions) = (key.len() as u64, read.instructions);
        eprintln!("{name}: {bytes} bytes, {instructions} instructions, {} pages", read.pages);
        assert_eq!(read.verdict, 2);
        assert!(instructions <= bytes * HOSTILE_BYTE + HOSTILE_KEY, "{name}");
        assert!(
            read.pages * PAGE_BYTES <= 3 * 1024 * 1024 + 512 * bytes,
            "{name} takes {} pages",
            read.pages
        );
    }
}

/// Terms whose regions overlap in part, as many as the bytes allow.
fn staircase(count: u32) -> Graph {
    let mut maker = Maker::new(1, &[1], -1, 1);
    let term = |start: u32| Term { region: vec![(start, count)], source: Source::Constant(0) };
    let output = maker.tensor(&[2 * count], -9, 9);
    let terms: Vec<Term> = (0..count).map(term).collect();
    maker.node(Op::Affine { terms, epilogue: Epilogue::Exact }, output);
    maker.graph.outputs = vec![output];
    maker.graph
}

/// Activations by bits, each a hundred terms of the circuit.
fn bits(count: usize) -> Graph {
    let mut maker = Maker::new(1, &[1, 1, 1, 1], -1, 1);
    for _ in 0..count {
        let term = Term { region: vec![(0, 1); 4], source: Source::Constant(1 << 45) };
        let output = maker.tensor(&[1, 1, 1, 1], 0, 1 << 46);
        maker.node(Op::Affine { terms: vec![term], epilogue: Epilogue::ReluBits { shift: 0 } }, output);
        maker.graph.outputs.push(output);
    }
    maker.graph
}

/// A table of its own for each node.
fn tables(count: usize) -> Graph {
    let mut maker = Maker::new(1, &[1], -1, 1);
    for index in 0..count {
        let term = maker.whole(&[1], read(0, &[], vec![out(0)], 1 << 20));
        let output = maker.tensor(&[1], -(1 << 20), 1 << 20);
        let epilogue = table(1, index as i64, 3, FunctionKind::Tanh, (-9, 9 + index as i64));
        maker.node(Op::Affine { terms: vec![term], epilogue }, output);
        maker.graph.outputs.push(output);
    }
    maker.graph
}

/// As many padded rows as a trace may have.
fn padding() -> Graph {
    let shape = [5, 5, 5, 5, 5, 5, 257];
    let mut maker = Maker::new(1, &[1, 1, 1, 1, 1, 1, 1], -1, 1);
    let mut terms = vec![maker.whole(&shape, read(0, &[], vec![at(0, None, None); 7], 1))];
    for _ in 0..3 {
        let output = maker.exact(&shape, terms);
        terms = vec![maker.whole(&shape, read(output, &[], (0..7).map(out).collect(), 1))];
    }
    let map = (0..7).map(sum).collect();
    let terms = vec![maker.whole(&[1], read(2, &shape, map, 1))];
    let output = maker.exact(&[1], terms);
    maker.graph.outputs = vec![output];
    maker.graph
}
