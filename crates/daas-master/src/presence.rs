//! When each node was last heard of, and what it last said of itself.

use daas_types::api::{HeartbeatRequest, ResourceUsage};
use daas_types::{NodeId, PositionId, UnixMs};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of all nodes. The bound is that of the nodes which joined: only those get here.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    nodes: Mutex<BTreeMap<String, Seen>>,
}

/// What is known of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Seen {
    /// Whose node it was then.
    position: PositionId,
    /// When anything was heard of it.
    last_seen_ms: UnixMs,
    /// Its last heartbeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat: Option<Heartbeat>,
}

/// What a worker said in a heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Heartbeat {
    at_ms: UnixMs,
    stake_status: String,
    stake_amount: u64,
    running_pods: u64,
    running_containers: u64,
    resource_usage: ResourceUsage,
}

/// Longest `stake_status` that is kept: it is a text of the node's.
const MAX_STATUS: usize = 32;

// === impl Presence ===

impl Presence {
    /// The node gave a sign of life.
    pub(crate) fn seen(&self, node: &NodeId, position: PositionId, now: UnixMs) {
        self.update(node, position, now, |_| ());
    }

    /// The node's worker sent a heartbeat.
    pub(crate) fn beat(&self, node: &NodeId, position: PositionId, now: UnixMs, said: &HeartbeatRequest) {
        let heartbeat = Heartbeat {
            at_ms: now,
            stake_status: said.stake_status.chars().take(MAX_STATUS).collect(),
            stake_amount: said.stake_amount,
            running_pods: said.running_pods,
            running_containers: said.running_containers,
            resource_usage: said.resource_usage,
        };
        self.update(node, position, now, |seen| seen.heartbeat = Some(heartbeat));
    }

    /// When this position's node was last heard of.
    pub(crate) fn last(&self, node: &NodeId, position: PositionId) -> Option<UnixMs> {
        let nodes = self.lock();
        nodes.get(node.as_str()).filter(|seen| seen.position == position).map(|seen| seen.last_seen_ms)
    }

    /// All of it, for `GET /nodes`.
    pub(crate) fn all(&self) -> BTreeMap<String, Seen> {
        self.lock().clone()
    }

    fn update(&self, node: &NodeId, position: PositionId, now: UnixMs, change: impl FnOnce(&mut Seen)) {
        let mut nodes = self.lock();
        let seen = nodes.entry(node.to_string()).or_insert(Seen { position, last_seen_ms: now, heartbeat: None });
        if seen.position != position {
            *seen = Seen { position, last_seen_ms: now, heartbeat: None };
        }
        seen.last_seen_ms = seen.last_seen_ms.max(now);
        change(seen);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_types::Address;

    #[test]
    fn the_last_heartbeat_is_kept_and_not_inherited() {
        let presence = Presence::default();
        let node: NodeId = "n1".parse().unwrap();
        let (first, heir) = (Address::new([1; 32]).into(), Address::new([2; 32]).into());
        let said = HeartbeatRequest {
            node_id: "n1".to_owned(),
            seal_token: Some("secret".to_owned()),
            timestamp: 1,
            stake_status: "x".repeat(99),
            stake_amount: 5,
            running_pods: 7,
            running_containers: 9,
            resource_usage: ResourceUsage::default(),
        };
        presence.beat(&node, first, UnixMs(10), &said);
        presence.seen(&node, first, UnixMs(20));
        assert_eq!(presence.last(&node, first), Some(UnixMs(20)));
        let json = serde_json::to_value(presence.all()).unwrap();
        assert_eq!(
            (json["n1"]["heartbeat"]["running_pods"].as_u64(), json["n1"]["heartbeat"]["at_ms"].as_u64()),
            (Some(7), Some(10))
        );
        assert_eq!(json["n1"]["heartbeat"]["stake_status"].as_str().unwrap().len(), MAX_STATUS);
        assert!(!json.to_string().contains("secret"));
        // Whoever holds the node id next is another node.
        assert_eq!(presence.last(&node, heir), None);
        presence.seen(&node, heir, UnixMs(30));
        assert!(presence.all()["n1"].heartbeat.is_none());
    }
}
