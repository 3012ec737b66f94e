//! The miner's own process, asked over HTTP as its operator would.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::Client;
use serde::Deserialize;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Maximum size of an answer that is read.
const MAX_BYTES: usize = 1 << 20;

/// What a process says about itself. It may be any program: nothing here is trusted.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Health {
    /// Its version.
    #[serde(default)]
    pub(crate) version: String,
    /// Its account, 0x and hexadecimal digits.
    pub(crate) miner: String,
    /// The last block that it handled.
    #[serde(default)]
    pub(crate) block: u64,
    /// Tasks that it answers.
    #[serde(default)]
    pub(crate) serving: Vec<u64>,
}

/// Who is trusted to vouch for a certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trust {
    /// The system's authorities, as for every client.
    Everybody,
    /// Nobody: the process is on this machine, and its account is compared.
    ThisMachine,
}

/// The URL of an address of this machine.
pub(crate) fn local_url(listen: SocketAddr, tls: bool) -> String {
    // A process that listens at every address is reached here.
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(ip, listen.port()))
}

/// Asks a miner for its health.
pub(crate) async fn health(url: &str, trust: Trust) -> Result<Health, String> {
    let text = page(url, "health", trust).await?;
    serde_json::from_str(&text).map_err(|_| "the program that answers there is not a miner".to_owned())
}

/// A page of a miner.
pub(crate) async fn page(url: &str, name: &str, trust: Trust) -> Result<String, String> {
    // TLS needs a process-wide provider; one that is installed already stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(trust == Trust::ThisMachine)
        .build()
        .map_err(|error| cause(&error))?;
    let url = format!("{}/{name}", url.trim_end_matches('/'));
    let mut answer = client.get(url).send().await.map_err(|error| cause(&error))?;
    if !answer.status().is_success() {
        return Err(format!("what answers there says {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| cause(&error))? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err("what answers there does not stop".to_owned());
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| "the answer is not text".to_owned())
}

/// The last cause of an error: its own text repeats the URL.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", PATIENCE.as_secs());
    }
    cyborg_storage_client::error::cause(error)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// A server that gives every client the same answer.
    fn server(answer: impl Into<Vec<u8>>) -> String {
        let (listener, answer) = (TcpListener::bind("127.0.0.1:0").unwrap(), answer.into());
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(&answer);
            }
        });
        format!("http://{address}/")
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_miner_says_how_it_is() {
        let said =
            r#"{"status":"ok","version":"1","miner":"0xab","genesis":"0x","block":7,"serving":[3],"new":1}"#;
        let found = health(&server(ok(said)), Trust::Everybody).await.unwrap();
        assert_eq!((found.miner.as_str(), found.block, found.serving), ("0xab", 7, vec![3]));
    }

    #[tokio::test]
    async fn other_programs_are_told_apart() {
        for (answer, said) in [
            (ok("{}"), "not a miner"),
            (ok("\u{1b}[31m"), "not a miner"),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(), "404"),
            ("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_owned(), "302"),
            ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), ""),
            (ok(&"x".repeat(MAX_BYTES + 1)), "does not stop"),
        ] {
            let problem = health(&server(answer), Trust::Everybody).await.unwrap_err();
            assert!(problem.contains(said) && !problem.is_empty(), "{problem}");
        }
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let problem = health(&format!("http://{nobody}"), Trust::Everybody).await.unwrap_err();
        assert!(problem.to_lowercase().contains("refused"), "{problem}");
    }

    #[test]
    fn what_listens_everywhere_is_asked_here() {
        for (listen, tls, url) in [
            ("0.0.0.0:9800", false, "http://127.0.0.1:9800"),
            ("[::]:9800", true, "https://[::1]:9800"),
            ("10.1.2.3:80", false, "http://10.1.2.3:80"),
        ] {
            assert_eq!(local_url(listen.parse().unwrap(), tls), url);
        }
    }
}
