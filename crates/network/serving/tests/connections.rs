//! Clients over sockets: with TLS, silent, slow to read, too many, and still there at the end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use cyborg_serving::{Connections, Gauge, Service, ServingError, Tls, bind, serve};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const LARGE_BYTES: usize = 64 << 20;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn tls() -> Tls {
    Tls { certificate: data("localhost.pem"), key: data("localhost.key.pem") }
}

#[derive(Default)]
struct Count(AtomicI64);

impl Gauge for Count {
    fn opened(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn closed(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A service that answers `/` at once, `/large` with much, and `/slow` after a second.
struct Server {
    address: SocketAddr,
    count: Arc<Count>,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

impl Server {
    async fn start(tls: Option<Tls>, limits: Connections) -> Self {
        let (listener, address) = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/large", get(|| async { vec![7_u8; LARGE_BYTES] }))
            .route(
                "/slow",
                get(|| async {
                    sleep(Duration::from_secs(1)).await;
                    "at last"
                }),
            );
        let count = Arc::new(Count::default());
        let tls = tls.map(|tls| tls.acceptor().unwrap());
        let service = Service { router, tls, limits, gauge: count.clone() };
        let served = tokio::spawn(serve(listener, service, stopped));
        Self { address, count, stop, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn connect_tls(&self) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(data("localhost.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, self.connect().await).await.unwrap()
    }

    fn open(&self) -> i64 {
        self.count.0.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.served.await.unwrap();
        assert_eq!(self.count.0.load(Ordering::Relaxed), 0);
    }
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &[u8]) -> String {
    // A server that has given up may close before everything is sent.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    // Whether the peer closes TLS before TCP does not matter here.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_encrypts() {
    let server = Server::start(Some(tls()), Connections::default()).await;
    let answer = ask(&mut server.connect_tls().await, REQUEST).await;
    assert!(answer.ends_with("here"), "{answer:?}");
    // Plain HTTP gets no answer.
    assert!(!ask(&mut server.connect().await, REQUEST).await.contains("here"));
    server.stop().await;
}

#[test]
fn files_that_are_no_certificate_are_named() {
    for (certificate, key) in [
        (data("missing.pem"), data("localhost.key.pem")),
        (data("localhost.pem"), data("localhost.pem")),
        (data("localhost.key.pem"), data("localhost.key.pem")),
        (data("localhost.pem"), data("README.md")),
    ] {
        assert!(matches!(Tls { certificate, key }.acceptor(), Err(ServingError::Tls { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_named() {
    let (_listener, address) = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let refused = bind(address).await.unwrap_err();
    assert!(matches!(refused, ServingError::Listen { address: named, .. } if named == address));
}

/// Nothing at all, half a head, and half a handshake: each holds the only place for a while at most.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_is_not_waited_for() {
    let limits = Connections { most: 1, silence: Duration::from_millis(200), ..Connections::default() };
    for (tls, sent) in [(None, &b""[..]), (None, b"GET / HT"), (Some(tls()), b""), (Some(tls()), b"\x16\x03")]
    {
        let encrypted = tls.is_some();
        let server = Server::start(tls, limits).await;
        let mut silent = server.connect().await;
        silent.write_all(sent).await.unwrap();
        let begun = Instant::now();
        let answer = if encrypted {
            ask(&mut server.connect_tls().await, REQUEST).await
        } else {
            ask(&mut server.connect().await, REQUEST).await
        };
        assert!(answer.ends_with("here"), "{answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(10));
        drop(silent);
        server.stop().await;
    }
}

/// Asks for much and takes nothing, in the clear and encrypted.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_let_go() {
    const LARGE: &[u8] = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let limits = Connections { most: 1, silence: Duration::from_millis(300), ..Connections::default() };
    let server = Server::start(None, limits).await;
    let mut stalled = server.connect().await;
    stalled.write_all(LARGE).await.unwrap();
    // The only place is taken until the service gives up on it.
    let next = timeout(Duration::from_secs(20), async { ask(&mut server.connect().await, REQUEST).await });
    assert!(next.await.unwrap().ends_with("here"));
    server.stop().await;

    let server = Server::start(Some(tls()), limits).await;
    let mut stalled = server.connect_tls().await;
    stalled.write_all(LARGE).await.unwrap();
    let next =
        timeout(Duration::from_secs(20), async { ask(&mut server.connect_tls().await, REQUEST).await });
    assert!(next.await.unwrap().ends_with("here"));
    server.stop().await;
}

/// Slow is not silent: whoever takes a little now and then gets everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_its_time_is_served() {
    let limits = Connections { silence: Duration::from_millis(500), ..Connections::default() };
    let server = Server::start(None, limits).await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let (mut received, mut chunk) = (0, vec![0; 4 << 20]);
    let begun = Instant::now();
    loop {
        let read = slow.read(&mut chunk).await.unwrap();
        if read == 0 {
            break;
        }
        received += read;
        // For two seconds, four times the patience.
        if begun.elapsed() < Duration::from_secs(2) {
            sleep(Duration::from_millis(50)).await;
        }
    }
    assert!(received > LARGE_BYTES, "{received}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_ends_before_the_service() {
    let server = Server::start(None, Connections::default()).await;
    let mut waiting = server.connect().await;
    waiting.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // A connection without a request does not hold the service up.
    let _idle = server.connect().await;
    while server.open() < 2 {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    let answered = tokio::spawn(async move { ask(&mut waiting, b"").await });
    server.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(answered.await.unwrap().ends_with("at last"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_ends_although_a_client_does_not() {
    let limits = Connections {
        silence: Duration::from_secs(60),
        shutdown: Duration::from_millis(300),
        ..Connections::default()
    };
    let server = Server::start(None, limits).await;
    let mut stalled = server.connect().await;
    stalled.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    while server.open() < 1 {
        sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();
    server.stop.send(true).unwrap();
    server.served.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
}
