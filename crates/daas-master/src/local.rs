//! The endpoints the gateway answers itself, as this master answers them.

use crate::attest::Attestor;
use crate::join::{self, Facts, Joined};
use crate::nodes::{NodeRecord, Nodes};
use crate::presence::Presence;
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_chain::clock;
use daas_chain::index::Index;
use daas_engine::pki::Pki;
use daas_gateway::{ConnectionInfo, LocalEndpoints, NodeCaller, Refusal};
use daas_types::api::{
    AttestationRequest, AttestationResponse, ClusterSettings, HeartbeatRequest, HeartbeatResponse,
    RegisterWorkerRequest, RegisterWorkerResponse,
};
use daas_types::{ErrorCode, NodeMarks};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Mutex;

/// What a master answers with.
pub(crate) struct MasterEndpoints {
    /// Makes evidence.
    pub(crate) attestor: Attestor,
    /// Live positions.
    pub(crate) index: Index,
    /// Node records. One join at a time, so that two machines cannot both be the first of one node id.
    pub(crate) nodes: Mutex<Nodes>,
    /// When nodes were heard of.
    pub(crate) presence: Arc<Presence>,
    /// Issues kubelets' certificates.
    pub(crate) pki: Pki,
    /// Where clients reach the gateway.
    pub(crate) endpoint: String,
    /// Addresses no stranger's node may claim.
    pub(crate) own_addresses: Vec<IpAddr>,
    /// Whether nodes join by K3s' own protocol.
    pub(crate) agents: bool,
    /// What every node is told.
    pub(crate) settings: ClusterSettings,
}

#[async_trait]
impl LocalEndpoints for MasterEndpoints {
    async fn attest(
        &self,
        connection: &ConnectionInfo,
        request: AttestationRequest,
        informative: bool,
    ) -> Result<AttestationResponse, Refusal> {
        self.attestor.answer(connection, request, informative).await
    }

    async fn register_worker(
        &self,
        connection: &ConnectionInfo,
        caller: &NodeCaller,
        request: RegisterWorkerRequest,
    ) -> Result<RegisterWorkerResponse, Refusal> {
        let decide = |facts: &Facts<'_>| join::decide(&caller.node_id, &request, facts);
        let record = self.record(connection, caller, &request.marks, decide).await?;
        // Its agent asks for one as K3s' agents do.
        let certificate = if self.agents {
            String::new()
        } else {
            let csr = STANDARD.decode(&request.serving_csr);
            let csr = csr.map_err(|e| Refusal::forbidden(ErrorCode::CsrRefused, format!("serving_csr: {e}")))?;
            certificate(&self.pki, caller, record.address, &csr)?
        };
        self.presence.seen(&caller.node_id, caller.position, clock::now());
        tracing::info!(node = %caller.node_id, address = %record.address, "node joined");
        let ca = self.pki.server_ca_pem();
        Ok(RegisterWorkerResponse {
            success: true,
            // Without a credential: the worker has its own.
            kubeconfig: STANDARD.encode(kubeconfig(&self.endpoint, ca, "", &json!([]))),
            ca_cert: STANDARD.encode(ca),
            api_server: self.endpoint.clone(),
            serving_cert: STANDARD.encode(certificate),
            kubelet_client_ca: STANDARD.encode(self.pki.kubelet_client_ca_pem()),
            cluster: self.settings.clone(),
        })
    }

    async fn agent_serves(
        &self,
        connection: &ConnectionInfo,
        caller: &NodeCaller,
        address: IpAddr,
        request: &[u8],
    ) -> Result<String, Refusal> {
        let decide = |facts: &Facts<'_>| join::decide_agent(&caller.node_id, address, facts);
        // Not written down: its password has not been compared yet.
        let (joined, _) = self.decided(&*self.nodes.lock().await, connection, caller, &decide).await?;
        agents_certificate(&self.pki, caller, joined.record.address, request)
    }

    async fn agent_joins(
        &self,
        connection: &ConnectionInfo,
        caller: &NodeCaller,
        address: IpAddr,
    ) -> Result<(), Refusal> {
        let decide = |facts: &Facts<'_>| join::decide_agent(&caller.node_id, address, facts);
        let record = self.record(connection, caller, &NodeMarks::default(), decide).await?;
        self.presence.seen(&caller.node_id, caller.position, clock::now());
        tracing::info!(node = %caller.node_id, address = %record.address, "node joined by K3s' own protocol");
        Ok(())
    }

    async fn heartbeat(
        &self,
        _connection: &ConnectionInfo,
        caller: &NodeCaller,
        request: HeartbeatRequest,
    ) -> Result<HeartbeatResponse, Refusal> {
        let snapshot = self.index.snapshot();
        let position = snapshot.position(caller.position);
        let status = position.map_or_else(|| "unknown".to_owned(), |p| p.state.status.to_string());
        join::check_time(clock::now(), request.timestamp)?;
        self.presence.beat(&caller.node_id, caller.position, clock::now(), &request);
        tracing::debug!(node = %caller.node_id, pods = request.running_pods, "heartbeat");
        metrics::counter!("daas_heartbeats_total").increment(1);
        Ok(HeartbeatResponse { success: true, stake_status: status, server_time_ms: clock::now().0 })
    }

