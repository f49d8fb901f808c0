//! The pages for people.

use crate::money::pay;
use crate::support::*;
use daas_devnet::control::Request;
use daas_devnet::{Config, Devnet, Fault, Lie, LieKind};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

async fn request(net: &Net, line: &str, headers: &str) -> Answer {
    request_at(net.devnet.rpc_addr, line, headers).await
}

/// `headers` may go on with a body.
pub(crate) async fn request_at(address: std::net::SocketAddr, line: &str, headers: &str) -> Answer {
    request_as(address, "localhost", line, headers).await
}

async fn request_as(address: std::net::SocketAddr, host: &str, line: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

async fn html(net: &Net, path: &str) -> String {
    let answer = request(net, &format!("GET {path}"), "accept: text/html,application/json;q=0.9\r\n").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    assert!(answer.head.contains("text/html; charset=utf-8") && answer.head.contains("default-src 'none'"));
    answer.body
}

async fn json(net: &Net, path: &str) -> Value {
    let answer = request(net, &format!("GET {path}"), "accept: application/json\r\n").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    serde_json::from_str(&answer.body).unwrap()
}

/// Every page that can be reached from the first one.
async fn crawl(net: &Net) -> Vec<(String, String)> {
    let (mut seen, mut pages) = (BTreeSet::from(["/".to_owned()]), vec![]);
    let mut open = vec!["/".to_owned()];
    while let Some(path) = open.pop() {
        let page = html(net, &path).await;
        for link in page.split(" href=\"").skip(1) {
            let link = link.split('"').next().unwrap().replace("&amp;", "&");
            assert!(link.starts_with('/'), "{link}");
            if seen.insert(link.clone()) {
                open.push(link);
            }
        }
        pages.push((path, page));
    }
    pages
}

const NAME: &str = "<script>alert('x')</script><img src=x onerror=\"alert(1)\">&";

#[tokio::test]
async fn every_link_leads_somewhere_and_nothing_on_chain_is_markup() {
    let net = Net::seeded(1).await;
    let ann = net.wallet(1).await;
    let made = net.cluster_named(&ann, NAME).await;
    net.stake(made, &ann, 5 * SUI, "node-1").await;
    net.end_epoch().await;
    let pages = crawl(&net).await;
    let of = |kind: &str| pages.iter().filter(|(path, _)| path.starts_with(kind)).count();
    let counts = (of("/objects/0x"), of("/transactions/"), of("/checkpoints/"));
    assert!(counts.0 >= 30 && counts.1 == 6 && counts.2 >= 6, "{counts:?}");
    let mut quoted = 0;
    for (path, page) in &pages {
        assert!(!page.contains("<script") && !page.contains("<img"), "{path}");
        quoted += usize::from(page.contains("&lt;script&gt;alert('x')&lt;/script&gt;&lt;img src=x onerror="));
        json(&net, path).await;
    }
    // The cluster, and the event that made it, in its transaction and among all.
    assert!(quoted >= 3, "{quoted}");
    let cluster = json(&net, &format!("/objects/{}.json", made.cluster)).await;
    assert_eq!(cluster["json"]["name"], NAME);
}

#[tokio::test]
async fn what_is_asked_for_is_no_markup_either() {
    let net = Net::seeded(2).await;
    for (path, status) in [
        ("/objects/<script>", 400),
        ("/objects/%3Cscript%3E", 400),
        ("/checkpoints?before=%22%3E%3Cscript%3E", 400),
        ("/checkpoints?<script>=1", 400),
        ("/checkpoints/999", 404),
        ("/transactions/11111111111111111111111111111111", 404),
        ("/objects/0x999.json", 404),
        ("/events/1", 404),
    ] {
        let answer = request(&net, &format!("GET {path}"), "").await;
        assert_eq!(answer.status, status, "{path}");
        assert!(!answer.body.contains("<script"), "{path}: {}", answer.body);
    }
    assert_eq!(request(&net, "POST /objects", "content-length: 0\r\n").await.status, 405);
}

#[tokio::test]
async fn long_lists_have_more_pages() {
    let net = Net::seeded(3).await;
    for _ in 0..60 {
        net.ask(Request::Checkpoint).await;
    }
    let numbers = |page: &Value| -> Vec<u64> {
        page["rows"].as_array().unwrap().iter().map(|row| row["sequence"].as_u64().unwrap()).collect()
    };
    let first = json(&net, "/checkpoints").await;
    assert_eq!(numbers(&first), (11..=60).rev().collect::<Vec<_>>());
    let second = json(&net, first["next"].as_str().unwrap()).await;
    assert_eq!(numbers(&second), (0..=10).rev().collect::<Vec<_>>());
    assert_eq!(second["next"], Value::Null);

    // 21 objects of the genesis, 5 of each wallet.
    for seed in 1..8 {
        net.wallet(seed).await;
    }
    let first = json(&net, "/objects.json").await;
    let second = json(&net, first["next"].as_str().unwrap()).await;
    let ids = [first, second].map(|page| page["rows"].as_array().unwrap().clone()).concat();
    let ids: BTreeSet<&str> = ids.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 21 + 7 * 5);
    let owned = json(&net, &format!("/objects?owner={}", Wallet::new(1).address)).await;
    assert_eq!(owned["rows"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn the_pages_tell_no_lies_but_of_them() {
    let net = Net::seeded(4).await;
    let ann = net.wallet(1).await;
    net.fault(Fault::Lie(Lie::new(LieKind::OldTip))).await;
    net.fault(Fault::Lie(Lie::new(LieKind::AlteredTimestamp))).await;
    let transaction = net.build(&ann, |b| pay(b, ann.address, SUI)).await.unwrap();
    let request = sui_rpc::proto::sui::rpc::v2::ExecuteTransactionRequest::default()
        .with_transaction(transaction.clone())
        .with_signatures(vec![ann.sign(&transaction).into()]);
    net.client.clone().execution_client().execute_transaction(request).await.unwrap();
    let page = json(&net, &format!("/transactions/{}", transaction.digest())).await;
    assert_eq!((&page["checkpoint"], &page["success"]), (&Value::from(2), &Value::from(true)));
    assert_eq!(page["timestamp_ms"], 1_767_225_600_000_u64);
    assert_eq!(page["commands"][0], "split coins(gas, input 0)");
    let faults = json(&net, "/faults").await;
    assert_eq!(faults["faults"][0]["fault"]["lie"], "old-tip");
    assert!(html(&net, "/faults").await.contains("altered-timestamp"));
}

/// A page's script may call the services and the faucet, and read what an answer says beside its body.
#[tokio::test]
async fn browsers_are_let_in() {
    let net = Net::seeded(5).await;
    let asked = "origin: http://localhost:5173\r\naccess-control-request-method: POST\r\n";
    for (address, path) in
        [(net.devnet.rpc_addr, "/sui.rpc.v2.LedgerService/GetServiceInfo"), (net.devnet.faucet_addr, "/v2/gas")]
    {
        let answer = request_at(address, &format!("OPTIONS {path}"), asked).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.head.contains("access-control-allow-origin: http://localhost:5173\r\n"), "{}", answer.head);
        assert!(answer.head.contains("access-control-allow-methods: *"), "{}", answer.head);
    }
    let grpc_web = "origin: http://localhost:5173\r\ncontent-type: application/grpc-web+proto\r\ncontent-length: 0\r\n";
    let answer = request(&net, "POST /sui.rpc.v2.LedgerService/GetServiceInfo", grpc_web).await;
    let exposed = answer.head.lines().find_map(|l| l.strip_prefix("access-control-expose-headers: ")).unwrap();
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-sui-epoch"] {
        assert!(exposed.split(',').any(|header| header == name), "{exposed}");
    }
}

/// A page that somebody has open gets no money, moves none, and reads nothing; not even under a name that leads here.
#[tokio::test]
async fn pages_from_elsewhere_are_not_let_in() {
    let net = Net::seeded(6).await;
    let ann = Wallet::new(1).address;
    let body = format!(r#"{{"FixedAmountRequest":{{"recipient":"{ann}"}}}}"#);
    let json = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let grpc_web = "content-type: application/grpc-web+proto\r\ncontent-length: 0\r\n".to_owned();
    let calls = [
        (net.devnet.faucet_addr, "POST /v2/gas", json.as_str(), body.as_str()),
        (net.devnet.rpc_addr, "POST /sui.rpc.v2.LedgerService/GetServiceInfo", &grpc_web, ""),
        (net.devnet.rpc_addr, "GET /index.json", "", ""),
    ];
    for (address, line, headers, body) in calls {
        let ask = async |host: &str, origin: &str| {
            let origin = if origin.is_empty() { String::new() } else { format!("origin: {origin}\r\n") };
            // The body follows the empty line, which ends the head.
            request_as(address, host, line, &format!("{origin}{headers}\r\n{body}")).await
        };
        for (host, origin) in [
            ("localhost", "https://app.example"),
            ("localhost", "null"),
            ("app.example", ""),
            ("app.example", "http://app.example"),
        ] {
            let answer = ask(host, origin).await;
            assert_eq!(answer.status, 403, "{line} {host} {origin}: {}", answer.body);
            assert!(!answer.head.contains("access-control-allow-origin"), "{}", answer.head);
        }
        assert_eq!(ask("127.0.0.1:9000", "").await.status, 200, "{line}");
    }
    let preflight = "origin: https://app.example\r\naccess-control-request-method: POST\r\n";
    assert_eq!(request_at(net.devnet.faucet_addr, "OPTIONS /v2/gas", preflight).await.status, 403);
    // Once, of all the asking: by whom it was let in.
    assert_eq!(net.balance(ann).await, 1000 * SUI);
}

#[tokio::test]
async fn a_named_origin_is_let_in() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::default());
    let allow_origins = vec!["https://app.example".parse().unwrap()];
    let devnet = Devnet::start(Config { allow_origins, ..config(dir.path(), &clock) }).await.unwrap();
    let origin = "origin: https://app.example\r\n";
    let answer = request_as(devnet.rpc_addr, "app.example", "GET /index.json", origin).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("access-control-allow-origin: https://app.example\r\n"), "{}", answer.head);
    assert_eq!(request_as(devnet.rpc_addr, "b.example", "GET /index.json", origin).await.status, 403);
    devnet.stop().await.unwrap();
}
