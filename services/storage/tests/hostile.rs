//! Clients that mean harm, or do not know better: every refusal, by hand-written HTTP.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{Net, bytes, http};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn put(path: &str, more: &str) -> String {
    format!("PUT {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n")
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn name(bytes: &[u8]) -> String {
    hex::encode(blake3::hash(bytes).as_bytes())
}

async fn used(net: &Net) -> (u64, u64) {
    let client = cyborg_storage_client::node::NodeClient::new(&net.urls[0], None).unwrap();
    let status = client.status().await.unwrap();
    (status.used_bytes, status.fragments)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_request_is_refused_and_leaves_nothing() {
    let net = Net::start_with(1, |_, config| config.quota_bytes = 1_000_000).await;
    let url = &net.urls[0];
    let body = bytes(1000, 1);
    let id = name(&body);
    let path = format!("/fragments/{id}");
    let length = "content-length: 1000\r\n";
    let cases: &[(u16, String, &[u8])] = &[
        // Names that lead elsewhere, or are no ids.
        (400, put("/fragments/..%2f..%2fnode.key", length), &body),
        (400, put("/fragments/%2e%2e", length), &body),
        (404, put("/fragments/../node.key", length), &body),
        (404, put("/node.key", length), &body),
        (400, put(&format!("/fragments/{}", &id[1..]), length), &body),
        (400, put(&format!("/fragments/{}", id.to_uppercase()), length), &body),
        (400, put(&format!("/fragments/{}g", &id[1..]), length), &body),
        (400, put(&format!("/fragments/{id}%00"), length), &body),
        // Lengths that are missing, unknown, too long for a fragment, too long for the quota.
        (411, put(&path, ""), b""),
        (411, put(&path, "transfer-encoding: chunked\r\n"), b"3e8\r\n"),
        (413, put(&path, "content-length: 16777217\r\n"), b""),
        (413, put(&path, "content-length: 9000000000000000000\r\n"), b""),
        (507, put(&path, "content-length: 1000001\r\n"), b""),
        // Other bytes than the name says.
        (422, put(&format!("/fragments/{}", name(b"other")), length), &body),
        (422, put(&format!("/manifests/{id}"), length), &body),
        // Ranges without sense.
        (400, put(&path, &format!("{length}content-range: bytes 0-9/1000\r\n")), &body),
        (400, put(&path, &format!("{length}content-range: bytes 999-0/1000\r\n")), &body),
        (400, put(&path, &format!("{length}content-range: bytes */1000\r\n")), &body),
        (413, put(&path, "content-length: 0\r\ncontent-range: bytes */99999999\r\n"), b""),
        // Methods and actions that are not served.
        (
            405,
            format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
            b"",
        ),
        (405, format!("DELETE {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"), b""),
        (401, format!("DELETE /manifests/{id} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"), b""),
        (404, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"), b""),
        (400, "GARBAGE\r\n\r\n".to_owned(), b""),
    ];
    for (expected, head, body) in cases {
        let answer = http(url, head, body).await;
        assert_eq!(status(&answer), *expected, "{head}{answer}");
    }
    assert_eq!(used(&net).await, (0, 0));
    assert!(common::files_below(&net.folder(0).join("incoming")).is_empty());
    assert_eq!(status(&http(url, &put(&path, length), &body).await), 201);
    assert_eq!(status(&http(url, &put(&path, length), &body).await), 200);
    assert_eq!(used(&net).await, (1000, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_come_in_order_and_stay() {
    let net = Net::start(1).await;
    let url = &net.urls[0];
    let body = bytes(3000, 2);
    let path = format!("/fragments/{}", name(&body));
    let part = |range: &str, length: usize| {
        put(&path, &format!("content-length: {length}\r\ncontent-range: bytes {range}/3000\r\n"))
    };
    let there = |answer: &str| {
        answer.split("range: bytes=").nth(1).map(|rest| rest.lines().next().unwrap().to_owned())
    };

    let answer = http(url, &part("*", 0), b"").await;
    assert_eq!((status(&answer), there(&answer)), (308, None));
    let answer = http(url, &part("0-999", 1000), &body[..1000]).await;
    assert_eq!((status(&answer), there(&answer).unwrap()), (308, "0-999".to_owned()));
    // Not what comes next: nothing is taken, and the answer says what is there.
    for range in ["0-999", "2000-2999", "500-1499"] {
        let answer = http(url, &part(range, 1000), &body[..1000]).await;
        assert_eq!((status(&answer), there(&answer).unwrap()), (308, "0-999".to_owned()), "{range}");
    }
    // A part that breaks off: what came of it stays, also over a restart.
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(part("1000-1999", 1000).as_bytes()).await.unwrap();
    stream.write_all(&body[1000..1600]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let mut net = net;
    net.restart(0).await;
    let url = &net.urls[0];
    let answer = http(url, &part("*", 0), b"").await;
    assert_eq!(there(&answer).unwrap(), "0-1599");
    assert_eq!(used(&net).await, (1600, 0));
    let answer = http(url, &part("1600-2999", 1400), &body[1600..]).await;
    assert_eq!(status(&answer), 201, "{answer}");
    assert_eq!(used(&net).await, (3000, 1));
    assert_eq!(status(&http(url, &part("*", 0), b"").await), 200);

    // Parts that make something else: refused as a whole, and gone.
    let other = bytes(3000, 3);
    let path = format!("/fragments/{}", name(&other));
    let answer =
        http(url, &put(&path, "content-length: 3000\r\ncontent-range: bytes 0-2999/3000\r\n"), &body).await;
    assert_eq!(status(&answer), 422);
    assert_eq!(used(&net).await, (3000, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_and_slow_clients_are_let_go() {
    let net = Net::start_with(1, |_, config| {
        config.limits.silence = Duration::from_millis(300);
        config.limits.min_bytes_per_second = 1_000_000;
        config.limits.connections = 4;
    })
    .await;
    let address = net.urls[0].strip_prefix("http://").unwrap().to_owned();
    let body = bytes(100_000, 4);
    let path = format!("/fragments/{}", name(&body));
    let head = put(&path, "content-length: 100000\r\n");
    // No head, half a head, no body, half a body, a byte now and then: more clients than are let in
    // at once, and each is let go.
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..10_usize {
        let (address, head, body) = (address.clone(), head.clone(), body.clone());
        clients.spawn(async move {
            let began = Instant::now();
            let mut stream = TcpStream::connect(address).await.unwrap();
            let sent: &[u8] = match client % 5 {
                0 => b"",
                1 => &head.as_bytes()[..20],
                2 => head.as_bytes(),
                _ => &[head.as_bytes(), &body[..50_000]].concat(),
            };
            let _ = stream.write_all(sent).await;
            if client % 5 == 4 {
                for byte in &body[50_000..50_100] {
                    if stream.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            began.elapsed()
        });
    }
    while let Some(took) = clients.join_next().await {
        assert!(took.unwrap() < Duration::from_secs(20));
    }
    assert_eq!(status(&http(&net.urls[0], &head, &body).await), 201);
    assert_eq!(used(&net).await, (100_000, 1));
    assert!(common::files_below(&net.folder(0).join("incoming")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_let_go() {
    let net = Net::start_with(1, |_, config| {
        config.limits.silence = Duration::from_millis(300);
        config.limits.connections = 1;
    })
    .await;
    let body = bytes(16 << 20, 5);
    let path = format!("/fragments/{}", name(&body));
    let answer = http(&net.urls[0], &put(&path, "content-length: 16777216\r\n"), &body).await;
    assert_eq!(status(&answer), 201);
    let mut stalled = TcpStream::connect(net.urls[0].strip_prefix("http://").unwrap()).await.unwrap();
    stalled.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    // The only connection is taken until the node gives up on it.
    let next = tokio::time::timeout(Duration::from_secs(10), used(&net)).await;
    assert_eq!(next.unwrap(), (16 << 20, 1));
}

/// A folder full of what does not belong there is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn strange_files_are_neither_served_nor_removed() {
    let mut net = Net::start_with(1, |_, config| config.grace = Duration::ZERO).await;
    let folder = net.folder(0).join("fragments/ab");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    fs::write(net.folder(0).join("fragments/stray"), "mine").unwrap();
    net.restart(0).await;
    assert_eq!(used(&net).await, (0, 0));
    net.node(0).collect().await.unwrap();
    net.node(0).scrub().await.unwrap();
    assert!(folder.join("notes.txt").exists());
}
