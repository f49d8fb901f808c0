//! Tenants' namespaces: made for everyone from the developer tier up, closed when the stake behind them is gone. So are the
//! namespaces that people make themselves, whose maker the API server wrote down.
//!
//! Who lost its position keeps its namespace for a week, with a quota of nothing; its pods go after a grace, so
//! that a restake within minutes finds everything running.

use crate::kubernetes::{MANAGER, apply, delete};
use crate::namespaces::maker;
use daas_chain::index::{LivePosition, Snapshot};
use daas_types::onchain::PositionState;
use daas_types::{Mist, Tier, UnixMs};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use std::time::Duration;

/// Label with the owner's position, and annotation with when it lost its right.
const OWNER: &str = "daas/owner";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const LOST_AT: &str = "daas/lost-at-ms";
/// After the loss: pods go, then the namespace.
const POD_GRACE: Duration = Duration::from_mins(10);
const NAMESPACE_GRACE: Duration = Duration::from_hours(7 * 24);
/// How long a pod may take to end, whatever it asked for; then it is gone without being asked.
const POD_END: Duration = Duration::from_secs(30);

/// Brings tenants' namespaces in line with the chain.
pub(crate) async fn reconcile(client: &Client, snapshot: &Snapshot, now: UnixMs) -> anyhow::Result<()> {
    // Taking away comes first, and no tenant's trouble keeps another's from being looked at.
    let mut result = Ok(());
    for namespace in Api::<Namespace>::all(client.clone()).list(&ListParams::default()).await? {
        result = result.and(match fate(&namespace, snapshot) {
            Fate::Stays => Ok(()),
            Fate::Closes => close(client, &namespace, now).await,
            Fate::Reopens => reopen(client, &namespace).await,
        });
    }
    for position in snapshot.positions().filter(|position| keeps_namespace(position)) {
        for object in objects(&position.state) {
            result = result.and(apply(client, object).await);
        }
    }
    result
}

/// What a look at one namespace comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Closes,
    /// Its maker is back. (A tenant's own is simply applied again.)
    Reopens,
}

fn fate(namespace: &Namespace, snapshot: &Snapshot) -> Fate {
    let name = namespace.name_any();
    let tenants = is_tenants(namespace);
    let (owner, least) = match maker(namespace) {
        _ if tenants => (snapshot.by_namespace(&name), Tier::Developer),
        Some(position) => (snapshot.position(position), Tier::Admin),
        // Of Kubernetes and of the master.
        None => return Fate::Stays,
    };
    match owner {
        // Not known for a moment. The gateway lets nobody through meanwhile, and a closed namespace's bindings are gone.
        Some(position) if position.gap => Fate::Stays,
        Some(position) if position.rights.tier >= Some(least) => {
            if !tenants && namespace.annotations().contains_key(LOST_AT) { Fate::Reopens } else { Fate::Stays }
        }
        _ => Fate::Closes,
    }
}

/// Whether the master made it for a tenant.
fn is_tenants(namespace: &Namespace) -> bool {
    let labels = namespace.labels();
    labels.contains_key(OWNER) && labels.get(MANAGED_BY).is_some_and(|by| by == MANAGER)
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
                "defaultRequest": { "cpu": "50m", "memory": "64Mi", "ephemeral-storage": "64Mi" },
                "default": { "cpu": "500m", "memory": "512Mi", "ephemeral-storage": "1Gi" },
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
    let mut hard = json!({
            "requests.cpu": sui.to_string(),
            "limits.cpu": (sui * 2).to_string(),
            "requests.memory": format!("{}Gi", sui * 2),
            "limits.memory": format!("{}Gi", sui * 4),
            "requests.ephemeral-storage": format!("{}Gi", sui * 5),
            "limits.ephemeral-storage": format!("{}Gi", sui * 20),
            "requests.storage": format!("{}Gi", sui * 10),
            "pods": (sui * 10).to_string(),
            "services": (sui * 10).to_string(),
            "services.loadbalancers": "0",
            "services.nodeports": "0",
            // What fills the datastore: a Secret may have a mebibyte.
            "count/configmaps": (sui * 20 + 1).to_string(),
            "count/serviceaccounts": (sui * 20 + 1).to_string(),
            "count/rolebindings.rbac.authorization.k8s.io": (sui * 20 + 1).to_string(),
    });
    for (kind, each) in COUNTED {
        hard[format!("count/{kind}")] = (sui * each).to_string().into();
    }
    json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": { "name": "daas", "namespace": namespace },
        "spec": { "hard": hard },
    })
}

