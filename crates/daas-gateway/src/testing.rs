//! Finding out whose credential it is, without a connection around it.

use crate::authenticate::{Authenticator, Caller};
use crate::credential::Bearer;
use daas_chain::index::Snapshot;
use daas_types::pop::Usage;
use daas_types::{ClusterId, SealId, UnixMs};
use http::HeaderMap;

/// What a gateway knows of credentials.
pub struct Verifier(Authenticator);

// === impl Verifier ===

impl Verifier {
    /// One that has seen nothing yet, and will remember this many.
    pub fn new(cluster: ClusterId, remembered: usize) -> Self {
        Self(Authenticator::new(cluster, None, remembered).expect("without an issuer nothing can be wrong"))
    }

    /// The Seal that a request with these headers shows.
    pub fn seal(&self, headers: &HeaderMap, snapshot: &Snapshot, now: UnixMs) -> Option<SealId> {
        let bearer = Bearer::from_headers(headers).ok()??;
        match self.0.authenticate(&bearer, Usage::User, snapshot, now).ok()? {
            Caller::Seal(holder) => Some(holder.seal.id),
            Caller::ServiceAccount { .. } => None,
        }
    }
}
