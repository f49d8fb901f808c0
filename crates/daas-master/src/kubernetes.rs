//! The master's own hand in Kubernetes: a client on loopback, and server-side apply of the objects we own.

use anyhow::Context as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::config::{
    AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext,
};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config};
use serde::Deserialize as _;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Field manager, and the value of `app.kubernetes.io/managed-by` on everything of ours.
pub(crate) const MANAGER: &str = "k3s-daas";
/// Namespace of our own objects.
pub(crate) const NAMESPACE: &str = "daas-system";

/// A client of the API server behind the gateway, with the controllers' certificate.
pub(crate) async fn client(server: &str, ca: &Path, cert: &Path, key: &Path) -> anyhow::Result<Client> {
    let text = |path: &Path| Some(path.display().to_string());
    let named = "daas".to_owned();
    let kubeconfig = Kubeconfig {
        clusters: vec![NamedCluster {
            name: named.clone(),
            cluster: Some(Cluster {
                server: Some(server.to_owned()),
                certificate_authority: text(ca),
                ..Cluster::default()
            }),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: named.clone(),
            auth_info: Some(AuthInfo { client_certificate: text(cert), client_key: text(key), ..AuthInfo::default() }),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: named.clone(),
            context: Some(Context { cluster: named.clone(), user: Some(named.clone()), ..Context::default() }),
            ..NamedContext::default()
        }],
        current_context: Some(named),
        ..Kubeconfig::default()
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(30));
    config.write_timeout = Some(Duration::from_secs(30));
    Client::try_from(config).context("kubernetes client")
}

/// The documents of a YAML text.
pub(crate) fn documents(yaml: &str) -> anyhow::Result<Vec<Value>> {
    serde_yaml_ng::Deserializer::from_str(yaml)
        .map(|document| Value::deserialize(document).context("manifest"))
        .filter(|document| !matches!(document, Ok(Value::Null)))
        .collect()
}

/// Applies an object as [`MANAGER`], taking back what others changed in it.
pub(crate) async fn apply(client: &Client, mut object: Value) -> anyhow::Result<()> {
    object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = MANAGER.into();
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let kind = text("/kind").context("manifest without kind")?;
    let name = text("/metadata/name").context("manifest without name")?;
    let api = dynamic(client, &text("/apiVersion").unwrap_or_default(), &kind, text("/metadata/namespace").as_deref());
    let params = PatchParams::apply(MANAGER).force();
    api.patch(&name, &params, &Patch::Apply(&object)).await.with_context(|| format!("{kind} {name}"))?;
    Ok(())
}

/// Deletes an object if it is there.
pub(crate) async fn delete(
    client: &Client,
    api_version: &str,
    kind: &str,
    namespace: Option<&str>,
    name: &str,
) -> anyhow::Result<()> {
    match dynamic(client, api_version, kind, namespace).delete(name, &kube::api::DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{kind} {name}")),
    }
}

fn dynamic(client: &Client, api_version: &str, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}
