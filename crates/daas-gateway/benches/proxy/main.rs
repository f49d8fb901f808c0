//! What a request costs the gateway, beside nginx and HAProxy doing less.
//!
//! All three are TLS 1.3 reverse proxies before the same stand-in API server, which is a process of its own and speaks
//! HTTP/2 and HTTP/1.1. The gateway also authenticates a Seal, decides, counts and asserts an identity; the peers only
//! proxy. They are measured in turns, several times, and the median turn counts, so that what else the machine does
//! meets all of them.
//!
//! - *CPU*: the kernel's account of the proxy's processes over a fixed number of requests, by that number.
//! - *system calls*: the kernel's trace point, in a run of its own.
//! - *added latency*: open loop, one request in ten a POST, through each proxy and straight to the stand-in in turns; at half the
//!   rate at which the gateway is saturated. That rate is another for each client, as client, proxy and stand-in share the machine: that
//!   of the paced client itself, and as `busy` that of h2load, which costs less and leaves the proxy more.
//! - *handshakes*: connections with one request each, one after another.
//! - *bulk*: a LIST of 100 MB, and as much through an exec.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has to say so and stop")]

mod audit;
mod bulk;
mod h2load;
mod handshakes;
mod peers;
#[path = "../support/lib.rs"]
mod support;

use daas_testkit::bench::load::{Load, Outcome, open_loop, saturated};
use daas_testkit::bench::process::Process;
use daas_testkit::bench::{Report, chart, quantile};
use daas_types::pop::Usage;
use rustls::RootCertStore;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// As a master has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
const REQUESTS: u64 = 100_000;
const WARM_UP: u64 = 20_000;
const TRACED: u64 = 50_000;
const HANDSHAKES: usize = 500;
const PACED: Duration = Duration::from_secs(4);
const SATURATED: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 16;
/// Every so manieth paced request is a POST.
const MUTATION: usize = 10;

/// One of those compared, and what was measured of it.
struct Proxy<'a> {
    name: &'static str,
    process: &'a Process,
    addr: SocketAddr,
    /// Of each round.
    cpu_us: Vec<f64>,
    /// Of each round.
    rate: Vec<f64>,
    calls: Option<f64>,
    cold_us: f64,
    resumed_us: f64,
}

/// Latency at one rate.
struct Paced {
    rate: f64,
    rounds: Vec<Round>,
    /// What the names of its figures end in.
    of: &'static str,
}

/// One round of paced load.
struct Round {
    direct: Outcome,
    /// Of each proxy, the gateway first.
    through: Vec<Outcome>,
}

fn main() {
    if support::was_role() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let roots = support::material::material(folder.path());
    let (stub, gateway) = support::start(folder.path());
    let upstream = stub.hello("addr");
    let peers =
        [("nginx", peers::nginx(folder.path(), upstream)), ("HAProxy", peers::haproxy(folder.path(), upstream))];

    let addr = gateway.hello("addr").parse().unwrap();
    let mut proxies = vec![Proxy::new("gateway", &gateway, addr)];
    for (name, peer) in &peers {
        proxies.extend(peer.as_ref().map(|peer| Proxy::new(name, &peer.process, peer.addr)));
    }
    for proxy in &proxies {
        h2load::saturate(proxy.addr, &bearer(), WARM_UP);
    }
    // Of each round, what of a request the audit log takes.
    let mut logged = Vec::new();
    for _ in 0..ROUNDS {
        let before = audit::writer(&gateway);
        proxies.iter_mut().for_each(Proxy::saturate);
        let written = per(audit::writer(&gateway).saturating_sub(before), REQUESTS);
        logged.push((audit::recording() + written) / proxies[0].cpu_us.last().unwrap());
    }
    for proxy in &mut proxies {
        proxy.trace();
        proxy.handshakes(&roots);
    }
    let load = |rate, time| Load { connections: CONNECTIONS, rate, time, mutation_every: MUTATION, bearer: bearer() };
    let paced = |addr, rate| {
        let outcome = open_loop(addr, &roots, &load(rate, PACED));
        assert_eq!(outcome.failed, 0, "requests failed");
        outcome
    };
    let upstream = upstream.parse().unwrap();
    let bulk = bulk::measure(&proxies, upstream, &roots, &bearer());
    let busy = median(&proxies[0].rate);
    // More than comes through.
    let most = load(busy, SATURATED);
    let own = median(&(0..ROUNDS).map(|_| saturated(addr, &roots, &most)).collect::<Vec<_>>());
    let latency = [(own / 2.0, ""), (busy / 2.0, "_busy")].map(|(rate, of)| {
        let through = || proxies.iter().map(|proxy| paced(proxy.addr, rate)).collect();
        let round = |_| Round { direct: paced(upstream, rate), through: through() };
        Paced { rate, rounds: (0..ROUNDS).map(round).collect(), of }
    });
    report(&proxies, median(&logged), &latency, &bulk);
}

