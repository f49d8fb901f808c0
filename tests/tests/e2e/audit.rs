//! What people do is in the audit log, the chain has its root, and a changed byte is named.

use crate::support::cluster::Cluster;
use crate::support::commands::{refused, run, succeed};
use crate::support::{eventually, scenario, step};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A root is anchored within a minute; the transaction has its own time.
const ANCHORED: Duration = Duration::from_secs(90);

#[test]
fn who_did_what_is_told_and_proven() {
    scenario("the audit log", Duration::from_mins(5), async {
        let cluster = Cluster::up().await?;
        let operator = cluster.operator();
        operator.get(&["create", "configmap", "deed", "--from-literal=word=bond"]).await?;
        let deed = step("audit show tells of it", told(&cluster)).await?;
        let record = deed["record"].as_u64().context("a record's number")?;
        step("its root is on chain", async {
            eventually(ANCHORED, async || {
                let verdict = verdict(&cluster).await?;
                let anchored = verdict["anchored"]["records"].as_u64().unwrap_or_default();
                ensure!(anchored > record, "{anchored} records are anchored, the deed is record {record}");
                Ok(())
            })
            .await
        })
        .await?;
        let status = succeed(cluster.daas(&["status"])).await?;
        ensure!(status.contains("audit log") && status.contains("on chain covers"), "{status}");
        step("a proof of it holds without the log", proven(&cluster, record)).await?;
        step("a changed byte of a copy is named", changed(&cluster)).await?;
        step("after an orderly stop all of it is anchored", stopped(&cluster)).await?;
        cluster.finish().await
    });
}

async fn told(cluster: &Cluster) -> Result<Value> {
    let shown = succeed(cluster.daas(&["--json", "audit", "show", "--changes", "--last", "1000"])).await?;
    let shown: Value = serde_json::from_str(&shown)?;
    let requests = shown["records"].as_array().context("records")?.iter().map(|told| &told["request"]);
    let is_deed = |request: &&Value| {
        let target = &request["start"]["what"]["target"];
        request["start"]["what"]["method"] == "POST"
            && target["resource"] == "configmaps"
            && request["end"]["status"] == 201
    };
    let deed = requests.into_iter().find(is_deed).context("the log does not tell of the deed")?;
    ensure!(deed["start"]["who"]["kind"] == "person" && deed["start"]["who"]["tier"] == "super", "{deed}");
    ensure!(deed["end"]["audit_id"].as_str().is_some_and(|id| id.len() == 36), "{deed}");
    Ok(deed.clone())
}

async fn verdict(cluster: &Cluster) -> Result<Value> {
    let verdict = serde_json::from_str(&succeed(cluster.daas(&["--json", "audit", "verify"])).await?)?;
    Ok(verdict)
}

async fn proven(cluster: &Cluster, record: u64) -> Result<()> {
    // The chain keeps the last anchor alone, so the proof and its check are of the same minute or done again.
    eventually(ANCHORED, async || {
        let proof = succeed(cluster.daas(&["audit", "prove", &record.to_string()])).await?;
        let file = cluster.folder().join("proof.json");
        fs::write(&file, &proof)?;
        let path = file.display().to_string();
        let said = succeed(cluster.daas(&["audit", "prove", "--check", &path])).await?;
        ensure!(said.contains(&format!("record {record} is in the log")), "{said}");
        fs::write(&file, proof.replacen("\"path\": [\n    \"", "\"path\": [\n    \"00", 1))?;
        refused(cluster.daas(&["audit", "prove", "--check", &path]), &["D317"]).await.map(drop)
    })
    .await
}

async fn changed(cluster: &Cluster) -> Result<()> {
    let copy = copied(cluster)?;
    let segment = copy.join("audit-00000000.seg");
    let mut bytes = fs::read(&segment)?;
    let at = bytes.windows(10).position(|window| window == b"configmaps").context("the deed's bytes")?;
    bytes[at] ^= 1;
    fs::write(&segment, bytes)?;
    let path = copy.display().to_string();
    let ran = run(cluster.daas(&["audit", "verify", "--log", &path])).await?;
    ensure!(ran.code == 3 && ran.stdout.contains("finding") && ran.stderr.contains("D313"), "{}", ran.said());
    Ok(())
}

async fn stopped(cluster: &Cluster) -> Result<()> {
    let before = verdict(cluster).await?["anchored"]["sequence"].as_u64().unwrap_or_default();
    succeed(cluster.daas(&["down"])).await?;
    // The chain is down with the cluster; what the master wrote down as anchored is what it saw there.
    let log = log(cluster)?;
    let anchors: Value = serde_json::from_slice(&fs::read(log.join("anchors.json"))?)?;
    ensure!(anchors["pending"].is_null() && anchors["last"]["sequence"].as_u64() > Some(before), "{anchors}");
    let file = cluster.folder().join("anchor.json");
    fs::write(&file, anchors["last"].to_string())?;
    let path = file.display().to_string();
    let verdict = succeed(cluster.daas(&["--json", "audit", "verify", "--anchors", &path])).await?;
    let verdict: Value = serde_json::from_str(&verdict)?;
    ensure!(verdict["on_the_host_alone"] == 0 && verdict["running"] == 0 && verdict["clean"] == true, "{verdict}");
    Ok(())
}

fn log(cluster: &Cluster) -> Result<PathBuf> {
    let logs = fs::read_dir(cluster.state().join("master/audit"))?;
    Ok(logs.flatten().next().context("no log")?.path())
}

fn copied(cluster: &Cluster) -> Result<PathBuf> {
    let from = log(cluster)?;
    let to = cluster.folder().join("copy").join(from.file_name().unwrap_or_default());
    fs::create_dir_all(&to)?;
    for file in fs::read_dir(&from)?.flatten() {
        fs::copy(file.path(), to.join(Path::new(&file.file_name())))?;
    }
    Ok(to)
}
