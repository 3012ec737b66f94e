//! `cyborg up` and `cyborg demo`: whole networks, through their processes.
#![cfg(feature = "node")]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{Folder, TestResult};
use serde_json::{Value, json};

/// Longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// A network that runs, in a folder.
struct Network {
    supervisor: Child,
    /// What it said when it was ready.
    ready: Value,
    stderr: PathBuf,
}

fn signal(process: u64, name: &str) -> TestResult {
    let line = format!("kill -{name} {process}");
    assert!(Command::new("sh").args(["-c", &line]).status()?.success(), "{line}");
    Ok(())
}

/// Whether a process runs: one that nobody has waited for does not.
fn runs(process: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The state follows the name, which is in parentheses.
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Processes that carry the mark of a folder.
fn marked(folder: &Path) -> TestResult<Vec<u64>> {
    let folder = folder.canonicalize()?.display().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse() else { continue };
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let own = |variable: &str| variable.starts_with("CYBORG_SUPERVISED=") && variable.ends_with(&folder);
        if environment.split('\0').any(own) {
            found.push(process);
        }
    }
    Ok(found)
}

/// Whether a miner says that it is well.
fn is_well(endpoint: &str) -> bool {
    let address = endpoint.trim_start_matches("http://");
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn up(folder: &Folder, arguments: &[&str]) -> TestResult<(Child, PathBuf)> {
    let stderr = folder.path("up.stderr");
    let supervisor = Command::new(env!("CARGO_BIN_EXE_cyborg"))
        .args(["up", "--json", "--dir"])
        .arg(folder.path("network"))
        .args(arguments)
        // Compiled wasm is shared by the tests, and the user's own cache left alone.
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(&stderr)?)
        .spawn()?;
    Ok((supervisor, stderr))
}

impl Network {
    fn start(folder: &Folder, arguments: &[&str]) -> TestResult<Self> {
        let (mut supervisor, stderr) = up(folder, arguments)?;
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        let said = fs::read_to_string(&stderr)?;
        let ready: Value =
            serde_json::from_str(&line).map_err(|error| format!("{error} in `{line}`: {said}"))?;
        if ready.get("error").is_some() {
            supervisor.wait()?;
            return Err(format!("{ready}: {said}").into());
        }
        Ok(Self { supervisor, ready, stderr })
    }

    fn text(&self, pointer: &str) -> TestResult<&str> {
        let text = self.ready.pointer(pointer).and_then(Value::as_str);
        text.ok_or_else(|| format!("no {pointer} in {}", self.ready).into())
    }

    /// The numbers of all processes but the supervisor's.
    fn processes(&self) -> Vec<u64> {
        let list = |name: &str| self.ready[name].as_array().cloned().unwrap_or_default();
        let parts = list("storage").into_iter().chain(list("miners")).chain([self.ready["node"].clone()]);
        parts.filter_map(|part| part["process"].as_u64()).collect()
    }

    /// The addresses of everything, which must stay the same.
    fn addresses(&self) -> Value {
        let list = |name: &str, field: &str| -> Value {
            self.ready[name].as_array().into_iter().flatten().map(|part| part[field].clone()).collect()
        };
        json!({
            "genesis": self.ready["genesis"],
            "node": self.ready["node"]["rpc"],
            "storage": list("storage", "url"),
            "miners": list("miners", "miner"),
            "endpoints": list("miners", "endpoint"),
            "owner": self.ready["owner"],
        })
    }

    /// Asserts that every part answers where it says that it is.
    fn answers(&self, folder: &Folder) -> TestResult {
        let node = self.text("/node/rpc")?;
        let status = folder.cyborg(&format!("chain --node {node} status --json"))?.ok().json()?;
        assert_eq!(status["genesis"], self.ready["genesis"]);
        for storage in self.ready["storage"].as_array().into_iter().flatten() {
            let url = storage["url"].as_str().ok_or("no URL")?;
            assert_eq!(folder.cyborg(&format!("storage status {url} --json"))?.ok().json()?["status"], "ok");
        }
        for miner in self.ready["miners"].as_array().into_iter().flatten() {
            let endpoint = miner["endpoint"].as_str().ok_or("no endpoint")?;
            assert!(is_well(endpoint), "{miner}");
        }
        Ok(())
    }

    /// The final block.
    fn block(&self, folder: &Folder) -> TestResult<u64> {
        let node = self.text("/node/rpc")?;
        let status = folder.cyborg(&format!("chain --node {node} status --json"))?.ok().json()?;
        Ok(status["block"].as_u64().ok_or("no block")?)
    }

