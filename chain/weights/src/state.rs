//! The state that benchmarks run on: a trie in memory that counts which keys are read and written,
//! and records what a proof of the reads would hold.
//!
//! The runtime asks for all of this by host calls: it writes its set-up through to the trie before
//! it measures, and goes back to the genesis afterwards.

use polkadot_sdk::sp_core::H256;
use polkadot_sdk::sp_core::storage::{ChildInfo, StateVersion, Storage, TrackedStorageKey};
use polkadot_sdk::sp_runtime::traits::BlakeTwo256;
use sp_state_machine::backend::{Backend, IterArgs, StorageIterator};
use sp_state_machine::{
    BackendTransaction, ChildStorageCollection, InMemoryBackend, StateMachineStats, StorageCollection,
    StorageKey, StorageValue, TrieBackend, TrieBackendBuilder, UsageInfo,
};
use sp_trie::cache::{CacheSize, SharedTrieCache};
use sp_trie::recorder::Recorder;
use sp_trie::{MerkleValue, PrefixedMemoryDB};
use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::fmt;

type Nodes = PrefixedMemoryDB<BlakeTwo256>;
type Trie = TrieBackend<Nodes, BlakeTwo256>;
type Error = <Trie as Backend<BlakeTwo256>>::Error;
/// What identifies keys of one storage item: the hashes of its pallet's name and its own.
const PREFIX_BYTES: usize = 32;

/// Counts by key, those of child tries with the child's key.
type Counts = BTreeMap<(Option<Vec<u8>>, Vec<u8>), TrackedStorageKey>;

/// A trie in memory.
pub(crate) struct State {
    trie: RefCell<Option<Trie>>,
    genesis: (Nodes, H256),
    cache: SharedTrieCache<BlakeTwo256>,
    /// Only where reads are counted and recorded: that takes time.
    recorder: Option<Recorder<BlakeTwo256>>,
    counts: RefCell<Counts>,
    whitelist: RefCell<Vec<TrackedStorageKey>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("counts", &self.recorder.is_some()).finish_non_exhaustive()
    }
}

impl State {
    /// A state at its genesis; `counting` for one that counts and records.
    pub(crate) fn new(genesis: Storage, counting: bool) -> Self {
        let backend = InMemoryBackend::<BlakeTwo256>::from((genesis, StateVersion::V1));
        let root = *backend.root();
        let state = Self {
            trie: RefCell::new(None),
            genesis: (backend.backend_storage().clone(), root),
            // Nothing is kept from run to run.
            cache: SharedTrieCache::new(CacheSize::new(0), None),
            recorder: counting.then(Recorder::default),
            counts: RefCell::default(),
            whitelist: RefCell::default(),
        };
        state.open(state.genesis.0.clone(), root);
        state
    }

    /// Goes on with these nodes; nothing of them is cached or recorded yet.
    fn open(&self, nodes: Nodes, root: H256) {
        if let Some(recorder) = &self.recorder {
            recorder.reset();
        }
        let trie = TrieBackendBuilder::new(nodes, root)
            .with_optional_recorder(self.recorder.clone())
            .with_cache(self.cache.local_cache_trusted())
            .build();
        *self.trie.borrow_mut() = Some(trie);
    }

    fn trie(&self) -> Result<Ref<'_, Trie>, Error> {
        Ref::filter_map(self.trie.borrow(), Option::as_ref).map_err(|_| "the trie is being written".into())
    }

    fn count(&self, child: Option<&[u8]>, key: &[u8], add: impl FnOnce(&mut TrackedStorageKey)) {
        if self.recorder.is_some() {
            let name = (child.map(<[u8]>::to_vec), key.to_vec());
            add(self.counts.borrow_mut().entry(name).or_insert_with(|| TrackedStorageKey::new(key.to_vec())));
        }
    }

    fn read(&self, child: Option<&ChildInfo>, key: &[u8]) -> Result<Ref<'_, Trie>, Error> {
        self.count(child.map(ChildInfo::storage_key), key, TrackedStorageKey::add_read);
        self.trie()
    }
}

/// Walks over keys and counts each as read.
pub(crate) struct Iter {
    inner: <Trie as Backend<BlakeTwo256>>::RawIter,
    child: Option<Vec<u8>>,
}

impl StorageIterator<BlakeTwo256> for Iter {
    type Backend = State;
    type Error = Error;

    fn next_key(&mut self, state: &State) -> Option<Result<StorageKey, Error>> {
        let key = self.inner.next_key(&*state.trie().ok()?)?;
        Some(key.inspect(|key| state.count(self.child.as_deref(), key, TrackedStorageKey::add_read)))
    }

    fn next_pair(&mut self, state: &State) -> Option<Result<(StorageKey, StorageValue), Error>> {
        let pair = self.inner.next_pair(&*state.trie().ok()?)?;
        Some(pair.inspect(|(key, _)| state.count(self.child.as_deref(), key, TrackedStorageKey::add_read)))
    }

    fn was_complete(&self) -> bool {
        self.inner.was_complete()
    }
}

impl Backend<BlakeTwo256> for State {
    type Error = Error;
    type TrieBackendStorage = Nodes;
    type RawIter = Iter;

    fn storage(&self, key: &[u8]) -> Result<Option<StorageValue>, Error> {
        self.read(None, key)?.storage(key)
    }

