//! A DeOSS gateway without a chain behind it. It checks requests as the original does (see
//! `requests.txt`), and speaks HTTP by hand, so that it shares no code with what it tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use cyborg_account::{address, verify};
use cyborg_storage_client::cess::{FileId, SS58_PREFIX};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Where the connection breaks, by the number of the part.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Nothing of the part is taken.
    Before(usize),
    /// Half of it is.
    Halfway(usize),
    /// All of it is, and nobody is told.
    After(usize),
}

pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
}

#[derive(Default)]
struct State {
    account: [u8; 32],
    uploads: BTreeMap<String, Vec<u8>>,
    files: BTreeMap<String, Vec<u8>>,
    seen: Vec<Request>,
    fault: Option<Fault>,
    broken_from: Option<usize>,
    parts: usize,
    received: u64,
    litter: usize,
    alters: bool,
}

#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

fn json(code: u16, message: &str, data: &str) -> Vec<u8> {
    let text = format!("{{\"code\":{code},\"msg\":\"{message}\",\"data\":{data}}}");
    answer("200 OK", "application/json; charset=utf-8", "", text.as_bytes())
}

fn answer(status: &str, kind: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{more}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

impl Gateway {
    pub(crate) async fn start(account: [u8; 32]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let gateway = Self { url, state: Arc::new(Mutex::new(State { account, ..State::default() })) };
        let this = gateway.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(this.clone().serve(stream));
            }
        });
        gateway
    }

    pub(crate) fn break_once(&self, fault: Fault) {
        self.state.lock().unwrap().fault = Some(fault);
    }

    pub(crate) fn break_from(&self, part: usize) {
        self.state.lock().unwrap().broken_from = Some(part);
    }

    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().broken_from = None;
    }

    /// Every new upload finds bytes under its first name.
    pub(crate) fn litter(&self, bytes: usize) {
        self.state.lock().unwrap().litter = bytes;
    }

    pub(crate) fn alter_uploads(&self) {
        self.state.lock().unwrap().alters = true;
    }

    pub(crate) fn alter_files(&self) {
        for file in self.state.lock().unwrap().files.values_mut() {
            file[200] ^= 1;
        }
    }

    pub(crate) fn received(&self) -> u64 {
        self.state.lock().unwrap().received
    }

    pub(crate) fn files(&self) -> usize {
        self.state.lock().unwrap().files.len()
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }

    async fn serve(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_head(&mut stream).await {
            let length = request.headers.get("Content-Length").map_or(0, |length| length.parse().unwrap());
            let Some(answer) = self.handle(&request, length, &mut stream).await else { return };
            self.state.lock().unwrap().seen.push(request);
            if stream.get_mut().write_all(&answer).await.is_err() {
                return;
            }
        }
    }

    /// `None` if the connection breaks.
    async fn handle(
        &self,
        request: &Request,
        length: usize,
        stream: &mut BufReader<TcpStream>,
    ) -> Option<Vec<u8>> {
        let mut line = request.line.split(' ');
        let (method, path) = (line.next()?, line.next()?);
        if let ("PUT", Some(name)) = (method, path.strip_prefix("/resume/")) {
            return self.resume(request, name, length, stream).await;
        }
        let mut state = self.state.lock().unwrap();
        Some(match (method, path.rsplit_once('/')?) {
            ("GET", ("/file/download", fid)) => match state.files.get(fid) {
                Some(bytes) => answer("200 OK", "application/octet-stream", "", bytes),
                None => json(404, "Not found", "null"),
            },
            ("GET", ("/file/open", fid)) => {
                let bytes = state.files.get(fid)?;
                // The original reads the range from this header.
                let from: usize = request.headers["Content-Range"]
                    .strip_prefix("bytes=")?
                    .strip_suffix('-')?
                    .parse()
                    .unwrap();
                let range = format!("content-range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len());
                answer("206 Partial Content", "text/plain", &range, &bytes[from..])
            }
            ("GET", ("/file/metadata", fid)) => match state.files.get(fid) {
                Some(bytes) => {
                    json(200, "ok", &format!("{{\"fid\":\"{fid}\",\"size\":{},\"owner\":[]}}", bytes.len()))
                }
                None => json(403, "The file has not been uploaded to the chain yet", "null"),
            },
            ("DELETE", ("/file", fid)) => {
                if !permitted(request, &state.account) {
                    return Some(json(403, "no permission", "null"));
                }
                state.files.remove(fid);
                json(200, "ok", "{\"block hash\":\"0x00\"}")
            }
            _ => answer("404 Not Found", "text/plain", "", b"404 page not found"),
        })
    }

    async fn resume(
        &self,
        request: &Request,
        name: &str,
        length: usize,
        stream: &mut BufReader<TcpStream>,
    ) -> Option<Vec<u8>> {
        let mut body = vec![0; length];
        let refusal = {
            let mut state = self.state.lock().unwrap();
            let part = state.parts;
            state.parts += usize::from(length > 0);
            let broken = state.broken_from.is_some_and(|from| part >= from);
            if length > 0 && (broken || matches!(state.fault, Some(Fault::Before(at)) if at == part)) {
                state.fault = None;
                return None;
            }
            (!permitted(request, &state.account)).then(|| json(403, "no permission", "null"))
        };
        let halfway = {
            let state = self.state.lock().unwrap();
            length > 0 && matches!(state.fault, Some(Fault::Halfway(at)) if at + 1 == state.parts)
        };
        let taken = if halfway { length / 2 } else { length };
        stream.read_exact(&mut body[..taken]).await.ok()?;
        if refusal.is_some() {
            return refusal;
        }

        let mut state = self.state.lock().unwrap();
        let illegal = || Some(json(400, "Illegal Content-Range content", "null"));
        let range = request.headers.get("Content-Range")?;
        let (range, total) = range.strip_prefix("bytes ")?.split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let (start, end, total): (usize, usize, usize) =
            (start.parse().unwrap(), end.parse().unwrap(), total.parse().unwrap());
        if name.len() < 3 || name.len() > 63 {
            return Some(json(400, "The file name length cannot exceed 63 characters", "null"));
        }
        let litter = std::mem::take(&mut state.litter);
        let upload = state.uploads.entry(format!("{name}-{total}")).or_insert_with(|| vec![9; litter]);
        if end < start || end > total || start > upload.len() {
            return illegal();
        }
        // O_APPEND: wherever the range begins, and however it ends.
        upload.extend(&body[..taken]);
        state.received += taken as u64;
        let dropped_after =
            length > 0 && matches!(state.fault, Some(Fault::After(at)) if at + 1 == state.parts);
        if halfway {
            state.fault = None;
            return None;
        }
        if length < end - start + 1 {
            return Some(json(400, "received less file content", "null"));
        }
        if length > end - start + 1 {
            return Some(json(400, "received more file content", "null"));
        }
        let answered = if end + 1 < total {
            answer(
                "308 Permanent Redirect",
                "application/json; charset=utf-8",
                &format!("content-range: bytes {range}/{total}\r\n"),
                b"null",
            )
        } else {
            let Some(territory) = request.headers.get("Territory").filter(|territory| *territory == "models")
            else {
                return Some(json(400, "please purchase territory first", "null"));
            };
            assert!(!territory.is_empty());
            let mut file = state.uploads.remove(&format!("{name}-{total}")).unwrap();
            if state.alters {
                file[100] ^= 1;
            }
            let mut id = FileId::default();
            id.update(&file);
            let fid = hex::encode(id.finish());
            state.files.insert(fid.clone(), file);
            json(200, "ok", &format!("{{\"fid\":\"{fid}\"}}"))
        };
        if dropped_after {
            state.fault = None;
            return None;
        }
        Some(answered)
    }
}

/// Account, message and signature, as the original checks them.
fn permitted(request: &Request, expected: &[u8; 32]) -> bool {
    let check = || {
        let account = address::decode(SS58_PREFIX, request.headers.get("Account")?)?;
        let message = request.headers.get("Message")?;
        let expires: u64 = message.parse().ok()?;
        let digits = request.headers.get("Signature")?.strip_prefix("0x")?;
        let signature: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let good = account == *expected && now < expires && expires < 1_000_000_000_000;
        (good && verify(&account, message.as_bytes(), &signature.try_into().ok()?)).then_some(())
    };
    check().is_some()
}

async fn read_head(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let request_line = line.trim_end().strip_suffix(" HTTP/1.1")?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        // As the documentation writes them.
        let name = name.split('-').map(capitalised).collect::<Vec<_>>().join("-");
        headers.insert(name, value.to_owned());
    }
    Some(Request { line: request_line, headers })
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}
