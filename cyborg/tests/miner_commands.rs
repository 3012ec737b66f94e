//! `cyborg miner …` as its operator meets it: against a real node and a real storage node, each a
//! process of its own, killed and started again on the way.

mod common;
#[cfg(feature = "node")]
mod embedded;

use common::{Folder, TestResult};
use serde_json::Value;

/// The checks of a doctor's report that ended in a certain way.
fn checks<'a>(report: &'a Value, status: &str) -> Vec<&'a str> {
    let all = report["checks"].as_array().into_iter().flatten();
    all.filter(|check| check["status"] == status).filter_map(|check| check["name"].as_str()).collect()
}

#[test]
fn bad_flags_are_refused_before_anything_is_made() -> TestResult {
    let folder = Folder::new()?;
    let good = "miner init --dir m --account //Bob --region DE --at 52.52,13.40 --storage http://127.0.0.1:1";
    for (more, said) in [
        ("--price=-1", "--price"),
        ("--memory lots", "--memory"),
        ("--tls-key k.pem", "--tls-certificate"),
        ("--unlock a --passphrase-file b", "--passphrase-file"),
        ("--listen nowhere", "--listen"),
    ] {
        let outcome = folder.cyborg(&format!("{good} {more}"))?;
        assert!(outcome.status == Some(2) && outcome.stderr.contains(said), "{more}: {outcome:?}");
    }
    for (right, wrong) in [("--at 52.52", "--at 91.00"), ("--region DE", "--region Germany")] {
        let outcome = folder.cyborg(&good.replace(right, wrong))?;
        assert!(outcome.status == Some(2) && outcome.stderr.contains(&wrong[..4]), "{wrong}: {outcome:?}");
    }
    folder.cyborg(&format!("{good} --memory 4000TB"))?.fails(2, &["--memory", "MiB"]);
    folder.cyborg(&format!("{good} --listen 0.0.0.0:9800"))?.fails(2, &["--endpoint"]);
    folder.cyborg("miner init --dir m")?.fails(2, &["--account", "cyborg account new"]);
    let away = folder.cyborg(&format!("{good} --node ws://127.0.0.1:1"))?;
    away.fails(2, &["ws://127.0.0.1:1", "cyborg node --dev"]);
    assert_eq!(folder.listing()?, [] as [&str; 0]);
    Ok(())
}

#[test]
fn a_folder_without_a_miner_is_said() -> TestResult {
    let folder = Folder::new()?;
    for command in ["start", "status", "update --price 1", "bond 1", "leave", "withdraw"] {
        let outcome = folder.cyborg(&format!("miner {command} --dir m"))?;
        outcome.fails(2, &["m/miner.json", "cyborg miner init"]);
    }
    let doctor = folder.cyborg("miner doctor --dir m --bundle b.zip --json")?;
    let report = doctor.json()?;
    doctor.fails(1, &["folder", "settings"]);
    assert_eq!(checks(&report, "problem"), ["folder", "settings"]);
    assert_eq!(folder.listing()?, ["b.zip"]);
    folder.write("m.json", "")?;
    folder.cyborg("miner doctor --dir m.json")?.fails(1, &["settings"]);
    Ok(())
}

#[test]
fn a_machine_is_measured_without_anything_else() -> TestResult {
    let folder = Folder::new()?;
    let measured = folder.cyborg("miner init --dir m --measure-only --json")?.ok().json()?;
    for name in ["memory_bytes", "macs_per_second", "prove_ms", "disk_free_bytes"] {
        assert!(measured[name].as_u64() > Some(0), "{name}: {measured}");
    }
    assert!(measured["macs_per_second"].as_u64() > Some(1_000_000), "{measured}");
    assert_eq!(folder.listing()?, [] as [&str; 0]);
    Ok(())
}

#[cfg(feature = "node")]
mod with_a_chain {
    use std::fs;
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::Command;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::common::Outcome;
    use super::embedded::{self, Server};
    use super::*;
    use rustix::process::Signal;
    use serde_json::json;

    /// Longest that anything may take.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Ports of this test: below those that the system gives to others.
    fn port(index: u32) -> u16 {
        u16::try_from(21_000 + 10 * (std::process::id() % 1_000) + index).unwrap_or(21_000)
    }

    fn program(arguments: &[&str]) -> Command {
        embedded::program().command(["--json"].iter().chain(arguments))
    }

    struct Network {
        folder: Folder,
        url: String,
        storage: String,
    }

