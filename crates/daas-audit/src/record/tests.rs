use super::*;
use crate::redact::KEPT;
use proptest::prelude::*;

/// BCS of a short text, spelled out.
fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn head(sequence: u64, at: u64, entry: u8) -> Vec<u8> {
    [&sequence.to_le_bytes()[..], &at.to_le_bytes(), &[entry]].concat()
}

/// As serde has it: what is written by hand has to be the same.
fn by_hand(entry: &Entry) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match entry {
        Entry::Start(start) => {
            encode::start(&mut bytes, start.peer, &start.what);
            encode::who(&mut bytes, &start.who);
        }
        Entry::End(end) => encode::end(&mut bytes, end),
        Entry::Opened(_) | Entry::Lost(_) => return None,
    }
    Some(bytes)
}

fn pin(record: &Record, bytes: &[u8]) {
    if let Some(written) = by_hand(&record.entry) {
        assert_eq!(hex::encode(written), hex::encode(&bytes[16..]));
    }
    assert_eq!(hex::encode(record.to_bytes()), hex::encode(bytes));
    assert_eq!(Record::from_bytes(bytes).as_ref(), Some(record));
}

#[test]
fn the_bytes_of_a_start_are_as_documented() {
    let what = What::of("POST", "/api/v1/namespaces/a/pods/b/exec", Some("container=c&command=ls&x=y")).into_owned();
    let who = Who {
        kind: Caller::Person,
        user: "0xab".into(),
        position: Some(PositionId([5; 32].into())),
        tier: Some(Tier::Admin),
        seal: None,
        acting_as: "eve".into(),
    };
    let start = Start { peer: "192.0.2.7:50001".parse().unwrap(), what, who };
    let record = Record { sequence: 258, at: UnixMs(1_700_000_000_000), entry: Entry::Start(start.into()) };
    let mut bytes = head(258, 1_700_000_000_000, 1);
    bytes.extend([0, 192, 0, 2, 7, 0x51, 0xc3]);
    for part in ["POST", "/api/v1/namespaces/a/pods/b/exec", "create", "", "v1", "a", "pods", "exec", "b"] {
        bytes.extend(text(part));
    }
    bytes.push(1);
    bytes.extend([text("container"), text("c")].concat());
    bytes.extend([1, 0, 0, 0]);
    bytes.push(1);
    // One argument of two bytes.
    bytes.extend(Digest::of_bytes(b"\x01\x02ls").0);
    bytes.push(1);
    bytes.extend(text("0xab"));
    bytes.push(1);
    bytes.extend([5; 32]);
    bytes.extend([1, 2]);
    bytes.push(0);
    bytes.extend(text("eve"));
    pin(&record, &bytes);
}

#[test]
fn the_bytes_of_an_ipv6_peer_are_as_documented() {
    let start = Start {
        peer: "[2001:db8::1]:443".parse().unwrap(),
        what: What::of("GET", "/", None).into_owned(),
        who: Who::default(),
    };
    let record = Record { sequence: 0, at: UnixMs(0), entry: Entry::Start(start.into()) };
    let mut bytes = head(0, 0, 1);
    bytes.extend([1, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xbb, 0x01]);
    bytes.extend([text("GET"), text("/"), text("get")].concat());
    bytes.extend([0; 6]);
    bytes.extend([0, 0, 0, 0, 0, 0]);
    bytes.extend([0; 6]);
    pin(&record, &bytes);
}

#[test]
fn the_bytes_of_the_others_are_as_documented() {
    let end = End { start: 7, status: 403, reason: "Forbidden".into(), received: 1, sent: 300, audit_id: "id".into() };
    let mut bytes = head(8, 9, 2);
    bytes.extend(7u64.to_le_bytes());
    bytes.extend(403u16.to_le_bytes());
    bytes.extend(text("Forbidden"));
    bytes.extend([1u64.to_le_bytes(), 300u64.to_le_bytes()].concat());
    bytes.extend(text("id"));
    pin(&Record { sequence: 8, at: UnixMs(9), entry: Entry::End(end) }, &bytes);

    let opened = Opened { version: "0.1.0".into(), torn: Some(Torn { bytes: 3, digest: Digest([9; 32]) }) };
    let mut bytes = head(0, 1, 0);
    bytes.extend(text("0.1.0"));
    bytes.push(1);
    bytes.extend(3u64.to_le_bytes());
    bytes.extend([9; 32]);
    pin(&Record { sequence: 0, at: UnixMs(1), entry: Entry::Opened(opened) }, &bytes);

    let lost = Lost { requests: 1, ends: 2, since: UnixMs(3), until: UnixMs(4) };
    let mut bytes = head(5, 6, 3);
    bytes.extend([1u64, 2, 3, 4].map(u64::to_le_bytes).concat());
    pin(&Record { sequence: 5, at: UnixMs(6), entry: Entry::Lost(lost) }, &bytes);
}

