//! Certificate and key of a service.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::ServingError;

/// A certificate chain and its key, both as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain, the service's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Tls {
    /// Reads both.
    ///
    /// # Errors
    /// Returns an error if one cannot be read, or the key is not the certificate's.
    pub fn acceptor(&self) -> Result<TlsAcceptor, ServingError> {
        fn failed<E: Display>(path: &Path) -> impl Fn(E) -> ServingError + '_ {
            move |error| ServingError::Tls { path: path.to_owned(), reason: error.to_string() }
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
