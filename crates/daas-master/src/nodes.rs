//! Nodes as the master keeps them: recorded when they join, tainted the moment their right is gone.
//!
//! Left alone, Kubernetes takes 55 s to notice a cut node and 300 s more to move its pods. So a node without a right is
//! tainted and its pods are deleted at once, which also takes them out of every Service.

use crate::departed::{is_departed, remove, until_gone};
use crate::kubernetes::NAMESPACE;
use daas_chain::index::{LivePosition, Snapshot};
use daas_types::{NodeId, NodeMarks, NodeTaint, PositionId};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Taint};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// On nodes whose right is gone.
pub(crate) const REVOKED: &str = "daas/revoked";
/// On strangers' nodes, and as a label on every node: whose it is. NodeRestriction keeps kubelets from changing it.
pub(crate) const OWNER: &str = "node-restriction.kubernetes.io/daas-owner";
/// node → address, the parameter of `policies/node-address.yaml`.
const ADDRESSES: &str = "node-addresses";
/// node → instance id of the machine that holds it, and the position it holds it for.
const INSTANCES: &str = "node-instances";
/// Pods deleted at once when a node is cut.
const DELETIONS: usize = 16;

/// What is recorded of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeRecord {
    /// Its address.
    pub(crate) address: IpAddr,
    /// The machine.
    pub(crate) instance: String,
    /// Whose node it was then. A record of another position than the node's present one says nothing.
    pub(crate) position: PositionId,
}

/// Where node records are kept: in the cluster itself, so that they are backed up and moved with it.
#[derive(Clone)]
pub(crate) struct Nodes {
    client: Client,
}

// === impl Nodes ===

impl Nodes {
    /// Nodes behind this client.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes sure the records exist; without them the admission policy denies every node.
    pub(crate) async fn prepare(&self) -> anyhow::Result<()> {
        for name in [ADDRESSES, INSTANCES] {
            self.merge(name, json!({})).await?;
        }
        Ok(())
    }

