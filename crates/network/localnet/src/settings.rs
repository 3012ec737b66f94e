//! What a network is: how many processes of each kind, at which ports, at which locations.
//!
//! Made at the first start and remembered in `network.json`, because a miner's endpoint is on chain
//! and storage nodes are named in manifests: started again, everything is where it was.

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use cyborg_disk::files as durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::LocalnetError;
use crate::ports;

/// Version of `network.json`.
const VERSION: u64 = 1;
/// Longest `network.json`, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Most miners of one network.
pub const MAX_MINERS: u16 = 32;
/// Most storage nodes of one network.
pub const MAX_STORAGE: u16 = 32;
/// Shortest time from block to block, as the node takes it.
pub const MIN_BLOCK_MS: u64 = 10;
/// Longest time from block to block: with a longer one nobody would wait for a network to start.
pub const MAX_BLOCK_MS: u64 = 60_000;

/// What a network has by default.
const MINERS: u16 = 3;
const STORAGE: u16 = 4;
const BLOCK_MS: u64 = 1_000;

/// Regions and coordinates that miners register, one after another.
const PLACES: [(&str, &str); 8] = [
    ("CH", "47.37,8.54"),
    ("DE", "52.52,13.40"),
    ("FR", "48.86,2.35"),
    ("AT", "48.21,16.37"),
    ("NL", "52.37,4.90"),
    ("PL", "52.23,21.01"),
    ("IT", "41.90,12.50"),
    ("SE", "59.33,18.07"),
];

/// A miner of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinerSettings {
    /// The port of this machine that it listens at.
    pub port: u16,
    /// The region that it registers.
    pub region: String,
    /// Latitude and longitude that it registers.
    pub at: String,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    version: u64,
    /// Milliseconds from block to block.
    pub block_time_ms: u64,
    /// The port of this machine that the chain's node listens at.
    pub node_port: u16,
    /// The ports that storage nodes listen at.
    pub storage_ports: Vec<u16>,
    /// The miners.
    pub miners: Vec<MinerSettings>,
}

/// What is asked for. What is not asked for stays as it was, or is the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// How many miners.
    pub miners: Option<u16>,
    /// How many storage nodes.
    pub storage: Option<u16>,
    /// Milliseconds from block to block.
    pub block_time_ms: Option<u64>,
}

impl Settings {
    /// Reads the settings of a file, or makes new ones if there is no file; changes them as wanted, and writes
    /// them.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is of another version, or has more miners or storage nodes than
    /// wanted: a bond and fragments are not thrown away.
    pub fn settle(path: &Path, wanted: &Wanted) -> Result<Self, LocalnetError> {
        let remembered = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            _ => Some(Self::read(path)?),
        };
        let mut settings = remembered.clone().unwrap_or(Self {
            version: VERSION,
            block_time_ms: BLOCK_MS,
            node_port: 0,
            storage_ports: Vec::new(),
            miners: Vec::new(),
        });
        let fewer = |flag, has: usize, wanted: u16| LocalnetError::Fewer {
            flag,
            folder: path.parent().unwrap_or(path).display().to_string(),
            has,
            wanted,
        };
        let (miners, storage) = (settings.miners.len(), settings.storage_ports.len());
        let count = |flag, has: usize, wanted: Option<u16>, otherwise: u16| match wanted {
            Some(wanted) if usize::from(wanted) < has => Err(fewer(flag, has, wanted)),
            Some(wanted) => Ok(usize::from(wanted)),
            None if has > 0 => Ok(has),
            None => Ok(usize::from(otherwise)),
        };
        let more_miners = count("--miners", miners, wanted.miners, MINERS)? - miners;
        let more_storage = count("--storage", storage, wanted.storage, STORAGE)? - storage;
        settings.block_time_ms = wanted.block_time_ms.unwrap_or(settings.block_time_ms);

