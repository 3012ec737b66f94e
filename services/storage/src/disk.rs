//! The folder: what is kept, the quota, what survives a crash.
//!
//! ```text
//! lock                    held while the node runs
//! node.key                the node's secret seed
//! fragments/ab/abcd…      by id
//! manifests/ab/abcd…      by file id
//! incoming/abcd….partial  an upload in parts; whole uploads, .tmp, are removed at a start
//! quarantine/abcd…        what had rotted
//! ```

use hex::FromHex as _;
use std::collections::HashSet;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cyborg_disk::files;
use cyborg_primitives::Digest;
use cyborg_storage_client::manifest::Manifest;
use cyborg_storage_client::store::Kind;

/// Both kinds.
pub(crate) const KINDS: [Kind; 2] = [Kind::Fragment, Kind::Manifest];
const INCOMING: &str = "incoming";
const QUARANTINE: &str = "quarantine";
const PARTIAL: &str = "partial";

/// The amounts that are kept.
#[derive(Default)]
pub(crate) struct Usage {
    /// Bytes, uploads under way included.
    pub(crate) bytes: AtomicU64,
    /// Fragments.
    pub(crate) fragments: AtomicU64,
    /// Manifests.
    pub(crate) manifests: AtomicU64,
    /// What was put aside.
    pub(crate) quarantined: AtomicU64,
}

impl Usage {
    fn count(&self, kind: Kind) -> &AtomicU64 {
        match kind {
            Kind::Fragment => &self.fragments,
            Kind::Manifest => &self.manifests,
        }
    }
}

/// The folder of one node.
pub(crate) struct Disk {
    root: PathBuf,
    quota_bytes: u64,
    pub(crate) usage: Arc<Usage>,
    /// While a collection is under way: ids of manifests that arrived since it began. Held while
    /// something is removed or kept alive, so that nobody is told of a fragment that is just going.
    collecting: Mutex<Option<HashSet<Digest>>>,
    /// Released when the process ends, however it ends.
    _lock: File,
}

/// Bytes of the quota that an upload will fill; given back where it fails.
pub(crate) struct Reservation {
    usage: Arc<Usage>,
    bytes: u64,
}

impl Reservation {
    /// The bytes are filled: they are not given back.
    pub(crate) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.usage.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Something kept.
pub(crate) struct Entry {
    pub(crate) id: Digest,
    pub(crate) bytes: u64,
    pub(crate) asked_for: SystemTime,
}

impl Disk {
    /// Opens a folder, or makes it. `WouldBlock` where another node has it.
    pub(crate) fn open(root: &Path, quota_bytes: u64) -> io::Result<Self> {
        for folder in ["", Kind::Fragment.folder(), Kind::Manifest.folder(), INCOMING, QUARANTINE] {
            fs::create_dir_all(root.join(folder))?;
        }
        files::sync_folder(&root.join(INCOMING))?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(root.join("lock"))?;
        lock.try_lock()?;
        let usage = Arc::new(Usage::default());
        let disk =
            Self { root: root.to_owned(), quota_bytes, usage, collecting: Mutex::default(), _lock: lock };
        for kind in KINDS {
            let folders = disk.root.join(kind.folder());
            // Made now, because a fragment that makes its folder has another sync of the disk to wait for.
            for first in 0..=u8::MAX {
                fs::create_dir_all(folders.join(format!("{first:02x}")))?;
            }
            files::sync_folder(&folders.join("00"))?;
            for folder in fs::read_dir(&folders)? {
                disk.each_in(&folder?.path(), |entry| {
                    disk.usage.bytes.fetch_add(entry.bytes, Ordering::Relaxed);
                    disk.usage.count(kind).fetch_add(1, Ordering::Relaxed);
                    Ok(())
                })?;
            }
        }
        for file in fs::read_dir(disk.root.join(INCOMING))? {
            let file = file?;
            if file.path().extension().is_some_and(|extension| extension == PARTIAL) {
                disk.usage.bytes.fetch_add(file.metadata()?.len(), Ordering::Relaxed);
            } else {
                fs::remove_file(file.path())?;
            }
        }
        let quarantined = fs::read_dir(disk.root.join(QUARANTINE))?.count() as u64;
        disk.usage.quarantined.store(quarantined, Ordering::Relaxed);
        Ok(disk)
    }

    /// Where something is kept, or would be.
    pub(crate) fn path(&self, kind: Kind, id: &Digest) -> PathBuf {
        let name = hex::encode(id);
        self.root.join(kind.folder()).join(&name[..2]).join(name)
    }

    /// Where an upload in parts is kept.
    pub(crate) fn partial(&self, kind: Kind, id: &Digest) -> PathBuf {
        self.root.join(INCOMING).join(format!("{}-{}.{PARTIAL}", kind.folder(), hex::encode(id)))
    }

    /// A fresh name for a whole upload.
    pub(crate) fn temporary(&self, id: &Digest) -> io::Result<PathBuf> {
        let unique = getrandom::u64().map_err(io::Error::other)?;
        Ok(self.root.join(INCOMING).join(format!("{}-{unique:016x}.tmp", hex::encode(id))))
    }