    /// SIGTERM, and waits for the end.
    fn stop(mut self) -> TestResult<(ExitStatus, Vec<u64>)> {
        signal(self.supervisor.id().into(), "TERM")?;
        Ok((self.supervisor.wait()?, self.processes()))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // A test has failed; what it started ends with it.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

#[test]
fn a_network_ends_and_goes_on_where_it_was() -> TestResult {
    let folder = Folder::new()?;
    let network = Network::start(&folder, &["--miners", "2", "--storage", "4", "--block-time", "200"])?;
    let root = folder.path("network");
    network.answers(&folder)?;
    assert_eq!(network.processes().len(), 1 + 4 + 2);
    assert!(network.processes().into_iter().all(runs));
    let places = network.addresses();
    let node = network.text("/node/rpc")?.to_owned();
    let miners = |node: &str| -> TestResult<Value> {
        let listed = folder.cyborg(&format!("chain --node {node} miners --json"))?.ok().json()?;
        let mut accounts: Vec<Value> =
            listed["miners"].as_array().into_iter().flatten().map(|miner| miner["miner"].clone()).collect();
        accounts.sort_by_key(Value::to_string);
        Ok(accounts.into())
    };
    let registered = miners(&node)?;
    assert_eq!(registered.as_array().map(Vec::len), Some(2));

    // One at a time, and what is there is not taken away.
    let other = format!("up --dir {}", root.display());
    let process = network.supervisor.id().to_string();
    folder.cyborg(&other)?.fails(2, &["in use", &process]);

    // What a user sources finds the network, and the owner has money.
    let script = format!(
        ". '{}' && '{}' chain balance \"$CYBORG_ACCOUNT\" --json && printf '%s\\n' \"$CYBORG_STORAGE\" \"$CYBORG_OWNER_DIR\"",
        network.text("/env")?,
        env!("CARGO_BIN_EXE_cyborg")
    );
    let shown = Command::new("sh").args(["-c", &script]).output()?;
    let shown = String::from_utf8(shown.stdout)?;
    let mut lines = shown.lines();
    let balance: Value = serde_json::from_str(lines.next().ok_or("no balance")?)?;
    assert_eq!(balance["account"], network.ready["owner"]["account"]);
    assert!(balance["free"].as_str().is_some_and(|digits| digits.len() > 15), "{balance}");
    assert_eq!(lines.next().map(|nodes| nodes.split(',').count()), Some(4));
    assert_eq!(lines.next(), Some(root.canonicalize()?.join("owner").display().to_string().as_str()));

    // A miner that dies is started again, at the same place.
    let miner = network.ready["miners"][0].clone();
    signal(miner["process"].as_u64().ok_or("no process")?, "KILL")?;
    let endpoint = miner["endpoint"].as_str().ok_or("no endpoint")?;
    wait_until("the miner is not back", || is_well(endpoint));
    assert!(fs::read_to_string(&network.stderr)?.contains("miner-1 ended with signal: 9"));

    let before = network.block(&folder)?;
    let (status, processes) = network.stop()?;
    assert!(status.success(), "{status}");
    assert!(!processes.into_iter().any(runs), "something is left");
    assert_eq!(marked(&root)?, Vec::<u64>::new());

    // A port that somebody has taken is named, with whose it was.
    let address = node.trim_start_matches("ws://").to_owned();
    let taken = TcpListener::bind(&address)?;
    let port = address.rsplit(':').next().ok_or("no port")?.to_owned();
    folder.cyborg(&other)?.fails(2, &[&format!("port {port} of the chain's node"), "--dir"]);
    drop(taken);
    folder.cyborg(&format!("{other} --miners 1"))?.fails(2, &["--miners", "has 2"]);

    let again = Network::start(&folder, &[])?;
    assert_eq!(again.addresses(), places);
    assert!(again.ready["block"].as_u64() >= Some(before), "{} and {before}", again.ready["block"]);
    assert_eq!(again.ready["block_time_ms"], 200);
    again.answers(&folder)?;
    assert_eq!(miners(&node)?, registered);
    assert!(again.stop()?.0.success());
    Ok(())
}

#[test]
fn whatever_is_killed_the_network_goes_on() -> TestResult {
    let folder = Folder::new()?;
    let root = folder.path("network");
    let mut network = Network::start(&folder, &["--miners", "2", "--storage", "3", "--block-time", "200"])?;
    let places = network.addresses();

    // The supervisor alone: the others end, or are ended by the next start.
    let block = network.block(&folder)?;
    network.supervisor.kill()?;
    network.supervisor.wait()?;
    network = Network::start(&folder, &[])?;
    assert_eq!(network.addresses(), places);
    assert!(network.ready["block"].as_u64() >= Some(block));
    network.answers(&folder)?;
    assert_eq!(marked(&root)?.len(), network.processes().len());

    // Everything at once.
    let block = network.block(&folder)?;
    for process in network.processes() {
        signal(process, "STOP")?;
    }
    network.supervisor.kill()?;
    for process in network.processes() {
        signal(process, "KILL")?;
    }
    network.supervisor.wait()?;
    network = Network::start(&folder, &[])?;
    assert_eq!(network.addresses(), places);
    assert!(network.ready["block"].as_u64() >= Some(block));
    network.answers(&folder)?;

    // What is left over and does not listen is ended by force.
    assert!(network.stop()?.0.success());
    let mut deaf = Command::new("sh")
        .args(["-c", "trap '' TERM; while :; do sleep 0.1; done"])
        .env("CYBORG_SUPERVISED", format!("1 {}", root.canonicalize()?.display()))
        .spawn()?;
    wait_until("no process is left over", || marked(&root).is_ok_and(|left| !left.is_empty()));
    network = Network::start(&folder, &[])?;
    assert!(deaf.try_wait()?.is_some_and(|status| !status.success()));
    assert_eq!(network.addresses(), places);

    // It grows, and what was there stays where it is.
    assert!(network.stop()?.0.success());
    network = Network::start(&folder, &["--miners", "3"])?;
    network.answers(&folder)?;
    assert_eq!(network.addresses()["storage"], places["storage"]);
    assert_eq!(network.addresses()["miners"][0], places["miners"][0]);
    assert_eq!(network.addresses()["miners"].as_array().map(Vec::len), Some(3));
    assert!(network.stop()?.0.success());
    assert_eq!(marked(&root)?, Vec::<u64>::new());
    Ok(())
}

#[test]
fn a_start_can_be_broken_off_at_any_moment() -> TestResult {
    let folder = Folder::new()?;
    for milliseconds in [0, 50, 400, 1_500, 3_000, 5_000] {
        let (mut supervisor, stderr) =
            up(&folder, &["--miners", "1", "--storage", "1", "--block-time", "200"])?;
        thread::sleep(Duration::from_millis(milliseconds));
        // In its first moments it may end by the signal itself.
        signal(supervisor.id().into(), "TERM")?;
        let status = supervisor.wait()?;
        let said = fs::read_to_string(stderr)?;
        assert!(status.success() || status.code().is_none(), "after {milliseconds} ms: {status}: {said}");
        if folder.path("network").exists() {
            assert_eq!(marked(&folder.path("network"))?, Vec::<u64>::new(), "after {milliseconds} ms");
        }
    }
    let network = Network::start(&folder, &["--miners", "1", "--storage", "1"])?;
    network.answers(&folder)?;
    assert!(network.stop()?.0.success());
    Ok(())
}

#[test]
fn folders_of_others_are_left_alone() -> TestResult {
    let folder = Folder::new()?;
    folder.write("precious", "mine")?;
    folder.cyborg("up --dir .")?.fails(2, &["is not empty", "holds no network"]);
    assert_eq!(folder.listing()?, ["precious"]);
    for wrong in
        ["up --miners 0", "up --storage 0", "up --block-time 1", "demo --answers 0", "demo --model m.onnx"]
    {
        assert_eq!(folder.cyborg(wrong)?.status, Some(2), "{wrong}");
    }
    Ok(())
}

#[test]
fn the_demo_shows_a_deployment_that_holds() -> TestResult {
    let folder = Folder::new()?;
    let temporary = folder.path("tmp");
    fs::create_dir(&temporary)?;
    let done = Command::new(env!("CARGO_BIN_EXE_cyborg"))
        .args(["demo", "--json", "--answers", "3"])
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("TMPDIR", &temporary)
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&done.stdout));
    let stdout = String::from_utf8(done.stdout)?;
    assert_eq!(stdout.lines().count(), 1, "one object: {stdout}");
    let result: Value = serde_json::from_str(&stdout)?;

