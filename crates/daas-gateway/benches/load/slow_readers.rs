//! A hundred watchers open streams of endless events and read only the first. Other tenants go on with their requests, open
//! loop at half of what that client gets through the gateway. Both are measured in turns, and all turns together count: of a few seconds on
//! a busy machine the p99 is a matter of who was scheduled, and says twice as much in one turn as in the next.

use crate::clients::{Target, Watch, open, runtime};
use crate::support;
use daas_testkit::bench::load::{Load, open_loop, saturated};
use daas_testkit::bench::{Report, quantile};
use daas_testkit::client::Http2;
use futures::future::join_all;
use std::time::Duration;

const ROUNDS: usize = 30;
const STALLED: usize = 100;
/// Connections they are on.
const THEIRS: usize = 10;
const CONNECTIONS: usize = 16;
/// Requests in a second, more than come through.
const MOST: f64 = 100_000.0;
/// How often it is looked how many do.
const SATURATIONS: usize = 5;
const PACED: Duration = Duration::from_millis(1500);
/// Until every buffer between is full.
const FILL: Duration = Duration::from_secs(1);
const ENDLESS: &str = "/api/v1/pods?watch=true&endless";

/// Milliseconds of each request of all turns.
#[derive(Default)]
struct Latencies {
    alone: Vec<f64>,
    beside: Vec<f64>,
}

pub(crate) fn run() {
    let folder = tempfile::tempdir().unwrap();
    let roots = support::material::material(folder.path());
    let (_stub, gateway) = support::start(folder.path());
    let target = Target::new(gateway.hello("addr"), &roots, 2);
    let runtime = runtime();
    let load = |rate| Load {
        connections: CONNECTIONS,
        rate,
        time: PACED,
        mutation_every: 0,
        bearer: target.token(0).to_owned(),
    };
    let most: Vec<_> = (0..SATURATIONS).map(|_| saturated(target.addr, &target.roots, &load(MOST))).collect();
    let rate = quantile(&most, 0.5) / 2.0;
    let paced = || {
        let outcome = open_loop(target.addr, &target.roots, &load(rate));
        assert_eq!(outcome.failed, 0, "requests failed");
        outcome.reads
    };
    let mut all = Latencies::default();
    for round in 0..ROUNDS {
        // One is not always the first.
        let alone_first = round.is_multiple_of(2);
        if alone_first {
            all.alone.extend(paced());
        }
        let stalled = runtime.block_on(stall(&target));
        all.beside.extend(paced());
        drop(stalled);
        // As long as before the other: their end is nobody's.
        runtime.block_on(async { tokio::time::sleep(FILL).await });
        if !alone_first {
            all.alone.extend(paced());
            runtime.block_on(async { tokio::time::sleep(FILL).await });
        }
    }
    report(rate, &all);
}

/// Watchers that have stopped reading.
async fn stall(target: &Target) -> Vec<(Http2, Vec<Watch>)> {
    let opening = (0..THEIRS).map(async |n| {
        let client = target.connect(n).await.unwrap();
        let streams = join_all((0..STALLED / THEIRS).map(|_| open(&client, ENDLESS, target.token(1)))).await;
        (client, streams.into_iter().map(Option::unwrap).collect())
    });
    let stalled = join_all(opening).await;
    tokio::time::sleep(FILL).await;
    stalled
}

fn report(rate: f64, all: &Latencies) {
    let title = format!("open loop, {rate:.0} requests/s");
    let mut report = Report::new("slow-readers", &[&title, "p50 ms", "p99 ms"]);
    let (alone, beside) = (quantile(&all.alone, 0.99), quantile(&all.beside, 0.99));
    let row = |name: &str, p50: f64, p99: f64| [name.to_owned(), format!("{p50:.2}"), format!("{p99:.2}")];
    report.row(&row("alone", quantile(&all.alone, 0.5), alone));
    report.row(&row("beside 100 stalled watchers", quantile(&all.beside, 0.5), beside));
    report.figure("rate_per_s", rate);
    report.figure("p99_alone_ms", alone);
    report.figure("p99_beside_ms", beside);
    report.figure("p99_ratio", beside / alone);
    report.finish();
}