    /// All records.
    pub(crate) async fn records(&self) -> anyhow::Result<BTreeMap<String, NodeRecord>> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), NAMESPACE);
        let addresses = maps.get(ADDRESSES).await?.data.unwrap_or_default();
        let mut instances = maps.get(INSTANCES).await?.data.unwrap_or_default();
        let record = |(node, address): (String, String)| {
            // Written first, so an address without one is of a join that did not end.
            let held = instances.remove(&node)?;
            let (instance, position) = held.split_once(' ')?;
            let (address, position) = (address.parse().ok()?, position.parse().ok()?);
            Some((node, NodeRecord { address, instance: instance.to_owned(), position }))
        };
        Ok(addresses.into_iter().filter_map(record).collect())
    }

    /// Records a node and makes its Node object, owned and tainted before its kubelet first speaks, with what its owner
    /// wants on it. (A kubelet gives such labels and taints only to a Node that it made itself.)
    pub(crate) async fn admit(
        &self,
        node: &NodeId,
        record: &NodeRecord,
        operator: bool,
        marks: &NodeMarks,
    ) -> anyhow::Result<()> {
        self.merge(INSTANCES, json!({ node.as_str(): format!("{} {}", record.instance, record.position) })).await?;
        self.merge(ADDRESSES, json!({ node.as_str(): record.address.to_string() })).await?;
        let owner = owner_label(record.position);
        let nodes: Api<Node> = Api::all(self.client.clone());
        let mut taints: Vec<Taint> = if operator { vec![] } else { vec![owner_taint(&owner)] };
        taints.extend(marks.taints().iter().map(mark));
        let mut labels = marks.labels().clone();
        labels.extend(
            [(OWNER, owner.as_str()), ("kubernetes.io/hostname", node.as_str())].map(|(k, v)| (k.into(), v.into())),
        );
        let object: Node = serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": node.as_str(), "labels": labels },
            "spec": { "taints": taints },
        }))?;
        match nodes.create(&PostParams::default(), &object).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                // One that we made for this owner stays, with its pods. Any other is not what we made.
                let there = nodes.get(node.as_str()).await?;
                if there.labels().get(OWNER) != Some(&owner) {
                    nodes.delete(node.as_str(), &DeleteParams::default()).await?;
                    nodes.create(&PostParams::default(), &object).await?;
                } else if let Some(patch) = missing(&there, marks) {
                    nodes.patch(node.as_str(), &PatchParams::default(), &Patch::Merge(patch)).await?;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a Node object, if there is one, and with it what the control plane knows the machine by. When this is done, both are
    /// gone.
    pub(crate) async fn forget(&self, node: &NodeId) -> anyhow::Result<()> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let Some(former) = nodes.get_opt(node.as_str()).await? else { return Ok(()) };
        remove(&self.client, &former).await?;
        until_gone(former.uid(), || nodes.get_opt(node.as_str())).await
    }

    /// Brings every node's taints, and the pods of those without a right, in line with the chain.
    pub(crate) async fn reconcile(&self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let records = self.records().await?;
        for node in nodes.list(&ListParams::default()).await? {
            let name = node.name_any();
            if let Some(record) = records.get(&name) {
                let operator = snapshot.is_operator(record.position);
                if let Err(error) = self.keep_owner(&node, &owner_label(record.position), operator).await {
                    tracing::warn!(node = name, error = format!("{error:#}"), "node's owner not written down again");
                }
            }
            let right = name.parse().ok().and_then(|id: NodeId| snapshot.by_node(&id)).is_some_and(|p| has_right(p));
            let tainted = self.set_revoked(&node, !right).await;
            let evicted = if right { Ok(()) } else { self.evict_all(&name).await };
            let removed =
                if is_departed(&node, &records, snapshot) { remove(&self.client, &node).await } else { Ok(()) };
            if let Err(error) = tainted.and(evicted).and(removed) {
                // A conflict with the kubelet's own update, say; the next round is moments away.
                tracing::warn!(node = name, error = format!("{error:#}"), "node not brought in line");
            }
        }
        Ok(())
    }

    /// Cuts one node off: taint, then its pods.
    pub(crate) async fn revoke(&self, name: &str) -> anyhow::Result<()> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let Some(node) = nodes.get_opt(name).await? else { return Ok(()) };
        let tainted = self.set_revoked(&node, true).await;
        self.evict_all(name).await?;
        tainted
    }

    /// Puts back what says whose a node is. Never over another owner's: that node is one that its new owner has yet to join.
    async fn keep_owner(&self, node: &Node, owner: &str, operator: bool) -> anyhow::Result<()> {
        let taints = node.spec.as_ref().and_then(|s| s.taints.clone()).unwrap_or_default();
        let Some(patch) = owned(node.labels().get(OWNER).map(String::as_str), taints, owner, operator) else {
            return Ok(());
        };
        let name = node.name_any();
        tracing::warn!(node = name, "the node's owner had been taken off it");
        let mut patch = json!({ "metadata": { "labels": { OWNER: owner } }, "spec": { "taints": patch } });
        patch["metadata"]["resourceVersion"] = json!(node.resource_version());
        let nodes: Api<Node> = Api::all(self.client.clone());
        nodes.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    async fn set_revoked(&self, node: &Node, revoked: bool) -> anyhow::Result<()> {
        let taints = node.spec.as_ref().and_then(|s| s.taints.clone()).unwrap_or_default();
        let Some(taints) = with_revoked(taints, revoked) else { return Ok(()) };
        let name = node.name_any();
        // The resource version makes this fail rather than drop a taint that someone else just set.
        let patch = json!({
            "metadata": { "resourceVersion": node.resource_version() },
            "spec": { "taints": taints },
        });
        let nodes: Api<Node> = Api::all(self.client.clone());
        nodes.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        tracing::info!(node = name, revoked, "node's right changed");
        Ok(())
    }

    /// Deletes all pods of a node without waiting for its kubelet, which can no longer answer.
    async fn evict_all(&self, node: &str) -> anyhow::Result<()> {
        let pods: Api<Pod> = Api::all(self.client.clone());
        let on_node = pods.list(&ListParams::default().fields(&format!("spec.nodeName={node}"))).await?;
        let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        stream::iter(on_node)
            .for_each_concurrent(DELETIONS, |pod| {
                let (client, now) = (self.client.clone(), &now);
                async move {
                    let Some(namespace) = pod.namespace() else { return };
                    let api: Api<Pod> = Api::namespaced(client, &namespace);
                    if let Err(error) = api.delete(&pod.name_any(), now).await {
                        tracing::debug!(%namespace, pod = pod.name_any(), %error, "pod not deleted");
                    }
                }
            })
            .await;
        Ok(())
    }

    async fn merge(&self, name: &str, data: Value) -> anyhow::Result<()> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), NAMESPACE);
        let patch = json!({ "data": data });
        match maps.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": name }, "data": data }))?;
                maps.create(&PostParams::default(), &map).await?;
                Ok(())
            }
            other => other.map(drop).map_err(Into::into),
        }
    }
}

/// The label value of an owner: short enough for a label, long enough that nobody finds a second.
pub(crate) fn owner_label(position: PositionId) -> String {
    position.0.to_string().trim_start_matches("0x").chars().take(32).collect()
}

fn owner_taint(owner: &str) -> Taint {
    Taint { key: OWNER.to_owned(), value: Some(owner.to_owned()), effect: "NoSchedule".to_owned(), time_added: None }
}

