//! A connection to a master that has proved itself. There is no other way to send a token to our endpoints.
//!
//! The proof is asked for after the TLS handshake and is bound to it by the exporter, because evidence inside a
//! handshake can be relayed from another enclave's session.

use crate::http::Connection;
use crate::{ClusterInfo, ca_spki, client_config, tls};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_attest::{Binding, Evidence, Expected, MAX_AGE, Roots, VerifiedEvidence, bind_nonce};
use daas_types::api::{
    AttestationRequest, AttestationResponse, EXPORTER_LABEL, HeartbeatRequest, HeartbeatResponse,
    RegisterWorkerRequest, RegisterWorkerResponse, StakingStatusResponse,
};
use daas_types::onchain::{MasterRecord, NautilusState};
use daas_types::{ErrorCode, Problem, UnixMs};
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Between questions to a busy master: six, within three seconds.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_millis(1600);

/// A master whose evidence held, on the connection it was verified on.
pub struct VerifiedMaster {
    connection: Connection,
    evidence: VerifiedEvidence,
    record: MasterRecord,
}

// === impl VerifiedMaster ===

impl VerifiedMaster {
    /// Connects to the cluster's master, asks for its evidence and judges it against the chain.
    pub async fn connect(cluster: &ClusterInfo, nautilus: &NautilusState, now: UnixMs) -> Result<Self, Problem> {
        let ca = ca_spki(&cluster.join.ca)?;
        let record = registered(nautilus, &cluster.join.endpoint, &ca)?.clone();
        let stream = tls::connect(&record.endpoint, client_config(&cluster.join.ca, &[b"http/1.1"])?).await?;
        let exporter = stream
            .get_ref()
            .1
            .export_keying_material([0; 32], EXPORTER_LABEL, None)
            .map_err(Problem::of(ErrorCode::MasterUnverified))?;
        let mut connection = Connection::new(&record.endpoint, stream).await?;

        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).map_err(|e| Problem::new(ErrorCode::Internal, e))?;
        let request = AttestationRequest { nonce: Some(hex::encode(nonce)) };
        let answer = evidence(&mut connection, &request).await?;
        if answer.informative {
            return Err(unverified("the master answered without our nonce"));
        }
        let document = STANDARD.decode(&answer.document).map_err(|e| unverified(&e))?;
        let expected = Expected {
            measurements: nautilus.measurements.clone(),
            nonce: bind_nonce(&nonce, &exporter),
            binding: binding(cluster, &record, ca)?,
            max_age: MAX_AGE,
        };
        let roots = Roots::for_genesis(&cluster.genesis);
        let evidence = daas_attest::verify(&Evidence::Nitro(document), &roots, &expected, now)
            .map_err(Problem::of(ErrorCode::MasterUnverified))?;
        Ok(Self { connection, evidence, record })
    }

    /// What was verified.
    pub fn evidence(&self) -> &VerifiedEvidence {
        &self.evidence
    }

    /// The chain's record of this master.
    pub fn record(&self) -> &MasterRecord {
        &self.record
    }

    /// `POST /api/v1/register-worker`.
    pub async fn register_worker(
        &mut self,
        token: &str,
        request: &RegisterWorkerRequest,
    ) -> Result<RegisterWorkerResponse, Problem> {
        self.connection.call(Method::POST, "/api/v1/register-worker", Some(token), Some(request)).await
    }

    /// `POST /api/v1/nodes/heartbeat`.
    pub async fn heartbeat(&mut self, token: &str, beat: &HeartbeatRequest) -> Result<HeartbeatResponse, Problem> {
        self.connection.call(Method::POST, "/api/v1/nodes/heartbeat", Some(token), Some(beat)).await
    }

    /// `GET /api/v1/staking/status`; with a token also the caller's own stake.
    pub async fn staking_status(&mut self, token: Option<&str>) -> Result<StakingStatusResponse, Problem> {
        self.connection.call(Method::GET, "/api/v1/staking/status", token, None::<&()>).await
    }

    /// Whether the API server lets the token's holder list these, everywhere or in one namespace.
    pub async fn may_list(&mut self, token: &str, resource: &str, namespace: Option<&str>) -> Result<bool, Problem> {
        let attributes = json!({ "verb": "list", "resource": resource, "namespace": namespace });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": attributes },
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer: Value = self.connection.call(Method::POST, path, Some(token), Some(&review)).await?;
        Ok(answer["status"]["allowed"] == true)
    }
}

/// Asks for evidence. A master whose device is busy with others is asked again: nothing has been decided yet.
async fn evidence(connection: &mut Connection, request: &AttestationRequest) -> Result<AttestationResponse, Problem> {
    let mut wait = FIRST_WAIT;
    loop {
        match connection.call(Method::POST, "/api/v1/attestation", None, Some(request)).await {
            Err(problem) if problem.code == ErrorCode::TooManyRequests && wait <= LONGEST_WAIT => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            answer => return answer,
        }
    }
}

/// The master to talk to: the join file's endpoint if it is registered with the pinned CA, else another with that CA.
fn registered<'a>(nautilus: &'a NautilusState, endpoint: &str, ca: &[u8; 32]) -> Result<&'a MasterRecord, Problem> {
    let same_ca = || nautilus.masters.iter().filter(|m| m.ca_spki == ca);
    same_ca().find(|m| m.endpoint == endpoint).or_else(|| same_ca().next()).ok_or_else(|| {
        let cause = format!("{} masters on chain, none with the pinned CA {}", nautilus.masters.len(), hex::encode(ca));
        Problem::new(ErrorCode::MasterUnknown, cause)
    })
}

fn binding(cluster: &ClusterInfo, record: &MasterRecord, ca_spki: [u8; 32]) -> Result<Binding, Problem> {
    let part = |bytes: &[u8], what: &str| {
        <[u8; 32]>::try_from(bytes).map_err(|_| unverified(&format!("the {what} on chain is not 32 bytes")))
    };
    Ok(Binding {
        genesis: cluster.genesis.digest(),
        cluster: cluster.join.cluster,
        package: cluster.join.package,
        config_digest: part(&record.config_digest, "configuration digest")?,
        ca_spki,
        signing_key: part(&record.signing_key, "signing key")?,
    })
}

fn unverified(cause: &(impl std::fmt::Display + ?Sized)) -> Problem {
    Problem::new(ErrorCode::MasterUnverified, cause)
}
