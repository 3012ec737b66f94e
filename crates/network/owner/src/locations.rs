//! Where models are stored, as people name it: what `--storage` takes.
//!
//! | name | location |
//! |---|---|
//! | `http://HOST:PORT`, `https://HOST` | a storage node |
//! | `file:///FOLDER` | a folder that is there, such as a network share |
//! | `s3://BUCKET` | a bucket of Amazon's, or of the service at `AWS_ENDPOINT_URL` |
//! | `cess+https://GATEWAY/?territory=NAME` | a CESS gateway, alone: CESS spreads files itself |
//!
//! The first three may be mixed. What a miner reads need not have the name under which it was stored:
//! a share may be mounted elsewhere.
//!
//! Names are no secrets: they go into manifests, settings and messages. So a bucket's key comes from
//! the environment, and an error shows no name, since a key may stand in it by mistake.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cyborg_account::{Keypair, Signing};
use cyborg_primitives::Account;
use cyborg_storage_client::cess::CessGateway;
use cyborg_storage_client::coded::{Coded, Observer};
use cyborg_storage_client::error::StorageError;
use cyborg_storage_client::manifest::{Code, MAX_LOCATION_BYTES};
use cyborg_storage_client::node::NodeClient;
use cyborg_storage_client::object::{ObjectLocation, S3Settings};
use cyborg_storage_client::storage::FileStore;
use cyborg_storage_client::store::FragmentStore;
use reqwest::Url;

/// Variable with the identifier of a bucket's key.
pub const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// Variable with its secret.
pub const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// Variable with a bucket's region, where that is not [`DEFAULT_REGION`].
pub const REGION: &str = "AWS_REGION";
/// Variable with the URL of a service that is not Amazon's.
pub const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
/// Where a bucket is unless said otherwise.
pub const DEFAULT_REGION: &str = "us-east-1";

