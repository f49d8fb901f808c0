//! Clients that know nothing of stake: kubectl of two ages over WebSocket and SPDY, helm, and those for Rust, Python and Node.

mod kubectl;
mod others;
mod record;
mod rust;
mod same;
mod streams;

use crate::support::cluster::Cluster;
use crate::support::commands::succeed;
use crate::support::others::Kubectl;
use crate::support::person::Person;
use crate::support::pods::{NAMESPACE, namespace, serve};
use crate::support::{scenario, step};
use anyhow::Result;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);

#[test]
fn stock_clients() {
    scenario("stock clients", Duration::from_mins(5), async {
        let cluster = Cluster::up().await?;
        let secret = with_secret(&cluster).await?;
        let recorder = record::start(&cluster, &secret).await?;
        let person = recorder.as_ref().map_or(&secret, |recorder| &recorder.person);
        let operator = recorder.as_ref().map_or_else(|| cluster.operator(), |recorder| recorder.person.clone());
        step("two pods", async {
            namespace(&operator).await?;
            operator.apply(streams::TALK, &[]).await?;
            serve(&operator, &[("web", "operator")]).await?;
            kubectl::may_be_jane(&cluster).await?;
            let talk = ["-n", NAMESPACE, "wait", "pod/talk", "--for=condition=Ready", "--timeout=60s"];
            operator.get(&talk).await.map(drop)
        })
        .await?;
        if recorder.is_none() {
            step("the same directly and through the gateway", same::compare(&cluster, &operator)).await?;
        }
        let (current, old) = (Kubectl::current(&operator).await?, Kubectl::old(&operator)?);
        for (kubectl, version) in [(&current, "v1.36."), (&old, "v1.29.")] {
            both(kubectl, version).await?;
        }
        step("kubectl, both: a kind of one's own", kubectl::kinds(&current, &old)).await?;
        let spdy = Kubectl::spdy(&operator).await?;
        step(&format!("{}: exec, port-forward", spdy.name), async {
            streams::exec(&spdy).await?;
            streams::tunnel(&spdy).await
        })
        .await?;
        step("kubectl: 200 MiB into a pod", streams::copy_in(&current, cluster.folder())).await?;
        step("kubectl 1.29: and out again", streams::copy_out(&old, cluster.folder())).await?;
        step("kubectl: with the gateway's kubeconfig", kubectl::config_of_the_gateway(&cluster, &operator)).await?;
        step("helm: install, upgrade, roll back", others::helm(&operator)).await?;
        step("Python", others::python(person)).await?;
        step("Node", others::node(&cluster, person, &cluster.state().join("operator-seal.token"))).await?;
        rust::all(&cluster, person).await?;
        if let Some(recorder) = &recorder {
            step("kubectl: a usual day", recorder.tour(&current)).await?;
            step("kubectl 1.29: a usual day", recorder.tour(&old)).await?;
            step("controllers", recorder.controllers()).await?;
        }
        step("helm: uninstall", others::helm_uninstall(&operator)).await?;
        cluster.finish().await
    });
}

/// What each age of kubectl must do.
async fn both(kubectl: &Kubectl<'_>, version: &str) -> Result<()> {
    let name = kubectl.name;
    step(&format!("{name}: its version"), kubectl::version(kubectl, version)).await?;
    step(&format!("{name}: watch, create, list, patch, apply, delete, logs"), kubectl::objects(kubectl)).await?;
    step(&format!("{name}: whoami, --as, proxy"), kubectl::identity(kubectl)).await?;
    step(&format!("{name}: exec, its input's end, its exit code"), streams::exec(kubectl)).await?;
    step(&format!("{name}: a terminal that changes its size"), streams::terminal(kubectl)).await?;
    step(&format!("{name}: attach, logs -f"), streams::attach(kubectl, &version.replace('.', "-"))).await?;
    step(&format!("{name}: a hundred connections forwarded at once"), streams::tunnel(kubectl)).await
}

/// Someone whose kubeconfig names a file with the operator's Seal's secret.
async fn with_secret(cluster: &Cluster) -> Result<Person> {
    let person = cluster.person("static");
    let mut write = cluster.daas(&["kubeconfig", "--static"]);
    write.arg("--output").arg(person.kubeconfig()).arg("--seal").arg(cluster.state().join("operator-seal.json"));
    succeed(write).await?;
    Ok(person)
}
