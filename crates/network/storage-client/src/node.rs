//! A storage node over HTTP.

use hex::FromHex as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use cyborg_account::Signing;
use cyborg_primitives::{Account, Digest, Moment};
use reqwest::header::{AUTHORIZATION, CONTENT_RANGE, RANGE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::access::{AccessToken, Action};
use crate::error::StorageError;
use crate::http::{base, body, client, refusal, unreachable};
use crate::store::{FragmentStore, Kind};

/// Longer uploads go in parts, so that a broken connection costs one part.
const PART_BYTES: usize = 4 << 20;
/// How long a token to store is valid, by the node's clock.
const ACCESS_LASTS: Duration = Duration::from_secs(3600);
/// A node's clock that is further off than this is not believed: a token that hardly ever expires
/// would be worth stealing.
const MAX_SKEW: Duration = Duration::from_secs(24 * 3600);
/// A token this close to its end is replaced.
const ACCESS_MARGIN: Duration = Duration::from_secs(120);
/// Longest answer about a node's state.
const MAX_STATUS_BYTES: u64 = 64 * 1024;
/// Times a passing failure is tried again, and the first pause.
const RETRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A node's state, as its `/health` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// `ok`, or `full`.
    pub status: String,
    /// The program's version.
    pub version: String,
    /// The node's public key, in hexadecimal.
    pub node: String,
    /// Most bytes that it keeps.
    pub quota_bytes: u64,
    /// Bytes that it keeps, uploads under way included.
    pub used_bytes: u64,
    /// Fragments that it keeps.
    pub fragments: u64,
    /// Manifests that it keeps.
    pub manifests: u64,
    /// Fragments and manifests that had rotted and were put aside.
    pub quarantined: u64,
    /// Whether only some owners may store here.
    pub restricted: bool,
    /// The node's clock, in milliseconds since the Unix epoch: tokens expire by it.
    #[serde(default)]
    pub now_ms: Option<Moment>,
}

/// What a node has said of itself, and the token to store there.
#[derive(Clone, Copy)]
struct Identity {
    node: Account,
    /// The node's clock when it was asked, and when that was.
    said: Moment,
    asked: Instant,
    access: Option<AccessToken>,
}

impl Identity {
    /// The time by the node's clock.
    fn now(&self) -> Moment {
        self.said.saturating_add(millis(self.asked.elapsed()))
    }
}

/// A storage node.
pub struct NodeClient {
    url: String,
    http: Client,
    signer: Option<Arc<dyn Signing>>,
    clock: fn() -> Moment,
    identity: Mutex<Option<Identity>>,
}

impl NodeClient {
    /// A node by its URL. Without a signer, only nodes that serve anybody take uploads, and nothing
    /// can be deleted.
    ///
    /// # Errors
    /// Returns an error if the URL is not an http or https URL.
    pub fn new(url: &str, signer: Option<Arc<dyn Signing>>) -> Result<Self, StorageError> {
        let url = base(url)?;
        Ok(Self { http: client(&url, &[])?, url, signer, clock: now, identity: Mutex::default() })
    }

    /// Trusts these certificates (PEM) beside the system's.
    ///
    /// # Errors
    /// Returns an error if one of them is invalid.
    pub fn with_roots(self, roots: &[Vec<u8>]) -> Result<Self, StorageError> {
        Ok(Self { http: client(&self.url, roots)?, ..self })
    }

