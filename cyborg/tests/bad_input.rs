//! Bad usage and bad input: one clear line, the right exit status, and nothing left behind.

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::{Folder, TestResult, compiled, data};

/// Everything that can be damaged: a model, samples, keys, a proof and its opening.
fn everything() -> TestResult<Folder> {
    let folder = compiled("digits_mlp")?;
    folder.cyborg("zk keygen m.cyb --out k")?.ok();
    folder.cyborg("zk prove --key k/prover.key --input x.npz --out p.proof")?.ok();
    for name in ["prover.key", "verifier.key"] {
        fs::rename(folder.path("k").join(name), folder.path(name))?;
    }
    fs::remove_dir(folder.path("k"))?;
    Ok(folder)
}

/// Each kind of file, and a command that reads it as `bad` and would write `out`.
const READERS: &[(&str, &str)] = &[
    ("m.onnx", "model inspect bad"),
    ("m.onnx", "model compile bad --calibrate x.npz -o out"),
    ("x.npz", "model compile m.onnx --calibrate bad -o out"),
    ("m.cyb", "model run bad --input x.npz -o out"),
    ("x.npz", "model run m.cyb --input bad -o out"),
    ("m.cyb", "model eval bad --data x.npz"),
    ("x.npz", "model eval m.cyb --data bad"),
    ("m.cyb", "zk keygen bad --out out"),
    ("prover.key", "zk prove --key bad --input x.npz --out out"),
    ("x.npz", "zk prove --key prover.key --input bad --out out"),
    ("verifier.key", "zk verify --key bad --proof p.proof"),
    ("p.proof", "zk verify --key verifier.key --proof bad"),
    ("p.opening", "zk verify --key verifier.key --proof p.proof --opening bad"),
    ("x.npz", "zk verify --key verifier.key --proof p.proof --opening p.opening --input bad"),
    ("x.npz", "zk verify --key verifier.key --proof p.proof --opening p.opening --output bad"),
    ("verifier.key", "zk check-key bad"),
    ("verifier.key", "zk inspect bad"),
    ("prover.key", "zk inspect bad"),
];

#[test]
fn damaged_files_are_named_and_leave_nothing_behind() -> TestResult {
    let folder = everything()?;
    let before = folder.listing()?;
    for &(kind, command) in READERS {
        let good = folder.read(kind)?;
        let mut damaged: Vec<(&str, Vec<u8>)> = vec![
            ("empty", Vec::new()),
            ("one byte", good[..1].to_vec()),
            ("half", good[..good.len() / 2].to_vec()),
            ("text", b"this is not the file you are looking for\n".to_vec()),
            ("zeros", vec![0; 1000]),
            ("ones", vec![0xff; 1000]),
        ];
        if kind != "x.npz" && kind != "m.onnx" {
            // Bytes after the end; zip and protobuf have their own ideas about those.
            damaged.push(("longer", [&good[..], b"x"].concat()));
            damaged.push(("shorter", good[..good.len() - 1].to_vec()));
            let mut version = good.clone();
            version[4..8].fill(0xee);
            damaged.push(("another version", version));
        }
        for (how, bytes) in damaged {
            folder.write("bad", bytes)?;
            let outcome = folder.cyborg(command)?;
            assert_eq!(outcome.status, Some(2), "{how} {kind}: {command}: {outcome:?}");
            outcome.fails(2, &["bad: "]);
            fs::remove_file(folder.path("bad"))?;
            assert_eq!(folder.listing()?, before, "{how} {kind}: {command}");
        }
        // Missing, and a folder in its place.
        folder.cyborg(command)?.fails(2, &["bad: "]);
        fs::create_dir(folder.path("bad"))?;
        folder.cyborg(command)?.fails(2, &["bad: "]);
        fs::remove_dir(folder.path("bad"))?;
        assert_eq!(folder.listing()?, before, "{command}");
    }
    Ok(())
}