fn bearer() -> String {
    support::gateway::staker(1).token(Usage::User)
}

fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

// === impl Proxy ===

impl<'a> Proxy<'a> {
    fn new(name: &'static str, process: &'a Process, addr: SocketAddr) -> Self {
        let (cpu_us, rate) = (Vec::new(), Vec::new());
        Self { name, process, addr, cpu_us, rate, calls: None, cold_us: 0.0, resumed_us: 0.0 }
    }

    fn saturate(&mut self) {
        let before = self.process.cpu();
        self.rate.push(h2load::saturate(self.addr, &bearer(), REQUESTS));
        self.cpu_us.push(per(self.process.cpu().saturating_sub(before), REQUESTS));
    }

    fn trace(&mut self) {
        let (calls, _) = self.process.system_calls(|| h2load::saturate(self.addr, &bearer(), TRACED));
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        let each = |calls: u64| calls as f64 / TRACED as f64;
        self.calls = calls.map(each);
    }

    fn handshakes(&mut self, roots: &Arc<RootCertStore>) {
        let measure = |resumed| {
            let before = self.process.cpu();
            handshakes::connect(self.addr, roots, &bearer(), HANDSHAKES, resumed);
            per(self.process.cpu().saturating_sub(before), HANDSHAKES as u64)
        };
        (self.cold_us, self.resumed_us) = (measure(false), measure(true));
    }
}

fn per(time: Duration, count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let count = count as f64;
    time.as_secs_f64() * 1e6 / count
}

fn report(proxies: &[Proxy<'_>], logged: f64, latency: &[Paced], bulk: &[bulk::Bulk]) {
    let headings =
        ["16 connections × 8 streams", "CPU µs/request", "requests/s", "system calls", "cold µs", "resumed µs"];
    let mut report = Report::new("proxy", &headings);
    for proxy in proxies {
        let calls = proxy.calls.map_or_else(|| "not counted".to_owned(), |calls| format!("{calls:.2}"));
        report.row(&[
            proxy.name.to_owned(),
            format!("{:.1}", median(&proxy.cpu_us)),
            format!("{:.0}", median(&proxy.rate)),
            calls,
            format!("{:.0}", proxy.cold_us),
            format!("{:.0}", proxy.resumed_us),
        ]);
    }
    let own = &proxies[0];
    report.figure("cpu_us", median(&own.cpu_us));
    report.figure("requests_per_s", median(&own.rate));
    report.figure("handshake_cold_us", own.cold_us);
    report.figure("handshake_resumed_us", own.resumed_us);
    report.figure("audit_share", logged);
    report.figure("system_calls", own.calls.unwrap_or(f64::NAN));
    for peer in &proxies[1..] {
        let ratios: Vec<f64> = own.cpu_us.iter().zip(&peer.cpu_us).map(|(own, peer)| own / peer).collect();
        report.figure(&format!("cpu_vs_{}", peer.name.to_lowercase()), median(&ratios));
        report.figure(&format!("cpu_us_{}", peer.name.to_lowercase()), median(&peer.cpu_us));
    }
    for paced in latency {
        let headings =
            [&*format!("open loop, {:.0} requests/s, ms", paced.rate), "p50 direct", "added", "p99 direct", "added"];
        report.also(&headings);
        report.figure(&format!("paced_per_s{}", paced.of), paced.rate);
        for (n, proxy) in proxies.iter().enumerate() {
            added(&mut report, (proxy.name, n), paced);
        }
    }
    bulk::report(&mut report, bulk);
    let bars: Vec<_> = proxies.iter().map(|proxy| (proxy.name, median(&proxy.cpu_us))).collect();
    chart::bars("proxy-cpu", "CPU per request: small GET over HTTP/2, TLS 1.3 on both sides", "µs", &bars);
    report.finish();
}

/// Latency in the middle round, and what proxy `n` adds in the middle round.
fn added(report: &mut Report, (proxy, n): (&str, usize), Paced { rounds, of: when, .. }: &Paced) {
    for (what, of) in [("reads", (|o| &o.reads) as fn(&Outcome) -> &Vec<f64>), ("mutations", |o| &o.mutations)] {
        let mut cells = vec![format!("{proxy}: {what}")];
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let middle = |one: &dyn Fn(&Round) -> f64| median(&rounds.iter().map(one).collect::<Vec<_>>());
            let direct = middle(&|round| quantile(of(&round.direct), share));
            let added = middle(&|round| quantile(of(&round.through[n]), share) - quantile(of(&round.direct), share));
            cells.extend([format!("{direct:.2}"), format!("{added:.2}")]);
            let of_what = if what == "reads" { String::new() } else { format!("_{what}") };
            let of_whom = if n == 0 { String::new() } else { format!("_{}", proxy.to_lowercase()) };
            report.figure(&format!("added{of_what}_{name}_ms{when}{of_whom}"), added);
        }
        report.row(&cells);
    }
}
