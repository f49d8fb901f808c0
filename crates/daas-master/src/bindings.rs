//! Bindings of those who are gone: a wallet that a super bound by name, or a position's group, has what is bound to it
//! for as long as it has stake.

use crate::kubernetes::MANAGER;
use daas_chain::index::Snapshot;
use daas_types::onchain::Status;
use daas_types::{PositionId, WalletAddress};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding, Subject};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Takes subjects without stake out of every binding that is not ours.
pub(crate) async fn sweep(client: &Client, snapshot: &Snapshot) -> anyhow::Result<()> {
    let live = Live::of(snapshot);
    let cluster: Api<ClusterRoleBinding> = Api::all(client.clone());
    let mut result = Ok(());
    for binding in cluster.list(&ListParams::default()).await? {
        let subjects = binding.subjects.clone();
        result = result.and(mend(&cluster, &binding, subjects.as_deref().unwrap_or_default(), &live).await);
    }
    let all: Api<RoleBinding> = Api::all(client.clone());
    for binding in all.list(&ListParams::default()).await? {
        let api: Api<RoleBinding> = Api::namespaced(client.clone(), &binding.namespace().unwrap_or_default());
        let subjects = binding.subjects.clone();
        result = result.and(mend(&api, &binding, subjects.as_deref().unwrap_or_default(), &live).await);
    }
    result
}

/// Who has stake. A position that is being read again, or that is suspended, is not gone.
struct Live {
    positions: BTreeSet<PositionId>,
    wallets: BTreeSet<WalletAddress>,
}

// === impl Live ===

impl Live {
    fn of(snapshot: &Snapshot) -> Self {
        let staked = || snapshot.positions().filter(|p| p.gap || p.state.status != Status::Closed);
        Self {
            positions: staked().map(|p| p.state.position).collect(),
            wallets: staked().map(|p| p.state.owner).collect(),
        }
    }

    /// Whether a subject is one of stake, and its stake is gone. What is neither is not ours to judge.
    fn lacks(&self, subject: &Subject) -> bool {
        match subject.kind.as_str() {
            "User" => subject.name.starts_with("0x") && !subject.name.parse().is_ok_and(|w| self.wallets.contains(&w)),
            "Group" => subject
                .name
                .strip_prefix("daas:position:")
                .is_some_and(|id| !id.parse().is_ok_and(|id| self.positions.contains(&id))),
            _ => false,
        }
    }
}

async fn mend<K>(api: &Api<K>, binding: &K, subjects: &[Subject], live: &Live) -> anyhow::Result<()>
where
    K: Resource + Clone + Debug + DeserializeOwned + Serialize,
{
    let ours = binding.labels().get("app.kubernetes.io/managed-by").is_some_and(|by| by == MANAGER);
    if ours || !subjects.iter().any(|subject| live.lacks(subject)) {
        return Ok(());
    }
    let name = binding.name_any();
    tracing::info!(binding = name, namespace = binding.namespace(), "bound to stake that is gone, taken away");
    let kept: Vec<&Subject> = subjects.iter().filter(|subject| !live.lacks(subject)).collect();
    if kept.is_empty() {
        // Not one that was made anew under this name since.
        let same = Preconditions { resource_version: binding.resource_version(), uid: binding.uid() };
        api.delete(&name, &DeleteParams::default().preconditions(same)).await?;
    } else {
        let patch = json!({ "metadata": { "resourceVersion": binding.resource_version() }, "subjects": kept });
        api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stake_that_is_gone_is_swept() {
        let (here, gone) = (format!("0x{}", "1".repeat(64)), format!("0x{}", "2".repeat(64)));
        let live = Live { positions: [here.parse().unwrap()].into(), wallets: [here.parse().unwrap()].into() };
        let lacks = |kind: &str, name: &str| {
            live.lacks(&Subject { kind: kind.to_owned(), name: name.to_owned(), ..Subject::default() })
        };
        assert!(lacks("User", &gone) && lacks("Group", &format!("daas:position:{gone}")));
        assert!(lacks("User", "0xnot-a-wallet"));
        assert!(!lacks("User", &here) && !lacks("Group", &format!("daas:position:{here}")));
        assert!(!lacks("User", "system:kube-scheduler") && !lacks("Group", "system:masters"));
        assert!(!lacks("ServiceAccount", &gone));
    }
}
