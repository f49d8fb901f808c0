//! What each tier may do. One file a tier, applied and kept applied:
//!
//! | tier | file |
//! |---|---|
//! | viewer | `rbac/viewer.yaml` |
//! | developer | `rbac/developer.yaml`: `daas:tenant`, bound in the namespace of its own (`tenants.rs`) |
//! | admin | `rbac/admin.yaml` |
//! | super | `rbac/super.yaml` |
//!
//! Subjects are groups, never user names, because keys rotate. Beside the tiers stand the policies, which say what no tier may:
//! RBAC alone cannot say "only while you hold it". No tier holds `nodes/proxy`: even `get` on it is every
//! command on every node. No tier holds `escalate`, `bind` or `impersonate`.

use crate::kubernetes::{apply, documents};
use crate::namespaces::POSITION;
use daas_types::Tier;
use futures::stream::{self, StreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::iter;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const TIERS: [&str; 4] = [
    include_str!("rbac/viewer.yaml"),
    include_str!("rbac/developer.yaml"),
    include_str!("rbac/admin.yaml"),
    include_str!("rbac/super.yaml"),
];
const SYSTEM: &str = include_str!("rbac/system.yaml");
const POLICIES: [&str; 9] = [
    include_str!("policies/protected.yaml"),
    include_str!("policies/rights.yaml"),
    include_str!("policies/cluster.yaml"),
    include_str!("policies/namespaces.yaml"),
    include_str!("policies/pods.yaml"),
    include_str!("policies/services.yaml"),
    include_str!("policies/nodes.yaml"),
    include_str!("policies/node-address.yaml"),
    include_str!("policies/node-self.yaml"),
];
/// How many objects are applied at the same time: one after another they are most of a master's start.
const AT_ONCE: usize = 8;
/// Nobody's wallet and nobody's position.
const PROBE: &str = "0x0";
/// The API server looks for new policies every second.
const IN_FORCE: Duration = Duration::from_secs(30);
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// Applies everything of ours that does not depend on who has staked: our namespace before what lies in it, policies before
/// rights. One object that cannot be applied does not keep the others from it.
pub(crate) async fn apply_all(client: &Client) -> anyhow::Result<()> {
    let mut result = Ok(());
    for texts in [&[SYSTEM][..], &POLICIES, &TIERS] {
        let objects: Vec<Vec<Value>> = texts.iter().map(|text| documents(text)).collect::<Result<_, _>>()?;
        result = result.and(apply_together(client, objects.into_iter().flatten()).await);
    }
    result.and(apply_together(client, custom_resources(client).await?).await)
}

/// Everything that [`apply_all`] applies but what depends on others' CRDs, as text.
pub(crate) fn manifests() -> impl Iterator<Item = &'static str> {
    iter::once(SYSTEM).chain(POLICIES).chain(TIERS)
}

/// Applies objects of which none has to be there before another.
async fn apply_together(client: &Client, objects: impl IntoIterator<Item = Value>) -> anyhow::Result<()> {
    let applying = stream::iter(objects).map(|object| apply(client, object)).buffer_unordered(AT_ONCE);
    applying.fold(Ok(()), async |result: anyhow::Result<()>, applied| result.and(applied)).await
}

/// Waits until the API server asks the policies, which it takes up some time after they are written: until then everything
/// that they forbid would be allowed. Asked as an admin makes a namespace, and nothing is made.
pub(crate) async fn in_force(client: &Client) -> anyhow::Result<()> {
    let asked = async {
        while !are_in_force(client).await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(IN_FORCE, asked).await.map_err(|_| anyhow::anyhow!("the policies are not in force after {IN_FORCE:?}"))
}

/// Whether it asks them now.
pub(crate) async fn are_in_force(client: &Client) -> bool {
    // Whatever it says of its maker, what is written down is the maker; and what the master says, nobody else does.
    let made = probe(client, json!({ POSITION: "0x1" }));
    let (made, forged) = tokio::join!(made, probe(client, json!({ "daas/lost-at-ms": "1" })));
    let marked = made.is_ok_and(|n| n.annotations().get(POSITION).is_some_and(|id| id == PROBE));
    marked && matches!(forged, Err(kube::Error::Api(ref status)) if status.code == 403)
}

async fn probe(client: &Client, annotations: Value) -> kube::Result<Namespace> {
    let body = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": "daas-probe", "annotations": annotations },
    });
    let request = http::Request::post("/api/v1/namespaces?dryRun=All")
        .header("content-type", "application/json")
        .header("impersonate-user", PROBE)
        .header("impersonate-uid", PROBE)
        .header("impersonate-group", Tier::Admin.group())
        .body(body.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    client.request(request).await
}