#[test]
fn samples_that_do_not_fit_are_named() -> TestResult {
    let folder = compiled("digits_mlp")?;
    let row = |count: usize, value: &str| format!("[{}]", vec![value; count].join(","));
    for (text, parts) in [
        (format!("{{\"inputs\": [{}]}}", row(63, "0")), &["`inputs`", "64 elements"][..]),
        (format!("{{\"other\": [{}]}}", row(64, "0")), &["no array", "`other`"]),
        (format!("[{}]", row(64, "NaN")), &["line 1"]),
        (format!("[{}]", row(64, "1e999")), &["out of range"]),
        (format!("[{}, {}]", row(64, "0"), row(63, "0")), &["unequal lengths"]),
    ] {
        folder.write("bad.json", text)?;
        let parts: Vec<&str> = [&["bad.json: "][..], parts].concat();
        folder.cyborg("model run m.cyb --input bad.json")?.fails(2, &parts);
    }
    folder
        .cyborg("model run m.cyb --input x.npz --index 64")?
        .fails(2, &["x.npz: ", "`inputs`", "64 samples", "index 64"]);
    folder
        .cyborg("model run m.cyb --input x.npz --index 18446744073709551615")?
        .fails(2, &["x.npz: ", "64 samples"]);
    // Samples of another model.
    fs::copy(data("digits_cnn_io.npz"), folder.path("cnn.npz"))?;
    folder.cyborg("model run m.cyb --input cnn.npz")?.ok();
    Ok(())
}

#[test]
fn outputs_that_cannot_be_written_are_refused() -> TestResult {
    let folder = everything()?;
    fs::create_dir(folder.path("dir"))?;
    let before = folder.listing()?;
    for out in ["dir", "no/such/place", "/dev/null", "m.cyb/inside", "."] {
        for command in [
            format!("model compile m.onnx --calibrate x.npz -o {out}"),
            format!("model run m.cyb --input x.npz -o {out}"),
            format!("zk prove --key prover.key --input x.npz --out {out}"),
            format!("zk prove --key prover.key --input x.npz --out q.proof --opening-out {out}"),
        ] {
            folder.cyborg(&command)?.fails(2, &[out, "cannot write"]);
            assert_eq!(folder.listing()?, before, "{command}");
        }
    }
    folder.cyborg("zk keygen m.cyb --out m.onnx")?.fails(2, &["m.onnx"]);
    assert_eq!(folder.listing()?, before);
    Ok(())
}

#[test]
fn no_command_writes_over_what_it_reads() -> TestResult {
    let folder = everything()?;
    for (command, lost) in [
        ("model compile m.onnx --calibrate x.npz -o ./m.onnx", "m.onnx"),
        ("model compile m.onnx --calibrate x.npz -o x.npz", "x.npz"),
        ("model run m.cyb --input x.npz -o m.cyb", "m.cyb"),
        ("model run m.cyb --input x.npz -o x.npz", "x.npz"),
        ("zk prove --key prover.key --input x.npz --out prover.key", "prover.key"),
        ("zk prove --key prover.key --input x.npz --out x.npz", "x.npz"),
        ("zk prove --key prover.key --input x.npz --out q.proof --opening-out prover.key", "prover.key"),
    ] {
        let before = fs::read(folder.path(lost))?;
        folder.cyborg(command)?.fails(2, &[lost, "this command reads that file"]);
        assert!(fs::read(folder.path(lost))? == before, "{command}");
    }
    Ok(())
}

#[test]
fn wrong_usage_exits_with_2() -> TestResult {
    let folder = Folder::new()?;
    for line in [
        "",
        "frobnicate",
        "model",
        "model compile m.onnx -o m.cyb",
        "model compile m.onnx --calibrate x.npz -o m.cyb --weight-bits 40",
        "model compile m.onnx --calibrate x.npz -o m.cyb --max-loss much",
        "model run m.cyb --input x.npz --index -1",
        "zk prove --key k --input x --out p --context 0",
        "zk prove --key k --input x --out p --context xy",
        "zk verify --key k",
        "zk inspect",
        "zk inspect a b",
    ] {
        let outcome = folder.cyborg(line)?;
        assert_eq!(outcome.status, Some(2), "{line}: {outcome:?}");
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{line}: {outcome:?}");
    }
    Ok(())
}