    impl Network {
        /// Starts the node, on the same port and with the same chain each time.
        fn node(&self) -> TestResult<Server> {
            let (path, port) = (self.folder.path("node"), port(0).to_string());
            let mut command =
                program(&["node", "--dev", "--block-time", "1000", "--rpc-port", &port, "--base-path"]);
            let mut node = Server::run(command.arg(path))?;
            node.ready()?;
            Ok(node)
        }

        fn cyborg(&self, line: &str) -> TestResult<Outcome> {
            self.folder.cyborg(line)
        }

        fn json(&self, line: &str) -> TestResult<Value> {
            self.cyborg(&format!("{line} --json"))?.ok().json()
        }

        /// `miner init` with all that it needs.
        fn init(&self, more: &str) -> String {
            let listen = port(1);
            format!(
                "miner init --dir m --node {} --account miner.key --region DE --at 52.52,13.40 --storage {} \
                 --listen 127.0.0.1:{listen} --memory 64MiB {more}",
                self.url, self.storage
            )
        }

        fn start(&self, more: &[&str]) -> TestResult<Server> {
            let mut command = program(&["miner", "start", "--dir"]);
            Server::run(command.arg(self.folder.path("m")).args(more))
        }

        /// Transactions that the miner's account has sent.
        fn sent(&self) -> TestResult<u64> {
            let balance = self.json(&format!("chain --node {} balance miner.key", self.url))?;
            balance["nonce"].as_u64().ok_or_else(|| balance.to_string().into())
        }
    }

