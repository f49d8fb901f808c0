//! The same request straight to the API server and through the gateway: status, headers and body are the same bytes.
//!
//! The requests are real ones of many clients, recorded in `tests/corpus`, and some that ask for what clients seldom do. A
//! cluster lives, so what differs is asked again; what still differs is the gateway's doing.

mod corpus;
mod formats;
mod wire;

use crate::support::cluster::Cluster;
use crate::support::commands::pipe;
use crate::support::person::Person;
use crate::support::say;
use anyhow::{Context as _, Result, bail, ensure};
use corpus::Asked;
use futures::{StreamExt as _, stream};
use http::{HeaderValue, Version};
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::time::Instant;
use wire::{Answer, Side};

/// At once: most of the time goes by in watches, which last a second each.
const AT_ONCE: usize = 24;
/// Characters of a UUID.
const UUID: usize = 36;
/// How often a request is asked again whose answers differ.
const TRIES: usize = 6;
/// The least that counts as the proof.
const ENOUGH: usize = 500;
/// Whose requests have to be among them.
const CLIENTS: [&str; 8] = [
    "Helm",
    "OpenAPI-Generator",
    "kube-controller-manager",
    "kube-rs",
    "kube-scheduler",
    "kubectl/v0.",
    "kubectl/v1.29.",
    "node-fetch",
];
/// Objects that many of the recorded requests are about.
const STAGE: &str = r"
apiVersion: v1
kind: List
items:
  - { apiVersion: v1, kind: ConfigMap, metadata: { name: made, namespace: tests }, data: { a: '1' } }
  - { apiVersion: v1, kind: ConfigMap, metadata: { name: python, namespace: tests }, data: { a: '1' } }
  - { apiVersion: v1, kind: ConfigMap, metadata: { name: node, namespace: tests }, data: { a: '1' } }
  - { apiVersion: v1, kind: ConfigMap, metadata: { name: rust, namespace: tests }, data: { a: '1' } }
  - { apiVersion: v1, kind: Service, metadata: { name: day, namespace: tests }, spec: { ports: [{ port: 80 }] } }
  - apiVersion: apps/v1
    kind: Deployment
    metadata: { name: day, namespace: tests }
    spec:
      replicas: 0
      selector: { matchLabels: { app: day } }
      template:
        metadata: { labels: { app: day } }
        spec: { containers: [{ name: busybox, image: local/busybox:1 }] }
";
/// What may differ: when it was said, and what is said of one hop only.
const OWN: [&str; 4] = ["connection", "date", "keep-alive", "transfer-encoding"];
/// Over HTTP/1.1 also this: the API server says it of smaller bodies only than over HTTP/2, by which the gateway asks.
const FRAMING: &str = "content-length";

/// Replays everything as this person, and says how much it was.
pub(super) async fn compare(cluster: &Cluster, person: &Person) -> Result<()> {
    let began = Instant::now();
    let user: Value = serde_json::from_str(&person.get(&["auth", "whoami", "-o=json"]).await?)?;
    let direct = wire::direct(cluster, &user["status"]["userInfo"]).await?;
    let gateway = wire::gateway(cluster).await?;
    person.apply(STAGE, &[]).await?;
    let recorded = corpus::recorded()?;
    ensure!(recorded.len() >= ENOUGH, "{} requests are recorded", recorded.len());
    let (clients, count) = (corpus::clients(&recorded), recorded.len());
    for client in CLIENTS {
        ensure!(clients.contains(client), "nothing of {client} is recorded: {clients}");
    }
    let asked = recorded.into_iter().chain(formats::all());
    let asking = asked.map(|asked| one(asked, &direct, &gateway));
    let answered: Vec<Result<Compared>> = stream::iter(asking).buffer_unordered(AT_ONCE).collect().await;
    let (compared, wrong): (Vec<_>, Vec<_>) = answered.into_iter().partition(Result::is_ok);
    let compared: Vec<Compared> = compared.into_iter().flatten().collect();
    let wrong: Vec<String> = wrong.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    ensure!(wrong.is_empty(), "{} are answered otherwise:\n  {}", wrong.len(), wrong.join("\n  "));
    let again = compared.iter().filter(|one| one.tries > 1).count();
    let of = |kind: u16| compared.iter().filter(|one| one.status / 100 == kind).count();
    say(&format!(
        "           {} requests compared in {:.1} s ({count} recorded: {clients}); {} were 2xx, {} 4xx, {} 5xx; {again} asked again",
        compared.len(),
        began.elapsed().as_secs_f64(),
        of(2),
        of(4),
        of(5),
    ));
    for name in formats::HEADERS {
        ensure!(compared.iter().any(|one| one.headers.iter().any(|header| header == name)), "no answer had {name}");
    }
    pipe(person.kubectl(&["delete", "-f", "-"]).await?, STAGE).await
}

/// A request that was answered alike.
struct Compared {
    status: u16,
    headers: Vec<String>,
    tries: usize,
}

async fn one(asked: Asked, direct: &Side, gateway: &Side) -> Result<Compared> {
    let asked = asked.harmless();
    let mut difference = String::new();
    for tries in 1..=TRIES {
        let (one, other) = tokio::try_join!(direct.ask(&asked), gateway.ask(&asked)).with_context(|| asked.name())?;
        match differs(&asked, &one, &other) {
            None => return Ok(Compared { status: one.status, headers: one.headers.into_keys().collect(), tries }),
            Some(what) => difference = what,
        }
    }
    bail!("{}: {difference}", asked.name())
}

fn differs(asked: &Asked, direct: &Answer, gateway: &Answer) -> Option<String> {
    if direct.status != gateway.status {
        let said = String::from_utf8_lossy(&gateway.body);
        return Some(format!("{} directly, {} through the gateway: {said}", direct.status, gateway.status));
    }
    let shared = |headers: &BTreeMap<String, Vec<HeaderValue>>| {
        let mut headers = headers.clone();
        headers
            .retain(|name, _| !OWN.contains(&name.as_str()) && (asked.version == Version::HTTP_2 || name != FRAMING));
        // The API server calls each request otherwise; what it calls it arrives.
        for id in headers.get_mut("audit-id").into_iter().flatten().filter(|id| id.len() == UUID) {
            *id = HeaderValue::from_static("a UUID");
        }
        headers
    };
    let (one, other) = (shared(&direct.headers), shared(&gateway.headers));
    if one != other {
        return Some(format!("headers directly {one:?}, through the gateway {other:?}"));
    }
    let (one, other) = (asked.comparable(&direct.body), asked.comparable(&gateway.body));
    let at = one.iter().zip(&other).position(|(a, b)| a != b).unwrap_or(one.len().min(other.len()));
    let shown = |body: &[u8]| {
        String::from_utf8_lossy(body.get(at.saturating_sub(60)..).unwrap_or_default())
            .chars()
            .take(200)
            .collect::<String>()
    };
    (one != other).then(|| {
        format!("bodies differ at byte {at}: directly …{}, through the gateway …{}", shown(&one), shown(&other))
    })
}
