//! Owners and attackers over sockets, with the client's own half.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;

use cyborg_account::{Keypair, Signing, keys};
use cyborg_envelope::ContentKey;
use cyborg_envelope::hpke::SecretKey;
use cyborg_owner::Http;
use cyborg_owner::error::StatusError;
use cyborg_owner::watch::Watch;
use cyborg_primitives::signed::StatusChallenge;
use cyborg_primitives::task::ProofPolicy;
use cyborg_primitives::verification::Cost;
use cyborg_primitives::window::Window;
use cyborg_protocol::bundle::{self, Deployment};
use cyborg_serving::{Connections, Service, bind, serve};
use reqwest::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Client, StatusCode};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zkml_prover::keygen;
use zkml_testkit::case::dense;

use crate::answer::{RequestContext, WorkerPool};
use crate::api::{Api, router};
use crate::loaded::{Loaded, Registered};
use crate::served::{Limits, RequestWindow, ServedTask};
use crate::store::Store;
use crate::view::Terms;

const GENESIS: Digest = [9; 32];
const TASK: TaskId = 3;

fn key(seed: u8) -> Keypair {
    keys::from_seed(&[seed; 32]).unwrap()
}

/// A miner's HTTP interface with one task of owner 1 and delegate 2, and one of owner 3.
struct Bench {
    context: Arc<RequestContext>,
    _folder: tempfile::TempDir,
    hub: Arc<StatusHub>,
    address: SocketAddr,
    http: Client,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

fn client() -> Client {
    // TLS needs a process-wide provider; one that is installed already stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

impl Bench {
    async fn start(limits: Streams, challenges: Challenges) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signer = keys::load("//Bob").unwrap();
        let miner = keys::account(&signer);
        let metrics = Arc::new(Metrics::new());
        let (commits, _) = sync_channel(1);
        let key_of_store = ContentKey::from_bytes([7; 32]);
        let context = Arc::new(RequestContext {
            genesis: GENESIS,
            miner,
            signer,
            hpke: SecretKey::from_seed(&[8; 32]),
            store: Store::open(&folder.path().join("miner.redb"), key_of_store).unwrap(),
            commits,
            metrics: metrics.clone(),
        });
        let (stop, stopped) = watch::channel(false);
        let hub = Arc::new(StatusHub {
            genesis: GENESIS,
            miner,
            limits,
            published: Default::default(),
            pools: Arc::default(),
            metrics: metrics.clone(),
            challenges,
            subscriptions: Mutex::default(),
            stopped: stopped.clone(),
        });
        hub.put(TASK, Some(vec![key(1).account(), key(2).account()]), "fetching", None);
        hub.put(4, Some(vec![key(3).account()]), "assigned", None);
        let api = Api {
            pools: Arc::default(),
            context: context.clone(),
            hub: hub.clone(),
            energy: Vec::new(),
            max_body_bytes: 1 << 20,
            silence: Duration::from_secs(5),
            patience: Duration::from_secs(5),
        };
        let (listener, address) = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let service =
            Service { router: router(api), tls: None, limits: Connections::default(), gauge: metrics };
        let served = tokio::spawn(serve(listener, service, stopped));
        Self { _folder: folder, context, hub, address, http: client(), stop, served }
    }

    async fn quick() -> Self {
        let limits = Streams { pause: Duration::from_millis(20), ..Streams::default() };
        Self::start(limits, Challenges::new().unwrap()).await
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn watch(
        &self,
        task: TaskId,
        signer: &dyn Signing,
    ) -> Result<Watch<reqwest::Response>, StatusError> {
        Watch::open(&Http::from(self.http.clone()), &self.url(), &GENESIS, task, self.hub.miner, signer).await
    }

    /// A challenge as the miner gives it.
    async fn nonce(&self, task: TaskId) -> [u8; 32] {
        let url = format!("{}/v1/tasks/{task}/challenge", self.url());
        let text = self.http.get(url).send().await.unwrap().bytes().await.unwrap();
        let challenge: Challenge = serde_json::from_slice(&text).unwrap();
        assert_eq!(challenge.lasts_ms, 60_000);
        challenge.nonce().unwrap()
    }

    async fn ask(&self, task: TaskId, header: Option<&str>) -> reqwest::Response {
        let request = self.http.get(format!("{}/v1/tasks/{task}/status", self.url()));
        let request = match header {
            Some(header) => request.header(AUTHORIZATION, header),
            None => request,
        };
        request.send().await.unwrap()
    }

    fn sign(&self, signer: &dyn Signing, nonce: [u8; 32]) -> String {
        let challenge = StatusChallenge { task: TASK, miner: self.hub.miner, nonce };
        StatusToken::sign(signer, &GENESIS, &challenge).to_header()
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        timeout(Duration::from_secs(10), self.served).await.unwrap().unwrap();
    }
}

/// The next event, within a time that fails the test.
async fn next(watch: &mut Watch<reqwest::Response>) -> Option<Status> {
    timeout(Duration::from_secs(10), watch.next()).await.unwrap().unwrap()
}

fn a_served_task(bench: &Bench) -> Arc<ServedTask> {
    let case = dense(&[4, 3, 2], 1).unwrap();
    let keys = keygen(case.graph, case.weights, &mut |_| ()).unwrap();
    let bytes = Deployment { key: &keys.prover.to_bytes().unwrap(), test: case.inputs }.to_bytes();
    let registered = Registered {
        key: keys.verifier.digest(),
        file: bundle::digest(&bytes),
        key_bytes: keys.verifier.to_bytes(),
        cost: Cost::default(),
    };
    let loaded = Arc::new(Loaded::new(&bytes, &registered).unwrap());
    let mut settled = Window::default();
    assert!(settled.settle(1));
    let terms =
        Terms { per_request: 10, per_proof: 3, settled, compute_left: u128::MAX, proofs_left: 1_000_000 };
    let window = RequestWindow::new(true, terms, BTreeSet::from([1, 2, 4]));
    let (result, signers) = (SecretKey::from_seed(&[6; 32]).public(), vec![key(1).account()]);
    let served = Arc::new(ServedTask::new(
        TASK,
        0,
        ProofPolicy::Every,
        signers,
        result,
        loaded,
        Limits::default(),
        window,
    ));
    let pool = WorkerPool::open(&bench.context, served.clone(), 1).unwrap();
    bench.hub.pools.write().unwrap().insert(TASK, Arc::new(pool));
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_sees_a_task_to_its_end() {
    let bench = Bench::quick().await;
    let mut watch = bench.watch(TASK, &key(1)).await.unwrap();
    let first = next(&mut watch).await.unwrap();
    assert_eq!((first.task, &first.step[..], first.block), (TASK, "fetching", 0));
    assert_eq!((first.answered, first.compute_left, first.proof_money_left), (0, None, None));

    let signers = || Some(vec![key(1).account(), key(2).account()]);
    bench.hub.put(TASK, signers(), "declining", Some("a \"trouble\"\nin words".to_owned()));
    let troubled = next(&mut watch).await.unwrap();
    assert_eq!(troubled.step, "declining");
    assert_eq!(troubled.trouble.unwrap(), "a \"trouble\"\nin words");

    let served = a_served_task(&bench);
    served.window().unproven = 2;
    let metrics = &bench.hub.metrics;
    metrics.proven(TASK, Duration::from_millis(1500));
    metrics.busy(TASK, Duration::from_millis(250));
    metrics.proof(TASK, "verified");
    metrics.proven(4, Duration::from_secs(9));
    metrics.block.set(77);
    bench.hub.put(TASK, signers(), "serving", None);
    let expected = Status {
        task: TASK,
        step: "serving".to_owned(),
        trouble: None,
        block: 77,
        answered: 3,
        proofs_due: 2,
        proofs_made: 1,
        proofs_verified: 1,
        settled_through: 1,
        compute_left: Some(u128::MAX),
        proof_money_left: Some(1_000_000),
        busy_ms: 1750,
    };
    loop {
        let status = next(&mut watch).await.unwrap();
        if status == expected {
            break;
        }
        // An event may have come between two of the changes.
        assert!(status.block <= 77 && status.busy_ms <= 1750);
    }
    // The delegate sees the same.
    let mut second = bench.watch(TASK, &key(2)).await.unwrap();
    assert_eq!(next(&mut second).await.unwrap(), expected);
    assert!(metrics.text().unwrap().contains("cyborg_miner_streams 2"));

    bench.hub.pools.write().unwrap().remove(&TASK);
    bench.hub.remove(TASK);
    for watch in [&mut watch, &mut second] {
        let mut last = next(watch).await.unwrap();
        while last.step != ENDED {
            last = next(watch).await.unwrap();
        }
        assert!(next(watch).await.is_none());
    }
    while metrics.streams.get() > 0 {
        sleep(Duration::from_millis(5)).await;
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_fresh_challenge_signed_by_the_right_one_opens_a_stream() {
    let bench = Bench::quick().await;
    let refused = async |task, header: Option<&str>, status: StatusCode, words: &str| {
        let answer = bench.ask(task, header).await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers().contains_key(WWW_AUTHENTICATE), status == StatusCode::UNAUTHORIZED);
        let text = answer.text().await.unwrap();
        assert!(text.contains(words), "{text}");
    };
    const NO: StatusCode = StatusCode::UNAUTHORIZED;
    let miner = bench.hub.miner;
    let of = |task, miner, nonce| StatusChallenge { task, miner, nonce };

    // No leave, or none that can be read.
    for header in [None, Some(""), Some("Bearer x"), Some("Cyborg 00"), Some("cyborg")] {
        refused(TASK, header, NO, "is needed").await;
    }
    // Somebody else, also the owner of another task.
    for seed in [3, 4] {
        let header = bench.sign(&key(seed), bench.nonce(TASK).await);
        refused(TASK, Some(&header), NO, "neither by the task's owner").await;
    }
    // Another in the owner's name.
    let nonce = bench.nonce(TASK).await;
    let forged = Forged { account: key(1).account(), by: key(4) };
    refused(TASK, Some(&bench.sign(&forged, nonce)), NO, "signature").await;
    // What the owner signed for another task, another miner, another chain.
    for (genesis, challenge) in [
        (GENESIS, of(4, miner, nonce)),
        (GENESIS, of(TASK, [1; 32], nonce)),
        ([8; 32], of(TASK, miner, nonce)),
    ] {
        let header = StatusToken::sign(&key(1), &genesis, &challenge).to_header();
        refused(TASK, Some(&header), NO, "signature").await;
    }
    // A challenge of the signer's own, and another task's.
    refused(TASK, Some(&bench.sign(&key(1), [5; 32])), NO, "not one of this miner").await;
    let other = bench.nonce(4).await;
    refused(TASK, Some(&bench.sign(&key(1), other)), NO, "not one of this miner").await;

    // None of these has used it up. It opens one stream, and no second one.
    let header = bench.sign(&key(1), nonce);
    let answer = bench.ask(TASK, Some(&header)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    refused(TASK, Some(&header), NO, "was used").await;
    drop(answer);
    refused(TASK, Some(&header), NO, "was used").await;
    refused(TASK, Some(&bench.sign(&key(2), nonce)), NO, "was used").await;

    // Tasks that are not known here.
    refused(5, Some(&header), StatusCode::NOT_FOUND, "no part in this task").await;
    let unknown = bench.watch(5, &key(1)).await.map(|_| ()).unwrap_err();
    assert!(matches!(unknown, StatusError::Refused { status: 404, .. }), "{unknown}");
    bench.end().await;
}

/// Signs as one account and says to be another.
struct Forged {
    account: Account,
    by: Keypair,
}

impl Signing for Forged {
    fn account(&self) -> Account {
        self.account
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        Signing::sign(&self.by, message)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_that_was_kept_is_of_no_use() {
    let begun = std::time::Instant::now().checked_sub(LIFETIME).unwrap();
    let bench = Bench::start(Streams::default(), Challenges::since(begun).unwrap()).await;
    for (made, status) in [(Duration::ZERO, StatusCode::UNAUTHORIZED), (LIFETIME / 2, StatusCode::OK)] {
        let nonce = bench.hub.challenges.issue_at(TASK, made).unwrap();
        let answer = bench.ask(TASK, Some(&bench.sign(&key(1), nonce))).await;
        assert_eq!(answer.status(), status);
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_challenges_keeps_nobody_out() {
    let bench = Bench::quick().await;
    let nonce = bench.nonce(TASK).await;
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (http, url) = (bench.http.clone(), format!("{}/v1/tasks/{TASK}/challenge", bench.url()));
        flood.spawn(async move {
            for _ in 0..250 {
                assert_eq!(http.get(&url).send().await.unwrap().status(), StatusCode::OK);
            }
        });
    }
    while let Some(done) = flood.join_next().await {
        done.unwrap();
    }
    let answer = bench.ask(TASK, Some(&bench.sign(&key(1), nonce))).await;
    assert_eq!(answer.status(), StatusCode::OK);
    drop(answer);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_few_and_nobody_takes_all() {
    let limits = Streams { most: 3, of_a_task: 2, pause: Duration::from_millis(20), ..Streams::default() };
    let bench = Bench::start(limits, Challenges::new().unwrap()).await;
    let first = bench.watch(TASK, &key(1)).await.unwrap();
    let mut second = bench.watch(TASK, &key(1)).await.unwrap();
    let header = bench.sign(&key(2), bench.nonce(TASK).await);
    let crowded = bench.ask(TASK, Some(&header)).await;
    assert_eq!(crowded.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(crowded.headers()[RETRY_AFTER], "1");
    // Another task has its own places, as long as there are any.
    let third = bench.watch(4, &key(3)).await.unwrap();
    let full = bench.watch(4, &key(3)).await.map(|_| ()).unwrap_err();
    assert!(matches!(full, StatusError::Refused { status: 503, .. }), "{full}");
    // A place is free when its client has gone, and the challenge is still good.
    drop(first);
    let metrics = &bench.hub.metrics;
    let freed = async {
        while metrics.streams.get() > 2 {
            // What is sent to a client that has gone shows that it has.
            metrics.block.inc();
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), freed).await.unwrap();
    let answer = bench.ask(TASK, Some(&header)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(next(&mut second).await.is_some());
    drop((answer, third));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_neither_hasty_nor_silent() {
    let (pause, silence) = (Duration::from_millis(100), Duration::from_millis(400));
    let limits = Streams { pause, silence, ..Streams::default() };
    let bench = Bench::start(limits, Challenges::new().unwrap()).await;
    let mut watch = bench.watch(TASK, &key(1)).await.unwrap();
    let first = next(&mut watch).await.unwrap();
    // Nothing happens, and yet it is heard.
    let begun = Instant::now();
    assert_eq!(next(&mut watch).await.unwrap(), first);
    assert!(begun.elapsed() >= silence / 2);
    // Much happens, and it is heard now and then.
    let metrics = bench.hub.metrics.clone();
    let busy = tokio::spawn(async move {
        for _ in 0..200 {
            metrics.block.inc();
            sleep(Duration::from_millis(5)).await;
        }
    });
    let (begun, mut events) = (Instant::now(), 0_u32);
    while next(&mut watch).await.unwrap().block < 200 {
        events += 1;
    }
    let took = begun.elapsed();
    assert!(pause * events.saturating_sub(1) <= took, "{events} events in {took:?}");
    busy.await.unwrap();
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_miner_and_with_the_right_to_watch() {
    let bench = Bench::quick().await;
    let mut owner = bench.watch(TASK, &key(1)).await.unwrap();
    let mut delegate = bench.watch(TASK, &key(2)).await.unwrap();
    assert!(next(&mut owner).await.is_some() && next(&mut delegate).await.is_some());
    bench.hub.put(TASK, Some(vec![key(1).account()]), "fetching", None);
    assert!(next(&mut delegate).await.is_none());
    assert!(bench.watch(TASK, &key(2)).await.is_err());
    // Where the chain says nothing for the moment, the owner is still the owner.
    bench.hub.put(TASK, None, "settling", None);
    assert_eq!(next(&mut owner).await.unwrap().step, "settling");
    bench.end().await;
    assert!(next(&mut owner).await.is_none());
}
