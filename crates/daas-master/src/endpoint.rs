//! The `kubernetes` Service leads to the gateway, so that a pod's own API calls are judged like everyone's; and the address that
//! every pod asks for names is nobody's to take.

use crate::kubernetes::apply;
use kube::Client;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};

/// Points the `kubernetes` Service's EndpointSlice at the gateway.
pub(crate) async fn publish(client: &Client, address: IpAddr, port: u16) -> anyhow::Result<()> {
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    apply(
        client,
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": { "kubernetes.io/service-name": "kubernetes" },
            },
            "addressType": family,
            "endpoints": [{ "addresses": [address.to_string()], "conditions": { "ready": true } }],
            "ports": [{ "name": "https", "port": port, "protocol": "TCP" }],
        }),
    )
    .await
}

/// Takes the cluster's DNS address, for whatever runs as `k8s-app: kube-dns` in `kube-system`, which is for the super tier.
pub(crate) async fn reserve_dns(client: &Client, address: Ipv4Addr) -> anyhow::Result<()> {
    let port = |name: &str, protocol: &str| json!({ "name": name, "port": 53, "targetPort": 53, "protocol": protocol });
    apply(
        client,
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": "kube-dns", "namespace": "kube-system", "labels": { "k8s-app": "kube-dns" } },
            "spec": {
                "clusterIP": address.to_string(),
                "selector": { "k8s-app": "kube-dns" },
                "ports": [port("dns", "UDP"), port("dns-tcp", "TCP")],
            },
        }),
    )
    .await
}
