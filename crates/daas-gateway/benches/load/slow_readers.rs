//! A hundred watchers open streams of endless events and read only the first. Other tenants go on with their requests, open
//! loop at half of what that client gets through the gateway. Both are measured in many short turns, and the middle of the turns' ratios
//! counts: the worst hundredth of all turns together is that of the two or three in which the machine did something else.

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

/// Milliseconds of each request of a turn.
struct Turn {
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
    // As long as it takes to stall: what there was before is nobody's.
    let pause = || runtime.block_on(async { tokio::time::sleep(FILL).await });
    let alone = || {
        let alone = paced();
        pause();
        alone
    };
    let beside = || {
        let stalled = runtime.block_on(stall(&target));
        let beside = paced();
        drop(stalled);
        pause();
        beside
    };
    // One is not always the first.
    let turn = |n: usize| {
        let first = n.is_multiple_of(2).then(alone);
        let beside = beside();
        Turn { alone: first.unwrap_or_else(alone), beside }
    };
    let turns: Vec<Turn> = (0..ROUNDS).map(turn).collect();
    report(rate, &turns);
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

fn report(rate: f64, turns: &[Turn]) {
    let title = format!("open loop, {rate:.0} requests/s");
    let mut report = Report::new("slow-readers", &[&title, "p50 ms", "p99 ms", "p99 of all turns"]);
    let middle = |one: &dyn Fn(&Turn) -> f64| quantile(&turns.iter().map(one).collect::<Vec<_>>(), 0.5);
    let mut row = |name: &str, of: fn(&Turn) -> &Vec<f64>| {
        let all: Vec<f64> = turns.iter().flat_map(of).copied().collect();
        let at = |share| middle(&|turn| quantile(of(turn), share));
        let (p50, p99, of_all) = (at(0.5), at(0.99), quantile(&all, 0.99));
        report.row(&[name.to_owned(), format!("{p50:.2}"), format!("{p99:.2}"), format!("{of_all:.2}")]);
        (p99, of_all)
    };
    let alone = row("alone", |turn| &turn.alone);
    let beside = row("beside 100 stalled watchers", |turn| &turn.beside);
    report.figure("rate_per_s", rate);
    report.figure("p99_alone_ms", alone.0);
    report.figure("p99_beside_ms", beside.0);
    report.figure("p99_ratio", middle(&|turn| quantile(&turn.beside, 0.99) / quantile(&turn.alone, 0.99)));
    report.figure("p99_ratio_of_all", beside.1 / alone.1);
    report.finish();
}
