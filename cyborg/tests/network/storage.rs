//! Fragments gone and altered, disks full, and models that are not one's own.

use std::fs;

use cyborg_envelope::ContentKey;
use cyborg_envelope::blob;
use cyborg_envelope::hpke::SecretKey;
use cyborg_envelope::wrap::{Recipient, unwrap};
use cyborg_miner::view;
use cyborg_owner::locations;
use cyborg_protocol::bundle::CONTEXT;
use cyborg_storage_client::storage::download;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;

use crate::TestResult;
use crate::client::Client;
use crate::harness::{Plan, ROOM, run};
use crate::liar::{fetch, register};
use crate::model::digits;
use crate::parts::port;
use crate::process::until;
use crate::witness;

#[test]
fn a_model_loads_with_eight_of_twelve_fragments_gone_or_altered_and_those_are_named() -> TestResult {
    run(Plan { storage: 3, miners: &["DE", "DE"], ..Plan::default() }, async |network| {
        // Stored, registered and submitted; nobody is there to fetch it.
        for miner in &mut network.miners {
            miner.kill()?;
        }
        let deploying = network.deploying(&network.owner, digits()?, "--replicas 2 --proofs 20")?;
        until("the task is submitted", async || {
            Ok(cyborg_chain_client::view::task(&network.at().await?, 0).await?.map(drop))
        })
        .await?;
        let (mut gone, mut altered) = (Vec::new(), Vec::new());
        for file in network.storage[0].fragments()? {
            fs::remove_file(&file)?;
            gone.push(file);
        }
        for file in network.storage[1].fragments()? {
            let mut bytes = fs::read(&file)?;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&file, bytes)?;
            altered.push(file);
        }
        assert_eq!((gone.len(), altered.len(), network.storage[2].fragments()?.len()), (4, 4, 4));

        for index in 0..network.miners.len() {
            network.start_miner(index).await?;
        }
        let task = deploying.ended().await?.json()?["task"].as_u64().ok_or("no task")?;
        for index in 0..4 {
            network.infer_proven(&network.owner, task, index, "").await?;
        }
        for miner in &network.miners {
            let log = miner.log();
            for file in &altered {
                let name = file.file_name().and_then(|name| name.to_str()).ok_or("no name")?;
                let named = log.lines().any(|line| line.contains("bad fragment") && line.contains(name));
                assert!(named, "{name} is altered, and not named in {log}");
            }
            assert!(log.contains(&network.storage[1].url), "{log}");
        }

        // Looked at, nothing changes; repaired, all is as it was, and whoever looks again finds nothing.
        let repair = async |more: &str| {
            network.command(&network.owner, &format!("storage repair 0 {more}")).await?.json()
        };
        let counts = |report: &Value| ["missing", "altered", "rebuilt"].map(|name| report[name].as_u64());
        assert_eq!(counts(&repair("--check").await?), [Some(4), Some(4), None]);
        assert_eq!(counts(&repair("").await?), [Some(4), Some(4), Some(8)]);
        assert_eq!(counts(&repair("--check").await?), [Some(0), Some(0), None]);
        for storage in &network.storage {
            assert_eq!(storage.fragments()?.len(), 4);
        }
        Ok(())
    })
}

#[test]
fn a_miner_that_was_not_chosen_gets_ciphertext_and_cannot_open_it() -> TestResult {
    run(Plan::default(), async |network| {
        let (stranger, hpke) = (network.person("stranger").await?, SecretKey::generate()?);
        register(network, &stranger, &hpke, "FR", port()?).await?;
        let task = network.deploy(&network.owner, "--region DE --proofs 20").await?;
        let chosen = network.miners[0].account();
        let at = network.at().await?;
        assert!(view::task(&at, task, &stranger.account()).await?.is_none(), "it has no part in the task");

        // Everything that the chain and the storage nodes have is anybody's.
        let found = view::task(&at, task, &chosen).await?.ok_or("no task")?;
        let (wrap, (manifest, _)) = (found.wrap.ok_or("no wrap")?, found.files.ok_or("no files")?);
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("blob");
        let storage = locations::storage(&network.storage_urls(), &[], &stranger.key, None)?;
        download(&*storage, &manifest, &path).await?;
        assert!(digits()?.shown_in(folder.path())?.is_empty());

        // The wrap opens neither for it nor, with its key, for the one that it was made for.
        let genesis = network.chain.genesis();
        for miner in [stranger.account(), chosen] {
            assert!(unwrap(&wrap, &hpke, &Recipient { genesis, task, miner }).is_err());
        }
        for key in [ContentKey::generate()?, ContentKey::from_bytes(wrap[..32].try_into()?)] {
            assert!(blob::open(&key, CONTEXT, &fs::read(&path)?).is_err());
            assert!(fetch(&network.storage_urls(), &stranger.key, manifest, &key).await.is_err());
        }
        network.infer_proven(&network.owner, task, 0, "").await?;
        Ok(())
    })
}

