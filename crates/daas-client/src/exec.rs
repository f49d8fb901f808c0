//! The kubectl exec-credential plugin (`client.authentication.k8s.io/v1`).
//!
//! kubectl sends the token to whatever its kubeconfig names, so the plugin first makes sure that this can only be the
//! verified master: the cluster info must pin the verified CA, without a proxy and without skipped verification. The
//! verification itself runs on the plugin's own connection and is remembered for a minute. Where the chain cannot be asked
//! which master counts, a node's components go for a grace by what it said last; people do not.

#[cfg(test)]
mod tests;

use crate::{ClusterInfo, Masters, SealFile, VerifiedMaster, ca_spki, is_outage, write_private};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_types::pop::Usage;
use daas_types::{ErrorCode, Problem, UnixMs};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a verdict is remembered, so that a script of many kubectl calls attests once a minute.
const VERDICT: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
struct ExecInfo {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    cluster: Option<Cluster>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    #[serde(default)]
    server: String,
    #[serde(default)]
    certificate_authority_data: String,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    #[serde(default)]
    proxy_url: String,
    #[serde(default)]
    tls_server_name: String,
}

/// The `ExecCredential` for `usage`, after the master has been verified.
pub async fn credential(
    exec_info: Option<&str>,
    cluster: &ClusterInfo,
    seal: &SealFile,
    usage: Usage,
    cache_dir: &Path,
) -> Result<String, Problem> {
    credential_at(exec_info, cluster, seal, usage, cache_dir, daas_chain::clock::now()).await
}

async fn credential_at(
    exec_info: Option<&str>,
    cluster: &ClusterInfo,
    seal: &SealFile,
    usage: Usage,
    cache_dir: &Path,
    now: UnixMs,
) -> Result<String, Problem> {
    check_cluster(exec_info, cluster)?;
    let verdict = verdict_file(cluster, cache_dir);
    if !remembered(&verdict, now) {
        let masters = match cluster.masters().await {
            Err(outage) if is_outage(outage.code) && usage != Usage::User => {
                Masters::known(cluster, cache_dir, now).ok_or(outage)?
            }
            masters => masters?,
        };
        VerifiedMaster::connect(cluster, &masters, now).await?;
        // A verdict that cannot be written costs the next call a verification, nothing else.
        if let Err(error) = write_private(&verdict, now.0.to_string().as_bytes()) {
            tracing::warn!(%error, "verdict not remembered");
        }
    }
    let (token, ends) = seal.mint_with_end(usage, now)?;
    // A minute early, so that a client never starts a request with a token about to end.
    let expires = jiff::Timestamp::from_second(i64::try_from(ends.secs().saturating_sub(60)).unwrap_or(i64::MAX))
        .map_err(Problem::of(ErrorCode::Internal))?
        .to_string();
    Ok(json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": { "token": token.as_str(), "expirationTimestamp": expires },
    })
    .to_string())
}

/// Refuses a kubeconfig through which the token could reach anyone but the verified master.
fn check_cluster(exec_info: Option<&str>, cluster: &ClusterInfo) -> Result<(), Problem> {
    let refuse = |cause: &str| Err(Problem::new(ErrorCode::InsecureKubeconfig, cause));
    let Some(text) = exec_info else {
        return refuse("KUBERNETES_EXEC_INFO is not set; this command is run by kubectl");
    };
    let info: ExecInfo = match serde_json::from_str(text) {
        Ok(info) => info,
        Err(error) => return refuse(&format!("KUBERNETES_EXEC_INFO: {error}")),
    };
    let Some(target) = info.spec.cluster else {
        return refuse("the kubeconfig's user lacks provideClusterInfo: true");
    };
    if target.insecure_skip_tls_verify {
        return refuse("insecure-skip-tls-verify is set");
    }
    if !target.proxy_url.is_empty() {
        return refuse("a proxy is set");
    }
    if !target.tls_server_name.is_empty() {
        return refuse("tls-server-name is set");
    }
    if target.server.trim_end_matches('/') != cluster.join.endpoint.trim_end_matches('/') {
        return refuse(&format!("server is {}, the cluster's is {}", target.server, cluster.join.endpoint));
    }
    let pem = STANDARD.decode(&target.certificate_authority_data).ok().and_then(|b| String::from_utf8(b).ok());
    let same = match pem {
        // The whole bundle counts: a second CA beside the pinned one could sign for another server.
        Some(pem) => pem.trim() == cluster.join.ca.trim(),
        None => false,
    };
    if same { Ok(()) } else { refuse("the certificate authority is not the cluster's") }
}

/// One file per (cluster, CA, endpoint): a changed pin is a new question.
fn verdict_file(cluster: &ClusterInfo, cache_dir: &Path) -> PathBuf {
    let mut hash = Sha256::new();
    hash.update(cluster.join.cluster.0.as_bytes());
    hash.update(ca_spki(&cluster.join.ca).unwrap_or_default());
    hash.update(cluster.join.endpoint.as_bytes());
    cache_dir.join(format!("verified-{}", &hex::encode(hash.finalize())[..16]))
}

fn remembered(path: &Path, now: UnixMs) -> bool {
    let at = std::fs::read_to_string(path).ok().and_then(|text| text.parse().ok().map(UnixMs));
    at.is_some_and(|at| at <= now && now.since(at) < VERDICT)
}
