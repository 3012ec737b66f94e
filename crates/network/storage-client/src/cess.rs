//! CESS, through a DeOSS gateway.
//!
//! CESS codes and distributes what it gets itself, so files go there whole, as encrypted blobs.
//! Their id is CESS's: a Merkle root of SHA-256 over segments of 32 MiB. It follows from the bytes,
//! so the gateway's answer is checked when a file is stored, and the file when it is fetched.
//!
//! The requests are those of `tests/cess/requests.txt`. A gateway appends whatever it receives,
//! also of a part that broke off, and has no request for how much it has. How much that is, is
//! found with parts that announce one byte and bring none: they change nothing, and are refused
//! in one of two ways.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cyborg_account::{Signing, address};
use cyborg_disk::files::read_through;
use cyborg_disk::sealed::Sealed;
use cyborg_primitives::Digest;
use futures::StreamExt;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RANGE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::error::StorageError;
use crate::http::{base, body, client, printable, refusal, unreachable};
use crate::node::now;
use crate::storage::{Download, FileStore, blocking};

/// CESS's prefix of addresses.
pub const SS58_PREFIX: u16 = 11330;
/// CESS's segments.
const SEGMENT_BYTES: usize = 32 << 20;
/// Bytes of a part.
const PART_BYTES: u64 = 32 << 20;
/// How long a signature is good for.
const SIGNATURE_LASTS_S: u64 = 600;
/// Longest answer that is not a file.
const MAX_ANSWER_BYTES: u64 = 256 * 1024;
/// Times a part that failed is tried again.
const RETRIES: usize = 3;
/// Names tried for one file: an upload that went wrong beyond repair begins anew under the next.
const NAMES: usize = 3;
/// Times the gateway is asked whether a file whose last part broke off is there after all.
const LAST_PART_CHECKS: usize = 10;

const LESS_CONTENT: &str = "received less file content";
const ILLEGAL_RANGE: &str = "Illegal Content-Range content";

/// A gateway, and the account and territory that files are stored under.
pub struct CessGateway {
    url: String,
    http: Client,
    signer: Arc<dyn Signing>,
    account: String,
    territory: HeaderValue,
    part_bytes: u64,
    pause: Duration,
}

/// What a gateway answers with, but for files.
#[derive(Deserialize)]
struct Answer {
    code: u16,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    data: Value,
}

/// What became of a part.
enum PartReply {
    /// More is expected.
    Continue,
    /// It was the last: the file's id.
    Stored(String),
}

impl CessGateway {
    /// A gateway that the account has authorised, and a territory that it owns.
    ///
    /// # Errors
    /// Returns an error if the URL or the territory's name cannot be used.
    pub fn new(url: &str, territory: &str, signer: Arc<dyn Signing>) -> Result<Self, StorageError> {
        let url = base(url)?;
        let bad = |_| StorageError::BadSetting { what: "territory", got: territory.to_owned() };
        Ok(Self {
            http: client(&url, &[])?,
            url,
            account: address::encode(SS58_PREFIX, &signer.account()),
            signer,
            territory: HeaderValue::from_str(territory).map_err(bad)?,
            part_bytes: PART_BYTES,
            pause: Duration::from_secs(6),
        })
    }

    /// Trusts these certificates (PEM) beside the system's.
    ///
    /// # Errors
    /// Returns an error if one of them is invalid.
    pub fn with_roots(self, roots: &[Vec<u8>]) -> Result<Self, StorageError> {
        Ok(Self { http: client(&self.url, roots)?, ..self })
    }

    /// With parts of another size, and another pause before something is tried again.
    #[must_use]
    pub fn with_parts(self, part_bytes: u64, pause: Duration) -> Self {
        Self { part_bytes: part_bytes.max(1), pause, ..self }
    }

