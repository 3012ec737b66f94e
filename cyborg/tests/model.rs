//! `cyborg model …` on real models: what a user gets, as text and as JSON.

mod common;

use std::fs;
use std::path::Path;

use common::{Folder, TestResult, compiled};
use serde_json::Value;

#[test]
fn inspecting_shows_what_can_be_proven() -> TestResult {
    let folder = Folder::new()?;
    folder.add("digits_cnn.onnx")?;
    let text = folder.cyborg("model inspect digits_cnn.onnx")?.ok().stdout;
    for part in ["Conv", "MaxPool", "Gemm", "71754", "[1, 1, 8, 8]"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let json = folder.cyborg("model inspect digits_cnn.onnx --json")?.ok().json()?;
    assert_eq!(json["parameters"], 71_754);
    assert_eq!(json["provable"], true);
    assert_eq!(json["unsupported"], Value::Array(Vec::new()));
    assert!(json["multiply_accumulates"].as_u64() > Some(71_754), "{json}");
    Ok(())
}

#[test]
fn compiling_reports_the_accuracy_that_is_kept() -> TestResult {
    let folder = Folder::new()?;
    folder.add("digits_mlp.onnx")?;
    folder.add("digits_mlp_io.npz")?;
    let compile = "model compile digits_mlp.onnx --calibrate digits_mlp_io.npz -o m.cyb";
    let text = folder.cyborg(compile)?.ok().stdout;
    assert!(text.contains("agreement"), "{text}");
    let json = folder.cyborg(&format!("{compile} --json"))?.ok().json()?;
    assert!(json["agreement_percent"].as_f64() >= Some(99.0), "{json}");
    assert_eq!(folder.listing()?, ["digits_mlp.onnx", "digits_mlp_io.npz", "m.cyb"]);
    Ok(())
}

#[test]
fn running_gives_the_label_and_the_integers() -> TestResult {
    let folder = compiled("digits_mlp")?;
    let text = folder.cyborg("model run m.cyb --input x.npz --index 5")?.ok().stdout;
    assert!(text.contains("greatest at"), "{text}");
    let json = folder.cyborg("model run m.cyb --input x.npz --index 5 --json -o y.json")?.ok().json()?;
    let integers = json["outputs"][0]["integers"].as_array().ok_or("no integers")?;
    assert_eq!(integers.len(), 10);
    let saved: Value = serde_json::from_slice(&folder.read("y.json")?)?;
    assert_eq!(saved["outputs"][0].as_array(), Some(integers));
    Ok(())
}

#[test]
fn samples_from_json_and_npz_give_the_same_answer() -> TestResult {
    let folder = compiled("digits_mlp")?;
    let row = vec!["0.5"; 64].join(",");
    folder.write("flat.json", format!("[{row}]"))?;
    folder.write("named.json", format!("{{\"inputs\": [[[{row}]]]}}"))?;
    let flat = folder.cyborg("model run m.cyb --input flat.json --json")?.ok().json()?;
    let named = folder.cyborg("model run m.cyb --input named.json --json")?.ok().json()?;
    assert_eq!(flat["outputs"], named["outputs"]);
    Ok(())
}

#[test]
fn evaluating_meets_the_accuracy_target() -> TestResult {
    for model in ["digits_mlp", "digits_cnn"] {
        let folder = compiled(model)?;
        let json = folder.cyborg("model eval m.cyb --data x.npz --json")?.ok().json()?;
        assert_eq!(json["samples"], 64);
        let number = |key: &str| json[key].as_f64().ok_or_else(|| format!("no {key} in {json}"));
        assert!(number("agreement_percent")? >= 99.0, "{model}: {json}");
        let lost = number("float_accuracy_percent")? - number("accuracy_percent")?;
        assert!(lost <= 0.5, "{model}: {json}");
        assert!(number("latency_seconds")? > 0.0 && number("throughput_per_second")? > 0.0);
        let text = folder.cyborg("model eval m.cyb --data x.npz")?.ok().stdout;
        assert!(text.contains("throughput"), "{text}");
    }
    Ok(())
}

#[test]
fn a_model_that_cannot_be_proven_is_refused_with_every_reason() -> TestResult {
    let folder = compiled("digits_mlp")?;
    let fixtures =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/zkml/float/tests/fixtures/unsupported");
    for fixture in ["nonzero_ts15", "several_ts17", "topk_dy19"] {
        fs::copy(fixtures.join(format!("{fixture}.onnx")), folder.path("u.onnx"))?;
        let outcome = folder.cyborg("model inspect u.onnx --json")?;
        let json = outcome.ok().json()?;
        assert_eq!(json["provable"], false, "{json}");
        let mut names = vec!["u.onnx: "];
        for node in json["unsupported"].as_array().ok_or("no list")? {
            names.extend([&node["node"], &node["reason"]].into_iter().filter_map(Value::as_str));
        }
        assert!(names.len() > 1, "{json}");
        let sizes = json["inputs"].as_array().ok_or("no inputs")?.iter().map(|input| {
            let shape = input["shape"].as_array().map(Vec::as_slice).unwrap_or_default();
            shape.iter().filter_map(Value::as_u64).product::<u64>()
        });
        let arrays: Vec<String> = json["inputs"]
            .as_array()
            .ok_or("no inputs")?
            .iter()
            .zip(sizes)
            .map(|(input, size)| format!("{}: [[{}]]", input["name"], vec!["0.5"; size as usize].join(",")))
            .collect();
        folder.write("u.json", format!("{{{}}}", arrays.join(", ")))?;
        let line = "model compile u.onnx --calibrate u.json -o u.cyb";
        folder.cyborg(line)?.fails(2, &names);
        assert!(!folder.listing()?.contains(&"u.cyb".to_owned()));
    }
    Ok(())
}

#[test]
fn accuracy_below_the_accepted_one_fails() -> TestResult {
    let folder = compiled("digits_mlp")?;
    // Noise is nothing that the model was trained on: its classes are close calls.
    let mut state = 1_u32;
    let mut pixel = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("{:.3}", f64::from(state >> 16) / 65536.0)
    };
    let mut row = || (0..64).map(|_| pixel()).collect::<Vec<_>>().join(",");
    let rows: Vec<String> = (0..100).map(|_| format!("[{}]", row())).collect();
    folder.write("noise.json", format!("[{}]", rows.join(",")))?;
    let coarse = "model compile m.onnx --calibrate noise.json -o c.cyb \
                  --weight-bits 2 --activation-bits 4 --fixed-bits";
    folder.cyborg(coarse)?.fails(
        2,
        &["m.onnx: ", "of rows agree (top-1)", "most is lost in", "--weight-bits", "--accept-accuracy"],
    );
    assert!(!folder.listing()?.contains(&"c.cyb".to_owned()));
    let json = folder.cyborg(&format!("{coarse} --accept-accuracy 0 --max-loss 100 --json"))?;
    let json = json.ok().json()?;
    assert_eq!(json["target_met"], true);
    assert_eq!((&json["weight_bits"], &json["activation_bits"]), (&2.into(), &4.into()));
    Ok(())
}

