//! `miner.json`: how a miner is set up. Paths and settings, no secrets.
//!
//! It is written whole or not at all, for its owner alone. People edit it, and anybody may have written
//! it: a message names the wrong field and does not repeat its value, because a value in the wrong place
//! may be a passphrase.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cyborg_account::{Keypair, keys};
use cyborg_disk::files::write_private;
use cyborg_disk::vault::Unlock;
use cyborg_miner::Tls;
use cyborg_miner::operator::measure::Measured;
use cyborg_miner::operator::record;
use cyborg_owner::locations;
use cyborg_primitives::MAX_ENDPOINT_BYTES;
use cyborg_primitives::place::{Cell, Location, Region};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::folder;
use crate::error::Failure;
use crate::files;
use crate::place;
use cyborg_primitives::money::Cyb;

/// Name of the file in the miner's folder.
pub(crate) const FILE: &str = "miner.json";
/// Version of its format.
pub(crate) const VERSION: u64 = 1;
/// Maximum size of a file that is read.
const MAX_BYTES: u64 = 64 * 1024;
/// Maximum of locations: far more than the fragments of a stripe.
const MAX_STORAGE: usize = 256;

/// How a miner is set up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Settings {
    /// Version of the format.
    pub(crate) version: u64,
    /// Where the account's key is: an absolute path, a name in the keyring, or a development key such as
    /// `//Bob`.
    pub(crate) account: String,
    /// The account's address: commands that only look need no key.
    pub(crate) address: String,
    /// The chain's node.
    pub(crate) node: String,
    /// Where models are read from.
    pub(crate) storage: Vec<String>,
    /// Certificates that storage is trusted by, beside the system's: absolute paths of PEM files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) storage_ca: Vec<PathBuf>,
    /// Where the miner listens.
    pub(crate) listen: SocketAddr,
    /// Where clients reach it; `None` if it follows from the address that it listens at.
    pub(crate) endpoint: Option<String>,
    /// What unlocks the vault.
    pub(crate) unlock: UnlockBy,
    /// Certificate and key for HTTPS.
    pub(crate) tls: Option<TlsFiles>,
    /// What is declared to the chain.
    pub(crate) declared: Declared,
    /// What was measured.
    pub(crate) measured: Measured,
}

/// What unlocks the vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnlockBy {
    /// A file of random bytes.
    KeyFile(PathBuf),
    /// A file with a passphrase.
    PassphraseFile(PathBuf),
}

impl UnlockBy {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::KeyFile(path) | Self::PassphraseFile(path) => path,
        }
    }

    /// What unlocks the vault, in memory.
    pub(crate) fn load(&self) -> Result<Unlock, Failure> {
        match self {
            Self::KeyFile(path) => {
                // The vault reads it; here it is only said which file is missing.
                match std::fs::metadata(path) {
                    Ok(_) => Ok(Unlock::KeyFile(path.clone())),
                    Err(source) => Err(Failure::io(path, "cannot read the key that unlocks", source)),
                }
            }
            Self::PassphraseFile(path) => folder::passphrase(path).map(Unlock::Passphrase),
        }
    }
}

/// Certificate and key for HTTPS, both PEM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsFiles {
    /// The chain, the miner's own certificate first.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    /// Both as the miner takes them.
    pub(crate) fn pair(&self) -> Tls {
        Tls { certificate: self.certificate.clone(), key: self.key.clone() }
    }
}

/// What is declared to the chain when the miner is registered; later the chain's record counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declared {
    /// Two letters.
    region: String,
    /// Latitude and longitude of the cell's south-west corner, in hundredths of a degree.
    cell: (i16, i16),
    /// Memory for models, in mebibytes.
    pub(crate) memory_mib: u32,
    /// Price of an hour of computing, in CYB.
    price: String,
    /// What is staked, in CYB.
    bond: String,
}

