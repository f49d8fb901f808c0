//! What it takes to find out whose token it is, with 100,000 Seals in the index.
//!
//! From the bearer to the live position and its Seal: all that the gateway asks before it decides. *Uncached* is
//! the first sight of a token, *cached* every later one within its five minutes. An opaque secret is never cached: its two
//! hashes are what it costs each time.
//!
//! The peers do, in the same run and on the same data, the least that anyone would do: for a signed token verify the one
//! Ed25519 signature (aws-lc), for an opaque one hash it with SHA-256 (aws-lc) and look the hash up in the standard
//! library's hash map. Neither looks at an audience, a time, a Seal or a stake.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has to say so and stop")]

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use daas_chain::clock;
use daas_chain::index::Snapshot;
use daas_gateway::testing::{Shown, Verifier};
use daas_testkit::bench::{Report, quantile, timed};
use daas_testkit::chain::{Chain, Staker, cluster};
use daas_types::onchain::PositionState;
use daas_types::pop::{Claims, MAX_LIFETIME, Usage};
use daas_types::{Address, Permissions, SealId, SealSecret, UnixMs, WalletAddress};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use std::collections::HashMap;
use std::hint::black_box;
use sui_crypto::ed25519::Ed25519PrivateKey;

const SEALS: u32 = 100_000;
/// Seals whose tokens are shown. Each has a key of its own.
const HOLDERS: u32 = 2_000;
/// How often each is shown after the first time.
const ROUNDS: usize = 100;
const PER_CHECKPOINT: usize = 500;

/// Someone with a Seal: both ways to show it.
struct Holder {
    seal: SealId,
    secret: SealSecret,
    signed: Shown,
    opaque: Shown,
}

/// Microseconds for one, over many.
struct Cost {
    mean: f64,
    p99: f64,
}

fn main() {
    let now = clock::now();
    let chain = Chain::new();
    let mut holders = Vec::new();
    let template = Staker::new(1, "2", Permissions::BOTH).state;
    let mut events = Vec::with_capacity(PER_CHECKPOINT);
    for n in 0..SEALS {
        let key = Ed25519PrivateKey::new(bytes(0, n));
        let secret: SealSecret = hex(&bytes(1, n)).parse().unwrap();
        let state = position(&template, n, &key, &secret);
        if n % (SEALS / HOLDERS) == 0 {
            holders.push(holder(&state, &key, secret, now));
        }
        events.push(Staker { key, secret: template_secret(), state }.event(|_| ()));
        if events.len() == PER_CHECKPOINT {
            chain.checkpoint(&events);
            events.clear();
        }
    }
    let snapshot = chain.index.snapshot();
    assert_eq!(snapshot.positions().count(), usize::try_from(SEALS).unwrap());
    report(&holders, &snapshot, now);
}

fn report(holders: &[Holder], snapshot: &Snapshot, now: UnixMs) {
    let verifier = Verifier::new(cluster());
    let show = |verifier: &Verifier, holder: &Holder, shown: &Shown| {
        assert_eq!(verifier.seal(shown, snapshot, now), Some(holder.seal));
    };
    let first = each(holders, |holder| show(&verifier, holder, &holder.signed));
    let again = rounds(holders, |holder| show(&verifier, holder, &holder.signed));
    let opaque_first = each(holders, |holder| show(&verifier, holder, &holder.opaque));
    let opaque = rounds(holders, |holder| show(&verifier, holder, &holder.opaque));
    let signature = signature_alone(holders);
    let map = hash_map(holders);

    let mut report =
        Report::new("token", &["100,000 Seals indexed", "mean µs", "p99 µs", "peer", "peer's µs", "ratio"]);
    for (what, cost, peer, least) in [
        ("PoP token, first seen", &first, "Ed25519 alone", &signature),
        ("PoP token, cached", &again, "SHA-256 and a hash map", &map),
        ("opaque secret, first seen", &opaque_first, "SHA-256 and a hash map", &map),
        ("opaque secret, again", &opaque, "SHA-256 and a hash map", &map),
    ] {
        let number = |value: f64| format!("{value:.2}");
        let ratio = format!("{:.2}", cost.mean / least.mean);
        report.row(&[what.to_owned(), number(cost.mean), number(cost.p99), peer.to_owned(), number(least.mean), ratio]);
    }
    report.figure("cached_us", again.mean.max(opaque.mean));
    report.figure("uncached_us", first.mean.max(opaque_first.mean));
    for (key, cost) in [
        ("pop_cached", &again),
        ("pop_uncached", &first),
        ("opaque_again", &opaque),
        ("opaque_first", &opaque_first),
        ("peer_ed25519", &signature),
        ("peer_sha256_map", &map),
    ] {
        report.figure(&format!("{key}_us"), cost.mean);
        report.figure(&format!("{key}_p99_us"), cost.p99);
    }
    report.finish();
}

