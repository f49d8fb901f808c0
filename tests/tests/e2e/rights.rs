//! What no tier, no service account and no node may do, tried against the real API server.

use crate::support::cluster::Cluster;
use crate::support::commands::{feed, refused, succeed};
use crate::support::person::Person;
use crate::support::{scenario, step};
use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use std::time::Duration;

/// What an admin tries, and the words it is refused with.
const ADMIN: &[(&str, &str, &str)] = &[
    (
        "a pod in kube-system",
        r"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: kube-system}, spec: {containers: [{name: x, image: x}]}}",
        "for the super tier",
    ),
    (
        "a cluster role for itself",
        r"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: x}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'daas:admin'}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: x}]}",
        "only the super tier binds cluster roles",
    ),
    (
        "a role for a group of stake",
        r"{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: x, namespace: default}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'daas:tenant'}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'daas:position:0x1'}]}",
        "bound by the master alone",
    ),
    (
        "a system account's rights",
        r"{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: x, namespace: default}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'daas:tenant'}, subjects: [{kind: ServiceAccount, name: x, namespace: kube-system}]}",
        "bound by the master alone",
    ),
    (
        "a privileged pod",
        r"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: default}, spec: {containers: [{name: x, image: x, securityContext: {privileged: true}}]}}",
        "violates PodSecurity",
    ),
    (
        "a pod on the host's disk",
        r"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: default}, spec: {containers: [{name: x, image: x}], volumes: [{name: v, hostPath: {path: /}}]}}",
        "violates PodSecurity",
    ),
    (
        "a pod that names its node",
        r"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: default}, spec: {nodeName: operator, containers: [{name: x, image: x}]}}",
        "may not name its node",
    ),
    (
        "a pod that tolerates everything",
        r"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: default}, spec: {tolerations: [{operator: Exists}], containers: [{name: x, image: x}]}}",
        "may not tolerate",
    ),
    (
        "a volume on a node's disk",
        r"{apiVersion: v1, kind: PersistentVolume, metadata: {name: x}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /}}}",
        "for the super tier",
    ),
    (
        "a Service with a foreign address",
        r"{apiVersion: v1, kind: Service, metadata: {name: x, namespace: default}, spec: {externalIPs: [192.0.2.1], ports: [{port: 6443}]}}",
        "externalIPs",
    ),
];

/// What a service account with every right that a person could give it tries.
const ACCOUNT: &[(&str, &str, &str)] = &[
    ("a pod in kube-system", ADMIN[0].1, "for the super tier"),
    ("a role for a group of stake", ADMIN[2].1, "bound by the master alone"),
];

/// What a node tries.
const NODE: &[(&str, &str, &str)] = &[
    (
        "a Node of its own making",
        r"{apiVersion: v1, kind: Node, metadata: {name: operator2}, spec: {podCIDR: 10.42.0.0/24}}",
        "forbidden",
    ),
    (
        "a pod of its own making",
        r"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: default, annotations: {kubernetes.io/config.mirror: x}}, spec: {nodeName: operator, containers: [{name: x, image: x}]}}",
        "forbidden",
    ),
];