        let node = usize::from(settings.node_port == 0);
        let mut new = ports::choose(node + more_miners + more_storage, &settings.ports())?.into_iter();
        if node == 1 {
            settings.node_port = new.next().unwrap_or_default();
        }
        settings.storage_ports.extend(new.by_ref().take(more_storage));
        for port in new {
            let (region, at) = PLACES[settings.miners.len() % PLACES.len()];
            settings.miners.push(MinerSettings { port, region: region.to_owned(), at: at.to_owned() });
        }
        if remembered.as_ref() != Some(&settings) {
            settings.write(path)?;
        }
        Ok(settings)
    }

    /// All ports that are chosen already.
    fn ports(&self) -> Vec<u16> {
        let miners = self.miners.iter().map(|miner| miner.port);
        self.storage_ports.iter().copied().chain(miners).chain([self.node_port]).collect()
    }

    fn read(path: &Path) -> Result<Self, LocalnetError> {
        let bytes = read_bounded(path)?;
        let broken =
            |problem: String| LocalnetError::input(path, format!("not a network's settings: {problem}"));
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        if value["version"] != VERSION {
            let problem = format!(
                "settings of version {}, and this program knows {VERSION}; use the program that made them",
                value["version"]
            );
            return Err(LocalnetError::input(path, problem));
        }
        let settings: Self = serde_json::from_value(value).map_err(|error| broken(error.to_string()))?;
        let ports = settings.ports();
        let distinct: HashSet<u16> = ports.iter().copied().collect();
        if distinct.contains(&0) || distinct.len() != ports.len() {
            return Err(broken("a port is 0, or is there twice".to_owned()));
        }
        if !(MIN_BLOCK_MS..=MAX_BLOCK_MS).contains(&settings.block_time_ms) {
            return Err(broken(format!("blocks every {} ms", settings.block_time_ms)));
        }
        let within = |has: usize, most: u16| (1..=usize::from(most)).contains(&has);
        if !within(settings.miners.len(), MAX_MINERS) || !within(settings.storage_ports.len(), MAX_STORAGE) {
            return Err(broken("no miners or storage nodes, or too many".to_owned()));
        }
        Ok(settings)
    }

    fn write(&self, path: &Path) -> Result<(), LocalnetError> {
        let failed = |source| LocalnetError::io(path, "cannot write", source);
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        durable::write_private(path, &text).map_err(failed)
    }
}

/// The bytes of a file that has no more of them than settings may have.
fn read_bounded(path: &Path) -> Result<Vec<u8>, LocalnetError> {
    let failed = |source| LocalnetError::io(path, "cannot read", source);
    // Asked before opening: opening a pipe that nobody writes to would wait for ever.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(LocalnetError::input(path, "not a regular file"));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(LocalnetError::input(path, format!("more than the {MAX_BYTES} bytes that are read")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_network_stays_as_it_is_and_can_only_grow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.json");
        let first = Settings::settle(&path, &Wanted::default()).unwrap();
        assert_eq!((first.miners.len(), first.storage_ports.len(), first.block_time_ms), (3, 4, 1_000));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let places: HashSet<&str> = first.miners.iter().map(|miner| miner.region.as_str()).collect();
        assert_eq!(places.len(), 3);
        assert_eq!(Settings::settle(&path, &Wanted::default()).unwrap(), first);

        let wanted = Wanted { miners: Some(5), storage: None, block_time_ms: Some(200) };
        let grown = Settings::settle(&path, &wanted).unwrap();
        assert_eq!(grown.miners[..3], first.miners);
        assert_eq!((grown.node_port, &grown.storage_ports), (first.node_port, &first.storage_ports));
        assert_eq!((grown.miners.len(), grown.block_time_ms), (5, 200));
        let distinct: HashSet<u16> = grown.ports().into_iter().collect();
        assert_eq!(distinct.len(), 5 + 4 + 1);
        // The new block time is remembered too.
        assert_eq!(Settings::settle(&path, &Wanted::default()).unwrap(), grown);

        for (wanted, flag) in [
            (Wanted { miners: Some(2), ..Wanted::default() }, "--miners"),
            (Wanted { storage: Some(3), ..Wanted::default() }, "--storage"),
        ] {
            let refused = Settings::settle(&path, &wanted).unwrap_err().to_string();
            assert!(refused.contains(flag) && refused.contains("--dir"), "{refused}");
        }
        assert_eq!(Settings::settle(&path, &Wanted::default()).unwrap(), grown);
    }

    #[test]
    fn damaged_settings_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.json");
        Settings::settle(&path, &Wanted::default()).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        let with = |change: &dyn Fn(&mut Value)| {
            let mut value: Value = serde_json::from_str(&good).unwrap();
            change(&mut value);
            value.to_string()
        };
        for (text, word) in [
            (String::new(), "not a network's settings"),
            (good.replace("node_port", "port"), "not a network's settings"),
            (with(&|value| value["version"] = 2.into()), "version 2"),
            (with(&|value| value["node_port"] = 0.into()), "port"),
            (with(&|value| value["node_port"] = value["storage_ports"][0].clone()), "twice"),
            (with(&|value| value["block_time_ms"] = 1.into()), "every 1 ms"),
            (with(&|value| value["miners"] = Value::Array(Vec::new())), "no miners"),
        ] {
            fs::write(&path, &text).unwrap();
            let error = Settings::settle(&path, &Wanted::default()).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("network.json"), "{error} for {text}");
            // What could not be read is not replaced.
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
