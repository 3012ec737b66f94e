//! What the relations of the trace demand: 8 to 12 and 15 to 20.

use super::{DIGEST, FLAGS, honest};
use crate::soundness::lying;
use zkml_graph::bounds::BoundsError;
use zkml_graph::validate::{GraphError, validate};
use zkml_graph::{FunctionKind, Op};
use zkml_prover::{Request, keygen, prove};
use zkml_testkit::liar::Liar;
use zkml_testkit::maker::{Maker, out, read, table};
use zkml_testkit::{models, widths};
use zkml_verifier::circuit::{Circuit, CircuitError, NodeCells, Property, Quotient, TableKind};
use zkml_verifier::key::key_digest;
use zkml_verifier::{FormatError, VerifierKey, VerifyError, Visibility, verify};

/// Mistake 8: "Range checks" that only mask: a quotient one too small or too large leaves a remainder
/// that is right modulo the range's size.
#[test]
fn n08_ranges_do_not_mask() {
    lying::quotient_too_small(Property::Remainder);
    lying::quotient_too_large(Property::Remainder);
}

/// Mistake 9: Division witnesses without ranges (see also `lying`), multiplicities ignored.
#[test]
fn n09_every_multiplicity_counts() {
    let liar = Liar::new(models::normalize(1));
    for table in &liar.circuit().tables {
        let block = &liar.circuit().blocks[table.multiplicities];
        let honest = liar.trace(|_| (), 0);
        let counts = honest.read(block);
        let used = counts.iter().position(|count| *count != 0).unwrap();
        let unused = counts.iter().position(|count| *count == 0);
        for entry in [Some(used), unused].into_iter().flatten() {
            let mut trace = liar.trace(|_| (), 0);
            let mut counts = counts.clone();
            counts[entry] += 1;
            trace.write(block, &counts);
            liar.refused(&trace);
        }
    }
}

/// Mistake 10: Padding rows that add a valid table row: the value that the table lacks is set right in
/// a padding cell, and counted.
#[test]
fn n10_padding_proves_nothing() {
    let liar = Liar::new(models::dense(1));
    let output = liar.output(0);
    let honest = liar.trace(|_| (), 0);
    let value = liar.execution.tensors[output][0];
    let mut trace = liar.other_output(0, 0, 255 - value);
    assert_eq!(liar.broken(&trace), [(Some(0), Property::Function)]);
    // Elements 33..64 of the block are padding: all cells of the first element go there, too.
    for (node, cells) in liar.circuit().cells.iter().enumerate() {
        let NodeCells::Requant { remainder, quotient: Quotient::Split { low, high, class, .. } } = cells
        else {
            continue;
        };
        assert_eq!(node, 0);
        for block in [output, *low, *high, *class].into_iter().chain(remainder.upper.iter().copied()) {
            let offset = liar.circuit().blocks[block].offset as usize;
            assert_eq!(honest.cells[offset + 33], 0);
            trace.cells[offset + 33] = honest.cells[offset];
        }
    }
    // The multiplicities of the honest trace count the value.
    for table in &liar.circuit().tables {
        let block = &liar.circuit().blocks[table.multiplicities];
        let counts = honest.read(block);
        trace.write(block, &counts);
    }
    liar.refused(&trace);
}

/// Mistake 11: Tables built in floating point: every table is what the integer functions say, and no
/// crate that a verifier is made of has a floating-point type.
#[test]
fn n11_tables_are_integers() {
    let maker = widths::narrow(1, 30, 1, FunctionKind::Gelu, (-64, 7));
    let circuit = Circuit::new(&maker.graph).unwrap();
    let mut found = 0;
    for table in &circuit.tables {
        let TableKind::Whole { first, domain_min, domain_bits, function, .. } = &table.kind else {
            continue;
        };
        found += 1;
        let columns = table.kind.columns();
        for (index, value) in columns[1].iter().enumerate() {
            let last = domain_min + (1 << domain_bits) - 1;
            let argument = (first + index as i64).clamp(*domain_min, last);
            assert_eq!(*value, function.eval(argument));
        }
    }
    assert_eq!(found, 1);
    for name in ["core", "graph", "verifier"] {
        let sources = format!("{}/../{name}/src", env!("CARGO_MANIFEST_DIR"));
        no_floats(std::path::Path::new(&sources));
    }
}

fn no_floats(path: &std::path::Path) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            no_floats(&entry.unwrap().path());
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let text = std::fs::read_to_string(path).unwrap();
        let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        let float = words.find(|word| ["f32", "f64"].contains(word));
        assert_eq!(float, None, "{}", path.display());
    }
}

