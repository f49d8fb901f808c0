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
use daas_types::onchain::{MasterRecord, NautilusState, Pcrs, Policy};
use daas_types::{ErrorCode, Problem, UnixMs};
use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Between questions to a busy master: six, within three seconds.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_millis(1600);

/// What the chain says of a cluster's masters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masters {
    /// The masters, and what they may measure as.
    pub nautilus: NautilusState,
    /// How long they count.
    pub policy: Policy,
    /// When it said so.
    pub at: UnixMs,
}

/// A master whose evidence held, on the connection it was verified on.
pub struct VerifiedMaster {
    connection: Connection,
    evidence: VerifiedEvidence,
    record: MasterRecord,
}

// === impl VerifiedMaster ===

impl VerifiedMaster {
    /// Connects to the cluster's master, asks for its evidence and judges it against the chain. The evidence is of now; which
    /// masters there are is what the chain said when it was asked.
    pub async fn connect(cluster: &ClusterInfo, masters: &Masters, now: UnixMs) -> Result<Self, Problem> {
        if cluster.join.endpoint.is_empty() || cluster.join.ca.is_empty() {
            return Err(Problem::new(ErrorCode::ClusterFileUnfinished, "the join file has no `endpoint` or no `ca`"));
        }
        let ca = ca_spki(&cluster.join.ca)?;
        let (record, measurement) = masters.registered(&cluster.join.endpoint, &ca, masters.at)?;
        let config = Arc::new(client_config(&cluster.join.ca, &[b"http/1.1"])?);
        let stream = tls::connect(&record.endpoint, &config).await?;
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
            measurements: vec![measurement],
            nonce: bind_nonce(&nonce, &exporter),
            binding: binding(cluster, record, ca)?,
            max_age: MAX_AGE,
        };
        let roots = Roots::for_genesis(&cluster.genesis);
        let evidence = daas_attest::verify(&Evidence::Nitro(document), &roots, &expected, now)
            .map_err(Problem::of(ErrorCode::MasterUnverified))?;
        Ok(Self { connection, evidence, record: record.clone() })
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

// === impl Masters ===

impl Masters {
    /// The master to talk to, and what it registered as: the join file's endpoint if it counts and has the pinned CA, else
    /// another with that CA.
    fn registered(&self, endpoint: &str, ca: &[u8; 32], now: UnixMs) -> Result<(&MasterRecord, Pcrs), Problem> {
        let current = || self.nautilus.current_masters(&self.policy, now).filter(|master| master.ca_spki == ca);
        let found = current().find(|master| master.endpoint == endpoint).or_else(|| current().next());
        let record = found.ok_or_else(|| Problem::new(ErrorCode::MasterUnknown, self.none_counts(ca, now)))?;
        let measurement = self.nautilus.measurements.iter().find(|m| m.pcr0 == record.pcr0 && m.counts());
        let measurement = measurement.ok_or_else(|| unverified("the master's measurement is not on chain"))?;
        Ok((record, measurement.pcrs()))
    }

    fn none_counts(&self, ca: &[u8; 32], now: UnixMs) -> String {
        let masters = &self.nautilus.masters;
        let Some(silent) = masters.iter().find(|master| master.ca_spki == ca) else {
            return format!("{} masters on chain, none with the pinned CA {}", masters.len(), hex::encode(ca));
        };
        format!(
            "the master at {} does not count now: last heartbeat {} s ago, attested until {} (it is {now})",
            silent.endpoint,
            now.since(silent.heartbeat_ms).as_secs(),
            silent.expires_ms,
        )
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use daas_types::onchain::{Measurement, MeasurementStatus};
    use daas_types::{Address, WalletAddress};
    use std::time::Duration;

    const NOW: UnixMs = UnixMs(1_000_000_000);
    const CA: [u8; 32] = [5; 32];

    fn master(endpoint: &str, pcr0: u8) -> MasterRecord {
        MasterRecord {
            endpoint: endpoint.to_owned(),
            ca_spki: CA.to_vec(),
            signing_key: vec![6; 32],
            address: WalletAddress(Address::ZERO),
            config_digest: vec![7; 32],
            pcr0: vec![pcr0; 48],
            position: Address::ZERO.into(),
            registered_ms: NOW,
            expires_ms: NOW.plus(Duration::from_hours(1)),
            heartbeat_ms: NOW,
        }
    }

    fn masters(list: Vec<MasterRecord>, measured: &[(u8, MeasurementStatus)]) -> Masters {
        let measurement = |(first, status): &(u8, MeasurementStatus)| Measurement {
            pcr0: vec![*first; 48],
            pcr1: vec![*first + 100; 48],
            pcr2: vec![2; 48],
            status: *status,
            active_from_ms: UnixMs(0),
        };
        let nautilus = NautilusState {
            id: Address::ZERO.into(),
            cluster: Address::ZERO.into(),
            generation: 1,
            registrations: 1,
            measurements: measured.iter().map(measurement).collect(),
            masters: list,
            endorsements: vec![],
        };
        Masters { nautilus, policy: Policy::devnet(WalletAddress(Address::ZERO)), at: NOW }
    }

    #[test]
    fn only_masters_that_count_are_talked_to() {
        use MeasurementStatus::{Announced, InForce, Retired};
        let with = |change: &dyn Fn(&mut MasterRecord)| {
            let mut record = master("https://a:1", 1);
            change(&mut record);
            record
        };
        let silence = Duration::from_mins(5) + Duration::from_millis(1);
        let code = |record, measured: &[_]| {
            masters(vec![record], measured).registered("https://a:1", &CA, NOW).err().map(|problem| problem.code)
        };
        assert_eq!(code(with(&|_| ()), &[(1, InForce)]), None);
        assert_eq!(code(with(&|_| ()), &[(1, Retired)]), None);
        for refused in [
            code(with(&|_| ()), &[(1, Announced), (2, InForce)]),
            code(with(&|_| ()), &[]),
            code(with(&|m| m.expires_ms = NOW), &[(1, InForce)]),
            code(
                with(&|m| m.heartbeat_ms = UnixMs(NOW.0 - u64::try_from(silence.as_millis()).unwrap())),
                &[(1, InForce)],
            ),
            code(with(&|m| m.ca_spki = vec![9; 32]), &[(1, InForce)]),
        ] {
            assert_eq!(refused, Some(ErrorCode::MasterUnknown));
        }
    }

    #[test]
    fn it_must_measure_as_it_registered() {
        use MeasurementStatus::InForce;
        let two = masters(vec![master("https://a:1", 1), master("https://b:1", 2)], &[(1, InForce), (2, InForce)]);
        let (record, pcrs) = two.registered("https://b:1", &CA, NOW).unwrap();
        assert_eq!((record.endpoint.as_str(), pcrs.pcr0[0], pcrs.pcr1[0]), ("https://b:1", 2, 102));
        // Another with the pinned CA, if the join file's is not there.
        assert_eq!(two.registered("https://c:1", &CA, NOW).unwrap().0.endpoint, "https://a:1");
    }
}