/// Why a location cannot be used. One variant per check.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// No location is named.
    #[error("no location to store at")]
    Nowhere,
    /// The name is of no known kind.
    #[error(
        "not a URL of the form http://HOST:PORT, https://HOST, file:///FOLDER, s3://BUCKET or cess+https://GATEWAY/?territory=NAME"
    )]
    Unknown,
    /// A node's URL says more than where the node is.
    #[error("a storage node's URL has neither query nor fragment")]
    Node,
    /// It names no folder.
    #[error("a folder is `file://` and an absolute path, such as file:///mnt/models")]
    Folder,
    /// It names no bucket.
    #[error("a bucket is `s3://` and its name, such as s3://models")]
    Bucket,
    /// Names are no secrets.
    #[error(
        "a key does not belong into a URL: a bucket's comes from the variables {ACCESS_KEY_ID} and {SECRET_ACCESS_KEY}"
    )]
    Credentials,
    /// It names no gateway and territory.
    #[error("a CESS gateway is named with its territory: cess+https://GATEWAY/?territory=NAME")]
    Gateway,
    /// CESS cannot be combined: it keeps whole files.
    #[error("a CESS gateway must be the only location: CESS spreads files itself")]
    NotAlone,
    /// The environment does not say what a bucket needs.
    #[error("a bucket needs the variable {0} of the environment, which is not set")]
    Variable(&'static str),
    /// The environment's service cannot be asked.
    #[error("the variable {ENDPOINT_URL} is not a URL of the form https://HOST")]
    Endpoint,
    /// A folder is not there, or not for us.
    #[error("{folder} cannot be read: {source}")]
    Unreadable {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are no fragments of ours.
    #[error("CESS repairs what it keeps itself")]
    RepairsItself,
    /// A manifest cannot name it.
    #[error("a location whose name has {got} bytes; manifests take {MAX_LOCATION_BYTES}")]
    TooLong {
        /// Bytes found.
        got: usize,
    },
    /// It cannot be used, or does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A variable of the environment, where it is set and says something.
type Environment<'a> = &'a dyn Fn(&'static str) -> Option<String>;

fn environment(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What keeps fragments.
#[derive(Debug, PartialEq)]
enum Location {
    Node(String),
    Folder(PathBuf),
    Bucket(String),
}

#[derive(Debug, PartialEq)]
struct Gateway {
    url: String,
    territory: String,
}

/// What one name names.
#[derive(Debug, PartialEq)]
enum Named {
    Location(Location),
    Gateway(Gateway),
}

/// What names together name.
enum Locations {
    Coded(Vec<Location>),
    Gateway(Gateway),
}

/// Checks names, and that they go together. Contacts no location and opens nothing.
///
/// # Errors
/// Returns an error if a name is of no kind, or they do not go together.
pub fn check(names: &[String]) -> Result<(), LocationError> {
    locations(names).map(drop)
}

/// The storage that these names make, in the name of an account, with certificates (PEM) to trust beside
/// the system's: fragments, 4 of 12, over the named locations; or all of a file in one location,
/// if the only location is a folder, a bucket or CESS.
///
/// # Errors
/// Returns an error if the names are not as [`check`] wants them, a folder is not there, or the environment has no
/// key for a bucket.
pub fn storage(
    names: &[String],
    roots: &[Vec<u8>],
    signer: &Keypair,
    observer: Option<Observer>,
) -> Result<Arc<dyn FileStore>, LocationError> {
    match locations(names)? {
        Locations::Coded(locations) => Ok(Arc::new(over(&locations, roots, signer, observer)?)),
        Locations::Gateway(Gateway { url, territory }) => {
            let signer = Arc::new(signer.clone());
            Ok(Arc::new(CessGateway::new(&url, &territory, signer)?.with_roots(roots)?))
        }
    }
}

/// As [`storage`], of locations whose fragments can be looked at and repaired.
///
/// # Errors
/// Returns an error as there, and if the name is that of CESS.
pub fn coded(
    names: &[String],
    roots: &[Vec<u8>],
    signer: &Keypair,
    observer: Option<Observer>,
) -> Result<Coded, LocationError> {
    match locations(names)? {
        Locations::Coded(locations) => over(&locations, roots, signer, observer),
        Locations::Gateway(_) => Err(LocationError::RepairsItself),
    }
}

fn over(
    locations: &[Location],
    roots: &[Vec<u8>],
    signer: &Keypair,
    observer: Option<Observer>,
) -> Result<Coded, LocationError> {
    let signer: Arc<dyn Signing> = Arc::new(signer.clone());
    let stores = locations
        .iter()
        .map(|location| location.open(&signer, roots, &environment))
        .collect::<Result<_, _>>()?;
    let storage = Coded::new(stores, signer, code(locations))?;
    Ok(match observer {
        Some(observer) => storage.with_observer(observer),
        None => storage,
    })
}

/// Asks a location whether it can be read. That needs no account.
///
/// # Errors
/// Returns an error if it cannot be used, or does not answer as its kind does.
pub async fn ask(name: &str, roots: &[Vec<u8>]) -> Result<(), LocationError> {
    match named(name)? {
        Named::Location(Location::Node(url)) => {
            NodeClient::new(&url, None)?.with_roots(roots)?.status().await?;
        }
        Named::Location(Location::Folder(path)) => folder(&path)?.check().await?,
        Named::Location(Location::Bucket(name)) => {
            let bucket = bucket(&name, &environment)?;
            bucket.check().await?;
        }
        Named::Gateway(Gateway { url, territory }) => {
            // The location must answer that it does not have a file that nobody has.
            CessGateway::new(&url, &territory, Arc::new(Nobody))?.with_roots(roots)?.has(&[0; 32]).await?;
        }
    }
    Ok(())
}

/// A URL of one of these schemes, with a host, and without what a terminal would not show as it is.
#[must_use]
pub fn url(text: &str, schemes: &[&str]) -> Option<Url> {
    shown(text).filter(|url| schemes.contains(&url.scheme()) && url.has_host())
}

fn shown(text: &str) -> Option<Url> {
    let odd = |letter: char| letter.is_whitespace() || letter.is_control() || "\"\\".contains(letter);
    if text.contains(odd) { None } else { Url::parse(text).ok() }
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn is_bare(url: &Url) -> bool {
    url.query().is_none() && url.fragment().is_none()
}

fn locations(names: &[String]) -> Result<Locations, LocationError> {
    let mut locations = Vec::with_capacity(names.len());
    for name in names {
        match named(name)? {
            Named::Location(location) => locations.push(location),
            Named::Gateway(gateway) if names.len() == 1 => return Ok(Locations::Gateway(gateway)),
            Named::Gateway(_) => return Err(LocationError::NotAlone),
        }
    }
    if locations.is_empty() { Err(LocationError::Nowhere) } else { Ok(Locations::Coded(locations)) }
}

fn named(name: &str) -> Result<Named, LocationError> {
    let url = shown(name).ok_or(LocationError::Unknown)?;
    match url.scheme() {
        "http" | "https" if is_bare(&url) => Ok(Named::Location(Location::Node(name.to_owned()))),
        "http" | "https" => Err(LocationError::Node),
        "file" => folder_of(name, &url).map(Named::Location).ok_or(LocationError::Folder),
        "s3" if has_credentials(&url) => Err(LocationError::Credentials),
        "s3" => bucket_of(&url).map(Named::Location).ok_or(LocationError::Bucket),
        "cess+http" | "cess+https" if has_credentials(&url) => Err(LocationError::Credentials),
        "cess+http" | "cess+https" => {
            gateway_of(&name["cess+".len()..]).map(Named::Gateway).ok_or(LocationError::Gateway)
        }
        _ => Err(LocationError::Unknown),
    }
}

/// `None` also for the root: what is left of `file:///$SHARE` without that variable is no folder that
/// anybody means.
fn folder_of(name: &str, url: &Url) -> Option<Location> {
    let is_absolute = name.get("file:".len()..)?.starts_with("///");
    let path = url.to_file_path().ok()?;
    let is_shown = path.to_str().is_some_and(|path| !path.contains(char::is_control));
    let good = is_absolute && is_shown && is_bare(url) && path.parent().is_some();
    good.then_some(Location::Folder(path))
}

/// Names as Amazon allows them, and those with capitals and underscores that other services allow.
fn bucket_of(url: &Url) -> Option<Location> {
    let name = url.host_str()?;
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let outside = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let good = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| inside(*byte))
        && outside(bytes.first())
        && outside(bytes.last())
        && matches!(url.path(), "" | "/")
        && url.port().is_none()
        && is_bare(url);
    good.then(|| Location::Bucket(name.to_owned()))
}

fn gateway_of(text: &str) -> Option<Gateway> {
    let url = url(text, &["http", "https"])?;
    let (base, _) = text.split_once('?')?;
    let mut pairs = url.query_pairs();
    let (name, territory) = pairs.next()?;
    // It goes into a header.
    let good = name == "territory"
        && !territory.is_empty()
        && territory.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && pairs.next().is_none()
        && url.fragment().is_none();
    good.then(|| Gateway { url: base.to_owned(), territory: territory.into_owned() })
}

/// A single folder or bucket is redundant itself, or need not be; to code within it would help nobody.
fn code(locations: &[Location]) -> Code {
    match locations {
        [Location::Folder(_) | Location::Bucket(_)] => Code::PLAIN,
        _ => Code::DEFAULT,
    }
}

impl Location {
    fn open(
        &self,
        signer: &Arc<dyn Signing>,
        roots: &[Vec<u8>],
        environment: Environment<'_>,
    ) -> Result<Arc<dyn FragmentStore>, LocationError> {
        let store: Arc<dyn FragmentStore> = match self {
            Self::Node(url) => Arc::new(NodeClient::new(url, Some(signer.clone()))?.with_roots(roots)?),
            Self::Folder(path) => Arc::new(folder(path)?),
            Self::Bucket(name) => Arc::new(bucket(name, environment)?),
        };
        let got = store.location().len();
        if got > MAX_LOCATION_BYTES { Err(LocationError::TooLong { got }) } else { Ok(store) }
    }
}

/// A folder that is there. To make one would hide that a share is not mounted.
fn folder(path: &Path) -> Result<ObjectLocation, LocationError> {
    let unreadable = |source| LocationError::Unreadable { folder: path.to_owned(), source };
    std::fs::read_dir(path).map_err(unreadable)?;
    Ok(ObjectLocation::folder(path)?)
}

fn bucket(name: &str, environment: Environment<'_>) -> Result<ObjectLocation, LocationError> {
    let needed = |name| environment(name).ok_or(LocationError::Variable(name));
    let endpoint = environment(ENDPOINT_URL);
    // Manifests name it.
    let is_good = |text: &String| {
        url(text, &["http", "https"]).is_some_and(|url| is_bare(&url) && !has_credentials(&url))
    };
    if endpoint.as_ref().is_some_and(|endpoint| !is_good(endpoint)) {
        return Err(LocationError::Endpoint);
    }
    Ok(ObjectLocation::s3(&S3Settings {
        bucket: name.to_owned(),
        region: environment(REGION).unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        endpoint,
        access_key_id: needed(ACCESS_KEY_ID)?,
        secret_access_key: needed(SECRET_ACCESS_KEY)?.into(),
    })?)
}

/// Signs nothing: a client that only reads needs no account.
struct Nobody;

impl Signing for Nobody {
    fn account(&self) -> Account {
        [0; 32]
    }

    fn sign(&self, _: &[u8]) -> [u8; 64] {
        [0; 64]
    }
}

#[cfg(test)]
mod tests;