/// Mistake 12: Wrap-around in `x m = q 2^s + r`: sums that could reach 2^46 have no circuit, arguments
/// that would wrap neither, and a quotient that is right modulo 2^64 only is refused.
#[test]
fn n12_nothing_wraps() {
    let far = |domain_min: i64| {
        let mut maker = widths::wide(1, (3, 8), 16, 16, 20);
        if let Op::Affine { epilogue, .. } = &mut maker.graph.nodes[0].op {
            let kind = FunctionKind::Identity;
            *epilogue = table(20, domain_min, 8, kind, (-100, 100));
        }
        maker.graph
    };
    let error = CircuitError::Domain { node: 0, domain_min: 1 << 44, shift: 20 };
    assert_eq!(validate(&far(1 << 44)), Ok(()));
    assert_eq!(Circuit::new(&far(1 << 44)).err(), Some(error));
    assert!(Circuit::new(&far(1 << 42)).is_ok());
    // Times 2^20 it is the least i64: the product is right, and half of 2^20 less it is not.
    let error = CircuitError::Domain { node: 0, domain_min: -1 << 43, shift: 20 };
    assert_eq!(validate(&far(-1 << 43)), Ok(()));
    assert_eq!(Circuit::new(&far(-1 << 43)).err(), Some(error));
    assert!(Circuit::new(&far(1 - (1 << 43))).is_ok());

    let mut maker = widths::wide(1, (3, 8), 16, 16, 20);
    let terms = vec![maker.whole(&[8], read(1, &[], vec![out(0)], 1 << 40))];
    maker.exact(&[8], terms);
    let wide = validate(&maker.graph);
    let too_wide = |error: &GraphError| matches!(error, GraphError::Bounds { source, .. } if *source == BoundsError::TooWide);
    assert!(wide.is_err_and(|error| too_wide(&error)));

    let liar = Liar::new(models::dense(1));
    let NodeCells::Requant { quotient: Quotient::Split { high, bits, .. }, .. } = *liar.cells(0) else {
        panic!("{:?}", liar.cells(0));
    };
    let block = &liar.circuit().blocks[high];
    let mut trace = liar.trace(|_| (), 0);
    let mut values = trace.read(block);
    values[0] += 1 << (64 - 9 - bits);
    trace.write(block, &values);
    liar.refused(&trace);
}

/// Mistake 15: Graph input out of its range: committed, it is a lie; public, it does not decode.
#[test]
fn n15_graph_input_out_of_range() {
    lying::input_above(Property::InputRange);
    lying::input_below(Property::InputRange);
    let liar = Liar::new(models::max_pool(1));
    let mut bytes = honest(&liar, Visibility::Public);
    // Ninety is 190 above the least value; 191 fits the byte, not the range.
    bytes[FLAGS + 2 + 5] = 191;
    let error = FormatError::PublicValue { tensor: "x".into(), index: 5, min: -100, max: 90 };
    let verdict = verify(&liar.keys.verifier, &bytes, b"lie");
    assert_eq!(verdict, Err(VerifyError::Format(error)));
    let mut inputs = liar.inputs.clone();
    inputs[0][5] = 91;
    let request =
        Request { inputs: &inputs, context: b"lie", input: Visibility::Public, output: Visibility::Public };
    assert!(prove(&liar.keys.prover, &request).is_err());
}

/// Mistake 16: Remainder in the table but not below 2^s.
#[test]
fn n16_remainder_of_two_to_the_shift() {
    lying::remainder_of_two_to_the_shift(Property::Limb);
}

/// Mistake 17: Saturation at 16-bit widths: a saturated element given as its low part, and the reverse.
#[test]
fn n17_saturation_at_sixteen_bits() {
    let liar = Liar::new(widths::wide(7, (9, 6), 16, 16, 9));
    let NodeCells::Requant { quotient: Quotient::Split { low, class, bits, .. }, .. } = *liar.cells(0) else {
        panic!("{:?}", liar.cells(0));
    };
    assert_eq!(bits, 16);
    let honest = liar.trace(|_| (), 0);
    let classes = honest.read(&liar.circuit().blocks[class]);
    for (from, to) in [(1, 0), (2, 0), (1, 2)] {
        let Some(element) = classes.iter().position(|class| *class == from) else {
            continue;
        };
        let value = match to {
            0 => liar.cell(&honest, low, element) - 32768,
            _ => -32768,
        };
        let mut trace = liar.other_output(0, element, value);
        liar.set(&mut trace, &[(class, element, to)]);
        liar.caught(&trace, &[(Some(0), Property::Saturation)]);
    }
    assert!(classes.contains(&1) && classes.contains(&2));
}

