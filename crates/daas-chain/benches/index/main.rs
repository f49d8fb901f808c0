//! How fast an index takes in what happened, how much memory a Seal takes, and how soon an event is in it.
//!
//! A million events make a million Seals, sixteen on each position, which is the most that the contract allows. Memory is
//! what an index has that starts with all of them, as after a bootstrap; what it has after it grew one by one, with the
//! allocator's holes, stands beside it. Times are a core's, not the clock's, but for the network's. Events come in
//! checkpoints that a committee really signed; verifying those is counted by itself. The peers insert the same records
//! into the standard library's hash map, and into the database that the index is saved in. They verify nothing, keep no
//! generations, judge no rights, tell nobody, and find a position by its id alone.
//!
//! The network is the development network in this same process, with its real services.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has to say so and stop")]

mod growth;
mod network;
mod peers;
mod population;
#[path = "../../tests/devnet/world.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod world;

use daas_testkit::bench::{Report, quantile};

fn main() {
    if peers::is_child() {
        return;
    }
    let mut report = Report::new("index", &["", "value", "unit", "peer", "peer's", "ratio"]);
    let grown = growth::measure();
    let peers = peers::measure();
    let rate = |events: f64| format!("{events:.0}");
    let against = |ours: f64, peer: f64| format!("{:.2}", ours / peer);
    for (name, peer) in [("std HashMap", peers.map_per_s), ("redb, not synced", peers.redb_per_s)] {
        let ratio = against(grown.events_per_s, peer);
        report.row(&row("events, once verified", &rate(grown.events_per_s), "/s", name, &rate(peer), &ratio));
    }
    let (bytes, one) = (peers::bytes_per_seal(), grown.bytes_per_position);
    let ratio = against(bytes, peers.map_bytes_per_seal);
    let theirs = format!("{:.0}", peers.map_bytes_per_seal);
    report.row(&row(
        "a Seal in memory, of 16 on a position",
        &format!("{bytes:.0}"),
        "bytes",
        "std HashMap",
        &theirs,
        &ratio,
    ));
    let longer = format!("{:.0}", grown.bytes_per_seal);
    report.row(&row("the same after each was added by itself", &longer, "bytes", "", "", ""));
    report.row(&row("a position with one Seal in memory", &format!("{one:.0}"), "bytes", "", "", ""));
    let (small, large) = (grown.verify_one_us, grown.verify_full_us);
    report.row(&row("verifying a checkpoint of one event", &format!("{small:.0}"), "µs", "", "", ""));
    report.row(&row("verifying a checkpoint of 250 events", &format!("{large:.0}"), "µs", "", "", ""));
    report.figure("events_per_s", grown.events_per_s);
    report.figure("bytes_per_seal", bytes);
    report.figure("bytes_per_seal_grown", grown.bytes_per_seal);
    report.figure("bytes_per_position_with_one_seal", one);
    report.figure("verify_checkpoint_us", small);
    report.figure("verify_checkpoint_of_250_events_us", large);
    report.figure("peer_map_events_per_s", peers.map_per_s);
    report.figure("peer_map_bytes_per_seal", peers.map_bytes_per_seal);
    report.figure("peer_redb_events_per_s", peers.redb_per_s);

    let served = network::measure();
    let base = format!("{:.2}", served.bootstrap_ms_per_position);
    report.row(&row("bootstrap through the registry, a position", &base, "ms", "", "", ""));
    report.figure("bootstrap_ms_per_position", served.bootstrap_ms_per_position);
    for (key, delays, what) in [
        ("delay", &served.since_timestamp_ms, "from the checkpoint's timestamp to the index"),
        ("delay_after_subscriber", &served.after_subscriber_ms, "from a subscriber's sight of it"),
    ] {
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let value = quantile(delays, share);
            let seen = quantile(&served.subscriber_ms, share);
            let (peer, theirs) =
                if key == "delay" { ("plain subscriber", format!("{seen:.1}")) } else { ("", String::new()) };
            report.row(&row(&format!("{what}, {name}"), &format!("{value:.1}"), "ms", peer, &theirs, ""));
            report.figure(&format!("{key}_{name}_ms"), value);
        }
    }
    report.finish();
}

fn row(what: &str, value: &str, unit: &str, peer: &str, theirs: &str, ratio: &str) -> [String; 6] {
    [what, value, unit, peer, theirs, ratio].map(str::to_owned)
}