#[test]
fn people_read_names_and_hex() {
    let end = End { start: 7, status: 200, ..End::default() };
    let record = Record { sequence: 8, at: UnixMs(9), entry: Entry::End(end) };
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(json["entry"]["end"]["status"], 200);
    let start = Start {
        peer: "192.0.2.7:1".parse().unwrap(),
        what: What::of("GET", "/x", None).into_owned(),
        who: Who::default(),
    };
    let json = serde_json::to_value(Entry::Start(start.into())).unwrap();
    assert_eq!(
        (json["start"]["peer"].as_str(), json["start"]["who"]["kind"].as_str()),
        (Some("192.0.2.7:1"), Some("unknown"))
    );
    assert_eq!(serde_json::to_value(Digest([0xab; 32])).unwrap(), "ab".repeat(32));
}

#[test]
fn what_changes_something() {
    let mutates = |method: &str, path: &str| What::of(method, path, None).mutates();
    for method in ["POST", "PUT", "PATCH", "DELETE", "BREW"] {
        assert!(mutates(method, "/api/v1/namespaces/a/pods"), "{method}");
    }
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert!(!mutates(method, "/api/v1/namespaces/a/pods/b/log"), "{method}");
        for stream in ["exec", "attach", "portforward", "proxy", "proxy/x/y"] {
            assert!(mutates(method, &format!("/api/v1/namespaces/a/pods/b/{stream}")), "{method} {stream}");
        }
    }
    assert!(mutates("GET", "/api/v1/proxy/namespaces/a/services/b"), "the old form of the proxy");
}

#[test]
fn a_token_in_place_of_a_name_is_not_kept() {
    let token = format!("eyJ{}", "a".repeat(300));
    let who = Who { acting_as: token.as_str().into(), ..Who::default() };
    assert_eq!(who.bounded().acting_as, format!("sha256:{}", Digest::of_bytes(token.as_bytes())));
    let jane = Who { acting_as: "system:serviceaccount:a:jane".into(), ..Who::default() };
    assert_eq!(jane.bounded().acting_as, jane.acting_as);
}

#[test]
fn texts_have_bounds() {
    let long = "ü".repeat(40_000);
    let who = Who { user: long.as_str().into(), acting_as: long.as_str().into(), ..Who::default() };
    let end = End { reason: long.as_str().into(), audit_id: long.as_str().into(), ..End::default() };
    let whole = format!("…sha256:{}", Digest::of_bytes(long.as_bytes()));
    let (who, end) = (who.bounded(), end.bounded());
    for text in [&who.user, &who.acting_as, &end.reason, &end.audit_id] {
        assert!(text.len() < 400 && text.ends_with(&whole), "{text}");
    }
    let path = "/p".repeat(20_000);
    let query = KEPT.join(&format!("={}&", "v".repeat(3000)));
    let what = What::of("GET", &path, Some(&query));
    assert!(bcs::to_bytes(&what).unwrap().len() < LONGEST / 2);
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(
        sequence: u64, at: u64, start: u64, status: u16, received: u64, sent: u64, reason: String, audit_id: String,
    ) {
        let (reason, audit_id) = (reason.into(), audit_id.into());
        let end = End { start, status, reason, received, sent, audit_id };
        let record = Record { sequence, at: UnixMs(at), entry: Entry::End(end) };
        let bytes = record.to_bytes();
        prop_assert_eq!(by_hand(&record.entry).unwrap(), &bytes[16..]);
        prop_assert_eq!(Record::from_bytes(&bytes), Some(record));
        let longer = [bytes.as_slice(), &[0]].concat();
        prop_assert_eq!(Record::from_bytes(&longer), None);
        prop_assert_eq!(Record::from_bytes(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn no_bytes_have_two_readings(bytes in prop::collection::vec(any::<u8>(), 0..400), entry in 0u8..5) {
        crate::fuzz::record(&bytes);
        let mut likely = head(1, 2, entry);
        likely.extend(bytes);
        crate::fuzz::record(&likely);
    }

    #[test]
    fn any_request_becomes_a_record(method in "\\PC{0,50}", path in "(/|%2[0-9a-f]|[a-z]{1,9}|\\PC){0,60}", query in prop::option::of("([a-z]{1,9}=|command=|&|%[0-9a-f]{2}|\\PC){0,40}")) {
        crate::fuzz::request(&method, &path, query.as_deref());
    }

    #[test]
    fn a_start_is_written_as_serde_would(
        method in "[A-Z]{1,200}", path in "/[a-z/]{0,300}", query in prop::option::of("([a-zA-Z]{1,9}=[a-z]{0,200}&){0,9}"),
        user in "[a-z:]{0,300}", kind in 0u8..5, tier in prop::option::of(0u8..4), position: Option<[u8; 32]>, seal: Option<[u8; 32]>,
        six: bool, port: u16,
    ) {
        let kind = bcs::from_bytes(&[kind]).unwrap();
        let tier = tier.map(|tier| bcs::from_bytes(&[tier]).unwrap());
        let (position, seal) = (position.map(|id| PositionId(id.into())), seal.map(|id| SealId(id.into())));
        let who = Who { kind, user: user.into(), position, tier, seal, acting_as: "eve".into() };
        let peer = if six { "[2001:db8::1]:0" } else { "192.0.2.7:0" };
        let mut peer: SocketAddr = peer.parse().unwrap();
        peer.set_port(port);
        let what = What::of(&method, &path, query.as_deref()).into_owned();
        let entry = Entry::Start(Start { peer, what, who }.into());
        prop_assert_eq!(by_hand(&entry).unwrap(), bcs::to_bytes(&entry).unwrap());
    }
}