fn has_right(position: &LivePosition) -> bool {
    position.rights.node
}

/// The taints of a node with its owner's; `None` when label and taint are there, or the label is another's.
fn owned(label: Option<&str>, mut taints: Vec<Taint>, owner: &str, operator: bool) -> Option<Vec<Taint>> {
    if label.is_some_and(|label| label != owner) {
        return None;
    }
    let wanted = owner_taint(owner);
    let is_there = operator || taints.contains(&wanted);
    if label.is_some() && is_there {
        return None;
    }
    if !is_there {
        taints.retain(|taint| taint.key != OWNER);
        taints.push(wanted);
    }
    Some(taints)
}

fn mark(taint: &NodeTaint) -> Taint {
    let NodeTaint { key, value, effect } = taint;
    let value = (!value.is_empty()).then(|| value.clone());
    Taint { key: key.clone(), value, effect: effect.name().to_owned(), ..Taint::default() }
}

/// The patch that puts on a node what its owner wants there and is not; `None` when all is. What was wanted once stays until
/// somebody takes it off.
fn missing(node: &Node, marks: &NodeMarks) -> Option<Value> {
    let labels: BTreeMap<_, _> =
        marks.labels().iter().filter(|(key, value)| node.labels().get(*key) != Some(*value)).collect();
    let mut taints = node.spec.as_ref().and_then(|s| s.taints.clone()).unwrap_or_default();
    let before = taints.clone();
    for wanted in marks.taints().iter().map(mark).filter(|wanted| !before.contains(wanted)) {
        taints.retain(|taint| (&taint.key, &taint.effect) != (&wanted.key, &wanted.effect));
        taints.push(wanted);
    }
    if labels.is_empty() && taints == before {
        return None;
    }
    // The resource version makes this fail rather than drop a taint that someone else just set.
    let mut patch = json!({ "metadata": { "labels": labels }, "spec": { "taints": taints } });
    patch["metadata"]["resourceVersion"] = json!(node.resource_version());
    Some(patch)
}

/// The taints with or without ours; `None` when nothing changes.
fn with_revoked(mut taints: Vec<Taint>, revoked: bool) -> Option<Vec<Taint>> {
    let is_ours = |t: &Taint| t.key == REVOKED && t.effect == "NoExecute";
    if taints.iter().any(is_ours) == revoked {
        return None;
    }
    if revoked {
        taints.push(Taint { key: REVOKED.to_owned(), effect: "NoExecute".to_owned(), ..Taint::default() });
    } else {
        taints.retain(|t| !is_ours(t));
    }
    Some(taints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_node_keeps_its_owner() {
        let (ours, other) = (owner_taint("a"), owner_taint("b"));
        assert_eq!(owned(Some("a"), vec![ours.clone()], "a", false), None);
        assert_eq!(owned(Some("a"), vec![], "a", false), Some(vec![ours.clone()]));
        assert_eq!(owned(None, vec![other], "a", false), Some(vec![ours.clone()]));
        assert_eq!(owned(Some("a"), vec![], "a", true), None, "the operator's nodes are for everyone");
        assert_eq!(owned(Some("b"), vec![], "a", false), None, "another's node is replaced when it joins");
    }

    #[test]
    fn what_an_owner_wants_is_put_on_beside_what_is_there() {
        let marks = NodeMarks::parse(&["gpu=true".into()], &["gpu=true:NoSchedule".into()]).unwrap();
        let mut node = Node::default();
        node.metadata.labels =
            Some([("gpu".to_owned(), "false".to_owned()), ("mine".to_owned(), "x".to_owned())].into());
        let owner = owner_taint("a");
        let other =
            Taint { key: "gpu".into(), value: Some("false".into()), effect: "NoSchedule".into(), ..Taint::default() };
        node.spec.get_or_insert_default().taints = Some(vec![owner.clone(), other]);
        let patch = missing(&node, &marks).unwrap();
        assert_eq!(patch["metadata"]["labels"], json!({ "gpu": "true" }));
        assert_eq!(patch["spec"]["taints"], json!([owner, mark(&marks.taints()[0])]));
        node.metadata.labels = Some(marks.labels().clone());
        node.spec.get_or_insert_default().taints = Some(vec![owner, mark(&marks.taints()[0])]);
        assert_eq!(missing(&node, &marks), None);
        assert_eq!(missing(&node, &NodeMarks::default()), None);
    }

    #[test]
    fn other_taints_stay() {
        let other = owner_taint("x");
        let revoked = with_revoked(vec![other.clone()], true).unwrap();
        assert_eq!(revoked.len(), 2);
        assert_eq!(with_revoked(revoked.clone(), true), None);
        assert_eq!(with_revoked(revoked, false), Some(vec![other]));
    }
}
