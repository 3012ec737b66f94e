//! Connections of an HTTP service, for every service that listens.
//!
//! | module | content |
//! |---|---|
//! | `tls` | certificate and key |
//! | `patient` | a connection that ends when its client takes nothing |
//!
//! [`serve`] takes as many connections as it may, lets none of them hold a place in silence, and ends
//! in order. What a client sends after the head of a request is the service's to measure: it knows
//! how long and how slow a body may be.

mod patient;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

pub use tls::Tls;
pub use tokio_rustls::TlsAcceptor;

use patient::Patient;

/// Pause after a connection could not be accepted, such as when there are no more file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a service does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Certificate and key for TLS cannot be used.
    #[error("{path}: {reason}")]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Limits on clients.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// Connections at once; more wait.
    pub most: usize,
    /// Longest silence of a client: in a handshake, before and in the head of a request, and while it
    /// takes nothing of an answer.
    pub silence: Duration,
    /// How long connections may go on when the service is stopped.
    pub shutdown: Duration,
    /// Read from a connection at a time; no head of a request is longer.
    pub buffer_bytes: usize,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            most: 1024,
            silence: Duration::from_secs(30),
            shutdown: Duration::from_secs(20),
            buffer_bytes: 64 * 1024,
        }
    }
}

/// Hears of connections.
pub trait Gauge: Send + Sync + 'static {
    /// One was accepted.
    fn opened(&self);
    /// One has ended.
    fn closed(&self);
}

/// What is served, and how.
pub struct Service {
    /// The routes that answer requests.
    pub router: Router,
    /// Certificate and key for TLS; without them, plain HTTP.
    pub tls: Option<TlsAcceptor>,
    /// Limits on clients.
    pub limits: Connections,
    /// Counts connections.
    pub gauge: Arc<dyn Gauge>,
}

/// Listens at an address; port 0 takes any that is free. Returns the address.
///
/// # Errors
/// Returns an error if nobody can listen there.
pub async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServingError> {
    let failed = |source| ServingError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Serves until it is stopped.
pub async fn serve(listener: TcpListener, service: Service, mut stopped: watch::Receiver<bool>) {
    let Service { router, tls, limits, gauge } = service;
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
            accepted = accepted => match accepted {
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
            limits,
            _open: Open::new(gauge.clone(), permit),
        };
        let stream = Patient::new(stream, limits.silence);
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

/// Returns when a service is to stop.
pub async fn until(stopped: &mut watch::Receiver<bool>) {
    // A sender that is gone stops the service too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The place that a connection takes, until it is dropped.
struct Open {
    gauge: Arc<dyn Gauge>,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(gauge: Arc<dyn Gauge>, permit: OwnedSemaphorePermit) -> Self {
        gauge.opened();
        Self { gauge, _permit: permit }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.closed();
    }
}

struct Connection {
    router: Router,
    watcher: Watcher,
    limits: Connections,
    _open: Open,
}

impl Connection {
    async fn encrypt(self, stream: Patient<TcpStream>, acceptor: TlsAcceptor) {
        match timeout(self.limits.silence, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
            Err(_) => tracing::debug!("no TLS in time"),
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.silence)
            .max_buf_size(self.limits.buffer_bytes)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router));
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended");
        }
    }
}
