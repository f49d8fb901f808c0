//! One position after another loses its stake, each with one stream on every one of a thousand connections: from the moment
//! the index learns of it to the end of its last stream, as its clients see it. The other streams of those connections go on.

use crate::clients::{CONNECTIONS, Target, WATCHES, Watch, Watcher, request, runtime};
use crate::support;
use daas_testkit::bench::process::Process;
use daas_testkit::bench::{Report, monotonic, quantile};
use std::time::Duration;
use tokio::task::JoinSet;

/// Positions that lose their right, one after the other.
const LOSERS: usize = 5;
const STAKERS: u8 = 100;
const CALM: usize = 32;
/// Streams that have not ended by then do not end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between one and the next: whoever is disturbed has ended by then.
const PAUSE: Duration = Duration::from_secs(1);

/// What became of one position's streams: milliseconds until each had ended.
struct Cut {
    ended: Vec<f64>,
    disturbed: usize,
}

pub(crate) fn run() {
    let folder = tempfile::tempdir().unwrap();
    let roots = support::material::material(folder.path());
    let (_stub, mut gateway) = support::start(folder.path());
    let target = Target::new(gateway.hello("addr"), &roots, STAKERS);
    let cuts = runtime().block_on(async {
        // The first streams of a connection are the losers', the others those of everyone else.
        let whose = |n, m| if m < LOSERS { m } else { LOSERS + n % (usize::from(STAKERS) - LOSERS) };
        let mut watchers = target.watchers(CALM, whose).await;
        let open: usize = watchers.iter().map(|watcher| watcher.watches.len()).sum();
        assert_eq!(open, CONNECTIONS * WATCHES, "all must be open");
        let mut cuts = Vec::new();
        for loser in 0..LOSERS {
            cuts.push(cut(&target, &mut gateway, loser, &mut watchers).await);
        }
        cuts
    });
    report(&cuts);
}

/// The next position in line loses its right. Its streams are the first of each connection.
async fn cut(target: &Target, gateway: &mut Process, loser: usize, watchers: &mut [Watcher]) -> Cut {
    let mut ending = JoinSet::new();
    for watcher in &mut *watchers {
        let mut watch: Watch = watcher.watches.remove(0);
        ending.spawn(async move {
            watch.ended().await;
            monotonic()
        });
    }
    let learned = gateway.ask(&format!("suspend {}", loser + 1));
    let learned = Duration::from_nanos(learned["learned_ns"].as_u64().unwrap());
    let all = async {
        let mut ended = Vec::new();
        while let Some(at) = ending.join_next().await {
            ended.push(at.unwrap().saturating_sub(learned).as_secs_f64() * 1e3);
        }
        ended
    };
    let ended = tokio::time::timeout(PATIENCE, all).await.expect("streams of a position without stake must end");
    tokio::time::sleep(PAUSE).await;
    let mut disturbed = 0;
    for watcher in watchers {
        let alive = watcher.client.send(request("/api", target.token(LOSERS))).await;
        disturbed += usize::from(!alive.is_ok_and(|response| response.status() == 200));
        disturbed += watcher.watches.iter_mut().map(|watch| usize::from(!watch.is_open())).sum::<usize>();
    }
    Cut { ended, disturbed }
}

fn report(cuts: &[Cut]) {
    let headings = ["1,000 streams of one position, 10,000 in all", "median ms", "last ms", "others disturbed"];
    let mut report = Report::new("revocation-fanout", &headings);
    let last = |cut: &Cut| quantile(&cut.ended, 1.0);
    for (n, cut) in cuts.iter().enumerate() {
        let cells =
            [format!("position {}", n + 1), format!("{:.1}", quantile(&cut.ended, 0.5)), format!("{:.1}", last(cut))];
        report.row(&[&cells[..], &[cut.disturbed.to_string()]].concat());
    }
    let disturbed: usize = cuts.iter().map(|cut| cut.disturbed).sum();
    report.figure("max_ms", cuts.iter().map(last).fold(0.0, f64::max));
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    report.figure("disturbed", disturbed as f64);
    report.finish();
}
