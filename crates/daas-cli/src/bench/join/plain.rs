use super::ours::Ours;
use super::watched::Observer;
use crate::bench::API_PORT;
use crate::stage::Stage;
use anyhow::Context as _;
use daas_engine::build::{self, Binaries, Program};
use daas_engine::{CredentialPlugin, Engine, JoinMaterial, Node, NodeConfig};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// What the worker's engine is told, too.
const MAX_PODS: u16 = 110;
const LOG_LEVEL: u8 = 2;

/// A kubelet that nobody asks for a stake.
pub(super) struct Plain {
    config: NodeConfig,
    programs: Binaries,
}

// === impl Plain ===

impl Plain {
    /// After the first join: the API server believes a kubelet's address only if it was recorded, and its certificate.
    pub(super) async fn prepare(stage: &Stage, observer: &Observer, ours: &Ours) -> anyhow::Result<Self> {
        let programs = build::find(&build::default_cache_dir()?).await?.context("the engine is not built")?;
        let folder = stage.state.path().join("plain");
        fs::create_dir_all(&folder)?;
        let images = daas_engine::images::build(&folder.join("images"), &programs.path(Program::Kubectl)).await?;
        let master = stage.state.master();
        let credential = credential(&master, &folder.join("credential.json"))?;
        let join = JoinMaterial {
            server_ca_pem: observer.info.join.ca.clone(),
            kubelet_client_ca_pem: fs::read_to_string(master.join("pki/kubelet-client-ca.crt"))?,
            cluster_cidr: "10.42.0.0/16".parse()?,
            cluster_dns: "10.43.0.10".parse()?,
            domain: "cluster.local".to_owned(),
        };
        let config = NodeConfig {
            state_dir: folder.join("node"),
            owner: "plain".to_owned(),
            node_name: observer.node.to_string(),
            node_ip: ours.address,
            api_server: format!("https://127.0.0.1:{API_PORT}"),
            join,
            kubelet_credential: credential.clone(),
            proxy_credential: credential,
            serving: ours.serving(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            images,
            max_pods: MAX_PODS,
            log_level: LOG_LEVEL,
        };
        Ok(Self { config, programs })
    }

    /// Starts it once, and leaves nothing.
    pub(super) async fn once(&self, observer: &Observer) -> anyhow::Result<Duration> {
        let mut changes = observer.begin().await?;
        let began = Instant::now();
        let mut node = Engine::Kubernetes.start_node(self.config.clone(), &self.programs).await?;
        let mut ready = async |node: &mut Node| {
            // Its network is there as soon as it is known: no kubelet is Ready without.
            let cidr = changes.until(super::watched::Node::pod_cidr).await?;
            node.set_pod_cidr(cidr).await?;
            changes.until(|node| node.is_ready().then(Instant::now)).await
        };
        let ready = ready(&mut node).await;
        node.stop(Duration::ZERO).await?;
        Ok(ready?.saturating_duration_since(began))
    }
}

/// A certificate that may do everything, printed by `cat`: the engine writes no kubeconfig without a plugin, and this one costs
/// a millisecond.
fn credential(master: &Path, file: &Path) -> anyhow::Result<CredentialPlugin> {
    let kubeconfig: Value = serde_json::from_slice(&fs::read(master.join("kubeconfig/controller.json"))?)?;
    let named = |what: &str| -> anyhow::Result<String> {
        let path = kubeconfig["users"][0]["user"][what].as_str().with_context(|| format!("no {what}"))?;
        fs::read_to_string(path).with_context(|| path.to_owned())
    };
    let status = json!({
        "clientCertificateData": named("client-certificate")?,
        "clientKeyData": named("client-key")?,
    });
    let credential =
        json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status });
    daas_client::write_private(file, credential.to_string().as_bytes())?;
    Ok(CredentialPlugin { command: "/bin/cat".into(), args: vec![file.display().to_string()], env: BTreeMap::new() })
}
