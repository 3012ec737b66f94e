//! Chain specifications.
//!
//! A node's own specification is made once, from the runtime's `development` preset, and kept
//! beside the database: a later version of this program continues from the genesis that the database
//! has. What [`chain_spec`] returns is for the stock node; it names the relay chain and the
//! parachain beside what every specification has.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use cyborg_runtime::RuntimeGenesisConfig;
use cyborg_runtime::economics::{DECIMALS, SS58_PREFIX, SYMBOL};
use cyborg_runtime::genesis::{DEFAULT_PARA_ID, PRODUCTION_PRESET};
use polkadot_sdk::sc_chain_spec::{
    ChainSpec as _, ChainType, GenericChainSpec, NoExtension, Properties, json_patch::merge,
};
use polkadot_sdk::sp_core::storage::well_known_keys::CODE;
use polkadot_sdk::sp_genesis_builder::DEV_RUNTIME_PRESET;
use polkadot_sdk::sp_runtime::BuildStorage;
use serde_json::{Value, json};

use crate::Error;
use crate::client::HostFunctions;

/// A specification that this node reads.
pub(crate) type Spec = GenericChainSpec<NoExtension, HostFunctions>;

/// Where a development chain's salt is in its first state; no pallet's storage begins like this.
const SALT: &[u8] = b":cyborg:salt";
/// Name of the specification's file in a node's folder.
const FILE: &str = "chain-spec.json";

/// A genesis that the runtime knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Well-known accounts have money, and one of them makes the blocks.
    Development,
    /// No well-known account has anything.
    Production,
}

impl Preset {
    /// The preset's name in the runtime.
    const fn name(self) -> &'static str {
        match self {
            Self::Development => DEV_RUNTIME_PRESET,
            Self::Production => PRODUCTION_PRESET,
        }
    }

    /// The specification, with a change to what the runtime's preset says.
    fn spec(self, patch: Value) -> Result<Spec, Error> {
        let wasm = cyborg_runtime::WASM_BINARY.ok_or(Error::NoWasm)?;
        let (name, id, chain_type) = match self {
            Self::Development => ("Cyborg Development", "cyborg-dev", ChainType::Development),
            Self::Production => ("Cyborg", "cyborg", ChainType::Live),
        };
        let mut properties = Properties::new();
        properties.insert("tokenSymbol".to_owned(), SYMBOL.into());
        properties.insert("tokenDecimals".to_owned(), DECIMALS.into());
        properties.insert("ss58Format".to_owned(), SS58_PREFIX.into());
        Ok(Spec::builder(wasm, None)
            .with_name(name)
            .with_id(id)
            .with_chain_type(chain_type)
            .with_properties(properties)
            .with_genesis_config_patch(self.patch(patch)?)
            .build())
    }

    /// The specification with the genesis state itself. The state is made natively: the same code
    /// as the wasm's, which would have to be compiled first.
    ///
    /// A salt makes the chain another than every other of the same preset: what is signed for one is worth nothing on
    /// another, and what a client keeps of one is not taken for the other's.
    fn raw(self, patch: Value, salt: Option<[u8; 32]>) -> Result<Spec, Error> {
        let error = |error: serde_json::Error| Error::Spec(error.to_string());
        let mut config = serde_json::to_value(RuntimeGenesisConfig::default()).map_err(error)?;
        merge(&mut config, self.patch(patch.clone())?);
        let config: RuntimeGenesisConfig = serde_json::from_value(config).map_err(error)?;
        let mut state = config.build_storage().map_err(Error::Spec)?;
        let wasm = cyborg_runtime::WASM_BINARY.ok_or(Error::NoWasm)?;
        state.top.insert(CODE.to_vec(), wasm.to_vec());
        if let Some(salt) = salt {
            state.top.insert(SALT.to_vec(), salt.to_vec());
        }
        let mut spec = self.spec(patch)?;
        spec.set_storage(state);
        Ok(spec)
    }

    /// What the preset and a change to it say.
    fn patch(self, patch: Value) -> Result<Value, Error> {
        let preset = cyborg_runtime::genesis::preset(&self.name().into())
            .ok_or_else(|| Error::Spec(format!("the runtime has no preset {}", self.name())))?;
        let mut preset = serde_json::from_slice(&preset).map_err(|error| Error::Spec(error.to_string()))?;
        merge(&mut preset, patch);
        Ok(preset)
    }
}

/// The specification for the stock node, as JSON. A `raw` one holds the genesis state itself, so
/// that it means the same to every version of every node; otherwise it holds the runtime and what
/// its genesis is made from, to be edited.
///
/// # Errors
/// Returns an error if the program has no wasm, or the runtime refuses the preset.
pub fn chain_spec(
    preset: Preset,
    para_id: Option<u32>,
    relay_chain: &str,
    raw: bool,
) -> Result<String, Error> {
    let patch = match para_id {
        Some(id) => json!({ "parachainInfo": { "parachainId": id } }),
        None => json!({}),
    };
    let spec = if raw { preset.raw(patch, None) } else { preset.spec(patch) }?;
    let text = spec.as_json(raw).map_err(Error::Spec)?;
    let mut spec: Value = serde_json::from_str(&text).map_err(|error| Error::Spec(error.to_string()))?;
    spec["relay_chain"] = relay_chain.into();
    spec["para_id"] = para_id.unwrap_or(DEFAULT_PARA_ID).into();
    serde_json::to_string_pretty(&spec).map_err(|error| Error::Spec(error.to_string()))
}

/// The path of the specification in a node's folder.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// The specification of the node in a folder. If there is none yet, the development preset's is written, salted.
pub(crate) fn open_or_create(folder: &Path) -> Result<Spec, Error> {
    let path = path(folder);
    if !path.exists() {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|error| Error::Spec(format!("no randomness: {error}")))?;
        let text = Preset::Development.raw(json!({}), Some(salt))?.as_json(true).map_err(Error::Spec)?;
        write_durably(&path, text.as_bytes()).map_err(|error| Error::io(&path, error))?;
    }
    Spec::from_json_file(path).map_err(Error::Spec)
}

/// Writes a file so that either all of it or none of it is there after a crash.
fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failure is the test's result")]

    use super::*;

    #[test]
    fn the_native_genesis_is_the_wasms() {
        for preset in [Preset::Development, Preset::Production] {
            let patch = json!({ "parachainInfo": { "parachainId": 4321 } });
            let native = preset.raw(patch.clone(), None).unwrap().build_storage().unwrap();
            let wasm = preset.spec(patch).unwrap().build_storage().unwrap();
            assert_eq!(native.top, wasm.top, "{preset:?}");
            assert!(native.children_default.is_empty() && wasm.children_default.is_empty());
        }
    }

    #[test]
    fn every_new_chain_is_its_own() {
        let state = || {
            let folder = tempfile::tempdir().unwrap();
            open_or_create(folder.path()).unwrap().build_storage().unwrap().top
        };
        let (mut first, mut second) = (state(), state());
        assert_ne!(first, second);
        assert_ne!(first.remove(SALT), second.remove(SALT));
        assert_eq!(first, second);
    }

    #[test]
    fn a_specification_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let first = open_or_create(folder.path()).unwrap().as_json(true).unwrap();
        let path = folder.path().join(FILE);
        let edited = fs::read_to_string(&path).unwrap().replace("Cyborg Development", "Another");
        fs::write(&path, edited).unwrap();
        let second = open_or_create(folder.path()).unwrap();
        assert_eq!(second.name(), "Another");
        assert_ne!(second.as_json(true).unwrap(), first);
    }
}
