//! Kubernetes requests as transactions, and audit roots.

use super::masters::master;
use super::stakes::is_active;
use super::{Draw, Drawn, bytes, it, op, pure};
use crate::twin::sequences::chain::{Given, Op};
use daas_types::onchain::{RequestState, RequestStatus};

pub(super) const DRAWN: &[(&str, u64, Drawn)] = &[
    ("k8s_gateway::submit_k8s_request", 5, submit_k8s_request),
    ("k8s_gateway::record_result", 20, record_result),
    ("k8s_gateway::cancel_k8s_request", 2, cancel_k8s_request),
    ("k8s_gateway::anchor_root", 6, anchor_root),
];

const HOUR_MS: u64 = 3_600_000;
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const BAD_METHODS: [&str; 4] = ["", "get", "HEAD", "POSTS"];

fn submit_k8s_request(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let viewer = cluster.policy.thresholds.viewer;
    let position = draw.position(&cluster, |it| is_active(it) && it.active >= viewer)?;
    let now_ms = draw.scene.now_ms;
    let method = if draw.slip() { draw.random.one_of(BAD_METHODS) } else { draw.random.one_of(METHODS) };
    let path = draw.at_most(1023);
    let path = if draw.slip() { draw.text(path.min(20)) } else { "/".to_owned() + &draw.text(path) };
    let good = draw.random.one_of(["", "default", "kube-system"]);
    let namespace = if draw.slip() { draw.random.one_of(["-", "A", "a b"]) } else { good };
    let resource_type = draw.at_most(128);
    let resource_type = draw.text(resource_type);
    let (payload, hash) = payload(draw);
    let soon = draw.random.between(now_ms + 1, now_ms + 20_000);
    let expires_ms = if draw.random.chance(60) { soon } else { draw.within(now_ms + 1, now_ms + HOUR_MS) };
    let key = usize::try_from(draw.within(16, 64)).unwrap();
    let key = if draw.random.chance(20) { draw.random.run(key) } else { draw.random.bytes(key) };
    let (sender, named) = (draw.by(position.owner.0), draw.named(cluster.id));
    let args = vec![
        named,
        it(position.position),
        pure(method),
        pure(&path),
        pure(namespace),
        pure(&resource_type),
        bytes(&payload),
        bytes(&hash),
        pure(&expires_ms),
        bytes(&key),
        Given::Clock,
    ];
    op("k8s_gateway::submit_k8s_request", sender, args)
}

/// A payload, or the hash of one.
fn payload(draw: &mut Draw<'_>) -> (Vec<u8>, Vec<u8>) {
    let length = if draw.random.chance(90) { draw.random.index(40) } else { draw.at_most(8192) };
    let payload = draw.random.run(length);
    if draw.random.chance(50) {
        return (payload, vec![]);
    }
    let payload = if draw.slip() { vec![1] } else { vec![] };
    (payload, draw.digest())
}

fn request(draw: &mut Draw<'_>) -> Option<RequestState> {
    let now_ms = draw.scene.now_ms;
    let waits = |it: &&RequestState| it.status == RequestStatus::Pending && it.expires_ms.0 > now_ms;
    let pending: Vec<RequestState> = draw.scene.requests.iter().filter(waits).cloned().collect();
    if draw.random.chance(10) || pending.is_empty() {
        draw.random.pick(&draw.scene.requests)
    } else {
        draw.random.pick(&pending)
    }
}

fn record_result(draw: &mut Draw<'_>) -> Option<Op> {
    let request = request(draw)?;
    let cluster = draw.scene.cluster(request.cluster).clone();
    let master = master(draw, &cluster);
    let (sender, named, hash) = (draw.by(master), draw.named(cluster.id), draw.digest());
    let status = u16::try_from(draw.within(100, 599)).unwrap();
    let args = vec![named, it(cluster.nautilus), it(request.request), pure(&status), bytes(&hash), Given::Clock];
    op("k8s_gateway::record_result", sender, args)
}

fn cancel_k8s_request(draw: &mut Draw<'_>) -> Option<Op> {
    let request = request(draw)?;
    let (sender, named) = (draw.by(request.requester.0), draw.named(request.cluster));
    op("k8s_gateway::cancel_k8s_request", sender, vec![named, it(request.request)])
}

fn anchor_root(draw: &mut Draw<'_>) -> Option<Op> {
    let cluster = draw.cluster()?;
    let master = master(draw, &cluster);
    let scene = draw.scene;
    let anchors = draw.right(cluster.anchors, scene.anchors.iter().map(|it| it.id));
    let (sender, named, root) = (draw.by(master), draw.named(cluster.id), draw.digest());
    // Milliseconds rise; sometimes not since the last one.
    let sequence = draw.scene.now_ms % 100_000_000 + draw.random.below(3);
    let args = vec![
        named,
        it(cluster.nautilus),
        it(anchors),
        pure(&sequence),
        bytes(&root),
        pure(&draw.random.below(1000)),
        Given::Clock,
    ];
    op("k8s_gateway::anchor_root", sender, args)
}
