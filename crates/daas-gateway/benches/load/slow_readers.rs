//! A hundred watchers open streams of endless events and read only the first. Other tenants go on with their requests, open
//! loop at half of what that client gets through the gateway. Both are measured in many short turns, and the middle of the turns' ratios
//! counts: the worst hundredth of all turns together is that of the two or three in which the machine did something else. What is measured
//! alone is so twice in each turn: the ratio of the two says how much of the other is chance.

use crate::clients::{Target, Watch, open, runtime};
use crate::support;
use daas_testkit::bench::load::{Load, open_loop, saturated};
use daas_testkit::bench::{Report, quantile};
use daas_testkit::client::Http2;
use futures::future::join_all;
use std::time::Duration;

const ROUNDS: usize = 24;
const STALLED: usize = 100;
/// Connections they are on.
const THEIRS: usize = 10;
const CONNECTIONS: usize = 16;
/// Requests in a second, more than come through.
const MOST: f64 = 100_000.0;
/// How often it is looked how many do.
const SATURATIONS: usize = 5;
const PACED: Duration = Duration::from_millis(1500);
/// Of load that nobody measures, for what the end of a hundred streams leaves behind.
const SETTLE: Duration = Duration::from_millis(500);
/// Until every buffer between is full.
const FILL: Duration = Duration::from_secs(1);
const ENDLESS: &str = "/api/v1/pods?watch=true&endless";

/// What is measured in each turn: the same twice, to see what two of them differ by anyway.
const WHAT: [&str; 3] = ["alone", "alone, once more", "beside 100 stalled watchers"];
const BESIDE: usize = 2;
/// In which order: each comes behind each other as often.
const ORDERS: [[usize; WHAT.len()]; 6] = [[0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [1, 0, 2], [0, 2, 1]];

/// Milliseconds of each request of a turn, in the order of [`WHAT`].
type Turn = [Vec<f64>; WHAT.len()];

pub(crate) fn run() {
    let folder = tempfile::tempdir().unwrap();
    let roots = support::material::material(folder.path());
    let (_stub, gateway) = support::start(folder.path());
    let target = Target::new(gateway.hello("addr"), &roots, 2);
    let runtime = runtime();
    let load = |rate, time| Load {
        connections: CONNECTIONS,
        rate,
        time,
        mutation_every: 0,
        bearer: target.token(0).to_owned(),
    };
    let most: Vec<_> = (0..SATURATIONS).map(|_| saturated(target.addr, &target.roots, &load(MOST, PACED))).collect();
    let rate = quantile(&most, 0.5) / 2.0;
    let paced = |time| {
        let outcome = open_loop(target.addr, &target.roots, &load(rate, time));
        assert_eq!(outcome.failed, 0, "requests failed");
        outcome.reads
    };
    let one = |what: usize| {
        let stalled = runtime.block_on(async {
            if what == BESIDE {
                return Some(stall(&target).await);
            }
            // As long as it takes to stall.
            tokio::time::sleep(FILL).await;
            None
        });
        let took = paced(PACED);
        drop(stalled);
        paced(SETTLE);
        took
    };
    let turn = |n: usize| {
        let mut turn = Turn::default();
        for what in ORDERS[n % ORDERS.len()] {
            turn[what] = one(what);
        }
        turn
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
    report.figure("rate_per_s", rate);
    for (what, (name, figure)) in WHAT.iter().zip(["alone", "again", "beside"]).enumerate() {
        let all: Vec<f64> = turns.iter().flat_map(|turn| &turn[what]).copied().collect();
        let at = |share| middle(&|turn| quantile(&turn[what], share));
        let of_all = quantile(&all, 0.99);
        report.row(&[
            (*name).to_owned(),
            format!("{:.2}", at(0.5)),
            format!("{:.2}", at(0.99)),
            format!("{of_all:.2}"),
        ]);
        report.figure(&format!("p99_{figure}_ms"), at(0.99));
        report.figure(&format!("p99_{figure}_ms_of_all"), of_all);
    }
    let ratio = |what: usize| middle(&|turn| quantile(&turn[what], 0.99) / quantile(&turn[0], 0.99));
    report.figure("p99_ratio", ratio(BESIDE));
    report.figure("p99_ratio_of_nothing", ratio(1));
    report.finish();
}
