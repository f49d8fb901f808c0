//! What each tier may do. One file a tier, applied and kept applied:
//!
//! | tier | file |
//! |---|---|
//! | viewer | `rbac/viewer.yaml` |
//! | developer | `rbac/developer.yaml`, and `edit` in namespaces of its own (`tenants.rs`) |
//! | admin | `rbac/admin.yaml` |
//! | super | `rbac/super.yaml` |
//!
//! Subjects are groups, never user names, because keys rotate. No tier holds `nodes/proxy`: even `get` on it is every
//! command on every node. No tier holds `escalate`, `bind` or `impersonate`.

use crate::kubernetes::{apply, documents};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const TIERS: [&str; 4] = [
    include_str!("rbac/viewer.yaml"),
    include_str!("rbac/developer.yaml"),
    include_str!("rbac/admin.yaml"),
    include_str!("rbac/super.yaml"),
];
const SYSTEM: &str = include_str!("rbac/system.yaml");
const POLICIES: [&str; 4] = [
    include_str!("policies/node-address.yaml"),
    include_str!("policies/node-self.yaml"),
    include_str!("policies/protected.yaml"),
    include_str!("policies/pods.yaml"),
];

/// Applies everything of ours that does not depend on who has staked: policies before rights. One object that cannot be
/// applied does not keep the others from it.
pub(crate) async fn apply_all(client: &Client) -> anyhow::Result<()> {
    let mut result = Ok(());
    for text in std::iter::once(SYSTEM).chain(POLICIES).chain(TIERS) {
        for object in documents(text)? {
            result = result.and(apply(client, object).await);
        }
    }
    result.and(apply(client, custom_resources(client).await?).await)
}

/// Cluster admins manage the resources of every CRD, whose groups nobody knows beforehand.
async fn custom_resources(client: &Client) -> anyhow::Result<Value> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let groups: BTreeSet<String> =
        crds.list(&ListParams::default()).await?.items.into_iter().map(|crd| crd.spec.group).collect();
    Ok(custom_resources_role(&groups))
}

fn custom_resources_role(groups: &BTreeSet<String>) -> Value {
    let verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    let rules: Vec<Value> =
        groups.iter().map(|group| json!({ "apiGroups": [group], "resources": ["*"], "verbs": verbs })).collect();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": "daas:custom-resources" },
        "rules": rules,
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
        all.extend(custom_resources_role(&["a.b".to_owned()].into())["rules"].as_array().cloned().unwrap());
        all
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
        for text in std::iter::once(SYSTEM).chain(POLICIES) {
            assert!(!documents(text).unwrap().is_empty());
        }
    }
}