    /// Takes bytes of the quota; `None` if it has no more.
    pub(crate) fn reserve(&self, bytes: u64) -> Option<Reservation> {
        let within = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.quota_bytes);
        self.usage.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).ok()?;
        Some(Reservation { usage: self.usage.clone(), bytes })
    }

    /// Returns bytes that were kept to the quota.
    pub(crate) fn release(&self, bytes: u64) {
        self.usage.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether the quota is filled.
    pub(crate) fn is_full(&self) -> bool {
        self.usage.bytes.load(Ordering::Relaxed) >= self.quota_bytes
    }

    fn collecting(&self) -> MutexGuard<'_, Option<HashSet<Digest>>> {
        // A set of ids is whole between any two statements: what panicked elsewhere is no matter.
        self.collecting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of something kept. The question keeps it alive for the grace period.
    pub(crate) fn keep_alive(&self, kind: Kind, id: &Digest) -> io::Result<Option<u64>> {
        let _going = self.collecting();
        match File::open(self.path(kind, id)) {
            Ok(file) => {
                file.set_times(FileTimes::new().set_modified(SystemTime::now()))?;
                Ok(Some(file.metadata()?.len()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens something kept.
    pub(crate) fn read(&self, kind: Kind, id: &Digest) -> io::Result<Option<(File, u64)>> {
        match File::open(self.path(kind, id)) {
            Ok(file) => {
                let bytes = file.metadata()?.len();
                Ok(Some((file, bytes)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a checked upload, already on the disk, its place. What was there is replaced: it may
    /// have rotted. True where nothing was there.
    pub(crate) fn admit(&self, kind: Kind, id: &Digest, from: &Path) -> io::Result<bool> {
        let path = self.path(kind, id);
        let replaced = {
            let _going = self.collecting();
            let replaced = fs::metadata(&path).map(|metadata| metadata.len()).ok();
            fs::rename(from, &path)?;
            replaced
        };
        match replaced {
            Some(bytes) => self.release(bytes),
            None => {
                self.usage.count(kind).fetch_add(1, Ordering::Relaxed);
            }
        }
        files::sync_folder(&path)?;
        Ok(replaced.is_none())
    }

    /// Tells a collection under way of a manifest that is about to be kept.
    pub(crate) fn announce(&self, manifest: &Manifest) {
        if let Some(arrived) = &mut *self.collecting() {
            arrived.extend(manifest.fragments.iter().map(|fragment| fragment.id));
        }
    }

    /// From here on, manifests that arrive are remembered until [`Self::end_collection`].
    pub(crate) fn begin_collection(&self) {
        *self.collecting() = Some(HashSet::new());
    }

    pub(crate) fn end_collection(&self) {
        *self.collecting() = None;
    }

    /// Removes a fragment, unless a manifest that lists it arrived, or somebody asked for it since.
    pub(crate) fn collect(&self, entry: &Entry, older_than: SystemTime) -> io::Result<bool> {
        let arrived = self.collecting();
        if arrived.as_ref().is_some_and(|arrived| arrived.contains(&entry.id)) {
            return Ok(false);
        }
        let path = self.path(Kind::Fragment, &entry.id);
        if fs::metadata(&path)?.modified()? >= older_than {
            return Ok(false);
        }
        fs::remove_file(&path)?;
        self.forget(Kind::Fragment, entry.bytes);
        Ok(true)
    }

    /// Removes a manifest; false if there is none.
    pub(crate) fn remove_manifest(&self, id: &Digest) -> io::Result<bool> {
        let path = self.path(Kind::Manifest, id);
        let bytes = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        fs::remove_file(&path)?;
        self.forget(Kind::Manifest, bytes);
        files::sync_folder(&path)?;
        Ok(true)
    }

    /// Puts aside what has rotted.
    pub(crate) fn quarantine(&self, kind: Kind, entry: &Entry) -> io::Result<()> {
        let to = self.root.join(QUARANTINE).join(format!("{}-{}", kind.folder(), hex::encode(entry.id)));
        fs::rename(self.path(kind, &entry.id), to)?;
        self.forget(kind, entry.bytes);
        self.usage.quarantined.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a manifest was put aside and nobody has brought it again: what it lists is unknown.
    pub(crate) fn lacks_a_manifest(&self) -> io::Result<bool> {
        for file in fs::read_dir(self.root.join(QUARANTINE))? {
            let name = file?.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.strip_prefix("manifests-"))
                .and_then(|digits| Digest::from_hex(digits).ok());
            if id.is_some_and(|id| !self.path(Kind::Manifest, &id).exists()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn forget(&self, kind: Kind, bytes: u64) {
        self.release(bytes);
        self.usage.count(kind).fetch_sub(1, Ordering::Relaxed);
    }

    /// Removes uploads in parts that nobody went on with.
    pub(crate) fn drop_partials(&self, older_than: SystemTime) -> io::Result<u64> {
        let mut dropped = 0;
        for file in fs::read_dir(self.root.join(INCOMING))? {
            let file = file?;
            let metadata = file.metadata()?;
            let partial = file.path().extension().is_some_and(|extension| extension == PARTIAL);
            if partial && metadata.modified()? < older_than {
                fs::remove_file(file.path())?;
                self.release(metadata.len());
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    /// The folders that hold a kind, each with some of the entries.
    pub(crate) fn folders(&self, kind: Kind) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(self.root.join(kind.folder()))?.map(|entry| Ok(entry?.path())).collect()
    }

    /// Everything in one of [`Self::folders`].
    pub(crate) fn entries(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        self.each_in(folder, |entry| {
            entries.push(entry);
            Ok(())
        })?;
        Ok(entries)
    }

    fn each_in(&self, folder: &Path, mut take: impl FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
        if !folder.is_dir() {
            return Ok(());
        }
        for file in fs::read_dir(folder)? {
            let file = file?;
            // Whatever else lies there is not ours to touch.
            let Some(id) = file.file_name().to_str().and_then(|digits| Digest::from_hex(digits).ok()) else {
                continue;
            };
            match file.metadata() {
                Ok(metadata) => {
                    take(Entry { id, bytes: metadata.len(), asked_for: metadata.modified()? })?;
                }
                // Collected or put aside meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
