//! The Node as the API server shows it, through the gateway, in both legs.

use crate::bench::watch::{Caller, Watch};
use crate::stage::Stage;
use crate::stage::person::Person;
use crate::supervise::operator_node;
use anyhow::Context as _;
use daas_chain::clock;
use daas_client::{ClusterInfo, SealFile};
use daas_engine::Cidr;
use daas_types::NodeId;
use daas_types::pop::Usage;
use serde::Deserialize;
use tokio::time::timeout;

/// Whoever looks at the Node.
pub(super) struct Observer {
    pub(super) info: ClusterInfo,
    pub(super) seal: SealFile,
    pub(super) node: NodeId,
    operator: Person,
}

/// What is looked at of a Node.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Node {
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
struct Spec {
    #[serde(rename = "podCIDR", default)]
    pod_cidr: Option<Cidr>,
}

#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    r#type: String,
    status: String,
}

#[derive(Deserialize)]
struct Event {
    object: Node,
}

/// Its changes, from before it was there.
pub(super) struct Changes {
    watch: Watch,
    /// An event may come in several pieces, and a piece may have several events.
    left: Vec<u8>,
}

// === impl Observer ===

impl Observer {
    pub(super) fn new(stage: &Stage) -> anyhow::Result<Self> {
        let info = ClusterInfo::load(&stage.state.join())?;
        let seal = SealFile::load(&stage.state.operator_seal())?;
        Ok(Self { info, seal, node: operator_node(), operator: stage.operator.clone() })
    }

    /// Removes the Node, and begins to look for it.
    pub(super) async fn begin(&self) -> anyhow::Result<Changes> {
        self.operator.get(&["delete", "node", self.node.as_str(), "--ignore-not-found"]).await?;
        let join = &self.info.join;
        let token = self.seal.mint(Usage::User, clock::now())?;
        let caller = Caller { endpoint: &join.endpoint, ca: &join.ca, token: &token };
        let path = format!("/api/v1/nodes?watch=true&fieldSelector=metadata.name%3D{}", self.node);
        Ok(Changes { watch: Watch::open(&caller, &path).await?, left: Vec::new() })
    }
}

// === impl Node ===

impl Node {
    pub(super) fn is_ready(&self) -> bool {
        self.status.conditions.iter().any(|condition| condition.r#type == "Ready" && condition.status == "True")
    }

    pub(super) fn pod_cidr(&self) -> Option<Cidr> {
        self.spec.pod_cidr
    }
}

// === impl Changes ===

impl Changes {
    /// Waits until something is seen.
    pub(super) async fn until<T>(&mut self, mut seen: impl FnMut(&Node) -> Option<T>) -> anyhow::Result<T> {
        let looking = async {
            loop {
                while let Some(end) = self.left.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = self.left.drain(..=end).collect();
                    let event: Event = serde_json::from_slice(&line).context("an event of the watch")?;
                    if let Some(found) = seen(&event.object) {
                        return Ok(found);
                    }
                }
                let piece = self.watch.piece().await.context("the watch ended")?;
                self.left.extend_from_slice(&piece);
            }
        };
        timeout(super::LIMIT, looking).await.context("not in time")?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_when_the_condition_says_so() {
        let node = |text: &str| serde_json::from_str::<Event>(text).unwrap().object;
        assert!(!node(r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#).is_ready());
        let conditions = |status: &str| {
            format!(
                r#"{{"object":{{"spec":{{"podCIDR":"10.42.0.0/24"}},"status":{{"conditions":[
                {{"type":"DiskPressure","status":"True"}},{{"type":"Ready","status":"{status}"}}]}}}}}}"#
            )
        };
        assert!(node(&conditions("True")).is_ready() && !node(&conditions("Unknown")).is_ready());
        assert_eq!(node(&conditions("True")).pod_cidr(), Some("10.42.0.0/24".parse().unwrap()));
    }
}