/// Each once; the time of each by itself.
fn each(holders: &[Holder], mut work: impl FnMut(&Holder)) -> Cost {
    let times: Vec<_> = holders.iter().map(|holder| timed(|| work(holder)).0 * 1e6).collect();
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    Cost { mean, p99: quantile(&times, 0.99) }
}

/// All of them, many times; a round's time by itself, because one is too short for a clock.
fn rounds(holders: &[Holder], mut work: impl FnMut(&Holder)) -> Cost {
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let each = |seconds: f64| seconds * 1e6 / holders.len() as f64;
    let times: Vec<_> = (0..ROUNDS).map(|_| each(timed(|| holders.iter().for_each(&mut work)).0)).collect();
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    Cost { mean, p99: quantile(&times, 0.99) }
}

/// One signature over as many bytes as a token signs.
fn signature_alone(holders: &[Holder]) -> Cost {
    let message = [7; 200];
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let (signature, public) = (key.sign(&message), key.public_key().as_ref().to_vec());
    let public = UnparsedPublicKey::new(&ED25519, public);
    each(holders, |_| public.verify(&message, signature.as_ref()).unwrap())
}

/// The secrets' hashes in a map of as many as there are Seals.
fn hash_map(holders: &[Holder]) -> Cost {
    let sha = |bytes: &[u8]| <[u8; 32]>::try_from(digest(&SHA256, bytes).as_ref()).unwrap();
    let known: HashMap<[u8; 32], u32> = (0..SEALS).map(|n| (sha(hex(&bytes(1, n)).as_bytes()), n)).collect();
    rounds(holders, |holder| {
        let text = holder.secret.expose_hex();
        black_box(known.get(&sha(text.as_bytes())).unwrap());
    })
}

fn holder(state: &PositionState, key: &Ed25519PrivateKey, secret: SealSecret, now: UnixMs) -> Holder {
    let seal = state.seals[0].id;
    let claims = Claims::new(cluster(), seal, Usage::User, now, MAX_LIFETIME).unwrap();
    let (signed, opaque) = (bearer(&claims.sign(key).unwrap()), bearer(&secret.expose_hex()));
    Holder { seal, secret, signed, opaque }
}

fn bearer(token: &str) -> Shown {
    let line = (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    Shown::of(&HeaderMap::from_iter([line])).unwrap()
}

fn position(template: &PositionState, n: u32, key: &Ed25519PrivateKey, secret: &SealSecret) -> PositionState {
    let mut state = template.clone();
    state.position = Address::new(bytes(2, n)).into();
    state.owner = WalletAddress(key.public_key().derive_address());
    state.operator = state.owner;
    state.node_id = format!("node-{n}");
    let seal = &mut state.seals[0];
    seal.id = Address::new(bytes(3, n)).into();
    (seal.locator, seal.commitment) = (secret.locator(), secret.commitment(cluster(), state.position));
    state
}

/// A secret where a [`Staker`] needs one and nobody looks at it.
fn template_secret() -> SealSecret {
    "0".repeat(64).parse().unwrap()
}

/// Different bytes for each kind and number.
fn bytes(kind: u8, n: u32) -> [u8; 32] {
    let seed = [&[kind][..], &n.to_le_bytes()].concat();
    digest(&SHA256, &seed).as_ref().try_into().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}
