//! Asks the TEE device for documents and answers the attestation endpoint.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_attest::device::Nsm;
use daas_attest::{Binding, Evidence, Roots, SecurityLevel, UnverifiedDocument, bind_nonce};
use daas_gateway::{ConnectionInfo, Refusal, network};
use daas_types::ErrorCode;
use daas_types::api::{AttestationRequest, AttestationResponse};
use daas_types::onchain::Pcrs;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Questions to the device at once; more wait in line.
const PLACES: usize = 8;
/// Questions of one address at once, waiting ones too: the line is for everyone.
const PLACES_OF_ONE: usize = 2;
/// The longest wait in line; then it is better to come again.
const LINE: Duration = Duration::from_secs(10);

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
    places: Arc<Semaphore>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// One address' place in line; free again when dropped. Whoever does the work has it: those who ask may go away meanwhile, and
/// the device is at it still.
struct Turn {
    inner: Arc<Inner>,
    address: IpAddr,
}

// === impl Attestor ===

impl Attestor {
    /// An attestor on `device`, for what this master is bound to. `roots` tell how much its documents are worth.
    pub(crate) fn new(device: PathBuf, roots: Roots, binding: Binding) -> Self {
        Self {
            inner: Arc::new(Inner {
                device,
                roots,
                binding,
                places: Arc::new(Semaphore::new(PLACES)),
                by_address: Mutex::default(),
            }),
        }
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
        let turn = self.inner.turn(network(connection.peer.ip()))?;
        let document = nitro(self.evidence(nonce.unwrap_or_default(), Some(turn)).await?)?;
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
        nitro(self.evidence(nonce, None).await?)
    }

    /// Evidence from the device, answering `nonce`. The device is synchronous and may stall, so it gets a thread, which keeps
    /// its place and the turn of whoever asked until it is done.
    async fn evidence(&self, nonce: [u8; 32], turn: Option<Turn>) -> Result<Evidence, Refusal> {
        let place = timeout(LINE, self.inner.places.clone().acquire_owned()).await;
        let place = place.map_err(|_| busy("the TEE device is busy"))?.map_err(|e| unavailable(&e))?;
        let inner = self.inner.clone();
        let ask = move || {
            let evidence = Nsm::open(&inner.device)?.attest(&inner.binding, &nonce);
            drop((turn, place));
            evidence
        };
        tokio::task::spawn_blocking(ask).await.map_err(|e| unavailable(&e))?.map_err(|e| unavailable(&e))
    }
}

fn nitro(evidence: Evidence) -> Result<Vec<u8>, Refusal> {
    match evidence {
        Evidence::Nitro(document) => Ok(document),
        _ => Err(unavailable(&"the device gives evidence of a kind this endpoint does not carry")),
    }
}

// === impl Inner ===

impl Inner {
    fn turn(self: &Arc<Self>, address: IpAddr) -> Result<Turn, Refusal> {
        let mut turns = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = turns.entry(address).or_default();
        if *of_one >= PLACES_OF_ONE {
            return Err(busy("this address asks the TEE device already"));
        }
        *of_one += 1;
        Ok(Turn { inner: self.clone(), address })
    }
}

// === impl Turn ===

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = self.inner.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let left = turns.get(&self.address).map_or(0, |n| n.saturating_sub(1));
        if left == 0 {
            turns.remove(&self.address);
        } else {
            turns.insert(self.address, left);
        }
    }
}

#[track_caller]
fn busy(cause: &str) -> Refusal {
    Refusal::new(ErrorCode::TooManyRequests, http::StatusCode::TOO_MANY_REQUESTS, cause)
}

fn parse_nonce(text: &str) -> Result<[u8; 32], Refusal> {
    let mut nonce = [0; 32];
    hex::decode_to_slice(text, &mut nonce).map_err(|_| {
        Refusal::new(ErrorCode::PathRefused, http::StatusCode::BAD_REQUEST, "nonce must be 64 hex characters")
    })?;
    Ok(nonce)
}

#[track_caller]
fn unavailable(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(%error, "the TEE device gives no evidence");
    Refusal::unavailable(ErrorCode::EvidenceUnavailable, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attestor(device: PathBuf) -> Attestor {
        let binding = Binding {
            genesis: daas_types::Digest::ZERO,
            cluster: daas_testkit::chain::cluster(),
            package: daas_types::PackageId(daas_types::Address::new([0; 32])),
            config_digest: [0; 32],
            ca_spki: [0; 32],
            signing_key: [0; 32],
        };
        let genesis = daas_types::genesis::Genesis::of_digest(daas_types::Digest::ZERO);
        Attestor::new(device, Roots::for_genesis(&genesis), binding)
    }

    #[test]
    fn one_address_does_not_fill_the_line() {
        let attestor = attestor(PathBuf::new());
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let turns = [attestor.inner.turn(one).unwrap(), attestor.inner.turn(one).unwrap()];
        assert_eq!(attestor.inner.turn(one).err().unwrap().code(), ErrorCode::TooManyRequests);
        assert!(attestor.inner.turn(other).is_ok());
        drop(turns);
        assert!(attestor.inner.turn(one).is_ok());
        assert!(attestor.inner.by_address.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn whoever_asks_and_goes_away_has_asked_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("nsm");
        let listener = tokio::net::UnixListener::bind(&device).unwrap();
        let attestor = attestor(device);
        let connection = ConnectionInfo { peer: "10.0.0.1:5".parse().unwrap(), server_name: None, exporter: [0; 32] };
        let mut asked = Vec::new();
        for _ in 0..PLACES_OF_ONE {
            let request = AttestationRequest { nonce: None };
            tokio::select! {
                _ = attestor.answer(&connection, request, true) => unreachable!("the device says nothing"),
                accepted = listener.accept() => asked.push(accepted.unwrap()),
            }
        }
        let again = attestor.answer(&connection, AttestationRequest { nonce: None }, true).await;
        assert_eq!(again.err().unwrap().code(), ErrorCode::TooManyRequests);
        assert_eq!(attestor.inner.places.available_permits(), PLACES - PLACES_OF_ONE);
        drop(asked);
        let all = u32::try_from(PLACES).unwrap();
        drop(attestor.inner.places.acquire_many(all).await.unwrap());
        assert!(attestor.inner.by_address.lock().unwrap().is_empty());
    }
}
