use super::*;
use daas_types::{Address, ErrorCode::AddressLimited};
use http::StatusCode;
use http::header::RETRY_AFTER;
use std::net::IpAddr;
use tokio::time::advance;

fn position(n: u8) -> PositionId {
    PositionId(Address::new([n; 32]))
}

fn viewer(n: u8) -> Payer {
    Payer::Person(position(n), Tier::Viewer)
}

/// How many are let through before one is not.
fn drain(limiter: &Limiter, payer: Payer) -> (u32, Refusal) {
    let mut passed = 0;
    loop {
        match limiter.draw(payer) {
            Ok(()) => passed += 1,
            Err(refusal) => return (passed, refusal),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_viewer_has_a_burst_of_three_hundred_and_a_hundred_a_minute() {
    let limiter = Limiter::new(Rates::default());
    let (passed, refusal) = drain(&limiter, viewer(1));
    assert_eq!(passed, 300);
    assert_eq!((refusal.code(), refusal.status()), (RateLimited, StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(refusal.into_response().headers()[RETRY_AFTER], "1");
    advance(Duration::from_mins(1)).await;
    assert_eq!(drain(&limiter, viewer(1)).0, 100);
    // However long it rests, a full bucket is full.
    advance(Duration::from_hours(24)).await;
    assert_eq!(drain(&limiter, viewer(1)).0, 300);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_when_the_next_one_is_there() {
    let slow = Rate { per_minute: 7, burst: 2 };
    let limiter = Limiter::new(Rates { viewer: slow, ..Rates::default() });
    let (passed, refusal) = drain(&limiter, viewer(1));
    assert_eq!((passed, refusal.into_response().headers()[RETRY_AFTER].to_str().unwrap()), (2, "9"));
    advance(Duration::from_secs(8)).await;
    assert!(limiter.draw(viewer(1)).is_err());
    advance(Duration::from_secs(1)).await;
    assert_eq!(drain(&limiter, viewer(1)).0, 1);
}

#[tokio::test(start_paused = true)]
async fn positions_nodes_and_pods_are_counted_apart_and_more_stake_may_more() {
    let limiter = Limiter::new(Rates::default());
    let (staker, node, pods) =
        (viewer(1), Payer::Node(position(1), Tier::Viewer), Payer::Pods(position(1), Tier::Viewer));
    assert_eq!(drain(&limiter, staker).0, 300);
    assert_eq!(drain(&limiter, node).0, Rates::default().node.burst);
    assert_eq!(drain(&limiter, pods).0, 300);
    assert_eq!(drain(&limiter, viewer(2)).0, 300);
    let bursts = Tier::ALL.map(|tier| drain(&limiter, Payer::Person(position(10 + tier as u8), tier)).0);
    assert_eq!(bursts, Tier::ALL.map(|tier| Rates::default().of(tier).burst));
    assert!(bursts.is_sorted());
    // Who has more stake than when the bucket was emptied waits no longer than anyone of the new tier.
    let developer = Payer::Person(position(1), Tier::Developer);
    assert_eq!(drain(&limiter, developer).0, 0);
    advance(Duration::from_secs(1)).await;
    assert_eq!(drain(&limiter, developer).0, 10);
}

#[test]
fn there_are_no_more_buckets_than_may_be_and_full_ones_are_forgotten() {
    const MOST: usize = 16 * 128;
    let rate = Rate { per_minute: 60, burst: 2 };
    let buckets = Buckets::new(MOST, 0);
    let (one, second) = (Draw::of(rate, 1), 1_000_000_000);
    let flood = |keys: core::ops::Range<u64>, now| {
        keys.map(|key| buckets.draw(key, one, now)).filter(|drawn| *drawn == Drawn::Taken).count()
    };
    let taken = flood(0..100_000, 0);
    assert!(taken <= MOST && buckets.len() == taken, "{taken}");
    assert!(taken > MOST / 2, "{taken}");
    // Whoever has one keeps it, and a flood does not fill it.
    assert_eq!(buckets.draw(0, one, 0), Drawn::Taken);
    assert_eq!(buckets.draw(0, one, 0), Drawn::Empty(Duration::from_secs(1)));
    flood(100_000..200_000, 0);
    assert_eq!(buckets.draw(0, one, 0), Drawn::Empty(Duration::from_secs(1)));
    // All but that one are full after a second, and make room.
    let taken = flood(200_000..300_000, second);
    assert!(taken > MOST / 2, "{taken}");
    assert!(buckets.len() <= MOST);
    assert_eq!(buckets.draw(0, one, second), Drawn::Taken);
    // Where few come and go, few are kept.
    for now in 1..1_000 {
        flood(1_000_000 + now * 10..1_000_000 + now * 10 + 10, 2 * second + now * second);
    }
    assert!(buckets.len() <= SHARDS_TIMES_FEW, "{}", buckets.len());
}

const SHARDS_TIMES_FEW: usize = 16 * 64;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_address_may_show_so_many_tokens_and_far_fewer_bad_ones() {
    let strangers = Strangers::new(Rates::default());
    let refusal = || Refusal::unauthorized(daas_types::ErrorCode::TokenUnknown, "x");
    let verified = |at: &str| (0..10_000).take_while(|_| strangers.may_verify(address(at), true).is_ok()).count();
    let refused =
        |at: &str| (0..10_000).take_while(|_| strangers.refused(address(at), false, refusal()).status() == 401).count();
    assert_eq!(refused("10.0.0.1"), 300);
    assert_eq!(strangers.refused(address("10.0.0.1"), false, refusal()).code(), AddressLimited);
    assert_eq!(verified("10.0.0.1"), 0, "no signature is checked any more");
    assert_eq!(verified("10.0.0.2"), 3_000);
    advance(Duration::from_secs(1)).await;
    assert_eq!(refused("10.0.0.1"), 9, "what went beyond the bucket is owed");
    // A network of IPv6 is one address.
    assert_eq!(refused("2001:db8::1"), 300);
    assert_eq!(refused("2001:db8::ffff"), 0);
    assert_eq!(refused("2001:db8:0:1::1"), 300);
}

#[tokio::test(start_paused = true)]
async fn an_address_may_begin_so_many_handshakes() {
    let strangers = Strangers::new(Rates::default());
    let begun = |at: &str| (0..100_000).take_while(|_| strangers.may_connect(address(at))).count();
    assert_eq!((begun("10.0.0.1"), begun("10.0.0.1"), begun("10.0.0.2")), (3_000, 0, 3_000));
    assert_eq!((begun("2001:db8::1"), begun("2001:db8::ffff")), (3_000, 0));
    advance(Duration::from_secs(1)).await;
    assert_eq!(begun("10.0.0.1"), 1_000);
    // What is asked on a connection is counted apart.
    assert!(strangers.may_ask(address("10.0.0.1")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn every_refusal_counts_and_that_of_someone_known_for_less() {
    let strangers = Strangers::new(Rates::default());
    let most = |at: &str, known: bool, refusal: &dyn Fn() -> Refusal| {
        let status = refusal().status();
        (0..10_000).take_while(|_| strangers.refused(address(at), known, refusal()).status() == status).count()
    };
    assert_eq!(most("10.0.0.1", false, &|| Refusal::form("x")), 300);
    assert_eq!(most("10.0.0.2", true, &|| Refusal::forbidden(daas_types::ErrorCode::StakeTooLow, "x")), 3_000);
    assert_eq!(most("10.0.0.3", false, &|| Refusal::unavailable(daas_types::ErrorCode::ChainStale, "x")), 3_000);
    // A pod whose owner's stake is gone.
    let gone = || Refusal::unauthorized(daas_types::ErrorCode::ServiceAccountRefused, "x");
    assert_eq!(most("10.0.0.4", true, &gone), 3_000);
}

#[tokio::test(start_paused = true)]
async fn whoever_shows_one_bad_token_after_another_pays_ten_for_each() {
    let strangers = Strangers::new(Rates::default());
    let at = address("10.0.0.1");
    let bad = || Refusal::unauthorized(daas_types::ErrorCode::TokenMalformed, "x");
    let mut checked = 0;
    // A bad one whenever there is anything in the bucket: a hundred come into it each second, and one takes eleven.
    for _ in 0..1_000 {
        while strangers.may_verify(at, true).is_ok() {
            checked += 1;
            strangers.refused(at, false, bad());
        }
        advance(Duration::from_millis(10)).await;
    }
    assert!((360..370).contains(&checked), "{checked} in ten seconds");
}

#[tokio::test(start_paused = true)]
async fn a_site_has_as_much_as_four_of_its_networks() {
    let strangers = Strangers::new(Rates::default());
    let count = |net: u16, host: u16, may: &dyn Fn(IpAddr) -> bool| {
        let at = address(&format!("2001:db8:7:{net:x}::{host:x}"));
        (0..10_000).take_while(|_| may(at)).count()
    };
    let asked = |net| count(net, 1, &|at| strangers.may_ask(at).is_ok());
    assert_eq!((0..10).map(asked).collect::<Vec<_>>(), [300, 300, 300, 300, 0, 0, 0, 0, 0, 0]);
    let sent = |net| count(net, 1, &|at| strangers.may_send(at).is_ok());
    assert_eq!((0..6).map(sent).collect::<Vec<_>>(), [3_000, 3_000, 3_000, 3_000, 0, 0]);
    assert!(strangers.may_ask(address("2001:db8:8::1")).is_ok(), "another site");
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_new_tokens_of_its_own_where_its_address_has_none_left() {
    let strangers = Strangers::new(Rates::default());
    let (connection, other) = (Renewals::default(), Renewals::default());
    let renewed = |on: &Renewals| (0..10_000).take_while(|_| strangers.may_renew(on)).count();
    assert_eq!(renewed(&connection), 10);
    assert_eq!(renewed(&other), 10, "each has its own");
    advance(Duration::from_secs(2)).await;
    assert_eq!(renewed(&connection), 1);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_counted_nothing_is_answered() {
    let strangers = Strangers::new(Rates::default());
    let refused = (0..200_000_u32).find_map(|n| strangers.may_ask(IpAddr::from(n.to_be_bytes())).err());
    assert_eq!(refused.map(|refusal| refusal.status()), Some(StatusCode::TOO_MANY_REQUESTS));
}

#[tokio::test(start_paused = true)]
async fn however_many_addresses_strangers_have_so_many_signatures_are_checked() {
    let strangers = Strangers::new(Rates::default());
    let flood =
        || (0..200_000_u32).filter(|n| strangers.may_verify(IpAddr::from(n.to_be_bytes()), false).is_ok()).count();
    assert_eq!(flood(), 4_000);
    advance(Duration::from_secs(1)).await;
    assert_eq!(flood(), 2_000);
    assert!(strangers.addresses.of_one.len() <= 65_536);
    // Where someone was admitted before, new tokens are still looked at.
    assert!(strangers.may_verify(address("192.0.2.1"), true).is_ok());
}
