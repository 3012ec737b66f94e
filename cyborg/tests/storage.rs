//! `cyborg storage`: a node as a process, asked and ended as its user would.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cyborg_localnet::process::{Process, Program};

/// Longest that a node may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

const CYBORG: &str = env!("CARGO_BIN_EXE_cyborg");

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cyborg-storage-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct StorageNode {
    process: Process,
    url: String,
}

fn arguments(folder: &Path) -> Command {
    let mut command =
        Program::at(CYBORG).command(["--json", "storage", "start", "--listen", "127.0.0.1:0", "--dir"]);
    command.arg(folder);
    command
}

fn start(folder: &Path, more: &[&str]) -> StorageNode {
    let mut command = arguments(folder);
    let mut process =
        Process::start(command.args(more).stdout(Stdio::piped()).stderr(Stdio::null())).unwrap();
    let ready = process.ready(PATIENCE).unwrap();
    StorageNode { process, url: ready["url"].as_str().unwrap().to_owned() }
}

impl StorageNode {
    fn status(&self) -> String {
        let output = run(&["--json", "storage", "status", &self.url]);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    fn put(&self, path: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        let length = body.len();
        write!(
            stream,
            "PUT {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    /// Ends it as a service manager does, and waits.
    fn terminate(mut self) {
        assert!(self.process.stop(PATIENCE).unwrap().success());
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(CYBORG).args(arguments).output().unwrap()
}

/// BLAKE3 of nothing.
const EMPTY: &str = "/fragments/af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

#[test]
fn a_node_keeps_what_it_took_from_run_to_run() {
    let folder = Folder::new("kept");
    let node = start(&folder.0, &["--quota", "1MB"]);
    assert!(node.put(EMPTY, b"").starts_with("HTTP/1.1 201"));
    assert!(node.put(EMPTY, b"x").starts_with("HTTP/1.1 422"));
    let key = |status: &str| status.split("\"node\":\"").nth(1).unwrap()[..66].to_owned();
    let before = node.status();
    assert!(before.contains("\"fragments\":1") && before.contains("\"quota_bytes\":1000000"), "{before}");
    let url = node.url.clone();
    node.terminate();
    let gone = run(&["storage", "status", &url]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(String::from_utf8(gone.stderr).unwrap().starts_with(&format!("error: {url}: ")));

    let node = start(&folder.0, &["--owner", &"ab".repeat(32)]);
    let after = node.status();
    assert!(after.contains("\"fragments\":1") && after.contains("\"restricted\":true"), "{after}");
    assert_eq!(key(&after), key(&before));
    assert!(node.put(EMPTY, b"").starts_with("HTTP/1.1 401"));

    let second = arguments(&folder.0).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(String::from_utf8(second.stderr).unwrap().contains("in use by another storage node"));
    node.terminate();
}

#[test]
fn a_node_with_a_certificate_says_https() {
    let folder = Folder::new("tls");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/network/serving/tests/data");
    let file = |name: &str| data.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (file("localhost.pem"), file("localhost.key.pem"));
    let node = start(&folder.0, &["--tls-certificate", &certificate, "--tls-key", &key]);
    assert!(node.url.starts_with("https://"), "{}", node.url);
    // It speaks TLS; its certificate is nobody's.
    let status = run(&["storage", "status", &node.url]);
    assert_eq!(status.status.code(), Some(2));
    let problem = String::from_utf8(status.stderr).unwrap();
    assert!(problem.contains("certificate"), "{problem}");
    node.terminate();
    let other =
        arguments(&folder.0).args(["--tls-certificate", &certificate, "--tls-key", &certificate]).output();
    let other = other.unwrap();
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8(other.stderr).unwrap().contains("localhost.pem: "));
    for alone in ["--tls-certificate", "--tls-key"] {
        assert_eq!(arguments(&folder.0).args([alone, &key]).output().unwrap().status.code(), Some(2));
    }
}

#[test]
fn bad_flags_are_refused() {
    for flags in [
        ["--quota", "lots"],
        ["--quota", "1.5GB"],
        ["--listen", "nowhere"],
        ["--owner", "abcd"],
        ["--grace", "0"],
    ] {
        let output = run(&["storage", "start", flags[0], flags[1]]);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
    }
    assert_eq!(run(&["storage", "status", "not a URL"]).status.code(), Some(2));
}
