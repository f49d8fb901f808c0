//! What an earlier start brought in place, so that a master that starts again does not wait for it: its first round brings everything
//! in place again. The record is the master's own, as what it stands for is (`policies/protected.yaml`), and the policies are asked
//! whether they are in force before it counts.

use crate::kubernetes::{MANAGER, NAMESPACE, apply, delete};
use crate::rbac;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::net::{IpAddr, Ipv4Addr};

const NAME: &str = "applied";
const KEY: &str = "digest";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

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
        let recorded = async { maps.get_opt(NAME).await.ok().flatten().is_some_and(|map| self.is(&map)) };
        let (recorded, in_force) = tokio::join!(recorded, rbac::are_in_force(client));
        recorded && in_force
    }

    /// What bears no mark of the master's was written by somebody else.
    fn is(&self, map: &ConfigMap) -> bool {
        let ours = map.labels().get(MANAGED_BY).is_some_and(|by| by == MANAGER);
        ours && map.data.as_ref().and_then(|data| data.get(KEY)) == Some(&self.0)
    }

    /// No start that follows takes anything to be in place.
    pub(crate) async fn forget(client: &Client) -> anyhow::Result<()> {
        delete(client, "v1", "ConfigMap", Some(NAMESPACE), NAME).await
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
    fn a_record_is_the_masters_own() {
        let ours = Applied("d".to_owned());
        let is = |labels: serde_json::Value, digest: &str| {
            let map = json!({ "metadata": { "labels": labels }, "data": { KEY: digest } });
            ours.is(&serde_json::from_value(map).unwrap())
        };
        assert!(is(json!({ MANAGED_BY: MANAGER }), "d"));
        assert!(
            !is(json!({}), "d") && !is(json!({ MANAGED_BY: "helm" }), "d") && !is(json!({ MANAGED_BY: MANAGER }), "e")
        );
    }

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
