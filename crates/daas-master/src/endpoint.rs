//! The `kubernetes` Service leads to the gateway, so that a pod's own API calls are judged like everyone's.

use crate::kubernetes::apply;
use kube::Client;
use serde_json::json;
use std::net::IpAddr;

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
