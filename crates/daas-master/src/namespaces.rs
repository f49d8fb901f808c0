//! Tells the gateway whose each namespace is, as the API server wrote it down when it was made (`policies/namespaces.yaml`).

use anyhow::Context as _;
use daas_gateway::{Namespaces, Owner};
use daas_types::PositionId;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt as _};
use std::pin::pin;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Annotation with the position that made a namespace.
pub(crate) const POSITION: &str = "daas/position";
/// Where everyone's pods are together, so that nobody answers for its service accounts.
const SHARED: &str = "default";
/// After a watch that failed.
const BREATH: Duration = Duration::from_secs(1);

/// Who made a namespace.
pub(crate) fn maker(namespace: &Namespace) -> Option<PositionId> {
    namespace.annotations().get(POSITION).and_then(|id| id.parse().ok())
}

/// Learns all namespaces once; the version to watch from.
pub(crate) async fn learn(client: &Client, known: &Namespaces) -> anyhow::Result<String> {
    let api: Api<Namespace> = Api::all(client.clone());
    let list = api.list(&ListParams::default()).await.context("namespaces")?;
    let version = list.metadata.resource_version.clone().unwrap_or_default();
    known.replace(list.iter().filter_map(|namespace| Some((namespace.name_any(), owner(namespace)?))).collect());
    Ok(version)
}

/// Keeps `known` true until `shutdown`.
pub(crate) async fn run(client: Client, known: Namespaces, shutdown: CancellationToken) -> anyhow::Result<()> {
    while let Some(result) = shutdown.run_until_cancelled(follow(&client, &known)).await {
        if let Err(error) = result {
            tracing::warn!(error = format!("{error:#}"), "namespaces are listed again");
            shutdown.run_until_cancelled(sleep(BREATH)).await;
        }
    }
    Ok(())
}

/// Lists, and watches until the API server ends the watch.
async fn follow(client: &Client, known: &Namespaces) -> anyhow::Result<()> {
    let version = learn(client, known).await?;
    let api: Api<Namespace> = Api::all(client.clone());
    // Shorter than the client's own limit on silence.
    let mut events = pin!(api.watch(&WatchParams::default().timeout(20), &version).await?);
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Added(namespace) | WatchEvent::Modified(namespace) => {
                known.set(namespace.name_any(), owner(&namespace));
            }
            WatchEvent::Deleted(namespace) => known.set(namespace.name_any(), None),
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => anyhow::bail!("watch: {status:?}"),
        }
    }
    Ok(())
}

/// Nobody's, if it is shared, or if what says whose it is cannot be read.
fn owner(namespace: &Namespace) -> Option<Owner> {
    match namespace.annotations().get(POSITION) {
        Some(_) => maker(namespace).map(Owner::Position),
        None => (namespace.name_any() != SHARED).then_some(Owner::Cluster),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_namespace_is_its_makers() {
        let of = |name: &str, annotations: serde_json::Value| {
            let metadata = json!({ "name": name, "annotations": annotations });
            owner(&serde_json::from_value(json!({ "metadata": metadata })).unwrap())
        };
        let position: PositionId = "0x7".parse().unwrap();
        assert_eq!(of("ours", json!({ POSITION: position.to_string() })), Some(Owner::Position(position)));
        assert_eq!(of("ours", json!({ POSITION: "not one" })), None);
        assert_eq!(of("kube-system", json!({})), Some(Owner::Cluster));
        assert_eq!(of("default", json!({})), None);
    }
}
