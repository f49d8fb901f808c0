//! Ten thousand watches over a thousand connections of a hundred stakers: what they take of the gateway's memory while
//! nothing happens; and how soon they are all there again after every connection broke at the same moment.

use crate::clients::{CONNECTIONS, Target, WATCHES, Watcher, runtime};
use crate::support;
use daas_testkit::bench::Report;
use std::time::Duration;
use tokio::time::Instant;

/// Stakers whose watches they are.
const STAKERS: u8 = 100;
/// Connections made at once while nobody is in a hurry.
const CALM: usize = 32;
/// Until what was needed for opening is given back.
const SETTLE: Duration = Duration::from_secs(3);

pub(crate) fn run() {
    let folder = tempfile::tempdir().unwrap();
    let roots = support::material::material(folder.path());
    let (_stub, gateway) = support::start(folder.path());
    let target = Target::new(gateway.hello("addr"), &roots, STAKERS);
    let begun = gateway.resident();
    let (calm, storm) = runtime().block_on(async {
        let mut watchers = target.watchers(CALM, |n, _| n).await;
        tokio::time::sleep(SETTLE).await;
        let calm = (open(&mut watchers), gateway.resident());
        // All break at once, and all come back at once.
        drop(watchers);
        let at = Instant::now();
        let mut watchers = target.watchers(CONNECTIONS, |n, _| n).await;
        let took = at.elapsed();
        tokio::time::sleep(SETTLE).await;
        (calm, (open(&mut watchers), gateway.resident(), took))
    });
    report(begun, calm, storm);
}

fn open(watchers: &mut [Watcher]) -> usize {
    watchers
        .iter_mut()
        .flat_map(|watcher| &mut watcher.watches)
        .filter_map(|watch| watch.is_open().then_some(()))
        .count()
}

#[expect(clippy::cast_precision_loss, reason = "a report")]
fn report(begun: u64, (open, resident): (usize, u64), (again, after, took): (usize, u64, Duration)) {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let each = resident.saturating_sub(begun) as f64 / (CONNECTIONS * WATCHES) as f64 / 1e3;
    let mut report = Report::new("watches", &["10,000 watches, 1,000 connections", "open", "RSS MB", "kB/watch", "s"]);
    let none = String::new;
    report.row(&["before".to_owned(), "0".to_owned(), format!("{:.1}", megabytes(begun)), none(), none()]);
    report.row(&[
        "idle".to_owned(),
        open.to_string(),
        format!("{:.1}", megabytes(resident)),
        format!("{each:.1}"),
        none(),
    ]);
    let took = took.as_secs_f64();
    let after = megabytes(after);
    report.row(&[
        "after all reconnected at once".to_owned(),
        again.to_string(),
        format!("{after:.1}"),
        none(),
        format!("{took:.2}"),
    ]);
    report.figure("open", open as f64);
    report.figure("rss_mb", megabytes(resident));
    report.figure("rss_begun_mb", megabytes(begun));
    report.figure("storm_lost", (CONNECTIONS * WATCHES - again) as f64);
    report.figure("storm_s", took);
    report.figure("storm_rss_mb", after);
    report.finish();
}
