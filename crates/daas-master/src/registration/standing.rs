//! What a master says of its registration, to whoever has to do something for it.

use super::step::Missing;
use daas_types::onchain::Pcrs;
use daas_types::{UnixMs, WalletAddress};
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A master's registration, as it stands. Clones share it.
#[derive(Clone)]
pub(crate) struct Registration {
    inner: Arc<Mutex<Inner>>,
    signing_key: [u8; 32],
    address: WalletAddress,
}

struct Inner {
    pcrs: Option<Pcrs>,
    phase: Phase,
    error: Option<String>,
    said: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Waiting(Vec<Missing>),
    Registered(UnixMs),
}

/// `GET /enclave`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Status {
    /// The enclave's Ed25519 key, hex.
    signing_key: String,
    /// Its Sui address, which pays for the gas.
    address: String,
    /// `starting`, `waiting for …`, or `registered`.
    state: String,
    /// What it waits for.
    missing: Vec<Mend>,
    /// Until when it counts if it goes on showing signs of life; zero if it does not count.
    registered_until_ms: u64,
    /// What last failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Something missing, and the command that mends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Mend {
    what: String,
    fix: String,
}

// === impl Registration ===

impl Registration {
    /// Of the enclave with this key and address; nothing is known yet.
    pub(crate) fn new(signing_key: [u8; 32], address: WalletAddress) -> Self {
        let inner = Inner { pcrs: None, phase: Phase::Starting, error: None, said: None };
        Self { inner: Arc::new(Mutex::new(inner)), signing_key, address }
    }

    /// What the enclave measures as, once that is known.
    pub(crate) fn measured(&self, pcrs: Pcrs) {
        self.lock().pcrs = Some(pcrs);
    }

    /// Whether it counts as a master.
    pub(crate) fn is_registered(&self) -> bool {
        matches!(self.lock().phase, Phase::Registered(_))
    }

    /// What there is to say.
    pub(crate) fn status(&self) -> Status {
        let inner = self.lock();
        let (state, missing, until) = match &inner.phase {
            Phase::Starting => ("starting".to_owned(), &[][..], UnixMs(0)),
            Phase::Waiting(missing) => (waiting(missing), missing.as_slice(), UnixMs(0)),
            Phase::Registered(until) => ("registered".to_owned(), &[][..], *until),
        };
        Status {
            signing_key: hex::encode(self.signing_key),
            address: self.address.to_string(),
            state,
            missing: missing
                .iter()
                .map(|m| Mend { what: m.to_string(), fix: self.fix(*m, inner.pcrs.as_ref()) })
                .collect(),
            registered_until_ms: until.0,
            error: inner.error.clone(),
        }
    }

    /// It counts until then.
    pub(super) fn registered(&self, until: UnixMs) {
        let mut inner = self.lock();
        if !matches!(inner.phase, Phase::Registered(_)) {
            tracing::info!(address = %self.address, until = %until, "this master counts on chain");
        }
        (inner.phase, inner.error) = (Phase::Registered(until), None);
    }

    /// It waits; said at once if it is news, and again every `every`.
    pub(super) fn waits(&self, missing: &[Missing], every: Duration) {
        let mut inner = self.lock();
        let phase = Phase::Waiting(missing.to_vec());
        let news = inner.phase != phase || inner.said.is_none_or(|said| said.elapsed() >= every);
        inner.phase = phase;
        if news {
            inner.said = Some(Instant::now());
            for missing in missing {
                let fix = self.fix(*missing, inner.pcrs.as_ref());
                tracing::warn!(%missing, fix, "this master is not registered on chain yet");
            }
        }
    }

    /// Something was tried and failed.
    pub(super) fn failed(&self, error: String) {
        self.lock().error = Some(error);
    }

    fn fix(&self, missing: Missing, pcrs: Option<&Pcrs>) -> String {
        match missing {
            Missing::Chain => "check the RPC endpoint (sui.rpc_endpoint)".to_owned(),
            Missing::Gas => format!("k3s-daas wallet send 1 {}", self.address),
            Missing::Endorsement => format!("k3s-daas chain master endorse --key {}", hex::encode(self.signing_key)),
            Missing::Measurement => {
                let pcr = |bytes: Option<&Vec<u8>>| bytes.map(hex::encode).unwrap_or_default();
                let (p0, p1, p2) = (pcr(pcrs.map(|p| &p.pcr0)), pcr(pcrs.map(|p| &p.pcr1)), pcr(pcrs.map(|p| &p.pcr2)));
                format!(
                    "k3s-daas chain measurement announce --pcr0 {p0} --pcr1 {p1} --pcr2 {p2}, and after the policy's delay \
                     k3s-daas chain measurement activate --pcr0 {p0}"
                )
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is one assignment, so a poisoned lock is still right.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waiting(missing: &[Missing]) -> String {
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    format!("waiting for {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_types::Address;

    #[test]
    fn it_says_what_is_missing_and_what_mends_it() {
        let registration = Registration::new([0xab; 32], WalletAddress(Address::new([1; 32])));
        assert_eq!(registration.status().state, "starting");
        registration.measured(Pcrs { pcr0: vec![2; 48], pcr1: vec![3; 48], pcr2: vec![4; 48] });
        registration.waits(&[Missing::Measurement, Missing::Endorsement, Missing::Gas], Duration::ZERO);
        let status = registration.status();
        assert_eq!(status.state, "waiting for measurement, endorsement, gas");
        assert!(status.missing[0].fix.contains(&format!("--pcr2 {}", "04".repeat(48))));
        assert!(status.missing[1].fix.ends_with(&"ab".repeat(32)));
        assert!(status.missing[2].fix.ends_with(&status.address));
        registration.failed("refused".to_owned());
        assert_eq!(registration.status().error.as_deref(), Some("refused"));
        assert!(!registration.is_registered());
        registration.registered(UnixMs(9));
        let status = registration.status();
        assert_eq!((status.state.as_str(), status.registered_until_ms, status.error), ("registered", 9, None));
        assert!(registration.is_registered());
    }
}
