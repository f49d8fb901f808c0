//! What an earlier start brought in place, so that a master that starts again does not wait for it: until its first round, which
//! brings everything in place again, nobody could have changed what no tier may change.

use crate::kubernetes::{NAMESPACE, apply};
use crate::rbac;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::net::{IpAddr, Ipv4Addr};

const NAME: &str = "applied";
const KEY: &str = "digest";

/// Stands for all of it: the manifests of this very program, and the addresses in what is made by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied(String);

// === impl Applied ===

impl Applied {
    pub(crate) fn of(gateway: (IpAddr, u16), cluster_dns: Option<Ipv4Addr>) -> Self {
        let mut hash = Sha256::new();
        hash.update(format!("{} {gateway:?} {cluster_dns:?}", env!("CARGO_PKG_VERSION")));
        for text in rbac::manifests() {
            hash.update([0]);
            hash.update(text);
        }
        Self(hex::encode(hash.finalize()))
    }

    /// Whether an earlier start left this. Whoever cannot say so has not.
    pub(crate) async fn is_in_place(&self, client: &Client) -> bool {
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
        let found = maps.get_opt(NAME).await.ok().flatten();
        found.and_then(|map| map.data?.remove(KEY)).is_some_and(|digest| digest == self.0)
    }

    /// Tells later starts that it is.
    pub(crate) async fn record(&self, client: &Client) -> anyhow::Result<()> {
        let metadata = json!({ "name": NAME, "namespace": NAMESPACE });
        apply(client, json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { KEY: self.0 } }))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_address_is_brought_in_place() {
        let of = |gateway: &str, port, dns| Applied::of((gateway.parse().unwrap(), port), dns);
        let dns = Some(Ipv4Addr::new(10, 43, 0, 10));
        let one = of("192.0.2.1", 6443, dns);
        assert_eq!(one, of("192.0.2.1", 6443, dns));
        for other in [of("192.0.2.2", 6443, dns), of("192.0.2.1", 6444, dns), of("192.0.2.1", 6443, None)] {
            assert_ne!(one, other);
        }
    }
}
