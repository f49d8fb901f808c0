//! Finding out whose credential it is, without a connection around it.

use crate::authenticate::{Authenticator, Caller};
use crate::config::Limits;
use crate::credential::Bearer;
use daas_chain::index::Snapshot;
use daas_types::pop::Usage;
use daas_types::{ClusterId, SealId, UnixMs};
use http::HeaderMap;

/// What a gateway knows of credentials.
pub struct Verifier(Authenticator);

/// What a request with a credential shows.
pub struct Shown(Bearer);

// === impl Verifier ===

impl Verifier {
    /// One that has seen nothing yet, and will remember as much as a gateway does.
    pub fn new(cluster: ClusterId) -> Self {
        let remembered = Limits::default().token_cache;
        Self(Authenticator::new(cluster, None, remembered).expect("without an issuer nothing can be wrong"))
    }

    /// The Seal that it is of.
    pub fn seal(&self, shown: &Shown, snapshot: &Snapshot, now: UnixMs) -> Option<SealId> {
        match self.0.authenticate(&shown.0, Usage::User, snapshot, now, |_| Ok(())).ok()? {
            Caller::Seal(holder) => Some(holder.seal.id),
            Caller::Certificate(_) | Caller::ServiceAccount { .. } => None,
        }
    }
}

// === impl Shown ===

impl Shown {
    /// The credential in these headers.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        Bearer::from_headers(headers).ok()?.map(Self)
    }
}