    /// Waits until something is true.
    fn wait(what: &str, mut done: impl FnMut() -> TestResult<bool>) -> TestResult {
        let begun = Instant::now();
        while !done()? {
            if begun.elapsed() > PATIENCE {
                return Err(format!("waited for {what}").into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn mode(path: &Path) -> TestResult<u32> {
        Ok(fs::metadata(path)?.permissions().mode() & 0o777)
    }

    /// Every file of a bundle, by name.
    fn unpacked(path: &Path) -> TestResult<Vec<(String, Vec<u8>)>> {
        let mut archive = zip::ZipArchive::new(fs::File::open(path)?)?;
        let mut files = Vec::new();
        for index in 0..archive.len() {
            let mut file = archive.by_index(index)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            files.push((file.name()?.into_owned(), bytes));
        }
        Ok(files)
    }

    fn network() -> TestResult<(Network, Server, Server)> {
        let folder = Folder::new()?;
        let mut storage = Server::run(
            program(&["storage", "start", "--listen", "127.0.0.1:0", "--dir"]).arg(folder.path("s")),
        )?;
        let at = storage.ready()?["url"].as_str().ok_or("no storage node")?.to_owned();
        let network = Network { folder, url: format!("ws://127.0.0.1:{}", port(0)), storage: at };
        let node = network.node()?;
        Ok((network, node, storage))
    }

    #[test]
    fn a_miner_from_its_registration_to_its_doctor() -> TestResult {
        let (network, node, storage) = network()?;
        let made = network.json("account new --out miner.key")?;
        let miner = made["account"].as_str().ok_or("no account")?.to_owned();
        registers(&network, &miner)?;
        let node = serves(&network, &miner, node)?;
        moves(&network, &miner)?;
        changes(&network, &miner)?;
        assert!(node.stop()?.success());
        assert!(storage.stop()?.success());
        Ok(())
    }

    /// Without money nothing is made; interrupted it goes on; registered it changes nothing.
    fn registers(network: &Network, miner: &str) -> TestResult {
        let init = network.init("");
        network.cyborg(&init)?.fails(2, &[miner, "1001 CYB are missing", "cyborg chain transfer"]);
        assert!(!network.folder.path("m").exists());
        network.json(&format!("chain --node {} transfer --from //Alice {miner} 1100", network.url))?;
        network.cyborg(&network.init("--bond 1"))?.fails(2, &["--bond", "1000 CYB"]);
        assert!(!network.folder.path("m").exists());

        // Killed once when the key is there, and once when the settings are.
        let words: Vec<&str> = init.split_whitespace().collect();
        for (file, what) in [("m/vault/hpke.sealed", "a key"), ("m/miner.json", "settings")] {
            let mut begun = Command::new(env!("CARGO_BIN_EXE_cyborg"))
                .args(&words)
                .current_dir(network.folder.path("."))
                .spawn()?;
            wait(what, || Ok(network.folder.path(file).exists()))?;
            begun.kill()?;
            begun.wait()?;
        }
        let made = network.json(&init)?;
        assert_eq!(
            (&made["miner"], &made["region"], &made["cell"]),
            (&json!(miner), &json!("DE"), &json!("52.52,13.40"))
        );
        assert_eq!((&made["memory_mib"], &made["bond"]), (&json!(64), &json!("1000000000000000")));
        assert_eq!(made["endpoint"], format!("http://127.0.0.1:{}", port(1)));
        // Killed in the moment after its registration was sent, it may have tried once more.
        let sent = network.sent()?;
        assert!((1..=2).contains(&sent), "{sent} transactions");

        let folder = network.folder.path("m");
        assert_eq!(mode(&folder)?, 0o700);
        for file in ["miner.json", "unlock.key", "vault/vault", "vault/hpke.sealed", "lock"] {
            assert_eq!(mode(&folder.join(file))?, 0o600, "{file}");
        }
        let settings = network.folder.read("m/miner.json")?;
        let again = network.json(&network.init("--price 99"))?;
        assert_eq!((&again["already_registered"], &again["key"]), (&json!(true), &made["key"]));
        assert_eq!(network.folder.read("m/miner.json")?, settings);
        assert_eq!(network.sent()?, sent, "nothing was sent");

        // Another folder has another key.
        let other = init.replace("--dir m", "--dir other");
        network.cyborg(&other)?.fails(2, &[miner, "another key"]);
        assert!(!network.folder.path("other").exists());
        let status = network.json("miner status --dir m")?;
        assert_eq!((&status["standing"], &status["process"]["running"]), (&json!("serving"), &json!(false)));
        let doctor = network.json("miner doctor --dir m")?;
        assert_eq!(checks(&doctor, "problem"), [] as [&str; 0], "{doctor}");
        assert!(checks(&doctor, "warning").contains(&"process"), "{doctor}");
        Ok(())
    }

    /// It runs, alone in its folder; what asks for it finds it, with and without the chain.
    fn serves(network: &Network, miner: &str, node: Server) -> TestResult<Server> {
        let listen = format!("127.0.0.1:{}", port(1));
        let mut running = network.start(&[])?;
        let ready = running.ready()?;
        assert_eq!((&ready["address"], &ready["miner"]), (&json!(listen), &json!(miner)));
        assert_eq!(ready["endpoint"], format!("http://{listen}"));
        network.cyborg("miner start --dir m")?.fails(2, &["another miner runs", "process "]);

        let mut status = Value::Null;
        wait("the miner to follow", || {
            status = network.json("miner status --dir m")?;
            Ok(status["process"]["block"].as_u64() > Some(0))
        })?;
        assert_eq!((&status["process"]["running"], &status["tasks"]), (&json!(true), &json!([])));
        assert!(network.cyborg("miner status --dir m")?.ok().stdout.contains("no tasks"));

        let doctor = network.json("miner doctor --dir m --bundle b.zip")?;
        assert_eq!(checks(&doctor, "problem"), [] as [&str; 0], "{doctor}");
        let well = checks(&doctor, "ok");
        for name in [
            "folder",
            "settings",
            "unlock",
            "account",
            "chain",
            "blocks",
            "clock",
            "registration",
            "bond",
            "reputation",
            "heartbeat",
            "money",
            "process",
            "endpoint",
            "storage",
            "memory",
        ] {
            assert!(well.contains(&name), "{name}: {doctor}");
        }
        bundle_has_no_secrets(network)?;

        // Without the chain: the process goes on, and everybody says what is missing.
        node.kill()?;
        let status = network.json("miner status --dir m")?;
        assert_eq!((&status["chain"], &status["process"]["running"]), (&Value::Null, &json!(true)));
        assert!(status["chain_error"].as_str().is_some_and(|error| error.contains(&network.url)), "{status}");
        let doctor = network.cyborg("miner doctor --dir m --json")?;
        assert_eq!(checks(&doctor.json()?, "problem"), ["chain"]);
        doctor.fails(1, &["chain"]);
        assert!(running.stop()?.success(), "SIGTERM ends it in order");
        network.cyborg("miner start --dir m --patience 0")?.fails(2, &[&network.url]);

        // A miner that waits for its chain ends in order too, and starts when the chain is there.
        let waiting = network.start(&[])?;
        thread::sleep(Duration::from_secs(1));
        waiting.signal(Signal::INT);
        assert!(waiting.stop()?.success());
        let mut waiting = network.start(&[])?;
        thread::sleep(Duration::from_secs(1));
        let node = network.node()?;
        assert_eq!(waiting.ready()?["miner"], miner);
        waiting.kill()?;
        Ok(node)
    }

    fn bundle_has_no_secrets(network: &Network) -> TestResult {
        let folder = &network.folder;
        assert_eq!(mode(&folder.path("b.zip"))?, 0o600);
        let files = unpacked(&folder.path("b.zip"))?;
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        for name in [
            "doctor.txt",
            "doctor.json",
            "miner.json",
            "versions.json",
            "chain.json",
            "tasks.txt",
            "health.json",
            "metrics.txt",
            "meminfo.txt",
            "cpuinfo.txt",
        ] {
            assert!(names.contains(&name), "no {name} in {names:?}");
        }
        let unlock = folder.read("m/unlock.key")?;
        let digits: String = unlock.iter().map(|byte| format!("{byte:02x}")).collect();
        let phrase = String::from_utf8(folder.read("miner.key")?)?;
        let three: Vec<&str> = phrase.split_whitespace().take(3).collect();
        for (name, bytes) in &files {
            let has = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!has(&unlock) && !has(digits.as_bytes()), "the key that unlocks is in {name}");
            assert!(!has(three.join(" ").as_bytes()), "the account's phrase is in {name}");
        }
        Ok(())
    }

    /// At another address: the chain is told. What is wrong is found.
    fn moves(network: &Network, miner: &str) -> TestResult {
        let listen = format!("127.0.0.1:{}", port(2));
        let mut running = network.start(&["--listen", &listen])?;
        assert_eq!(running.ready()?["endpoint"], format!("http://{listen}"));
        let status = network.json("miner status --dir m")?;
        assert_eq!(status["endpoint"], format!("http://{listen}"));
        assert_eq!(status["process"]["url"], format!("http://{listen}"));
        running.kill()?;

        let taken = TcpListener::bind(("127.0.0.1", port(1)))?;
        let doctor = network.cyborg("miner doctor --dir m --json")?;
        assert_eq!(checks(&doctor.json()?, "problem"), ["process"]);
        let at = format!("127.0.0.1:{}", port(1));
        network.cyborg("miner start --dir m")?.fails(2, &["cannot listen", &at]);
        drop(taken);
        fs::rename(network.folder.path("m/unlock.key"), network.folder.path("aside"))?;
        let doctor = network.cyborg("miner doctor --dir m --json")?;
        assert_eq!(checks(&doctor.json()?, "problem"), ["unlock"]);
        network.cyborg("miner start --dir m")?.fails(2, &["unlock.key"]);
        network.cyborg(&network.init(""))?.fails(2, &["unlock.key"]);
        fs::rename(network.folder.path("aside"), network.folder.path("m/unlock.key"))?;
        let made = network.json(&network.init(""))?;
        assert_eq!((&made["miner"], &made["already_registered"]), (&json!(miner), &json!(true)));
        Ok(())
    }

    /// On other terms, beside the running miner; then it leaves, and its bond stays for the delay.
    fn changes(network: &Network, miner: &str) -> TestResult {
        let mut running = network.start(&[])?;
        running.ready()?;
        let nothing = network.cyborg("miner update --dir m")?;
        assert!(nothing.status == Some(2) && nothing.stderr.contains("--price"), "{nothing:?}");
        network.cyborg("miner update --dir m --memory 4000TB")?.fails(2, &["--memory", "MiB"]);
        network.cyborg("miner bond --dir m 5000")?.fails(2, &["CYB to spend"]);
        let now = network.json("miner update --dir m --price 12.5 --memory 32MiB --at 48.14,11.58")?;
        assert_eq!((&now["miner"], &now["price"]), (&json!(miner), &json!("12500000000000")));
        assert_eq!(
            (&now["memory_mib"], &now["region"], &now["cell"]),
            (&json!(32), &json!("DE"), &json!("48.14,11.58"))
        );
        let now = network.json("miner bond --dir m 2.5")?;
        assert_eq!((&now["bond"], &now["price"]), (&json!("1002500000000000"), &json!("12500000000000")));

        network.cyborg("miner withdraw --dir m")?.fails(2, &["has not deregistered"]);
        let now = network.json("miner leave --dir m")?;
        assert!(now["leaves_at_ms"].as_u64() > Some(0), "{now}");
        network.cyborg("miner leave --dir m")?.fails(2, &["is leaving"]);
        network.cyborg("miner withdraw --dir m")?.fails(2, &["unbonding delay is not over"]);
        let doctor = network.json("miner doctor --dir m")?;
        assert!(checks(&doctor, "warning").contains(&"registration"), "{doctor}");
        assert!(running.stop()?.success());
        Ok(())
    }
}