    fn kubectl_config(&self) -> String {
        // The plugin refuses any CA but the one it has verified, so whoever altered this on its way gets no token.
        let plugin = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "k3s-daas",
            "args": ["credential"],
            "interactiveMode": "Never",
            "provideClusterInfo": true,
            "installHint": "k3s-daas mints the token this cluster asks for",
        });
        let users = json!([{ "name": "daas", "user": { "exec": plugin } }]);
        kubeconfig(&self.endpoint, self.pki.server_ca_pem(), "daas", &users)
    }
}

// === impl MasterEndpoints ===

impl MasterEndpoints {
    /// Decides a join and records it, all under one lock. What takes seconds, and however many its asker wants, is before that.
    async fn record(
        &self,
        connection: &ConnectionInfo,
        caller: &NodeCaller,
        marks: &NodeMarks,
        decide: impl Fn(&Facts<'_>) -> Result<Joined, Refusal> + Send + Sync,
    ) -> Result<NodeRecord, Refusal> {
        let nodes = self.nodes.lock().await;
        let (Joined { mut record, anew }, mut operator) = self.decided(&nodes, connection, caller, &decide).await?;
        let nodes = if anew {
            // Before the machine is written down: who asks again after a failure is to come here again.
            let former = nodes.clone();
            drop(nodes);
            former.forget(&caller.node_id).await.map_err(|error| unanswered(&error))?;
            let nodes = self.nodes.lock().await;
            let (joined, its) = self.decided(&nodes, connection, caller, &decide).await?;
            (record, operator) = (joined.record, its);
            nodes
        } else {
            nodes
        };
        nodes.admit(&caller.node_id, &record, operator, marks).await.map_err(|error| unanswered(&error))?;
        Ok(record)
    }

    /// What would be recorded, and whether it is the operator's.
    async fn decided(
        &self,
        nodes: &Nodes,
        connection: &ConnectionInfo,
        caller: &NodeCaller,
        decide: &(impl Fn(&Facts<'_>) -> Result<Joined, Refusal> + Send + Sync),
    ) -> Result<(Joined, bool), Refusal> {
        let snapshot = self.index.snapshot();
        let mut records = nodes.records().await.map_err(|error| unanswered(&error))?;
        // A node id that was given up and staked for again belongs to whoever holds it now.
        records.retain(|node, record| {
            let holder = node.parse().ok().and_then(|id| snapshot.by_node(&id));
            holder.is_some_and(|holder| holder.state.position == record.position)
        });
        let operator = snapshot.is_operator(caller.position);
        // It was there when the caller was let in.
        let gone = || Refusal::forbidden(ErrorCode::NotStaked, format!("position {} is gone", caller.position));
        let facts = Facts {
            now: clock::now(),
            position: caller.position,
            owner: snapshot.position(caller.position).ok_or_else(gone)?.state.owner,
            cluster: self.index.ids().cluster,
            seen: connection.peer.ip(),
            own: &self.own_addresses,
            operator,
            agents: self.agents,
            records: &records,
        };
        decide(&facts).map(|joined| (joined, operator))
    }
}

/// A kubelet's certificate as a server: for where it is, and not for what it says.
fn certificate(pki: &Pki, caller: &NodeCaller, address: IpAddr, request: &[u8]) -> Result<String, Refusal> {
    let now = UNIX_EPOCH + Duration::from_millis(clock::now().0);
    let issued = pki.issue_kubelet_serving(request, caller.node_id.as_str(), address, now);
    issued.map_err(|error| Refusal::forbidden(ErrorCode::CsrRefused, error))
}

/// The same as K3s' agents take it, with its issuer's behind it.
pub(crate) fn agents_certificate(
    pki: &Pki,
    caller: &NodeCaller,
    address: IpAddr,
    request: &[u8],
) -> Result<String, Refusal> {
    Ok(certificate(pki, caller, address, request)? + pki.kubelet_serving_ca_pem())
}

/// Records lie with the API server, which may be on its way back: a worker tries again, and keeps its pods meanwhile.
#[track_caller]
fn unanswered(error: &anyhow::Error) -> Refusal {
    tracing::error!(error = format!("{error:#}"), "node records cannot be used");
    Refusal::unavailable(ErrorCode::ApiServerUnavailable, "node records cannot be used")
}

/// A kubeconfig of this cluster, for one of `users`.
fn kubeconfig(endpoint: &str, ca_pem: &str, user: &str, users: &Value) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "daas", "cluster": {
            "server": endpoint, "certificate-authority-data": STANDARD.encode(ca_pem),
        } }],
        "users": users,
        "contexts": [{ "name": "daas", "context": { "cluster": "daas", "user": user } }],
        "current-context": "daas",
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_that_the_api_server_does_not_answer_is_not_the_workers_fault() {
        let refusal = unanswered(&anyhow::anyhow!("connection refused"));
        let expected = (ErrorCode::ApiServerUnavailable, http::StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((refusal.code(), refusal.status()), expected);
    }
}
