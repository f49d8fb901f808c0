//! Tenants' namespaces: made for everyone from the developer tier up, closed when the stake behind them is gone.
//!
//! A tenant that lost its position keeps its namespace for a week, with a quota of nothing; its pods go after a grace, so
//! that a restake within minutes finds everything running.

use crate::kubernetes::{MANAGER, apply, delete};
use daas_chain::index::{LivePosition, Snapshot};
use daas_types::onchain::PositionState;
use daas_types::{Mist, Tier, UnixMs};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use std::time::Duration;

/// Label with the owner's position, and annotation with when it lost its right.
const OWNER: &str = "daas/owner";
const LOST_AT: &str = "daas/lost-at-ms";
/// After the loss: pods go, then the namespace.
const POD_GRACE: Duration = Duration::from_mins(10);
const NAMESPACE_GRACE: Duration = Duration::from_hours(7 * 24);

/// Brings tenants' namespaces in line with the chain.
pub(crate) async fn reconcile(client: &Client, snapshot: &Snapshot, now: UnixMs) -> anyhow::Result<()> {
    // Taking away comes first, and no tenant's trouble keeps another's from being looked at.
    let mut result = Ok(());
    let ours = ListParams::default().labels(&format!("{OWNER},app.kubernetes.io/managed-by={MANAGER}"));
    for namespace in Api::<Namespace>::all(client.clone()).list(&ours).await? {
        let owner = snapshot.by_namespace(&namespace.name_any());
        if owner.is_none_or(|position| !keeps_namespace(position)) {
            result = result.and(close(client, &namespace, now).await);
        }
    }
    for position in snapshot.positions().filter(|position| keeps_namespace(position)) {
        for object in objects(&position.state) {
            result = result.and(apply(client, object).await);
        }
    }
    result
}

fn keeps_namespace(position: &LivePosition) -> bool {
    position.rights.tier >= Some(Tier::Developer)
}

/// The namespace of a position and what belongs in it.
fn objects(state: &PositionState) -> Vec<Value> {
    let name = daas_chain::index::namespace_of(state.position);
    let group = format!("daas:position:{}", state.position);
    vec![
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": name, "labels": {
                OWNER: crate::nodes::owner_label(state.position),
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "latest",
            } },
        }),
        quota(&name, Some(state.active)),
        json!({
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": { "name": "daas", "namespace": name },
            "spec": { "limits": [{
                "type": "Container",
                // A quota on requests wants every container to have some; these are for those that say nothing.
                "defaultRequest": { "cpu": "50m", "memory": "64Mi" },
                "default": { "cpu": "500m", "memory": "512Mi" },
            }] },
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": { "name": "daas-owner", "namespace": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "daas:tenant" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group }],
        }),
    ]
}

/// A quota that grows with the stake: per whole SUI one core, 2 GiB and ten pods. Without stake: nothing.
fn quota(namespace: &str, active: Option<Mist>) -> Value {
    let sui = active.map_or(0, |active| active.0 / Mist::PER_SUI);
    json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": { "name": "daas", "namespace": namespace },
        "spec": { "hard": {
            "requests.cpu": sui.to_string(),
            "limits.cpu": (sui * 2).to_string(),
            "requests.memory": format!("{}Gi", sui * 2),
            "limits.memory": format!("{}Gi", sui * 4),
            "requests.storage": format!("{}Gi", sui * 10),
            "pods": (sui * 10).to_string(),
            "services": (sui * 10).to_string(),
            "services.loadbalancers": "0",
            "services.nodeports": "0",
            // What fills the datastore: a Secret may have a mebibyte.
            "count/configmaps": (sui * 20 + 1).to_string(),
            "count/secrets": (sui * 20).to_string(),
            "count/leases.coordination.k8s.io": (sui * 20).to_string(),
        } },
    })
}

/// Takes the rights away at once, the pods after a grace, the namespace after a week.
async fn close(client: &Client, namespace: &Namespace, now: UnixMs) -> anyhow::Result<()> {
    let name = namespace.name_any();
    let lost_at = namespace.annotations().get(LOST_AT).and_then(|text| text.parse().ok()).map(UnixMs);
    let since = now.since(lost_at.unwrap_or(now));
    if since >= NAMESPACE_GRACE {
        tracing::info!(namespace = name, "tenant gone for a week, namespace deleted");
        return delete(client, "v1", "Namespace", None, &name).await;
    }
    apply(client, quota(&name, None)).await?;
    // Not only ours: a right that its owner handed on goes with the owner's.
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), &name);
    bindings.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    let mut labels = namespace.labels().clone();
    labels.retain(|key, _| key == OWNER || key.starts_with("pod-security."));
    let lost = lost_at.unwrap_or(now).0.to_string();
    apply(
        client,
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": name, "labels": labels, "annotations": { LOST_AT: lost } },
        }),
    )
    .await?;
    if since >= POD_GRACE {
        let pods: Api<Pod> = Api::namespaced(client.clone(), &name);
        pods.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_grows_with_stake_and_is_nothing_without() {
        let hard = |active| quota("t-x", active)["spec"]["hard"].clone();
        assert_eq!(hard(None)["pods"], "0");
        assert_eq!(hard(Some("2.9".parse().unwrap()))["pods"], "20");
        assert_eq!(hard(Some("5".parse().unwrap()))["requests.memory"], "10Gi");
    }
}