    fn storage_hash(&self, key: &[u8]) -> Result<Option<H256>, Error> {
        self.read(None, key)?.storage_hash(key)
    }

    fn closest_merkle_value(&self, key: &[u8]) -> Result<Option<MerkleValue<H256>>, Error> {
        self.read(None, key)?.closest_merkle_value(key)
    }

    fn child_closest_merkle_value(
        &self,
        child: &ChildInfo,
        key: &[u8],
    ) -> Result<Option<MerkleValue<H256>>, Error> {
        self.read(Some(child), key)?.child_closest_merkle_value(child, key)
    }

    fn child_storage(&self, child: &ChildInfo, key: &[u8]) -> Result<Option<StorageValue>, Error> {
        self.read(Some(child), key)?.child_storage(child, key)
    }

    fn child_storage_hash(&self, child: &ChildInfo, key: &[u8]) -> Result<Option<H256>, Error> {
        self.read(Some(child), key)?.child_storage_hash(child, key)
    }

    fn next_storage_key(&self, key: &[u8]) -> Result<Option<StorageKey>, Error> {
        self.read(None, key)?.next_storage_key(key)
    }

    fn next_child_storage_key(&self, child: &ChildInfo, key: &[u8]) -> Result<Option<StorageKey>, Error> {
        self.read(Some(child), key)?.next_child_storage_key(child, key)
    }

    fn storage_root<'a>(
        &self,
        delta: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        version: StateVersion,
    ) -> (H256, BackendTransaction<BlakeTwo256>) {
        self.trie().map_or_else(|_| Default::default(), |trie| trie.storage_root(delta, version))
    }

    fn child_storage_root<'a>(
        &self,
        child: &ChildInfo,
        delta: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        version: StateVersion,
    ) -> (H256, bool, BackendTransaction<BlakeTwo256>) {
        self.trie().map_or_else(|_| Default::default(), |trie| trie.child_storage_root(child, delta, version))
    }

    fn raw_iter(&self, args: IterArgs<'_>) -> Result<Iter, Error> {
        let child = args.child_info.as_ref().map(|child| child.storage_key().to_vec());
        Ok(Iter { inner: self.trie()?.raw_iter(args)?, child })
    }

    fn register_overlay_stats(&self, _: &StateMachineStats) {}

    fn usage_info(&self) -> UsageInfo {
        UsageInfo::empty()
    }

    fn wipe(&self) -> Result<(), Error> {
        let (nodes, root) = &self.genesis;
        self.open(nodes.clone(), *root);
        self.reset_read_write_count();
        Ok(())
    }

    fn commit(
        &self,
        root: H256,
        changes: BackendTransaction<BlakeTwo256>,
        keys: StorageCollection,
        child_keys: ChildStorageCollection,
    ) -> Result<(), Error> {
        let trie = self.trie.borrow_mut().take().ok_or("the trie is being written")?;
        let mut nodes = trie.into_storage();
        nodes.consolidate(changes);
        self.open(nodes, root);
        for (key, _) in keys {
            self.count(None, &key, TrackedStorageKey::add_write);
        }
        for (child, keys) in child_keys {
            for (key, _) in keys {
                self.count(Some(&child), &key, TrackedStorageKey::add_write);
            }
        }
        Ok(())
    }

    fn read_write_count(&self) -> (u32, u32, u32, u32) {
        let counts = self.counts.borrow();
        let counted = counts.values().filter(|key| !key.whitelisted);
        counted.fold((0, 0, 0, 0), |(reads, read_again, writes, written_again), key| {
            (
                reads + key.reads.min(1),
                read_again + key.reads.saturating_sub(1),
                writes + key.writes.min(1),
                written_again + key.writes.saturating_sub(1),
            )
        })
    }

    fn reset_read_write_count(&self) {
        let mut counts = Counts::new();
        for key in self.whitelist.borrow().iter() {
            let mut free = TrackedStorageKey::new(key.key.clone());
            free.whitelist();
            counts.insert((key.child_trie_key.clone(), key.key.clone()), free);
        }
        *self.counts.borrow_mut() = counts;
    }

    fn get_whitelist(&self) -> Vec<TrackedStorageKey> {
        self.whitelist.borrow().clone()
    }

    fn set_whitelist(&self, keys: Vec<TrackedStorageKey>) {
        *self.whitelist.borrow_mut() = keys;
    }

    fn proof_size(&self) -> Option<u32> {
        let recorder = self.recorder.as_ref()?;
        u32::try_from(recorder.estimate_encoded_size()).ok()
    }

    /// Keys by storage item, with how many of it were read and written.
    fn get_read_and_written_keys(&self) -> Vec<(Vec<u8>, u32, u32, bool)> {
        let mut items = BTreeMap::<Vec<u8>, (u32, u32)>::new();
        for key in self.counts.borrow().values().filter(|key| !key.whitelisted) {
            let prefix = key.key.iter().take(PREFIX_BYTES).copied().collect();
            let (reads, writes) = items.entry(prefix).or_default();
            *reads += key.reads.min(1);
            *writes += key.writes.min(1);
        }
        items.into_iter().map(|(prefix, (reads, writes))| (prefix, reads, writes, false)).collect()
    }
}
