//! Settings come back as they were written, and what is wrong in them is named, never shown.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;

fn settings() -> Settings {
    let at = Location { region: Region(*b"DE"), cell: Cell { latitude: 5252, longitude: -1340 } };
    Settings {
        version: VERSION,
        account: "/home/a/miner.key".to_owned(),
        address: "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty".to_owned(),
        node: "ws://127.0.0.1:9944".to_owned(),
        storage: ["http://127.0.0.1:9700", "https://storage.example", "file:///mnt/models", "s3://models"]
            .map(str::to_owned)
            .to_vec(),
        storage_ca: Vec::new(),
        listen: "0.0.0.0:9800".parse().unwrap(),
        endpoint: Some("https://miner.example:9800".to_owned()),
        unlock: UnlockBy::KeyFile("/media/key/unlock.key".into()),
        tls: Some(TlsFiles { certificate: "/etc/tls/cert.pem".into(), key: "/etc/tls/key.pem".into() }),
        declared: Declared::new(at, 8192, "10".parse().unwrap(), "1000.5".parse().unwrap()),
        measured: Measured {
            processor: "A Processor".to_owned(),
            processors: 8,
            memory_bytes: 16 << 30,
            macs_per_second: 3_000_000_000,
            answering_threads: 2,
            prove_ms: 120,
            proofs_per_minute: 500,
            disk_free_bytes: 1 << 40,
            disk_write_bytes_per_second: None,
            power: "mains".to_owned(),
            energy: vec!["RAPL".to_owned()],
        },
    }
}

