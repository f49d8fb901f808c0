//! What no tier, no service account and no node may do, tried against the real API server.

use crate::support::cluster::Cluster;
use crate::support::commands::{feed, refused, succeed};
use crate::support::person::Person;
use crate::support::{eventually, scenario, step};
use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use std::time::Duration;

/// What is left of a stake is gone within this: a round of the master, and the API server's own.
const SWEPT: Duration = Duration::from_secs(30);

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
        "cannot create resource",
    ),
    (
        "a role for a group of stake",
        r"{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: x, namespace: ours}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'daas:tenant'}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'daas:position:0x1'}]}",
        "bound by the master alone",
    ),
    (
        "a system account's rights",
        r"{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: x, namespace: ours}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'daas:tenant'}, subjects: [{kind: ServiceAccount, name: x, namespace: kube-system}]}",
        "in its own namespace alone",
    ),
    (
        "a role for its wallet",
        r"{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: x, namespace: ours}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'daas:tenant'}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: '0x1'}]}",
        "outlives its stake",
    ),
    (
        "a role in everyone's namespace",
        r"{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: x, namespace: default}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'daas:tenant'}, subjects: [{kind: ServiceAccount, name: x, namespace: default}]}",
        "given by its owner",
    ),
    (
        "a namespace of privileged pods",
        r"{apiVersion: v1, kind: Namespace, metadata: {name: x, labels: {pod-security.kubernetes.io/enforce: privileged}}}",
        "baseline or restricted",
    ),
    (
        "a namespace in another's name",
        r"{apiVersion: v1, kind: Namespace, metadata: {name: x, annotations: {daas/lost-at-ms: '1'}}}",
        "the master alone says",
    ),
    (
        "a tenant's namespace",
        r"{apiVersion: v1, kind: Namespace, metadata: {name: t-00000000000000000000000000000000}}",
        "made by the master",
    ),
    (
        "a kind in a group of Kubernetes",
        r"{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: xs.admissionregistration.k8s.io, annotations: {api-approved.kubernetes.io: 'https://example.org'}}, spec: {group: admissionregistration.k8s.io, scope: Cluster, names: {plural: xs, singular: x, kind: X}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}}",
        "groups of Kubernetes",
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
        "a privileged pod where labels allow it",
        r"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: open}, spec: {containers: [{name: x, image: x, securityContext: {privileged: true}}]}}",
        "may not be privileged",
    ),
    (
        "the host's disk where labels allow it",
        r"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: open}, spec: {containers: [{name: x, image: x}], volumes: [{name: v, hostPath: {path: /}}]}}",
        "its node's disk",
    ),
    (
        "the host's network where labels allow it",
        r"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: open}, spec: {hostNetwork: true, containers: [{name: x, image: x}]}}",
        "its node's network",
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
        "a pod that ends within a year",
        r"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: default}, spec: {terminationGracePeriodSeconds: 31536000, containers: [{name: x, image: x}]}}",
        "ends within an hour",
    ),
    (
        "a pod before everyone's",
        r"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: default}, spec: {priorityClassName: system-node-critical, containers: [{name: x, image: x}]}}",
        "priorities of the system",
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
    (
        "the cluster's own name server",
        r"{apiVersion: v1, kind: Service, metadata: {name: x, namespace: default}, spec: {clusterIP: 10.43.0.10, ports: [{port: 53}]}}",
        "already allocated",
    ),
    (
        "another place of the API server",
        r"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: x, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}, endpoints: [{addresses: [192.0.2.1]}], ports: [{name: https, port: 6443}]}",
        "where the API server is",
    ),
];