#[test]
fn relu_by_bits_is_proven_too() -> TestResult {
    let folder = compiled("digits_mlp")?;
    let compile = "model compile m.onnx --calibrate x.npz -o b.cyb --relu bits";
    folder.cyborg(compile)?.ok();
    let lookup = folder.cyborg("zk keygen m.cyb --out l --json")?.ok().json()?;
    let bits = folder.cyborg("zk keygen b.cyb --out b --json")?.ok().json()?;
    assert_ne!(lookup["key"], bits["key"]);
    folder.cyborg("zk prove --key b/prover.key --input x.npz --out b.proof")?.ok();
    folder.cyborg("zk verify --key b/verifier.key --proof b.proof")?.ok();
    folder.cyborg("zk verify --key l/verifier.key --proof b.proof")?.fails(1, &["another key"]);
    Ok(())
}

/// A case of the importer's tests, with the names that a hostile author gave it.
fn case(folder: &Folder, name: &str) -> TestResult {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/zkml/compile/tests/cases");
    for (from, to) in [("onnx", "m.onnx"), ("npz", "x.npz")] {
        fs::copy(cases.join(format!("{name}.{from}")), folder.path(to))?;
    }
    Ok(())
}

#[test]
fn names_of_a_model_do_not_reach_the_terminal_raw() -> TestResult {
    let folder = Folder::new()?;
    // An output named so that the terminal hides the true line beneath a forged one.
    case(&folder, "50_forge")?;
    for command in [
        "model inspect m.onnx",
        "model compile m.onnx --calibrate x.npz -o m.cyb",
        "model inspect m.cyb",
        "model run m.cyb --input x.npz",
        "zk keygen m.cyb --out k --force",
        "zk inspect k/verifier.key",
        "zk prove --key k/prover.key --input x.npz --public-output --out p.proof",
        "zk verify --key k/verifier.key --proof p.proof",
    ] {
        for flags in ["", " --json"] {
            let done = folder.cyborg(&format!("{command}{flags}"))?.ok();
            let raw = |text: &str| text.chars().any(|char| char.is_control() && char != '\n');
            assert!(!raw(&done.stdout) && !raw(&done.stderr), "{command}: {done:?}");
        }
    }
    let shown = folder.cyborg("zk verify --key k/verifier.key --proof p.proof")?.ok().stdout;
    assert!(shown.contains(r"\x1b[8m"), "{shown}");
    Ok(())
}