/// How many of each kind that `daas:tenant` may create there may be for each SUI. Deployments keep ten old ReplicaSets.
const COUNTED: [(&str, u64); 16] = [
    ("secrets", 20),
    ("persistentvolumeclaims", 20),
    ("replicationcontrollers", 20),
    ("deployments.apps", 10),
    ("daemonsets.apps", 10),
    ("replicasets.apps", 110),
    ("statefulsets.apps", 10),
    ("controllerrevisions.apps", 220),
    ("jobs.batch", 100),
    ("cronjobs.batch", 10),
    ("horizontalpodautoscalers.autoscaling", 20),
    ("poddisruptionbudgets.policy", 20),
    ("ingresses.networking.k8s.io", 20),
    ("networkpolicies.networking.k8s.io", 20),
    ("leases.coordination.k8s.io", 20),
    ("roles.rbac.authorization.k8s.io", 20),
];

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
    labels.retain(|key, _| is_tenants(namespace) && (key == OWNER || key.starts_with("pod-security.")));
    let lost = lost_at.unwrap_or(now).0.to_string();
    apply(
        client,
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": name, "labels": labels, "annotations": { LOST_AT: lost } },
        }),
    )
    .await?;
    if let Some(end) = pods_end(since) {
        let pods: Api<Pod> = Api::namespaced(client.clone(), &name);
        let params = DeleteParams { grace_period_seconds: Some(end), ..DeleteParams::default() };
        pods.delete_collection(&params, &ListParams::default()).await?;
    }
    Ok(())
}

/// How many seconds pods are given, if they are to end at all; a moment later they are not asked any more.
fn pods_end(since: Duration) -> Option<u32> {
    let asked = since < POD_GRACE + POD_END * 2;
    (since >= POD_GRACE).then(|| if asked { u32::try_from(POD_END.as_secs()).unwrap_or_default() } else { 0 })
}

/// Gives a namespace back to its maker. What it had bound there is to be bound again.
async fn reopen(client: &Client, namespace: &Namespace) -> anyhow::Result<()> {
    let name = namespace.name_any();
    delete(client, "v1", "ResourceQuota", Some(&name), "daas").await?;
    let patch = json!({ "metadata": { "labels": { MANAGED_BY: null }, "annotations": { LOST_AT: null } } });
    let api: Api<Namespace> = Api::all(client.clone());
    api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::chain::Chain;
    use daas_types::{Permissions, PositionId};

    fn namespace(name: &str, labels: &Value, annotations: &Value) -> Namespace {
        let metadata = json!({ "name": name, "labels": labels, "annotations": annotations });
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    }

    #[test]
    fn a_namespace_closes_with_the_tier_that_made_it() {
        let chain = Chain::new();
        let mut admin = chain.staker(1, "5", Permissions::USER);
        let mut developer = chain.staker(2, "2", Permissions::USER);
        let made = |position: PositionId| json!({ crate::namespaces::POSITION: position.to_string() });
        let ours = namespace("ours", &json!({}), &made(admin.state.position));
        let lost =
            namespace("ours", &json!({}), &json!({ "daas/position": admin.state.position.to_string(), LOST_AT: "1" }));
        let tenant = namespace(
            &daas_chain::index::namespace_of(developer.state.position),
            &json!({ OWNER: "x", MANAGED_BY: MANAGER }),
            &json!({}),
        );
        let fates = || {
            let snapshot = chain.index.snapshot();
            [&ours, &lost, &tenant, &namespace("default", &json!({}), &json!({}))].map(|n| fate(n, &snapshot))
        };
        assert_eq!(fates(), [Fate::Stays, Fate::Reopens, Fate::Stays, Fate::Stays]);
        chain.put(&mut admin, |state| state.active = Mist::from_sui(2));
        chain.put(&mut developer, |state| state.active = Mist::from_sui(1));
        assert_eq!(fates(), [Fate::Closes, Fate::Closes, Fate::Closes, Fate::Stays]);
        // Being read again is not being gone.
        chain.put(&mut admin, |state| state.generation += 5);
        assert_eq!(fates()[0], Fate::Stays);
    }

    /// Whatever they asked for themselves.
    #[test]
    fn pods_go_after_the_grace() {
        assert_eq!(pods_end(Duration::from_millis(599_999)), None);
        assert_eq!(pods_end(POD_GRACE), Some(30));
        assert_eq!(pods_end(POD_GRACE + Duration::from_mins(1)), Some(0));
    }

    /// Each kind, or the datastore is anyone's to fill. Quotas do not count Events, which end by themselves.
    #[test]
    fn whatever_a_tenant_may_create_is_counted() {
        let quota = quota("t-x", Some(Mist::from_sui(2)));
        let tenant = &crate::kubernetes::documents(include_str!("rbac/developer.yaml")).unwrap()[0];
        for rule in tenant["rules"].as_array().unwrap() {
            if !rule["verbs"].as_array().unwrap().contains(&"create".into()) {
                continue;
            }
            let group = rule["apiGroups"][0].as_str().unwrap();
            for resource in rule["resources"].as_array().unwrap().iter().filter_map(Value::as_str) {
                let kind = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
                let hard = &quota["spec"]["hard"];
                let counted = !hard[&kind].is_null() || !hard[format!("count/{kind}")].is_null();
                assert!(counted || kind == "events" || kind.contains('/'), "{kind} is not counted");
            }
        }
    }

    #[test]
    fn a_quota_grows_with_stake_and_is_nothing_without() {
        let hard = |active| quota("t-x", active)["spec"]["hard"].clone();
        assert_eq!(hard(None)["pods"], "0");
        assert_eq!(hard(Some("2.9".parse().unwrap()))["pods"], "20");
        assert_eq!(hard(Some("5".parse().unwrap()))["requests.memory"], "10Gi");
    }
}