/// What is the master's alone.
const MASTERS: &[(&str, &[&str])] = &[
    ("a right of the master's", &["label", "clusterrole", "daas:admin", "x=y"]),
    (
        "what the master has in place",
        &["-n", "daas-system", "patch", "configmap", "applied", "--type=merge", r#"-p={"data":{"digest":"x"}}"#],
    ),
    ("that nothing is in place", &["-n", "daas-system", "delete", "configmap", "applied"]),
];

/// What an admin tries on what is there already.
const CHANGES: &[(&str, &[&str], &str)] = &[
    ("a right of the master's", &["label", "clusterrole", "daas:admin", "x=y"], "cannot patch resource"),
    ("a role that everyone has", &["label", "clusterrole", "system:basic-user", "x=y"], "cannot patch resource"),
    (
        "another server behind the API",
        &[
            "patch",
            "apiservice",
            "v1.apps",
            "--type=merge",
            r#"-p={"spec":{"service":{"name":"x","namespace":"default"}}}"#,
        ],
        "cannot patch resource",
    ),
    (
        "an address of a load balancer",
        &[
            "patch",
            "service",
            "lb",
            "--subresource=status",
            "--type=merge",
            r#"-p={"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}}"#,
        ],
        "cannot patch resource",
    ),
    (
        "whose a node is",
        &["label", "node", "operator", "--overwrite", "node-restriction.kubernetes.io/daas-owner=x"],
        "labels of the node's owner",
    ),
    ("a taint of ours", &["taint", "node", "operator", "daas/revoked=x:NoExecute"], "taints of the node's owner"),
    (
        "whose a namespace is",
        &["annotate", "namespace", "ours", "--overwrite", "daas/position=0x1"],
        "the master alone says",
    ),
    ("another's name", &["get", "nodes", "--as=system:admin"], "impersonate"),
    ("a node's own door", &["get", "--raw", "/api/v1/nodes/operator/proxy/"], "forbidden"),
];

/// What a developer tries in its own namespace.
const DEVELOPER: &[(&str, &str, &str)] = &[
    (
        "an address of its choice",
        r"{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {clusterIP: 10.43.0.77, ports: [{port: 53}]}}",
        "takes the address it is given",
    ),
    (
        "a role for a wallet",
        r"{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: x}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'daas:tenant'}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: '0x1'}]}",
        "outlives its stake",
    ),
];

/// What a service account with every right that a person could give it tries.
const ACCOUNT: &[(&str, &str, &str)] = &[
    ("a pod in kube-system", ADMIN[0].1, "for the super tier"),
    ("a cluster role", ADMIN[1].1, "only the super tier"),
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
    scenario("what no one may do", Duration::from_mins(4), async {
        let cluster = Cluster::up().await?;
        let (admin, developer) = (cluster.person("admin"), cluster.person("developer"));
        admin.arrive(&["5"]).await?;
        step("a developer's first command", async {
            developer.arrive(&["2"]).await?;
            developer.get(&["get", "pods"]).await
        })
        .await?;
        step("admin: what it may", allowed(&cluster, &admin)).await?;
        for (what, manifest, words) in ADMIN {
            step(&format!("admin: {what}"), denied(&admin, &[], manifest, words)).await?;
        }
        for (what, args, words) in CHANGES {
            step(&format!("admin: {what}"), refuse(&admin, args, words)).await?;
        }
        for (what, manifest, words) in DEVELOPER {
            step(&format!("developer: {what}"), denied(&developer, &[], manifest, words)).await?;
        }
        for (what, args) in MASTERS {
            let refused = async { refuse(&cluster.operator(), args, "the master owns").await };
            step(&format!("super: {what}"), refused).await?;
        }
        accounts_and_nodes(&cluster).await?;
        step("admin: unstaked, and nothing left of it", outlives(&cluster, &admin)).await?;
        cluster.finish().await
    });
}

/// What an admin does every day, and what later steps stand on.
async fn allowed(cluster: &Cluster, admin: &Person) -> Result<()> {
    admin.get(&["create", "namespace", "ours"]).await?;
    admin.get(&["-n", "ours", "wait", "serviceaccount/default", "--for=create", "--timeout=20s"]).await?;
    admin
        .get(&["-n", "ours", "create", "rolebinding", "reads", "--clusterrole=view", "--serviceaccount=ours:default"])
        .await?;
    admin.get(&["cordon", "operator"]).await?;
    admin.get(&["uncordon", "operator"]).await?;
    admin.get(&["create", "service", "loadbalancer", "lb", "--tcp=80"]).await?;
    // A label of ours on a pod is a label.
    let labelled = r"{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: ours, labels: {app.kubernetes.io/managed-by: k3s-daas}}, spec: {containers: [{name: x, image: x}]}}";
    admin.apply(labelled, &[]).await?;
    admin.get(&["-n", "ours", "delete", "pod", "x", "--now"]).await?;
    // The super tier may open a namespace; pods in it are still everyone's.
    let open = r"{apiVersion: v1, kind: Namespace, metadata: {name: open, labels: {pod-security.kubernetes.io/enforce: privileged}}}";
    cluster.operator().apply(open, &[]).await
}

/// Straight at the API server, in their names: what the gateway would pass on from a pod, or from a kubelet.
async fn accounts_and_nodes(cluster: &Cluster) -> Result<()> {
    let master = cluster.person("master").with_kubeconfig(cluster.state().join("master/kubeconfig/controller.json"));
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
    step("node: another address", moved(cluster)).await?;
    step("node: other taints", untainted(cluster)).await?;
    step("node: another pod network", another_network(cluster)).await
}

/// An account of its own namespace, and a role that a super gave its wallet, go with the stake.
async fn outlives(cluster: &Cluster, admin: &Person) -> Result<()> {
    let pod =
        r"{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: ours}, spec: {containers: [{name: x, image: x}]}}";
    admin.apply(pod, &[]).await?;
    admin.get(&["-n", "ours", "wait", "pod/p", "--for=condition=PodScheduled", "--timeout=20s"]).await?;
    let bound = ["-n", "ours", "create", "token", "default", "--bound-object-kind=Pod", "--bound-object-name=p"];
    let token = admin.get(&bound).await?;
    cluster.ask(&token).await.context("a pod's token while its maker has stake")?;
    let (operator, wallet) = (cluster.operator(), admin.seal()?.owner);
    let user = format!("--user={wallet}");
    operator.get(&["create", "rolebinding", "given", "--clusterrole=view", &user]).await?;

    let seal = admin.seal_path().display().to_string();
    succeed(admin.daas(&["unstake", "--all", "--seal", &seal])).await?;
    eventually(SWEPT, async || match cluster.ask(&token).await {
        Err(kube::Error::Api(status)) if status.code == 401 => Ok(()),
        other => bail!("the pod's token: {other:?}"),
    })
    .await?;
    refuse(admin, &["get", "pods"], "withdrawn or is unbonding").await?;
    let kubeconfig = admin.daas(&["kubeconfig", "--seal", &seal]);
    refused(kubeconfig, &["D112"]).await?;
    for binding in [["-n", "ours", "reads"], ["-n", "default", "given"]] {
        let [flag, namespace, name] = binding;
        eventually(SWEPT, async || {
            refuse(&operator, &[flag, namespace, "get", "rolebinding", name], "not found").await
        })
        .await?;
    }
    let quota = operator.get(&["-n", "ours", "get", "quota", "daas", "-o=jsonpath={.spec.hard.pods}"]).await?;
    ensure!(quota == "0", "the quota of `ours` is {quota}");
    Ok(())
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