#[test]
fn they_come_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Settings::find(folder.path()).unwrap(), None);
    let missing = Settings::read(folder.path()).unwrap_err().to_string();
    assert!(missing.contains("cyborg miner init"), "{missing}");
    let mut written = settings();
    for unlock in [written.unlock.clone(), UnlockBy::PassphraseFile("/run/secret".into())] {
        written.unlock = unlock;
        written.write(folder.path()).unwrap();
        assert_eq!(Settings::read(folder.path()).unwrap(), written);
        let mode = fs::metadata(Settings::path(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    (written.endpoint, written.tls) = (None, None);
    written.write(folder.path()).unwrap();
    assert_eq!(Settings::read(folder.path()).unwrap(), written);
    let declared = &written.declared;
    assert_eq!(
        (declared.price().unwrap(), declared.region().unwrap()),
        (Cyb(10 * 10_u128.pow(12)), Region(*b"DE"))
    );
    assert_eq!(declared.bond().unwrap().to_string(), "1000.5 CYB");
    assert_eq!(declared.cell(), Cell { latitude: 5252, longitude: -1340 });
}

#[test]
fn what_is_wrong_is_named() {
    let good = serde_json::to_value(settings()).unwrap();
    let problem = |value: &Value| Settings::from_json(value.to_string().as_bytes()).unwrap_err();
    for name in good.as_object().unwrap().keys() {
        let mut value = good.clone();
        value.as_object_mut().unwrap().remove(name);
        assert_eq!(problem(&value), format!("`{name}` is missing"));
        for wrong in [json!([[]]), json!({ "hunter2": 1 }), json!(1e300), json!("")] {
            let mut value = good.clone();
            value[name] = wrong.clone();
            let problem = problem(&value);
            assert!(problem.starts_with(&format!("`{name}`")), "{name}: {wrong}: {problem}");
        }
    }
    for (pointer, wrong, said) in [
        ("/version", json!(2), "`version` is 2"),
        ("/node", json!("http://127.0.0.1:9944"), "`node`: not a URL"),
        ("/storage", json!([]), "`storage`: no location"),
        ("/storage/0", json!("ftp://x"), "`storage`: not a URL"),
        ("/storage/0", json!("http://x y"), "`storage`: not a URL"),
        ("/storage/0", json!("s3://AKID:hunter2@models"), "`storage`: a key does not belong into a URL"),
        (
            "/storage/0",
            json!("cess+https://g/?territory=t"),
            "`storage`: a CESS gateway must be the only location",
        ),
        ("/storage", json!(vec!["http://a"; 257]), "`storage`: more than 256 locations"),
        ("/endpoint", json!(format!("http://{}", "a".repeat(256))), "`endpoint`: longer"),
        ("/endpoint", json!("http://a\u{7}b"), "`endpoint`: not a URL"),
        ("/address", json!("5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694tz"), "`address`"),
        ("/unlock", json!({ "key_file": "relative" }), "`unlock`: not an absolute path"),
        ("/tls/key", json!("relative"), "`tls`: not absolute"),
        ("/tls", json!({ "certificate": "/a", "key": "/b", "more": 1 }), "`tls`: unknown field `more`"),
        ("/declared/region", json!("Germany"), "`declared`: `region`"),
        ("/declared/cell", json!([9000, 0]), "`declared`: `cell`: not on Earth"),
        ("/declared/memory_mib", json!(0), "`declared`: `memory_mib`"),
        ("/declared/price", json!("-1"), "`declared`: `price`"),
        // In whose words depends on how other crates want `serde_json` built.
        ("/measured/prove_ms", json!(-1), "`measured`: "),
    ] {
        let mut value = good.clone();
        *value.pointer_mut(pointer).unwrap() = wrong;
        let problem = problem(&value);
        assert!(problem.starts_with(said), "{pointer}: {problem}");
    }
    let mut value = good.clone();
    value["threads"] = 7.into();
    assert_eq!(problem(&value), "`threads` is not a setting of a miner");
}

#[test]
fn what_is_no_settings_at_all_is_refused() {
    let deep = "[".repeat(100_000);
    for bytes in [&b""[..], b"\xff\xfe", b"null", b"[]", b"{", b"{}", b"{} {}", deep.as_bytes()] {
        assert!(Settings::from_json(bytes).is_err());
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(Settings::path(folder.path()), vec![b' '; MAX_BYTES as usize + 1]).unwrap();
    let failure = Settings::read(folder.path()).unwrap_err().to_string();
    assert!(failure.contains("miner.json"), "{failure}");
    fs::remove_file(Settings::path(folder.path())).unwrap();
    fs::create_dir(Settings::path(folder.path())).unwrap();
    assert!(Settings::find(folder.path()).is_err());
}

#[test]
fn values_in_the_wrong_place_are_not_shown() {
    let good = serde_json::to_value(settings()).unwrap();
    for (name, wrong) in [
        ("unlock", json!("hunter2")),
        ("unlock", json!({ "passphrase": "hunter2" })),
        ("listen", json!("hunter2")),
        ("storage", json!("hunter2")),
        ("node", json!("hunter2")),
        ("version", json!("hunter2 expected hunter2")),
        ("measured", json!("hunter2")),
    ] {
        let mut value = good.clone();
        value[name] = wrong;
        let problem = Settings::from_json(value.to_string().as_bytes()).unwrap_err();
        assert!(!problem.contains("hunter2") && problem.contains(name), "{problem}");
    }
    let cut = &value_text(&good)[..40];
    assert!(Settings::from_json(cut.as_bytes()).unwrap_err().contains("line"));
}

fn value_text(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn endpoints_follow_from_where_the_miner_listens() {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    assert_eq!(endpoint_of(at("127.0.0.1:9800"), false).unwrap(), "http://127.0.0.1:9800");
    assert_eq!(endpoint_of(at("[::1]:9800"), true).unwrap(), "https://[::1]:9800");
    for nowhere in ["0.0.0.0:9800", "[::]:9800", "127.0.0.1:0"] {
        assert!(endpoint_of(at(nowhere), false).is_err());
    }
    assert_eq!(settings().endpoint_at(at("0.0.0.0:1")).unwrap(), "https://miner.example:9800");
}