/// Cluster admins manage the resources of every CRD, whose groups nobody knows beforehand; but not those that look like
/// Kubernetes' own, because a CRD can be called into any group, also into one that decides what its members may.
async fn custom_resources(client: &Client) -> anyhow::Result<[Value; 2]> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let kinds: BTreeSet<Kind> = crds
        .list(&ListParams::default())
        .await?
        .items
        .into_iter()
        .map(|crd| Kind { group: crd.spec.group, plural: crd.spec.names.plural })
        .collect();
    let (of_kubernetes, others): (Vec<_>, Vec<_>) = kinds.iter().partition(|kind| kind.is_of_kubernetes());
    Ok([
        custom_resources_role("daas:custom-resources", &others),
        custom_resources_role("daas:custom-resources-of-kubernetes", &of_kubernetes),
    ])
}

/// A kind that a CRD makes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    group: String,
    plural: String,
}

// === impl Kind ===

impl Kind {
    /// The same rule as in `policies/cluster.yaml`.
    fn is_of_kubernetes(&self) -> bool {
        let below = |domain: &str| self.group == domain || self.group.ends_with(&format!(".{domain}"));
        !self.group.contains('.') || below("k8s.io") || below("kubernetes.io")
    }
}

/// Names the kinds, because `*` in a group also holds what another server puts there.
fn custom_resources_role(name: &str, kinds: &[&Kind]) -> Value {
    let rule = |kind: &&Kind| {
        let plural = &kind.plural;
        let resources = [plural.clone(), format!("{plural}/status"), format!("{plural}/scale")];
        json!({ "apiGroups": [kind.group], "resources": resources, "verbs": VERBS })
    };
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": name },
        "rules": kinds.iter().map(rule).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Vec<Value> {
        let mut all = Vec::new();
        for text in TIERS {
            for object in documents(text).unwrap() {
                all.extend(object["rules"].as_array().cloned().unwrap_or_default());
            }
        }
        all.extend(custom_resources_role("x", &[&kind("a.b")])["rules"].as_array().cloned().unwrap());
        all
    }

    fn kind(group: &str) -> Kind {
        Kind { group: group.to_owned(), plural: "things".to_owned() }
    }

    fn has(rule: &Value, field: &str, words: &[&str]) -> bool {
        rule[field].as_array().is_some_and(|a| a.iter().any(|v| words.contains(&v.as_str().unwrap_or_default())))
    }

    #[test]
    fn no_tier_holds_what_no_tier_may() {
        for rule in rules() {
            assert!(!has(&rule, "verbs", &["*", "escalate", "bind", "impersonate"]), "{rule}");
            if has(&rule, "apiGroups", &["", "*"]) {
                assert!(!has(&rule, "resources", &["*", "nodes/proxy", "nodes/*", "*/*", "*/proxy"]), "{rule}");
            }
            assert!(!has(&rule, "apiGroups", &["*", "certificates.k8s.io"]), "{rule}");
        }
    }

    #[test]
    fn a_crd_named_into_kubernetes_groups_gives_admins_nothing() {
        for group in
            ["admissionregistration.k8s.io", "metrics.k8s.io", "k8s.io", "kubernetes.io", "x.kubernetes.io", "apps"]
        {
            assert!(kind(group).is_of_kubernetes(), "{group}");
        }
        for group in ["cert-manager.io", "cluster.x-k8s.io", "notk8s.io", "k8s.io.example.org"] {
            assert!(!kind(group).is_of_kubernetes(), "{group}");
        }
    }

    /// What lies between an admin and the operator's machine, the API's other groups, and a role that everyone has.
    #[test]
    fn admins_write_nothing_by_which_they_become_more() {
        let writes = ["create", "update", "patch", "delete", "deletecollection"];
        let admin = &documents(include_str!("rbac/admin.yaml")).unwrap()[0];
        for rule in admin["rules"].as_array().unwrap().iter().filter(|rule| has(rule, "verbs", &writes)) {
            assert!(!has(rule, "apiGroups", &["apiregistration.k8s.io", "admissionregistration.k8s.io"]), "{rule}");
            let never = ["*", "clusterroles", "clusterrolebindings", "services/status", "pods/status", "servicecidrs"];
            assert!(!has(rule, "resources", &never), "{rule}");
        }
    }

    #[test]
    fn subjects_are_groups() {
        for text in TIERS {
            for object in documents(text).unwrap() {
                for subject in object["subjects"].as_array().into_iter().flatten() {
                    assert_eq!(subject["kind"], "Group");
                }
            }
        }
    }

    #[test]
    fn every_manifest_parses() {
        for text in manifests() {
            assert!(!documents(text).unwrap().is_empty());
        }
    }
}
