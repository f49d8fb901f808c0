//! What kubectl asks and changes.

use super::SOON;
use crate::support::cluster::Cluster;
use crate::support::commands::{Stream, pipe, refused, succeed};
use crate::support::others::Kubectl;
use crate::support::person::Person;
use crate::support::pods::NAMESPACE;
use crate::support::{eventually, say};
use anyhow::{Context as _, Result, ensure};
use daas_client::write_private;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const KIND: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: widgets.tests.example }
spec:
  group: tests.example
  scope: Namespaced
  names: { plural: widgets, singular: widget, kind: Widget }
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: { type: object, properties: { size: { type: integer, description: How large it is. } } }
      additionalPrinterColumns: [{ name: Size, type: integer, jsonPath: .spec.size }]
";
const OBJECT: &str = "
apiVersion: tests.example/v1
kind: Widget
metadata: { name: one, namespace: tests }
spec: { size: 5 }
";

/// The version that is asked for, and the cluster's.
pub(super) async fn version(kubectl: &Kubectl<'_>, wanted: &str) -> Result<()> {
    let version: serde_json::Value = serde_json::from_str(&kubectl.get(&["version", "-o=json"]).await?)?;
    for (side, wanted) in [("clientVersion", wanted), ("serverVersion", "v1.36.")] {
        let found = version[side]["gitVersion"].as_str().unwrap_or_default();
        ensure!(found.starts_with(wanted), "{side} is {found}");
    }
    Ok(())
}

/// Watch, create, list, patch, apply, delete.
pub(super) async fn objects(kubectl: &Kubectl<'_>) -> Result<()> {
    let get = async |args: &[&str]| kubectl.get(&[&["-n", NAMESPACE], args].concat()).await;
    let watching = kubectl.command(&["-n", NAMESPACE, "get", "configmaps", "-w", "--output-watch-events"]);
    let mut watch = Stream::start(watching)?;
    watch.until("kube-root-ca.crt", SOON).await?;
    get(&["create", "configmap", "made", "--from-literal=a=1"]).await?;
    watch.until("ADDED", SOON).await?;
    let names = get(&["get", "configmaps", "-o=name", "--chunk-size=1"]).await?;
    ensure!(names.lines().any(|name| name == "configmap/made"), "the list has {names}");
    get(&["patch", "configmap", "made", "--type=merge", "-p", r#"{"data":{"a":"2"}}"#]).await?;
    watch.until("MODIFIED", SOON).await?;
    let applied =
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"made","namespace":"tests"},"data":{"b":"3"}}"#;
    pipe(kubectl.command(&["apply", "-f", "-", "--server-side", "--field-manager=e2e"]), applied).await?;
    let data = get(&["get", "configmap", "made", "-o=jsonpath={.data.a}{.data.b}"]).await?;
    ensure!(data == "23", "after patch and apply the data is {data}");
    let managers = get(&["get", "configmap", "made", "--show-managed-fields", "-o=json"]).await?;
    ensure!(managers.contains("\"e2e\""), "the field manager is not recorded: {managers}");
    get(&["delete", "configmap", "made"]).await?;
    watch.until("DELETED", SOON).await?;
    watch.stop().await?;
    let said = get(&["logs", "web"]).await?;
    ensure!(said == "serving", "{said}");
    Ok(())
}

/// A kind of the user's own: discovery, tables, and what OpenAPI says of it, for both ages.
pub(super) async fn kinds(current: &Kubectl<'_>, old: &Kubectl<'_>) -> Result<()> {
    pipe(current.command(&["apply", "-f", "-"]), KIND).await?;
    current.get(&["wait", "crd/widgets.tests.example", "--for=condition=Established", "--timeout=20s"]).await?;
    // What is published of it comes a moment after.
    eventually(SOON, async || pipe(current.command(&["apply", "-f", "-"]), OBJECT).await).await?;
    pipe(old.command(&["apply", "-f", "-"]), &OBJECT.replace("size: 5", "size: 6")).await?;
    for kubectl in [current, old] {
        let table = kubectl.get(&["-n", NAMESPACE, "get", "widgets"]).await?;
        let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
        ensure!(rows == [["NAME", "SIZE"], ["one", "6"]], "{table}");
        let resources = kubectl.get(&["api-resources", "--api-group=tests.example", "--no-headers"]).await?;
        ensure!(resources.starts_with("widgets"), "{resources}");
        eventually(SOON, async || {
            let said = kubectl.get(&["explain", "widget.spec.size"]).await?;
            ensure!(said.contains("How large it is."), "{said}");
            Ok(())
        })
        .await?;
    }
    old.get(&["delete", "crd", "widgets.tests.example"]).await.map(drop)
}