impl Declared {
    /// A declaration.
    pub(crate) fn new(at: Location, memory_mib: u32, price: Cyb, bond: Cyb) -> Self {
        Self {
            region: String::from_utf8_lossy(&at.region.0).into_owned(),
            cell: (at.cell.latitude, at.cell.longitude),
            memory_mib,
            price: price.number(),
            bond: bond.number(),
        }
    }

    /// Whose law holds there.
    pub(crate) fn region(&self) -> Result<Region, String> {
        place::region(&self.region)
    }

    /// Where it is.
    pub(crate) fn cell(&self) -> Cell {
        Cell { latitude: self.cell.0, longitude: self.cell.1 }
    }

    /// Price of an hour of computing.
    pub(crate) fn price(&self) -> Result<Cyb, String> {
        self.price.parse()
    }

    /// What is staked.
    pub(crate) fn bond(&self) -> Result<Cyb, String> {
        self.bond.parse()
    }

    fn check(&self) -> Result<(), String> {
        self.region().map_err(inside("region"))?;
        self.price().map_err(inside("price"))?;
        self.bond().map_err(inside("bond"))?;
        if self.memory_mib == 0 {
            return Err("`memory_mib`: at least 1".to_owned());
        }
        if self.cell().is_valid() { Ok(()) } else { Err("`cell`: not on Earth".to_owned()) }
    }
}

/// Says which field a problem is in.
fn inside(name: &'static str) -> impl Fn(String) -> String {
    move |problem| format!("`{name}`: {problem}")
}

impl Settings {
    /// Their path in a folder.
    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Reads a folder's settings; `None` if there are none.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>, Failure> {
        let path = Self::path(folder);
        let missing = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        if std::fs::symlink_metadata(&path).is_err_and(missing) {
            return Ok(None);
        }
        let bytes = files::read(&path, MAX_BYTES)?;
        Self::from_json(&bytes).map(Some).map_err(|problem| Failure::input(&path, problem))
    }

    /// Reads a folder's settings.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        Self::find(folder)?.ok_or_else(|| {
            let problem = format!("there is no miner here; `cyborg miner init --dir {}`", folder.display());
            Failure::input(&Self::path(folder), problem)
        })
    }

    /// Writes them, whole or not at all.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let path = Self::path(folder);
        let mut text = serde_json::to_string_pretty(self).map_err(|error| Failure::input(&path, error))?;
        text.push('\n');
        write_private(&path, text.as_bytes()).map_err(|source| Failure::io(&path, "cannot write", source))
    }

    fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| {
            format!("not JSON: something is wrong in line {}, column {}", error.line(), error.column())
        })?;
        let Value::Object(fields) = value else { return Err("not a JSON object".to_owned()) };
        let mut fields = Fields(fields);
        let version: u64 = fields.take("version")?;
        if version != VERSION {
            return Err(format!("`version` is {version}; this program knows {VERSION}"));
        }
        let settings = Self {
            version,
            account: fields.take("account")?,
            address: fields.take("address")?,
            node: fields.take("node")?,
            storage: fields.take("storage")?,
            storage_ca: match fields.0.contains_key("storage_ca") {
                true => fields.take("storage_ca")?,
                false => Vec::new(),
            },
            listen: fields.take("listen")?,
            endpoint: fields.take("endpoint")?,
            unlock: fields.take("unlock")?,
            tls: fields.take("tls")?,
            declared: fields.take("declared")?,
            measured: fields.take("measured")?,
        };
        match fields.0.keys().next() {
            Some(other) => Err(format!("`{}` is not a setting of a miner", other.escape_debug())),
            None => settings.check().map(|()| settings),
        }
    }

    /// Checks what the types do not.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.account.is_empty() {
            return Err("`account`: names no key".to_owned());
        }
        folder::account(&self.address).map_err(inside("address"))?;
        node_url(&self.node).map_err(inside("node"))?;
        check_storage(&self.storage).map_err(inside("storage"))?;
        if !self.storage_ca.iter().all(|path| path.is_absolute()) {
            return Err("`storage_ca`: not absolute paths".to_owned());
        }
        if let Some(endpoint) = &self.endpoint {
            check_endpoint(endpoint).map_err(inside("endpoint"))?;
        }
        if !self.unlock.path().is_absolute() {
            return Err("`unlock`: not an absolute path".to_owned());
        }
        if self.tls.as_ref().is_some_and(|tls| !tls.certificate.is_absolute() || !tls.key.is_absolute()) {
            return Err("`tls`: not absolute paths".to_owned());
        }
        self.declared.check().map_err(inside("declared"))
    }

    /// The key of the miner's account.
    pub(crate) fn signer(&self, folder: &Path) -> Result<Keypair, Failure> {
        let signer = keys::load(&self.account)?;
        let address = record::address(&keys::account(&signer));
        if address == self.address {
            return Ok(signer);
        }
        let (key, expected) = (&self.account, &self.address);
        let problem = format!("the key {key} is that of {address}; this miner is {expected}");
        Err(Failure::input(&Self::path(folder), problem))
    }

    /// Where clients reach the miner when it listens at an address.
    pub(crate) fn endpoint_at(&self, listen: SocketAddr) -> Result<String, String> {
        match &self.endpoint {
            Some(endpoint) => Ok(endpoint.clone()),
            None => endpoint_of(listen, self.tls.is_some()),
        }
    }
}

