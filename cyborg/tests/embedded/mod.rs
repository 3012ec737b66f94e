//! A node in its own process, and its JSON-RPC over plain HTTP.
#![allow(dead_code, reason = "every test file uses another part")]

pub(crate) mod transaction;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cyborg_localnet::process::{Completed, Process, Program};
use rustix::process::Signal;
use serde_json::{Value, json};

/// What a test returns; a failure shows where it happened.
pub(crate) type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Storage key of the chain's time.
const NOW: &str = "0xf0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb";
/// Longest that a node may take until it is ready: it compiles its wasm the first time.
const STARTING: Duration = Duration::from_secs(300);
/// Longest that anything else may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program; compiled wasm is shared by the tests, and the user's own cache left alone.
pub(crate) fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_cyborg")).with("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
}

/// A process of the program that serves: the chain's node, a storage node, a miner; killed when dropped.
pub(crate) struct Server(Process);

impl Server {
    /// Starts `cyborg node --dev --rpc-port 0 --json`, with more arguments.
    pub(crate) fn spawn(base_path: &Path, arguments: &[&str]) -> TestResult<Self> {
        let words = ["node", "--dev", "--json", "--rpc-port", "0", "--base-path"];
        Self::run(program().command(words).arg(base_path).args(arguments))
    }

    /// Starts a command line that runs a node.
    pub(crate) fn run(command: &mut Command) -> TestResult<Self> {
        Ok(Self(Process::start(command.stdout(Stdio::piped()))?))
    }

    /// Waits for the line that says where it is.
    pub(crate) fn ready(&mut self) -> TestResult<Value> {
        Ok(self.0.ready(STARTING)?)
    }

    /// Starts a node and waits until it answers.
    pub(crate) fn start(base_path: &Path, arguments: &[&str]) -> TestResult<(Self, Rpc, Value)> {
        let mut node = Self::spawn(base_path, arguments)?;
        let ready = node.ready()?;
        let rpc = Rpc::new(&ready)?;
        Ok((node, rpc, ready))
    }

    /// Executes every block of a node that has ended again.
    pub(crate) fn verify(base_path: &Path) -> TestResult<Value> {
        let mut command = program().command(["node", "verify", "--json", "--base-path"]);
        Ok(Completed::of(&command.arg(base_path).output()?).json()?)
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(self) -> TestResult {
        Ok(self.0.kill()?)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.0.signal(signal);
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(mut self) -> TestResult<ExitStatus> {
        Ok(self.0.stop(PATIENCE)?)
    }
}

/// A block that the node has called final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Final {
    /// Its number.
    pub(crate) number: u64,
    /// Its hash.
    pub(crate) hash: String,
}

/// The JSON-RPC of a node.
#[derive(Clone)]
pub(crate) struct Rpc {
    address: String,
}

impl Rpc {
    fn new(ready: &Value) -> TestResult<Self> {
        let url = ready["http"].as_str().ok_or_else(|| ready.to_string())?;
        Ok(Self { address: url.trim_start_matches("http://").to_owned() })
    }

    /// Calls a method.
    pub(crate) fn call(&self, method: &str, params: Value) -> TestResult<Value> {
        let (head, body) = self.post(method, params, &[])?;
        let mut answer: Value =
            serde_json::from_str(&body).map_err(|error| format!("{method}: {head}: {error}: `{body}`"))?;
        match answer.get("error") {
            Some(error) => Err(format!("{method}: {error}").into()),
            None => Ok(answer["result"].take()),
        }
    }

    /// The head and the body of the answer to a call, with more headers.
    pub(crate) fn post(&self, method: &str, params: Value, headers: &[&str]) -> TestResult<(String, String)> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut head = format!("POST / HTTP/1.1\r\nHost: {}\r\n", self.address);
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str("Content-Type: application/json\r\nConnection: close\r\n");
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let answer = exchange(&self.address, &[head, body].concat())?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no end of the headers")?;
        Ok((head.to_owned(), body.to_owned()))
    }

    /// The last final block.
    pub(crate) fn finalized(&self) -> TestResult<Final> {
        let hash = self.call("chain_getFinalizedHead", json!([]))?;
        let header = self.call("chain_getHeader", json!([hash]))?;
        let number = header["number"].as_str().ok_or("no number")?;
        let number = u64::from_str_radix(number.trim_start_matches("0x"), 16)?;
        Ok(Final { number, hash: hash.as_str().ok_or("no hash")?.to_owned() })
    }

    /// Waits until a block is final.
    pub(crate) fn wait_for(&self, number: u64) -> TestResult<Final> {
        let begun = Instant::now();
        loop {
            let finalized = self.finalized()?;
            if finalized.number >= number {
                return Ok(finalized);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("waited for block {number} at {finalized:?}").into());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Hash of a block on the best chain.
    pub(crate) fn hash(&self, number: u64) -> TestResult<Option<String>> {
        let hash = self.call("chain_getBlockHash", json!([number]))?;
        Ok(hash.as_str().map(str::to_owned))
    }

    /// Chain time at a block, in milliseconds.
    pub(crate) fn time(&self, number: u64) -> TestResult<u64> {
        let hash = self.hash(number)?.ok_or("no such block")?;
        let value = self.call("state_getStorage", json!([NOW, hash]))?;
        let digits = value.as_str().ok_or("no time")?.trim_start_matches("0x");
        let mut bytes = [0; 8];
        for (byte, place) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(digits.get(place..place + 2).ok_or("a short time")?, 16)?;
        }
        Ok(u64::from_le_bytes(bytes))
    }
}

/// Sends a request and reads the answer to its end.
fn exchange(address: &str, request: &str) -> TestResult<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A page over HTTP.
pub(crate) fn get(url: &str) -> TestResult<String> {
    let rest = url.trim_start_matches("http://");
    let (address, path) = rest.split_once('/').ok_or("no path")?;
    exchange(address, &format!("GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}