/// No tier may be someone else; whoever holds the API server's own key gives this right to the operator.
pub(super) async fn may_be_jane(cluster: &Cluster) -> Result<()> {
    let master = cluster.person("master").with_kubeconfig(cluster.state().join("master/kubeconfig/controller.json"));
    let role = ["create", "clusterrole", "jane", "--verb=impersonate", "--resource=users", "--resource-name=jane"];
    master.get(&role).await?;
    master.get(&["create", "clusterrolebinding", "jane", "--clusterrole=jane", "--group=daas:super"]).await.map(drop)
}

/// Who one is, who one may be, and the same through `kubectl proxy`.
pub(super) async fn identity(kubectl: &Kubectl<'_>) -> Result<()> {
    let me = ["auth", "whoami", "-o=jsonpath={.status.userInfo.username} {.status.userInfo.groups}"];
    let said = kubectl.get(&me).await?;
    ensure!(said.starts_with("0x") && said.contains("daas:super"), "{said}");
    let said = kubectl.get(&[&me[..], &["--as=jane"]].concat()).await?;
    ensure!(said.starts_with("jane ") && !said.contains("daas:"), "{said}");
    let other = r#"cannot impersonate resource "users""#;
    refused(kubectl.command(&["-n", NAMESPACE, "get", "pods", "--as=john"]), &[other]).await?;
    let pods = ["-n", NAMESPACE, "get", "pods", "--as=jane"];
    refused(kubectl.command(&pods), &[r#"User "jane" cannot list resource "pods""#]).await?;
    let mut proxy = Stream::start(kubectl.command(&["proxy", "--port=0"]))?;
    let line = proxy.until("Starting to serve on 127.0.0.1:", SOON).await?;
    let port: u16 = line.rsplit(':').next().context(line.clone())?.trim().parse()?;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/kube-root-ca.crt");
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    timeout(SOON, stream.read_to_string(&mut answer)).await.context("no answer through the proxy")??;
    ensure!(answer.contains("200 OK") && answer.contains("BEGIN CERTIFICATE"), "{answer}");
    proxy.stop().await
}

/// With no more than what the gateway tells anyone, the program and the Seal at its place.
pub(super) async fn config_of_the_gateway(cluster: &Cluster, operator: &Person) -> Result<()> {
    let began = Instant::now();
    let config = operator.get(&["get", "--raw", "/kubectl/config"]).await?;
    say(&format!(
        "           the kubeconfig came in {:.2} s, kubectl's own start included",
        began.elapsed().as_secs_f64()
    ));
    let someone = cluster.person("someone");
    let join = cluster.info()?.join;
    let (id, endpoint) = (join.cluster.to_string(), join.endpoint);
    let own =
        someone.home().join(".config/k3s-daas").join(id.trim_start_matches("0x").get(..12).context("a short id")?);
    std::fs::create_dir_all(&own)?;
    std::fs::copy(cluster.state().join("operator-seal.json"), own.join("seal.json"))?;
    write_private(someone.kubeconfig(), config.as_bytes())?;
    let mut kubectl = someone.kubectl(&["get", "namespace", NAMESPACE, "-o=name"]).await?;
    kubectl.env("PATH", cluster.folder().join("bin")).env("K3S_DAAS_STATE_DIR", cluster.state());
    let said = succeed(kubectl).await?;
    ensure!(said == format!("namespace/{NAMESPACE}"), "{said}");
    // Whoever puts another server into it gets no token.
    write_private(someone.kubeconfig(), config.replace(&endpoint, "https://localhost:6443").as_bytes())?;
    let mut kubectl = someone.kubectl(&["get", "namespaces"]).await?;
    kubectl.env("PATH", cluster.folder().join("bin")).env("K3S_DAAS_STATE_DIR", cluster.state());
    refused(kubectl, &["server is https://localhost"]).await.map(drop)
}
