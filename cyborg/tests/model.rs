//! `cyborg model …` on real models: what a user gets, as text and as JSON.

mod common;

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
    let json = folder
        .cyborg("model inspect digits_cnn.onnx --json")?
        .ok()
        .json()?;
    assert_eq!(json["parameters"], 71_754);
    assert_eq!(json["provable"], true);
    assert_eq!(json["unsupported"], Value::Array(Vec::new()));
    assert!(
        json["multiply_accumulates"].as_u64() > Some(71_754),
        "{json}"
    );
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
    assert_eq!(
        folder.listing()?,
        ["digits_mlp.onnx", "digits_mlp_io.npz", "m.cyb"]
    );
    Ok(())
}

#[test]
fn running_gives_the_label_and_the_integers() -> TestResult {
    let folder = compiled("digits_mlp")?;
    let text = folder
        .cyborg("model run m.cyb --input x.npz --index 5")?
        .ok()
        .stdout;
    assert!(text.contains("greatest at"), "{text}");
    let json = folder
        .cyborg("model run m.cyb --input x.npz --index 5 --json -o y.json")?
        .ok()
        .json()?;
    let integers = json["outputs"][0]["integers"]
        .as_array()
        .ok_or("no integers")?;
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
    let flat = folder
        .cyborg("model run m.cyb --input flat.json --json")?
        .ok()
        .json()?;
    let named = folder
        .cyborg("model run m.cyb --input named.json --json")?
        .ok()
        .json()?;
    assert_eq!(flat["outputs"], named["outputs"]);
    Ok(())
}

#[test]
fn evaluating_meets_the_accuracy_target() -> TestResult {
    for model in ["digits_mlp", "digits_cnn"] {
        let folder = compiled(model)?;
        let json = folder
            .cyborg("model eval m.cyb --data x.npz --json")?
            .ok()
            .json()?;
        assert_eq!(json["samples"], 64);
        let number = |key: &str| {
            json[key]
                .as_f64()
                .ok_or_else(|| format!("no {key} in {json}"))
        };
        assert!(number("agreement_percent")? >= 99.0, "{model}: {json}");
        let lost = number("float_accuracy_percent")? - number("accuracy_percent")?;
        assert!(lost <= 0.5, "{model}: {json}");
        assert!(number("latency_seconds")? > 0.0 && number("throughput_per_second")? > 0.0);
        let text = folder.cyborg("model eval m.cyb --data x.npz")?.ok().stdout;
        assert!(text.contains("throughput"), "{text}");
    }
    Ok(())
}