/// The endpoint that follows from the address that a miner listens at.
pub(crate) fn endpoint_of(listen: SocketAddr, tls: bool) -> Result<String, String> {
    if listen.ip().is_unspecified() {
        return Err(format!("{listen} is every address of this machine: say which one clients are to use"));
    }
    if listen.port() == 0 {
        return Err("port 0 is another one each time: say where clients reach the miner".to_owned());
    }
    Ok(format!("{}://{listen}", if tls { "https" } else { "http" }))
}

/// Checks where clients are to reach a miner, as the chain does, and that it is a URL.
pub(crate) fn check_endpoint(endpoint: &str) -> Result<(), String> {
    if endpoint.len() > MAX_ENDPOINT_BYTES as usize {
        return Err(format!("longer than the {MAX_ENDPOINT_BYTES} bytes that the chain keeps"));
    }
    checked(endpoint, &["http", "https"], "http://HOST:PORT or https://HOST")
}

/// Checks the names of the locations that models are read from.
pub(crate) fn check_storage(names: &[String]) -> Result<(), String> {
    if names.len() > MAX_STORAGE {
        return Err(format!("more than {MAX_STORAGE} locations"));
    }
    locations::check(names).map_err(|error| error.to_string())
}

/// Checks the URL of a chain node.
pub(crate) fn node_url(url: &str) -> Result<(), String> {
    checked(url, &["ws", "wss"], "ws://HOST:PORT or wss://HOST")
}

fn checked(url: &str, schemes: &[&str], form: &str) -> Result<(), String> {
    locations::url(url, schemes).map(drop).ok_or_else(|| format!("not a URL of the form {form}"))
}

/// The fields of an object that were not read yet.
struct Fields(Map<String, Value>);

impl Fields {
    fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, String> {
        let value = self.0.remove(name).ok_or_else(|| format!("`{name}` is missing"))?;
        serde_json::from_value(value).map_err(|error| {
            let said = without_value(&error.to_string());
            format!("`{name}`: {}", said.replace(char::is_control, " "))
        })
    }
}

/// What serde says about a value, without the value.
fn without_value(message: &str) -> String {
    let shows_value = message.starts_with("invalid ") || message.starts_with("unknown variant");
    match message.rfind("expected ") {
        Some(at) if shows_value => message[at..].to_owned(),
        None if shows_value => "not of the form that is needed".to_owned(),
        _ if message.starts_with("missing field") || message.starts_with("unknown field") => {
            message.to_owned()
        }
        _ => "not of the form that is needed".to_owned(),
    }
}

#[cfg(test)]
mod tests;