    /// Another clock than the machine's, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Moment) -> Self {
        Self { clock, ..self }
    }

    /// What the node says of itself.
    ///
    /// # Errors
    /// Returns an error if it does not answer.
    pub async fn status(&self) -> Result<NodeStatus, StorageError> {
        let answer = self.send(self.http.get(format!("{}/health", self.url))).await?;
        if !answer.status().is_success() {
            return Err(refusal(&self.url, "health", answer).await);
        }
        let text = body(&self.url, answer, MAX_STATUS_BYTES).await?;
        serde_json::from_slice(&text).map_err(|error| self.protocol(error.to_string()))
    }

    /// Part of a fragment or manifest, as the node has it: not checked against the id.
    ///
    /// # Errors
    /// Returns an error if it does not have it, or the range ends beyond it.
    pub async fn range(
        &self,
        kind: Kind,
        id: &Digest,
        range: std::ops::Range<u64>,
    ) -> Result<Bytes, StorageError> {
        let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else {
            return Ok(Bytes::new());
        };
        let request =
            self.request(Method::GET, kind, id).header(RANGE, format!("bytes={}-{last}", range.start));
        let answer = self.send(request).await?;
        if answer.status() != StatusCode::PARTIAL_CONTENT {
            return Err(refusal(&self.url, &hex::encode(id), answer).await);
        }
        let bytes = body(&self.url, answer, range.end - range.start).await?;
        if bytes.len() as u64 == range.end - range.start {
            Ok(bytes)
        } else {
            Err(self.protocol(format!("{} bytes of a range", bytes.len())))
        }
    }

    fn request(&self, method: Method, kind: Kind, id: &Digest) -> RequestBuilder {
        self.http.request(method, format!("{}/{}/{}", self.url, kind.folder(), hex::encode(id)))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, StorageError> {
        request.send().await.map_err(|error| unreachable(&self.url, &error))
    }

    fn protocol(&self, found: String) -> StorageError {
        StorageError::Protocol { location: self.url.clone(), found }
    }

    /// Asks the node for its key and its time.
    async fn identify(&self) -> Result<Identity, StorageError> {
        let status = self.status().await?;
        let asked = Instant::now();
        let node = Digest::from_hex(&status.node)
            .ok()
            .ok_or_else(|| self.protocol(format!("the key `{}`", status.node)))?;
        let (own, skew) = ((self.clock)(), millis(MAX_SKEW));
        let said = status.now_ms.unwrap_or(own).clamp(own.saturating_sub(skew), own.saturating_add(skew));
        Ok(Identity { node, said, asked, access: None })
    }

    /// The `Authorization` of an action, good for a while by the node's own clock: whether this
    /// machine's is right does not matter.
    async fn access(&self, signer: &dyn Signing, action: Action) -> Result<String, StorageError> {
        let mut identity = self.identity.lock().await;
        let known = match &mut *identity {
            Some(known) => known,
            unknown => unknown.insert(self.identify().await?),
        };
        let now = known.now();
        let good = known.access.filter(|access| access.expires > now.saturating_add(millis(ACCESS_MARGIN)));
        if let (Action::Store, Some(access)) = (action, good) {
            return Ok(access.to_header());
        }
        let access = AccessToken::sign(signer, &known.node, action, now.saturating_add(millis(ACCESS_LASTS)));
        if action == Action::Store {
            known.access = Some(access);
        }
        Ok(access.to_header())
    }

    /// Sends a request that changes something. A token that is refused is signed once more, by what
    /// the node says of itself now: its clock may have been set, or its key made anew.
    async fn change(&self, request: RequestBuilder, action: Action) -> Result<Response, StorageError> {
        let Some(signer) = &self.signer else { return self.send(request).await };
        let again = request.try_clone();
        let access = self.access(&**signer, action).await?;
        let answer = self.send(request.header(AUTHORIZATION, access)).await;
        let refused = match &answer {
            Ok(answer) => answer.status() == StatusCode::UNAUTHORIZED,
            // A refusal may be lost when it comes before the body was sent.
            Err(_) => {
                *self.identity.lock().await = None;
                false
            }
        };
        let Some(again) = again.filter(|_| refused) else { return answer };
        *self.identity.lock().await = None;
        let access = self.access(&**signer, action).await?;
        self.send(again.header(AUTHORIZATION, access)).await
    }

    /// Uploads all at once.
    async fn put_whole(&self, kind: Kind, id: &Digest, bytes: Bytes) -> Result<(), StorageError> {
        let answer = self.change(self.request(Method::PUT, kind, id).body(bytes), Action::Store).await?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(refusal(&self.url, &hex::encode(id), answer).await)
        }
    }

    /// Uploads in parts, from where an earlier attempt broke off.
    async fn put_parts(&self, kind: Kind, id: &Digest, bytes: &Bytes) -> Result<(), StorageError> {
        let total = bytes.len();
        let mut range = format!("bytes */{total}");
        let mut part = Bytes::new();
        loop {
            let request = self.request(Method::PUT, kind, id).header(CONTENT_RANGE, range).body(part);
            let answer = self.change(request, Action::Store).await?;
            match answer.status() {
                status if status.is_success() => return Ok(()),
                StatusCode::PERMANENT_REDIRECT => {}
                _ => return Err(refusal(&self.url, &hex::encode(id), answer).await),
            }
            // `bytes=0-N`, or no header where it has nothing.
            let received = match answer.headers().get(RANGE).map(|value| value.to_str()) {
                None => 0,
                Some(value) => value
                    .ok()
                    .and_then(|value| value.strip_prefix("bytes=0-")?.parse::<usize>().ok()?.checked_add(1))
                    .filter(|received| *received < total)
                    .ok_or_else(|| self.protocol("a range that makes no sense".to_owned()))?,
            };
            let end = total.min(received + PART_BYTES);
            range = format!("bytes {received}-{}/{total}", end - 1);
            part = bytes.slice(received..end);
        }
    }
}

#[async_trait]
impl FragmentStore for NodeClient {
    fn location(&self) -> &str {
        &self.url
    }

    async fn put(&self, kind: Kind, id: &Digest, bytes: Bytes) -> Result<(), StorageError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 0;
        loop {
            let done = if bytes.len() > PART_BYTES {
                self.put_parts(kind, id, &bytes).await
            } else {
                self.put_whole(kind, id, bytes.clone()).await
            };
            match done {
                Err(error) if error.is_passing() && attempt < RETRIES => {
                    tokio::time::sleep(pause).await;
                    pause *= 4;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    async fn get(&self, kind: Kind, id: &Digest) -> Result<Bytes, StorageError> {
        let answer = self.send(self.request(Method::GET, kind, id)).await?;
        if answer.status() == StatusCode::OK {
            body(&self.url, answer, kind.max_bytes()).await
        } else {
            Err(refusal(&self.url, &hex::encode(id), answer).await)
        }
    }

    async fn has(&self, kind: Kind, id: &Digest) -> Result<bool, StorageError> {
        let answer = self.send(self.request(Method::HEAD, kind, id)).await?;
        match answer.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refusal(&self.url, &hex::encode(id), answer).await),
        }
    }

    async fn delete(&self, kind: Kind, id: &Digest) -> Result<(), StorageError> {
        if kind == Kind::Fragment {
            // The node collects what no manifest lists: others may list it too.
            return Ok(());
        }
        let request = self.request(Method::DELETE, kind, id);
        let answer = self.change(request, Action::Delete(*id)).await?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND => Ok(()),
            _ => Err(refusal(&self.url, &hex::encode(id), answer).await),
        }
    }
}

/// The time by this machine's clock.
pub(crate) fn now() -> Moment {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> Moment {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
