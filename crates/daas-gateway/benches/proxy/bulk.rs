//! Much at once: a LIST of 100 MB over HTTP/2, and as much out of a pod through an exec's WebSocket, for one client alone.

use super::{Proxy, median};
use daas_testkit::bench::Report;
use daas_testkit::bench::process::Process;
use daas_testkit::bench::stub::{BULK, MEGABYTE};
use daas_testkit::client::{Http2, tls};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use rustls::RootCertStore;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::{Instant, timeout};

const ROUNDS: u32 = 5;
const LIMIT: Duration = Duration::from_mins(1);
/// What kubectl, a Go client, has open.
const WINDOW: u32 = 4 << 20;
/// What is measured, and what its figures are called.
const WHAT: [(&str, &str); 2] = [("LIST", "list"), ("exec", "exec")];

/// How fast it came, and what it cost the proxy.
pub(crate) struct Bulk {
    name: &'static str,
    /// Of each of [`WHAT`], megabytes a second.
    rate: [f64; WHAT.len()],
    /// Milliseconds of a core.
    cpu_ms: [f64; WHAT.len()],
}

/// Straight to the stand-in, and through each proxy.
pub(crate) fn measure(
    proxies: &[Proxy<'_>],
    upstream: SocketAddr,
    roots: &Arc<RootCertStore>,
    bearer: &str,
) -> Vec<Bulk> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let once = |addr, what| {
        let begun = Instant::now();
        let bytes = runtime.block_on(async {
            let whole = async {
                match what {
                    0 => list(addr, roots, bearer).await,
                    _ => exec(addr, roots, bearer).await,
                }
            };
            timeout(LIMIT, whole).await.unwrap()
        });
        assert!(bytes >= BULK, "{bytes} bytes came");
        begun.elapsed()
    };
    let mut sides = vec![("straight", upstream, None)];
    sides.extend(proxies.iter().map(|proxy| (proxy.name, proxy.addr, Some(proxy.process))));
    let mut all: Vec<_> = sides.iter().map(|(name, ..)| Bulk { name, rate: [0.0; 2], cpu_ms: [0.0; 2] }).collect();
    for what in 0..WHAT.len() {
        let mut rates = vec![Vec::new(); sides.len()];
        for _ in 0..ROUNDS {
            for ((bulk, rates), (_, addr, process)) in all.iter_mut().zip(&mut rates).zip(&sides) {
                let cpu = || process.map_or(Duration::ZERO, Process::cpu);
                let before = cpu();
                rates.push(megabytes() / once(*addr, what).as_secs_f64());
                // Of all rounds together: the kernel counts in hundredths of a second.
                bulk.cpu_ms[what] += cpu().saturating_sub(before).as_secs_f64() * 1e3 / f64::from(ROUNDS);
            }
        }
        for (bulk, rates) in all.iter_mut().zip(&rates) {
            bulk.rate[what] = median(rates);
        }
    }
    all
}

pub(crate) fn report(report: &mut Report, all: &[Bulk]) {
    let title = format!("{:.0} MB for one client", megabytes());
    report.also(&[&title, "LIST MB/s", "CPU ms", "exec MB/s", "CPU ms"]);
    for Bulk { name, rate, cpu_ms } in all {
        let cost = |cpu: &f64| if *name == "straight" { "–".to_owned() } else { format!("{cpu:.0}") };
        let cells = rate.iter().zip(cpu_ms).flat_map(|(rate, cpu)| [format!("{rate:.0}"), cost(cpu)]);
        report.row(&[&[(*name).to_owned()][..], &cells.collect::<Vec<_>>()].concat());
        let whose = if *name == "gateway" { String::new() } else { format!("_{}", name.to_lowercase()) };
        for (n, (_, what)) in WHAT.iter().enumerate() {
            report.figure(&format!("{what}_mb_per_s{whose}"), rate[n]);
            if *name != "straight" {
                report.figure(&format!("{what}_cpu_ms{whose}"), cpu_ms[n]);
            }
        }
    }
}

async fn list(addr: SocketAddr, roots: &Arc<RootCertStore>, bearer: &str) -> usize {
    let client = Http2::wide(tls(addr, roots, &["h2"]).await.unwrap(), WINDOW).await;
    let request =
        Request::get("https://localhost/api/v1/pods?bulk").header("authorization", format!("Bearer {bearer}"));
    let response = client.send(request.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let (mut body, mut bytes) = (response.into_body(), 0);
    while let Some(frame) = body.frame().await {
        bytes += frame.unwrap().data_ref().map_or(0, bytes::Bytes::len);
    }
    bytes
}

async fn exec(addr: SocketAddr, roots: &Arc<RootCertStore>, bearer: &str) -> usize {
    let mut io = BufReader::with_capacity(1 << 16, tls(addr, roots, &["http/1.1"]).await.unwrap());
    let request = format!(
        "GET /api/v1/namespaces/t-1/pods/x/exec?command=cat&stdout=true HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Bearer {bearer}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
    );
    io.write_all(request.as_bytes()).await.unwrap();
    let mut line = String::new();
    io.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("HTTP/1.1 101"), "{line}");
    while line.trim() != "" {
        line.clear();
        io.read_line(&mut line).await.unwrap();
    }
    let (mut bytes, mut buffer) = (0, vec![0; 1 << 16]);
    while bytes < BULK {
        let read = io.read(&mut buffer).await.unwrap();
        assert!(read > 0, "it ended after {bytes} bytes");
        bytes += read;
    }
    bytes
}

#[expect(clippy::cast_precision_loss, reason = "a hundred")]
fn megabytes() -> f64 {
    (BULK / MEGABYTE) as f64
}