#[test]
fn inputs_outside_of_the_calibrated_range_are_counted_and_can_be_refused() -> TestResult {
    let folder = compiled("digits_mlp")?;
    folder.cyborg("zk keygen m.cyb --out k")?.ok();
    let row: Vec<String> = (0..64).map(|i| if i < 3 { "1000" } else { "0.5" }.to_owned()).collect();
    folder.write("wide.json", format!("[[{}]]", row.join(",")))?;
    for command in
        ["model run m.cyb --input wide.json", "zk prove --key k/prover.key --input wide.json --out p"]
    {
        let text = folder.cyborg(command)?.ok().stdout;
        assert!(text.contains("note: 3 of 64 input values lie outside"), "{text}");
        let json = folder.cyborg(&format!("{command} --json"))?.ok().json()?;
        assert_eq!(json["saturated_inputs"], 3);
        folder.cyborg(&format!("{command} --refuse-saturated"))?.fails(2, &["wide.json: ", "3 of 64"]);
    }
    let json = folder.cyborg("model eval m.cyb --data wide.json --json")?.ok().json()?;
    assert_eq!(json["saturated_inputs"], 3);
    let json = folder.cyborg("model run m.cyb --input x.npz --json --refuse-saturated")?.ok().json()?;
    assert_eq!(json["saturated_inputs"], 0);
    Ok(())
}

#[test]
fn outputs_are_judged_by_what_they_are() -> TestResult {
    let folder = Folder::new()?;
    case(&folder, "second_output_wrong")?;
    let compile = "model compile m.onnx --calibrate x.npz -o m.cyb";
    let json = folder.cyborg(&format!("{compile} --json"))?.ok().json()?;
    let kinds: Vec<&Value> =
        json["outputs"].as_array().ok_or("no outputs")?.iter().map(|o| &o["kind"]).collect();
    assert_eq!(kinds, ["classes", "integers"]);
    let json = folder.cyborg(&format!("{compile} --output-kind y=embedding --json"))?.ok().json()?;
    assert!(json["outputs"][0]["cosine"].as_f64() > Some(0.99), "{json}");
    folder.cyborg(&format!("{compile} --output-kind q=image"))?.fails(2, &["no output \"q\"", "y, z"]);
    let refused = folder.cyborg(&format!("{compile} --output-kind y=picture"))?;
    assert!(refused.status == Some(2) && refused.stderr.contains("got \"picture\""), "{refused:?}");
    Ok(())
}
