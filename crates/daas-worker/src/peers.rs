//! What the list of nodes says: this node's pod network, and the way to the others'.

#[cfg(test)]
mod tests;

use daas_engine::Cidr;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The networks of a cluster's nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// This node's pods.
    pub own: Option<Cidr>,
    /// Other nodes' pods, through the node's address.
    pub routes: BTreeMap<Cidr, Ipv4Addr>,
}

/// `v1.NodeList`, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct NodeList {
    items: Vec<NodeItem>,
}

#[derive(Debug, Deserialize)]
struct NodeItem {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default, rename = "podCIDR")]
    pod_cidr: String,
}

#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    addresses: Vec<NodeAddress>,
}

#[derive(Debug, Deserialize)]
struct NodeAddress {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

// === impl Peers ===

impl Peers {
    /// Reads the list for the node `name` at `own_ip`. Networks outside `cluster`, or that overlap this node's own, are
    /// left out: a route to them would lead traffic away that is not the pods'.
    pub fn of(list: &NodeList, name: &str, own_ip: Ipv4Addr, cluster: Cidr) -> Self {
        let pods = |node: &NodeItem| {
            let cidr: Cidr = node.spec.pod_cidr.parse().ok()?;
            (cluster.prefix() <= cidr.prefix() && cluster.contains(cidr.network())).then_some(cidr)
        };
        let own = list.items.iter().find(|node| node.metadata.name == name).and_then(pods);
        let others = list.items.iter().filter(|node| node.metadata.name != name);
        let routes = others.filter_map(|node| {
            let to = pods(node).filter(|to| own.is_none_or(|own| !overlap(own, *to)))?;
            let internal = node.status.addresses.iter().find(|a| a.kind == "InternalIP");
            let via: Ipv4Addr = internal?.address.parse().ok()?;
            // Two nodes behind one address share its routing table already.
            (via != own_ip && !via.is_loopback() && !via.is_unspecified()).then_some((to, via))
        });
        Self { own, routes: routes.collect() }
    }
}

fn overlap(a: Cidr, b: Cidr) -> bool {
    a.contains(b.network()) || b.contains(a.network())
}
