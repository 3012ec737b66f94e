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