    assert_eq!(result["holds"], true);
    let list = |name: &str| result[name].as_array().cloned().unwrap_or_default();
    assert!(list("checks").len() >= 10 && list("checks").iter().all(|check| check["holds"] == true));
    let events: Vec<String> =
        list("steps").iter().filter_map(|step| step["event"].as_str().map(str::to_owned)).collect();
    assert_eq!(
        events,
        [
            "Miners.Registered",
            "Models.Registered",
            "Tasks.Submitted",
            "Tasks.Engaged",
            "Tasks.KeyWrapped",
            "Tasks.Confirmed",
            "Proofs.Verified",
            "Tasks.Stopped"
        ]
    );
    assert_eq!(list("answers").len(), 3);
    for answer in list("answers") {
        assert_eq!(answer["equal"], true, "{answer}");
        assert!(answer["proven_in_block"].as_u64() > Some(0) && answer["proof_bytes"].as_u64() > Some(1_000));
        assert!(answer["paid"].as_str().is_some_and(|paid| paid != "0"), "{answer}");
    }
    // Digits that a network of 99 % reads: at most one of three is another.
    assert!(result["right"].as_u64() >= Some(2), "{result}");
    let units =
        |value: &Value| value.as_str().and_then(|digits| digits.parse::<u128>().ok()).unwrap_or_default();
    let money = &result["money"];
    assert_eq!(
        units(&money["escrow"]),
        units(&money["to_miners"]) + units(&money["to_treasury"]) + units(&money["held"])
    );
    assert!(units(&money["to_miners"]) > 0 && units(&money["fees"]) > 0);
    assert!(money["returns_in_block"].as_u64() > result["blocks"].as_u64(), "{money}");

    // Each command was shown as it was run, and nothing of it is left.
    for command in ["model compile", "zk keygen", "deploy", "model run", "infer", "task stop"] {
        assert!(said.contains(&format!("$ cyborg {command} ")), "no {command} in {said}");
    }
    assert_eq!(fs::read_dir(&temporary)?.count(), 0);
    assert_eq!(marked(&temporary)?, Vec::<u64>::new());
    Ok(())
}