/// Mistake 18: An entry of one table used for another: an input of 200 is no entry of its table of 121,
/// but it is one of the larger range that another check uses, and it is counted there.
#[test]
fn n18_tables_are_apart() {
    let mut maker = Maker::new(1, &[8], 0, 120);
    let terms = maker.dense(0, 4);
    let output = maker.rescale(&[4], terms, 8);
    maker.graph.outputs = vec![output];
    let liar = Liar::new(maker);
    let mut trace = liar.trace(|run| run.tensors[0][3] = 200, 0);
    assert_eq!(liar.broken(&trace), [(None, Property::InputRange)]);
    let range =
        |table: &&zkml_verifier::circuit::Table| matches!(table.kind, TableKind::Range { len } if len > 200);
    let table = liar.circuit().tables.iter().find(range).unwrap();
    let block = &liar.circuit().blocks[table.multiplicities];
    let mut counts = trace.read(block);
    counts[200] += 1;
    trace.write(block, &counts);
    assert_eq!(liar.verdict(&trace, Visibility::Committed), Err(VerifyError::Equation));
}

/// Mistake 19: A key with out-of-range weights, non-zero padding or a foreign table.
#[test]
fn n19_keys_are_not_trusted() {
    lying::weight_too_wide(Property::WeightRange);
    lying::weight_in_padding(Property::WeightPadding);

    // The same commitments under a graph with another function.
    let model = |kind| widths::narrow(1, 30, 1, kind, (-64, 7));
    let (one, two) = (model(FunctionKind::Sigmoid), model(FunctionKind::Tanh));
    let liar = Liar::new(one);
    let key = &liar.keys.verifier;
    let foreign = key_digest(&two.graph, key.rows());
    assert_ne!(foreign, key.digest());
    let circuit = Circuit::new(&two.graph).unwrap();
    let foreign_key = VerifierKey::new(two.graph, circuit, key.rows().to_vec(), key.proof().clone());
    assert_eq!(foreign_key.check(), Err(VerifyError::Equation));
    let mut bytes = honest(&liar, Visibility::Committed);
    bytes[DIGEST..FLAGS].copy_from_slice(&foreign);
    assert_eq!(verify(&foreign_key, &bytes, b"lie"), Err(VerifyError::Equation));
}

/// Mistake 19, from the prover's side: what [`keygen`] refuses before any work.
#[test]
fn n19_keygen_refuses_wide_weights() {
    let mut maker = models::dense(1);
    maker.weights.0[0][0] = 128;
    let keys = keygen(maker.graph, maker.weights, &mut |_| ());
    assert!(keys.is_err());
}

/// Mistake 20: Softmax remainder equal to the sum: exact quotients, each one too small.
#[test]
fn n20_softmax_remainder_equal_to_the_sum() {
    let maker = lying::small_division(6);
    let liar = Liar::with_inputs(maker, vec![vec![4, 4, 4, 4, 8, 0, 0, 8]]);
    for (element, quotient) in [(2, 16), (4, 32)] {
        assert_eq!(liar.execution.tensors[1][element], quotient);
        let trace = liar.other_output(0, element, quotient - 1);
        liar.caught(&trace, &[(Some(0), Property::DivisionComplement)]);
    }
    let trace = liar.other_output(0, 4, 33);
    liar.caught(&trace, &[(Some(0), Property::DivisionRemainder)]);
}

/// Mistake 20: ArgMax tie to a later index.
#[test]
fn n20_arg_max_tie_to_a_later_index() {
    let maker = models::arg_max(1);
    let mut inputs = vec![vec![0; 24]];
    inputs[0][..6].copy_from_slice(&[3, -1, 7, 2, 7, 7]);
    let liar = Liar::with_inputs(maker, inputs);
    let last = liar.maker.graph.nodes.len() - 1;
    assert_eq!(liar.execution.tensors[liar.output(last)][0], 2);
    for later in [4, 5] {
        let trace = liar.other_output(last, 0, later);
        liar.caught(&trace, &[(Some(last), Property::Function)]);
    }
    // The key of the later index instead of the first one's.
    let keys = liar.output(0);
    let first = liar.execution.tensors[keys][2];
    let trace = liar.other_output(3, 0, first - 2);
    assert_eq!(liar.output(3), liar.output(last) - 1);
    liar.caught(&trace, &[(Some(3), Property::Maximum)]);
}
