//! A folder or an S3-compatible bucket as a location.

use std::path::Path as FilePath;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cyborg_primitives::Digest;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::error::{StorageError, cause};
use crate::http::printable;
use crate::store::{FragmentStore, Kind};

/// Objects under `fragments/` and `manifests/` of a bucket or folder.
pub struct ObjectLocation {
    location: String,
    store: Arc<dyn ObjectStore>,
}

/// The location of an S3-compatible bucket, and the credentials for it.
#[derive(Clone)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// The service's URL, where it is not Amazon's.
    pub endpoint: Option<String>,
    /// Access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: zeroize::Zeroizing<String>,
}

impl ObjectLocation {
    /// Any store of the `object_store` crate, under a name for manifests and messages.
    #[must_use]
    pub fn new(location: &str, store: Arc<dyn ObjectStore>) -> Self {
        Self { location: location.to_owned(), store }
    }

    /// A folder of this machine, made where it is missing. Written to the disk before it counts.
    ///
    /// # Errors
    /// Returns an error if it cannot be made.
    pub fn folder(folder: &FilePath) -> Result<Self, StorageError> {
        std::fs::create_dir_all(folder)?;
        let location = format!("file://{}", folder.display());
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| failed(&location, "", error))?
            .with_fsync(true);
        Ok(Self { location, store: Arc::new(store) })
    }

    /// A bucket.
    ///
    /// # Errors
    /// Returns an error if the settings make no sense.
    pub fn s3(settings: &S3Settings) -> Result<Self, StorageError> {
        let S3Settings { bucket, region, endpoint, access_key_id, secret_access_key } = settings;
        // TLS needs a process-wide provider; one that is installed already stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let location = match endpoint {
            Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
            None => format!("s3://{bucket}"),
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(region)
            .with_access_key_id(access_key_id)
            .with_secret_access_key(secret_access_key.as_str());
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let store = builder.build().map_err(|error| failed(&location, "", error))?;
        Ok(Self { location, store: Arc::new(store) })
    }

    /// Checks that the location exists and can be read: lists the folders that manifests lie in.
    ///
    /// # Errors
    /// Returns an error if it does not answer, or refuses.
    pub async fn check(&self) -> Result<(), StorageError> {
        let listed = self.store.list_with_delimiter(Some(&Path::from(Kind::Manifest.folder()))).await;
        listed.map(drop).map_err(|error| failed(&self.location, "", error))
    }
}

fn path(kind: Kind, id: &Digest) -> Path {
    let name = hex::encode(id);
    Path::from_iter([kind.folder(), &name[..2], &name])
}

fn failed(location: &str, id: &str, error: object_store::Error) -> StorageError {
    let location = location.to_owned();
    match error {
        object_store::Error::NotFound { .. } => StorageError::NotFound { location, id: id.to_owned() },
        object_store::Error::Generic { source, .. } => {
            StorageError::Unreachable { location, reason: said(&*source) }
        }
        error @ (object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. }) => {
            StorageError::Refused { location, status: 403, message: said(&error) }
        }
        error => StorageError::Protocol { location, found: said(&error) },
    }
}

/// What went wrong, in a few words. Of a service's answer only its code, such as `AccessDenied`: the
/// rest may repeat who asked.
fn said(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let said = code.map_or_else(|| cause(error), |(code, _)| code.to_owned());
    printable(said.as_bytes())
}

#[async_trait]
impl FragmentStore for ObjectLocation {
    fn location(&self) -> &str {
        &self.location
    }

    async fn put(&self, kind: Kind, id: &Digest, bytes: Bytes) -> Result<(), StorageError> {
        let put = self.store.put(&path(kind, id), PutPayload::from(bytes)).await;
        put.map(drop).map_err(|error| failed(&self.location, &hex::encode(id), error))
    }

    async fn get(&self, kind: Kind, id: &Digest) -> Result<Bytes, StorageError> {
        let failed = |error| failed(&self.location, &hex::encode(id), error);
        let found = self.store.get(&path(kind, id)).await.map_err(failed)?;
        if found.meta.size > kind.max_bytes() {
            return Err(StorageError::TooMuch { location: self.location.clone(), limit: kind.max_bytes() });
        }
        found.bytes().await.map_err(failed)
    }

    async fn has(&self, kind: Kind, id: &Digest) -> Result<bool, StorageError> {
        match self.store.head(&path(kind, id)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(&self.location, &hex::encode(id), error)),
        }
    }

    async fn delete(&self, kind: Kind, id: &Digest) -> Result<(), StorageError> {
        match self.store.delete(&path(kind, id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(&self.location, &hex::encode(id), error)),
        }
    }
}