#[test]
fn rights() {
    scenario("what no one may do", Duration::from_mins(3), async {
        let cluster = Cluster::up().await?;
        let admin = cluster.person("admin");
        admin.arrive(&["5"]).await?;
        for (what, manifest, words) in ADMIN {
            step(&format!("admin: {what}"), denied(&admin, &[], manifest, words)).await?;
        }
        step("admin: a right of the master's", refuse(&admin, &["label", "clusterrole", "daas:admin", "x=y"], "owns"))
            .await?;
        step("admin: another's name", refuse(&admin, &["get", "nodes", "--as=system:admin"], "impersonate")).await?;
        step(
            "admin: a node's own door",
            refuse(&admin, &["get", "--raw", "/api/v1/nodes/operator/proxy/"], "forbidden"),
        )
        .await?;
        step("admin: but an ordinary namespace", admin.get(&["create", "namespace", "ours"])).await?;

        // Straight at the API server, in their names: what the gateway would pass on from a pod, or from a kubelet.
        let master =
            cluster.person("master").with_kubeconfig(cluster.state().join("master/kubeconfig/controller.json"));
        let account = [
            "--as=system:serviceaccount:ours:x",
            "--as-group=system:serviceaccounts",
            "--as-group=system:serviceaccounts:ours",
        ];
        let all = ["create", "clusterrolebinding", "x", "--clusterrole=cluster-admin", "--serviceaccount=ours:x"];
        succeed(master.kubectl(&all).await?).await?;
        for (what, manifest, words) in ACCOUNT {
            step(&format!("service account: {what}"), denied(&master, &account, manifest, words)).await?;
        }
        let node = ["--as=system:node:operator", "--as-group=system:nodes"];
        for (what, manifest, words) in NODE {
            step(&format!("node: {what}"), denied(&master, &node, manifest, words)).await?;
        }
        step("node: another address", moved(&cluster)).await?;
        step("node: other taints", untainted(&cluster)).await?;
        step("node: another pod network", another_network(&cluster)).await?;
        cluster.finish().await
    });
}

/// `kubectl create` of a manifest must be refused in these words.
async fn denied(person: &Person, flags: &[&str], manifest: &str, words: &str) -> Result<()> {
    let command = person.kubectl(&[&["create", "-f", "-"], flags].concat()).await?;
    let ran = feed(command, Some(manifest)).await?;
    ensure!(ran.code != 0, "it was allowed: {}", ran.said());
    ensure!(ran.said().contains(words), "expected `{words}` in: {}", ran.said());
    Ok(())
}

async fn refuse(person: &Person, args: &[&str], words: &str) -> Result<()> {
    refused(person.kubectl(args).await?, &[words]).await.map(drop)
}

/// A kubelet's own client: kubectl would read first what a kubelet may not.
async fn as_node(cluster: &Cluster) -> Result<Api<Node>> {
    let mut kubeconfig = Kubeconfig::read_from(cluster.state().join("master/kubeconfig/controller.json"))?;
    let user = kubeconfig.auth_infos.first_mut().and_then(|user| user.auth_info.as_mut()).context("no user")?;
    user.impersonate = Some("system:node:operator".to_owned());
    user.impersonate_groups = Some(vec!["system:nodes".to_owned()]);
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Api::all(Client::try_from(config)?))
}

async fn moved(cluster: &Cluster) -> Result<()> {
    let addresses = json!([{ "type": "InternalIP", "address": "192.0.2.77" }]);
    let patch = Patch::Merge(json!({ "status": { "addresses": addresses } }));
    let said = as_node(cluster).await?.patch_status("operator", &PatchParams::default(), &patch).await;
    forbidden(said, "recorded when it joined")
}

async fn untainted(cluster: &Cluster) -> Result<()> {
    let taints = json!([{ "key": "x", "effect": "NoSchedule" }]);
    let patch = Patch::Merge(json!({ "spec": { "taints": taints } }));
    let said = as_node(cluster).await?.patch("operator", &PatchParams::default(), &patch).await;
    forbidden(said, "modify taints")
}

async fn another_network(cluster: &Cluster) -> Result<()> {
    let patch = Patch::Merge(json!({ "spec": { "podCIDR": "10.42.9.0/24", "podCIDRs": ["10.42.9.0/24"] } }));
    let said = as_node(cluster).await?.patch("operator", &PatchParams::default(), &patch).await;
    forbidden(said, "")
}

fn forbidden<T: std::fmt::Debug>(said: kube::Result<T>, words: &str) -> Result<()> {
    match said {
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 422) => {
            ensure!(status.message.contains(words), "expected `{words}` in: {}", status.message);
            Ok(())
        }
        other => bail!("it was not forbidden: {other:?}"),
    }
}