#[test]
fn a_full_storage_node_says_so_keeps_what_it_took_and_goes_on_when_there_is_room() -> TestResult {
    run(Plan { storage: 0, miners: &[], ..Plan::default() }, async |network| {
        network.add_storage("40KB").await?;
        network.add_miner("DE").await?;
        network.start_miner(0).await?;
        // Those under way with the one that does not fit may be given up with it: then it is tried again.
        let kept = until("a fragment is kept", async || {
            let refused = network.deploying(&network.owner, digits()?, "--proofs 20")?.ended().await?;
            refused.fails(2, &["is full", &network.storage[0].url])?;
            let kept = network.storage[0].status(&network.program).await?["fragments"].as_u64();
            Ok(kept.filter(|kept| *kept > 0))
        })
        .await?;
        assert!((1..12).contains(&kept), "{kept} fragments fit");

        network.storage[0].kill()?;
        network.storage[0].start(&network.program, ROOM).await?;
        let after = network.storage[0].status(&network.program).await?["fragments"].as_u64();
        assert_eq!(after, Some(kept), "what was taken is there");
        let task = network.deploy(&network.owner, "--proofs 20").await?;
        let all = network.storage[0].status(&network.program).await?["fragments"].as_u64();
        assert_eq!(all, Some(12));
        network.infer_proven(&network.owner, task, 0, "").await?;
        Ok(())
    })
}

#[test]
fn a_miner_whose_disk_is_full_says_so_loses_nothing_and_goes_on_when_there_is_room() -> TestResult {
    run(Plan::default(), async |network| {
        let (owner, miner) = (&network.owner, network.miners[0].account());
        let task = network.deploy(owner, "--proofs 50").await?;
        let client = Client::new(network, owner, task, &miner).await?;
        let mut answered = Vec::new();
        for index in 0..4 {
            let request = client.prepare(index).await?;
            answered.push((client.insist(&request).await?, request));
        }
        limit_files(network.miners[0].id()?, Some(16 << 10))?;
        // An answer that is not on the disk is not given.
        network.infer(owner, task, 4, "--timeout 3").await?.fails(2, &["no miner of task"])?;
        network.miners[0].says(&["no room on the disk".to_owned()]).await?;

        limit_files(network.miners[0].id()?, None)?;
        for (receipt, request) in &answered {
            assert_eq!(client.insist(request).await?, *receipt, "the same answer once more");
        }
        // Number 5 was signed, and is answered now.
        let next = network.infer_proven(owner, task, 5, "").await?;
        assert_eq!(next["number"], 6, "{next}");
        network.miners[0].says(&["there is room again".to_owned()]).await?;
        network.witness.all_proven(task, &miner, 1..=6).await?;
        assert_eq!(witness::blamed(&network.witness.ledger(), &miner).count(), 0);
        network.check_escrow(task).await
    })
}

/// Limits the size of the files that a process may write; without a limit it is as ours.
fn limit_files(process: u32, bytes: Option<u64>) -> TestResult {
    let process = Pid::from_raw(i32::try_from(process)?).ok_or("no process")?;
    let own = getrlimit(Resource::Fsize);
    // The hard limit stays, so that the soft one may be lifted again.
    prlimit(Some(process), Resource::Fsize, Rlimit { current: bytes.or(own.current), ..own })?;
    Ok(())
}
