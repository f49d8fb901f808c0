//! A million tokens, no two the same and none good, from one core at four fifths of what it can send. A third name a live
//! Seal and have its owner's key beside a signature that is wrong, which is the dearest to refuse; a third name a Seal that
//! there is not; a third are secrets that nobody committed to. Meanwhile one client with a good token sends 100 requests a
//! second, open loop, and the gateway's memory is looked at.

use crate::clients::{Target, request};
use crate::support;
use crate::support::gateway::staker;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use daas_testkit::bench::load::{Load, Outcome, open_loop};
use daas_testkit::bench::process::{self, Process};
use daas_testkit::bench::{Report, quantile};
use daas_testkit::client::{Http2, tls_from};
use daas_types::pop::Usage;
use http_body_util::BodyExt as _;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;
use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const TOKENS: u32 = 1_000_000;
/// The strangers' address; the good client has another.
const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 9));
const CONNECTIONS: usize = 8;
const STREAMS: usize = 16;
const SATURATED: Duration = Duration::from_secs(5);
const GOOD_RATE: f64 = 100.0;
const LOOK: Duration = Duration::from_millis(100);
/// How finely the flood is paced.
const STEP: Duration = Duration::from_millis(2);

/// Bad tokens, in order.
struct Forge {
    next: Cell<u32>,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

pub(crate) fn run() {
    let folder = tempfile::tempdir().unwrap();
    let roots = support::material::material(folder.path());
    let (_stub, gateway) = support::start(folder.path());
    let target = Target::new(gateway.hello("addr"), &roots, 1);
    let mut flood = Process::role("flood", &[folder.path().to_str().unwrap(), gateway.hello("addr")]);
    let saturated = flood.ask("saturate")["per_s"].as_f64().unwrap();
    let rate = saturated * 0.8;
    let time = Duration::from_secs_f64(f64::from(TOKENS) / rate);
    let good = |time| {
        let load =
            Load { connections: 1, rate: GOOD_RATE, time, mutation_every: 0, bearer: target.token(0).to_owned() };
        open_loop(target.addr, &target.roots, &load)
    };
    let alone = good(SATURATED);
    let before = gateway.resident();
    let (beside, sent, most) = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flood.ask(&format!("flood {rate}")));
        let beside = scope.spawn(|| good(time));
        let mut most = before;
        while !flooding.is_finished() {
            most = most.max(gateway.resident());
            pause(LOOK);
        }
        (beside.join().unwrap(), flooding.join().unwrap(), most)
    });
    report(saturated, &alone, &beside, &sent, (before, most));
}

#[expect(clippy::cast_precision_loss, reason = "a report")]
fn report(saturated: f64, alone: &Outcome, beside: &Outcome, sent: &serde_json::Value, (before, most): (u64, u64)) {
    assert_eq!((alone.failed, beside.failed), (0, 0), "a good request failed");
    let number = |key: &str| sent[key].as_f64().unwrap();
    let growth = most.saturating_sub(before) as f64 / 1e6;
    let mut report = Report::new("bad-tokens", &["1,000,000 bad tokens", "per s", "p50 ms", "p99 ms", "RSS MB"]);
    let row = |name: &str, rate: f64, good: &Outcome, resident: u64| {
        let (p50, p99) = (quantile(&good.reads, 0.5), quantile(&good.reads, 0.99));
        let megabytes = resident as f64 / 1e6;
        [name.to_owned(), format!("{rate:.0}"), format!("{p50:.2}"), format!("{p99:.2}"), format!("{megabytes:.1}")]
    };
    report.row(&row("none, good client alone", 0.0, alone, before));
    report.row(&row("flood, good client beside it", number("per_s"), beside, most));
    report.figure("saturated_per_s", saturated);
    report.figure("flood_per_s", number("per_s"));
    report.figure("refused", number("refused"));
    report.figure("rss_growth_mb", growth);
    report.figure("good_p99_alone_ms", quantile(&alone.reads, 0.99));
    report.figure("good_p99_ms", quantile(&beside.reads, 0.99));
    report.finish();
}

#[expect(clippy::disallowed_methods, reason = "there is no runtime on this thread")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Whether this process was started to be the flood, which it then was.
pub(crate) fn was_flood(arguments: &[String]) -> bool {
    let [role, folder, addr] = arguments else { return false };
    if role != "flood" {
        return false;
    }
    process::pin_to_first_core();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(Path::new(folder).join("ca.crt")).unwrap()).unwrap();
    let (roots, addr, forge) = (Arc::new(roots), addr.parse().unwrap(), Forge::new());
    process::hello(&json!({}));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    process::answer(|question| {
        let rate = question.strip_prefix("flood ").map(|rate| rate.parse::<f64>().unwrap());
        runtime.block_on(flood(addr, &roots, &forge, rate))
    });
    true
}

/// At `rate` until all tokens were shown; without one, as fast as it goes for a while.
async fn flood(addr: SocketAddr, roots: &Arc<RootCertStore>, forge: &Forge, rate: Option<f64>) -> serde_json::Value {
    let begun = Instant::now();
    let (sent, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let due = || match rate {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count below a million")]
        Some(rate) => ((begun.elapsed().as_secs_f64() * rate) as u32).min(TOKENS),
        None => u32::MAX,
    };
    let over = || if rate.is_some() { sent.get() >= TOKENS } else { begun.elapsed() >= SATURATED };
    let connection = async || {
        while !over() {
            let Ok(tls) = tls_from(FROM, addr, roots, &["h2"]).await else { continue };
            let client = Http2::over(tls).await;
            let stream = async || {
                while !over() {
                    if sent.get() >= due() {
                        tokio::time::sleep(STEP).await;
                        continue;
                    }
                    sent.set(sent.get() + 1);
                    // A connection from which too much came is closed: the next one, then, and what was not answered anew.
                    if !bad(&client, forge).await {
                        sent.set(sent.get().saturating_sub(1));
                        return;
                    }
                    refused.set(refused.get() + 1);
                }
            };
            futures::future::join_all((0..STREAMS).map(|_| stream())).await;
        }
    };
    futures::future::join_all((0..CONNECTIONS).map(|_| connection())).await;
    let per_s = f64::from(refused.get()) / begun.elapsed().as_secs_f64();
    json!({ "per_s": per_s, "refused": refused.get() })
}

/// Whether one more bad token was answered as it must be.
async fn bad(client: &Http2, forge: &Forge) -> bool {
    let Ok(response) = client.send(request("/api", &forge.token())).await else { return false };
    assert!(matches!(response.status().as_u16(), 401 | 429), "{}", response.status());
    response.into_body().collect().await.is_ok()
}

// === impl Forge ===

impl Forge {
    fn new() -> Self {
        let token = staker(1).token(Usage::User);
        let mut parts = token.split('.').skip(1).map(|part| B64.decode(part).unwrap());
        Self { next: Cell::new(0), claims: parts.next().unwrap(), signature: parts.next().unwrap() }
    }

    fn token(&self) -> String {
        let n = self.next.replace(self.next.get() + 1);
        let (mut claims, mut signature) = (self.claims.clone(), self.signature.clone());
        match n % 3 {
            // Behind the scheme.
            0 => signature[1..5].copy_from_slice(&n.to_be_bytes()),
            // Behind version and cluster.
            1 => claims[33..37].copy_from_slice(&n.to_be_bytes()),
            _ => return format!("{n:08x}").repeat(8),
        }
        format!("daas1.{}.{}", B64.encode(claims), B64.encode(signature))
    }
}