#[test]
fn what_people_mix_up_is_said_in_their_words() -> TestResult {
    let folder = everything()?;
    folder.cyborg("zk keygen m.onnx --out k")?.fails(2, &["m.onnx", "ONNX model", "cyborg model compile"]);
    folder.cyborg("model run verifier.key --input x.npz")?.fails(2, &["verifier.key", "cyborg zk inspect"]);
    folder.cyborg("zk prove --key prover.key --input x.npz --context 01 --out q.proof")?.ok();
    folder.cyborg("zk verify --key verifier.key --proof q.proof")?.fails(1, &["no --context was named"]);
    let node = folder.cyborg("chain status --node ftp://a")?;
    assert!(node.status == Some(2) && node.stderr.contains("ws://"), "{node:?}");
    Ok(())
}

#[test]
fn what_is_lost_on_a_full_device_is_an_error() -> TestResult {
    let folder = everything()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_cyborg"));
    command.args(["--json", "model", "inspect", "m.cyb"]).current_dir(folder.path("."));
    let full = fs::OpenOptions::new().write(true).open("/dev/full")?;
    let done = command.stdout(full).stderr(Stdio::piped()).output()?;
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("standard output"), "{done:?}");
    Ok(())
}

#[test]
fn help_shows_an_example_of_every_command() -> TestResult {
    let folder = Folder::new()?;
    for command in [
        "model inspect",
        "model compile",
        "model run",
        "model eval",
        "zk keygen",
        "zk prove",
        "zk verify",
        "zk check-key",
        "zk inspect",
    ] {
        let help = folder.cyborg(&format!("{command} --help"))?.ok().stdout;
        assert!(help.contains(&format!("Example:\n  cyborg {command} ")), "{help}");
        assert!(help.contains("--json"), "{help}");
    }
    assert!(folder.cyborg("--version")?.ok().stdout.starts_with("cyborg "));
    Ok(())
}

#[test]
fn errors_are_json_where_asked_for() -> TestResult {
    let folder = Folder::new()?;
    let json = folder.cyborg("model inspect nothing.onnx --json")?.fails(2, &["nothing.onnx"]).json()?;
    assert!(json["error"].as_str().is_some_and(|text| text.contains("nothing.onnx")), "{json}");
    assert!(json.get("valid").is_none(), "nothing was found to be false: {json}");
    Ok(())
}

/// A header that claims gigabytes must not be believed: the process has 1 GiB of address space.
#[test]
fn claimed_lengths_allocate_nothing() -> TestResult {
    let folder = everything()?;
    for &(kind, command) in READERS {
        let good = folder.read(kind)?;
        for at in (4..good.len().min(160)).step_by(3) {
            let mut altered = good.clone();
            let end = (at + 8).min(altered.len());
            altered[at..end].copy_from_slice(&0x7fff_ffff_ffff_u64.to_le_bytes()[..end - at]);
            folder.write("bad", altered)?;
            let script = format!("ulimit -v 1048576; exec \"$0\" {command}");
            let done = Command::new("sh")
                .args(["-c", &script, env!("CARGO_BIN_EXE_cyborg")])
                .env("RAYON_NUM_THREADS", "2")
                .current_dir(folder.path("."))
                .stdin(Stdio::null())
                .output()?;
            let said = String::from_utf8_lossy(&done.stderr);
            let status = done.status.code();
            assert!(matches!(status, Some(0..=2)), "byte {at} of {kind}: {command}: {said}");
            assert!(!said.contains("panicked"), "byte {at} of {kind}: {command}: {said}");
            for left in ["bad", "out", "out.opening"] {
                let path = folder.path(left);
                if path.is_dir() {
                    fs::remove_dir_all(path)?;
                } else if path.exists() {
                    fs::remove_file(path)?;
                }
            }
        }
    }
    Ok(())
}