    fn identified(&self, method: Method, path: &str) -> RequestBuilder {
        let message = (now() / 1000 + SIGNATURE_LASTS_S).to_string();
        let signature = self.signer.sign(message.as_bytes());
        let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        self.http
            .request(method, format!("{}{path}", self.url))
            .header("Account", &self.account)
            .header("Message", message)
            .header("Signature", format!("0x{signature}"))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, StorageError> {
        request.send().await.map_err(|error| unreachable(&self.url, &error))
    }

    fn refused(&self, answer: Answer) -> StorageError {
        let message = printable(answer.msg.as_bytes());
        StorageError::Refused { location: self.url.clone(), status: answer.code, message }
    }

    fn protocol(&self, found: impl Into<String>) -> StorageError {
        StorageError::Protocol { location: self.url.clone(), found: found.into() }
    }

    /// The JSON that an answer holds; a refusal is still a value.
    async fn answer(&self, response: Response) -> Result<Answer, StorageError> {
        if response.status() != StatusCode::OK {
            return Err(refusal(&self.url, "", response).await);
        }
        let text = body(&self.url, response, MAX_ANSWER_BYTES).await?;
        serde_json::from_slice(&text).map_err(|_| self.protocol(printable(&text)))
    }

    async fn put_part(
        &self,
        name: &str,
        range: Range<u64>,
        total: u64,
        bytes: Bytes,
    ) -> Result<PartReply, StorageError> {
        let request = self
            .identified(Method::PUT, &format!("/resume/{name}"))
            .header("Territory", self.territory.clone())
            .header(CONTENT_RANGE, format!("bytes {}-{}/{total}", range.start, range.end - 1))
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(bytes);
        let response = self.send(request).await?;
        if response.status() == StatusCode::PERMANENT_REDIRECT {
            return Ok(PartReply::Continue);
        }
        let answer = self.answer(response).await?;
        match answer.data.get("fid").and_then(Value::as_str) {
            Some(fid) if answer.code == 200 => Ok(PartReply::Stored(fid.to_owned())),
            _ if answer.code == 200 => Err(self.protocol("no file id")),
            _ => Err(self.refused(answer)),
        }
    }

    /// Whether the gateway has at least so many bytes of an upload.
    async fn has_received(&self, name: &str, bytes: u64, total: u64) -> Result<bool, StorageError> {
        match self.put_part(name, bytes..bytes + 1, total, Bytes::new()).await {
            Err(StorageError::Refused { status: 400, message, .. }) if message == LESS_CONTENT => Ok(true),
            Err(StorageError::Refused { status: 400, message, .. }) if message == ILLEGAL_RANGE => Ok(false),
            Err(error) => Err(error),
            Ok(_) => Err(self.protocol("nothing taken for a part")),
        }
    }

    /// How many bytes of an upload the gateway has; `None` if that is no beginning of the file,
    /// or cannot be found out.
    async fn received(&self, name: &str, total: u64) -> Result<Option<u64>, StorageError> {
        let has = async |bytes| match self.has_received(name, bytes, total).await {
            Err(StorageError::Protocol { .. }) => Ok(None),
            other => other.map(Some),
        };
        if total < 2 {
            return Ok(Some(0));
        }
        // All of it, and it is no file: nothing can be added that would make it one.
        match has(total).await? {
            Some(false) => {}
            _ => return Ok(None),
        }
        let (mut least, mut most) = (0, total - 1);
        // Mostly nothing is there.
        if has(1).await? == Some(false) {
            return Ok(Some(0));
        }
        while least < most {
            let middle = least + (most - least).div_ceil(2);
            match has(middle).await? {
                Some(true) => least = middle,
                Some(false) => most = middle - 1,
                None => return Ok(None),
            }
        }
        Ok(Some(least))
    }

    /// Uploads under one name; `None` if another name must be tried.
    async fn put_as(
        &self,
        name: &str,
        blob: &Arc<Sealed>,
        expected: &str,
    ) -> Result<Option<String>, StorageError> {
        let total = blob.layout().blob_bytes;
        let Some(mut received) = self.received(name, total).await? else { return Ok(None) };
        let mut failures = 0;
        loop {
            let range = received..total.min(received + self.part_bytes);
            let (source, part) = (blob.clone(), range.clone());
            let bytes = blocking(move || {
                let mut bytes = vec![0; (part.end - part.start) as usize];
                source.read_at(part.start, &mut bytes)?;
                Ok(Bytes::from(bytes))
            })
            .await?;
            match self.put_part(name, range.clone(), total, bytes).await {
                Ok(PartReply::Stored(fid)) => return Ok(Some(fid)),
                Ok(PartReply::Continue) if range.end < total => received = range.end,
                Ok(PartReply::Continue) => return Err(self.protocol("308 to the last part")),
                Err(error) if error.is_passing() => {
                    if range.end == total && self.appears(expected).await? {
                        return Ok(Some(expected.to_owned()));
                    }
                    failures += 1;
                    if failures > RETRIES {
                        return Err(error);
                    }
                    tokio::time::sleep(self.pause).await;
                    match self.received(name, total).await? {
                        Some(bytes) => received = bytes,
                        None => return Ok(None),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a file is there, or comes to be while we wait: processing takes the gateway a while.
    async fn appears(&self, fid: &str) -> Result<bool, StorageError> {
        for _ in 0..LAST_PART_CHECKS {
            match self.metadata(fid).await {
                Ok(true) => return Ok(true),
                Err(error) if !error.is_passing() => return Err(error),
                _ => tokio::time::sleep(self.pause).await,
            }
        }
        Ok(false)
    }

    async fn metadata(&self, fid: &str) -> Result<bool, StorageError> {
        let request = self.http.get(format!("{}/file/metadata/{fid}", self.url));
        let answer = self.answer(self.send(request).await?).await?;
        match answer.code {
            200 => Ok(true),
            // 403 is also its word for a file that it has never seen.
            403 | 404 => Ok(false),
            _ => Err(self.refused(answer)),
        }
    }

    /// The bytes of a file from an offset on, and the length of all.
    async fn open(&self, id: &Digest, from: u64) -> Result<Download, StorageError> {
        let fid = hex::encode(id);
        let response = if from == 0 {
            self.send(self.http.get(format!("{}/file/download/{fid}", self.url))).await?
        } else {
            // The gateway reads the range from a header of another name; both are sent.
            let range = format!("bytes={from}-");
            let request = self.http.get(format!("{}/file/open/{fid}", self.url));
            self.send(request.header(RANGE, &range).header(CONTENT_RANGE, range)).await?
        };
        let (total, skip) = match response.status() {
            StatusCode::OK => {
                let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
                if kind.is_some_and(|kind| kind.starts_with(b"application/json")) {
                    let answer = self.answer(response).await?;
                    return Err(match answer.code {
                        404 => StorageError::NotFound { location: self.url.clone(), id: fid },
                        _ => self.refused(answer),
                    });
                }
                let length = response.headers().get(CONTENT_LENGTH);
                (length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok()), from)
            }
            StatusCode::PARTIAL_CONTENT => {
                let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
                let total = range
                    .and_then(|range| range.strip_prefix(&format!("bytes {from}-"))?.split_once('/'))
                    .and_then(|(_, total)| total.parse::<u64>().ok());
                (total, 0)
            }
            _ => return Err(refusal(&self.url, &fid, response).await),
        };
        let file_bytes = total.ok_or_else(|| self.protocol("no length"))?;
        if from > file_bytes {
            return Err(StorageError::Range { start: from, end: file_bytes, length: file_bytes });
        }
        let url = self.url.clone();
        let mut skip = skip;
        let chunks = response
            .bytes_stream()
            .map(move |chunk| {
                let mut chunk = chunk.map_err(|error| unreachable(&url, &error))?;
                let dropped = skip.min(chunk.len() as u64);
                skip -= dropped;
                Ok(chunk.split_off(dropped as usize))
            })
            .boxed();
        Ok(Download { file_bytes, chunks })
    }
}

#[async_trait]
impl FileStore for CessGateway {
    async fn put(&self, blob: Arc<Sealed>) -> Result<Digest, StorageError> {
        let source = blob.clone();
        let id = blocking(move || {
            let mut hasher = FileId::default();
            let mut buffer = vec![0; 1 << 20];
            let total = source.layout().blob_bytes;
            let mut offset = 0;
            while offset < total {
                let count = buffer.len().min((total - offset) as usize);
                source.read_at(offset, &mut buffer[..count])?;
                hasher.update(&buffer[..count]);
                offset += count as u64;
            }
            Ok(hasher.finish())
        })
        .await?;
        let expected = hex::encode(id);
        if self.metadata(&expected).await? {
            return Ok(id);
        }
        let mut found = None;
        for attempt in 0..NAMES {
            let name = match attempt {
                0 => expected[..40].to_owned(),
                _ => format!("{}-{:016x}", &expected[..40], random()?),
            };
            let Some(stored) = self.put_as(&name, &blob, &expected).await? else { continue };
            if stored == expected {
                let source = blob.clone();
                if !blocking(move || Ok(source.is_unchanged()?)).await? {
                    return Err(StorageError::SourceChanged);
                }
                return Ok(id);
            }
            found = Some(stored);
        }
        let found = printable(found.unwrap_or_else(|| "nothing".to_owned()).as_bytes());
        Err(StorageError::OtherFileId { expected, found })
    }

    async fn get(&self, id: &Digest, from: u64) -> Result<Download, StorageError> {
        self.open(id, from).await
    }

    async fn range(&self, id: &Digest, range: Range<u64>) -> Result<Bytes, StorageError> {
        let mut download = self.open(id, range.start).await?;
        if range.start > range.end || range.end > download.file_bytes {
            let length = download.file_bytes;
            return Err(StorageError::Range { start: range.start, end: range.end, length });
        }
        let wanted = (range.end - range.start) as usize;
        let mut bytes = BytesMut::new();
        while bytes.len() < wanted {
            let Some(chunk) = download.chunks.next().await else {
                return Err(self.protocol("the end of the file too early"));
            };
            bytes.extend_from_slice(&chunk?);
        }
        bytes.truncate(wanted);
        Ok(bytes.freeze())
    }

    async fn has(&self, id: &Digest) -> Result<bool, StorageError> {
        self.metadata(&hex::encode(id)).await
    }

    async fn delete(&self, id: &Digest) -> Result<(), StorageError> {
        let request = self.identified(Method::DELETE, &format!("/file/{}", hex::encode(id)));
        let answer = self.answer(self.send(request).await?).await?;
        match answer.code {
            200 | 404 => Ok(()),
            _ => Err(self.refused(answer)),
        }
    }

    async fn is_whole(&self, id: &Digest, fetched: File) -> Result<bool, StorageError> {
        let id = *id;
        blocking(move || {
            let mut hasher = FileId::default();
            read_through(&fetched, |bytes| hasher.update(bytes))?;
            Ok(hasher.finish() == id)
        })
        .await
    }
}

fn random() -> Result<u64, StorageError> {
    getrandom::u64().map_err(|_| cyborg_envelope::EnvelopeError::NoRandomness.into())
}

/// CESS's id of a file: SHA-256 of each segment, the last filled with zeros, and a tree of SHA-256
/// over them in which an odd one is its own sibling.
#[derive(Default)]
pub struct FileId {
    segments: Vec<[u8; 32]>,
    hasher: Sha256,
    filled: usize,
}

impl FileId {
    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at((SEGMENT_BYTES - self.filled).min(bytes.len()));
            self.hasher.update(head);
            self.filled += head.len();
            bytes = rest;
            if self.filled == SEGMENT_BYTES {
                self.close_segment();
            }
        }
    }

    fn close_segment(&mut self) {
        self.segments.push(self.hasher.finalize_reset().into());
        self.filled = 0;
    }

    /// The id of what was taken.
    #[must_use]
    pub fn finish(mut self) -> Digest {
        if self.filled > 0 || self.segments.is_empty() {
            let zeros = vec![0; 1 << 16];
            while self.filled < SEGMENT_BYTES {
                let count = zeros.len().min(SEGMENT_BYTES - self.filled);
                self.hasher.update(&zeros[..count]);
                self.filled += count;
            }
            self.close_segment();
        }
        let mut level = self.segments;
        loop {
            level = level
                .chunks(2)
                .map(|pair| Sha256::new().chain_update(pair[0]).chain_update(pair[pair.len() - 1]).finalize())
                .map(Into::into)
                .collect();
            if let [root] = level[..] {
                return root;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha(parts: &[&[u8]]) -> [u8; 32] {
        Sha256::digest(parts.concat()).into()
    }

    #[test]
    fn file_ids_are_cess_s() {
        let segment = |byte: u8, count: usize| {
            let mut bytes = vec![byte; count];
            bytes.resize(SEGMENT_BYTES, 0);
            sha(&[&bytes])
        };
        let one = segment(7, 1000);
        let mut id = FileId::default();
        id.update(&[7; 1000]);
        assert_eq!(id.finish(), sha(&[&one, &one]));

        let full = segment(8, SEGMENT_BYTES);
        let mut id = FileId::default();
        for _ in 0..2 {
            id.update(&vec![8; SEGMENT_BYTES]);
        }
        id.update(&[7; 1000]);
        let (left, right) = (sha(&[&full, &full]), sha(&[&one, &one]));
        assert_eq!(id.finish(), sha(&[&left, &right]));
    }
}
