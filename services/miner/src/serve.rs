//! Connections: how many, how silent they may be, TLS where the miner has a certificate, and an
//! orderly end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::error::StartError;
use crate::metrics::Metrics;

/// Pause after a connection could not be accepted, such as when there are no more file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest head of a request.
const BUFFER_BYTES: usize = 64 * 1024;

/// A certificate chain and its key, both as PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The chain, the miner's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Tls {
    /// Reads both.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, StartError> {
        fn failed<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> StartError + '_ {
            move |error| StartError::Tls { path: path.to_owned(), reason: error.to_string() }
        }
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
            .map_err(failed(&self.certificate))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(failed(&self.key))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed(&self.certificate))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(failed(&self.certificate))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Limits on clients.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// Connections at once; more wait.
    pub most: usize,
    /// Longest silence of a client.
    pub silence: Duration,
    /// How long connections may go on when the miner is stopped.
    pub shutdown: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self { most: 1024, silence: Duration::from_secs(30), shutdown: Duration::from_secs(20) }
    }
}

/// Serves until the miner is stopped.
pub(crate) async fn run(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: Connections,
    metrics: Arc<Metrics>,
    mut stopped: watch::Receiver<bool>,
) {
    let free = Arc::new(Semaphore::new(limits.most));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = async {
            // With no more room, clients wait in the system's queue.
            let permit = free.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, stream) = tokio::select! {
            () = until(&mut stopped) => break,
            (permit, accepted) = accepted => match (permit, accepted) {
                (Ok(permit), Ok((stream, _))) => (permit, stream),
                (_, Err(error)) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
                (Err(_), _) => break,
            },
        };
        // Without it answers would only be slower.
        let _ = stream.set_nodelay(true);
        let connection = Connection {
            router: router.clone(),
            watcher: graceful.watcher(),
            silence: limits.silence,
            metrics: metrics.clone(),
            permit,
        };
        match &tls {
            None => drop(tokio::spawn(connection.serve(stream))),
            Some(acceptor) => drop(tokio::spawn(connection.encrypt(stream, acceptor.clone()))),
        }
    }
    drop(listener);
    if timeout(limits.shutdown, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still open");
    }
}

struct Connection {
    router: Router,
    watcher: Watcher,
    silence: Duration,
    metrics: Arc<Metrics>,
    permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn encrypt(self, stream: TcpStream, acceptor: TlsAcceptor) {
        match timeout(self.silence, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
            Err(_) => tracing::debug!("no TLS in time"),
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.silence)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router));
        self.metrics.connections.inc();
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended");
        }
        self.metrics.connections.dec();
        drop(self.permit);
    }
}

/// Returns when the miner is to stop.
pub(crate) async fn until(stopped: &mut watch::Receiver<bool>) {
    // A sender that is gone stops the miner too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Binds where the miner listens.
pub(crate) async fn bind(address: std::net::SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source: io::Error| StartError::Listen { address, source })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use axum::routing::get;
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use std::time::Instant;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsConnector;

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
    }

    fn tls() -> Tls {
        Tls { certificate: data("localhost.pem"), key: data("localhost.key.pem") }
    }

    /// A server that answers `GET /`, and what stops it.
    async fn server(
        tls: Option<TlsAcceptor>,
        limits: Connections,
    ) -> (std::net::SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let router = Router::new().route("/", get(|| async { "here" }));
        let served = run(listener, router, tls, limits, Arc::new(Metrics::new()), stopped);
        (address, stop, tokio::spawn(served))
    }

    #[tokio::test]
    async fn a_certificate_encrypts() {
        let (address, stop, served) = server(Some(tls().acceptor().unwrap()), Connections::default()).await;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(data("localhost.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Whether the peer closes TLS before TCP does not matter here.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(String::from_utf8_lossy(&answer).ends_with("here"), "{answer:?}");
        // Plain HTTP gets no answer.
        let mut plain = TcpStream::connect(address).await.unwrap();
        plain.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).contains("here"));
        stop.send(true).unwrap();
        served.await.unwrap();
    }

    #[test]
    fn files_that_are_no_certificate_are_named() {
        for (certificate, key) in [
            (data("missing.pem"), data("localhost.key.pem")),
            (data("localhost.pem"), data("localhost.pem")),
            (data("localhost.key.pem"), data("localhost.key.pem")),
            (data("localhost.pem"), data("README.md")),
        ] {
            assert!(matches!(Tls { certificate, key }.acceptor(), Err(StartError::Tls { .. })));
        }
    }

    #[tokio::test]
    async fn a_silent_client_is_not_waited_for() {
        let limits = Connections { silence: Duration::from_millis(200), ..Connections::default() };
        let (address, stop, served) = server(None, limits).await;
        let begun = Instant::now();
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"GET / HT").await.unwrap();
        let mut answer = Vec::new();
        let _ = silent.read_to_end(&mut answer).await;
        assert!(begun.elapsed() < Duration::from_secs(10));
        stop.send(true).unwrap();
        served.await.unwrap();
    }
}
