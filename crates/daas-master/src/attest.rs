//! Asks the TEE device for documents and answers the attestation endpoint.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_attest::device::Nsm;
use daas_attest::{Binding, Evidence, Roots, SecurityLevel, UnverifiedDocument, bind_nonce};
use daas_gateway::{ConnectionInfo, Refusal};
use daas_types::ErrorCode;
use daas_types::api::{AttestationRequest, AttestationResponse};
use daas_types::onchain::Pcrs;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Questions to the device at once; more are told to come again.
const PLACES: usize = 8;

/// Makes this master's evidence.
#[derive(Clone)]
pub(crate) struct Attestor {
    inner: Arc<Inner>,
}

struct Inner {
    device: PathBuf,
    roots: Roots,
    binding: Binding,
    /// Anyone may ask, and the device answers one at a time.
    places: Semaphore,
}

// === impl Attestor ===

impl Attestor {
    /// An attestor on `device`, for what this master is bound to. `roots` tell how much its documents are worth.
    pub(crate) fn new(device: PathBuf, roots: Roots, binding: Binding) -> Self {
        Self { inner: Arc::new(Inner { device, roots, binding, places: Semaphore::new(PLACES) }) }
    }

    /// Answers `/api/v1/attestation`.
    pub(crate) async fn answer(
        &self,
        connection: &ConnectionInfo,
        request: AttestationRequest,
        informative: bool,
    ) -> Result<AttestationResponse, Refusal> {
        let nonce = match (informative, request.nonce) {
            (true, _) | (false, None) => None,
            (false, Some(text)) => Some(bind_nonce(&parse_nonce(&text)?, &connection.exporter)),
        };
        let document = self.document(nonce.unwrap_or_default()).await?;
        let read = UnverifiedDocument::read(&document, &self.inner.roots).map_err(|e| unavailable(&e))?;
        // The level is what the document's own root makes it, so that a wrong setting cannot overstate it.
        let level = read.level.ok_or_else(|| unavailable(&"the device's root is not one this network knows"))?;
        Ok(AttestationResponse {
            enclave_id: read.module_id,
            measurement: format!("sha384:{}", read.pcrs.get(&0).map(hex::encode).unwrap_or_default()),
            signature: STANDARD.encode(read.signature),
            certificate: STANDARD.encode(read.certificate),
            tee_type: level.tee_type().to_owned(),
            security_level: level.number(),
            document: STANDARD.encode(&document),
            pcrs: read.pcrs.iter().map(|(index, value)| (*index, hex::encode(value))).collect(),
            informative: nonce.is_none(),
        })
    }

    /// Makes sure that the device answers and is of this type; gives what it measures.
    pub(crate) async fn expect(&self, tee_type: &str) -> Result<Pcrs, Refusal> {
        let document = self.document([0; 32]).await?;
        let read = UnverifiedDocument::read(&document, &self.inner.roots).map_err(|e| unavailable(&e))?;
        match read.level.map(SecurityLevel::tee_type) {
            Some(found) if found == tee_type => {
                let pcr = |index| read.pcrs.get(&index).map(|value| value.to_vec()).unwrap_or_default();
                Ok(Pcrs { pcr0: pcr(0), pcr1: pcr(1), pcr2: pcr(2) })
            }
            found => Err(unavailable(&format!("tee.type is {tee_type}, the device is {}", found.unwrap_or("unknown")))),
        }
    }

    /// A Nitro document that answers `nonce`.
    pub(crate) async fn document(&self, nonce: [u8; 32]) -> Result<Vec<u8>, Refusal> {
        match self.evidence(nonce).await? {
            Evidence::Nitro(document) => Ok(document),
            _ => Err(unavailable(&"the device gives evidence of an unknown kind")),
        }
    }

    /// Evidence from the device, answering `nonce`. The device is synchronous and may stall, so it gets a thread.
    async fn evidence(&self, nonce: [u8; 32]) -> Result<Evidence, Refusal> {
        let _place = self.inner.places.try_acquire().map_err(|_| {
            Refusal::new(ErrorCode::TooManyRequests, http::StatusCode::TOO_MANY_REQUESTS, "the TEE device is busy")
        })?;
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || Nsm::open(&inner.device)?.attest(&inner.binding, &nonce))
            .await
            .map_err(|e| unavailable(&e))?
            .map_err(|e| unavailable(&e))
    }
}

fn parse_nonce(text: &str) -> Result<[u8; 32], Refusal> {
    let mut nonce = [0; 32];
    hex::decode_to_slice(text, &mut nonce).map_err(|_| {
        Refusal::new(ErrorCode::PathRefused, http::StatusCode::BAD_REQUEST, "nonce must be 64 hex characters")
    })?;
    Ok(nonce)
}

fn unavailable(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(%error, "the TEE device gives no evidence");
    Refusal::unavailable(ErrorCode::EvidenceUnavailable, error)
}
