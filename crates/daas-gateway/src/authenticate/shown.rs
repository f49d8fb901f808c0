//! What a connection showed last. Most show one token at every request, and to read and hash it costs more than all that is decided
//! by it.

use super::verified::Digest;
use crate::credential::Bearer;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A token that counted on this connection, and what stands for it. Whether it counts still is asked at every request.
#[derive(Default)]
pub(crate) struct Shown(Mutex<Option<(Bearer, Digest)>>);

// === impl Shown ===

impl Shown {
    /// What stands for this token, if it is that one.
    pub(super) fn digest(&self, token: &[u8]) -> Option<Digest> {
        self.lock().as_ref().filter(|(bearer, _)| bearer.is(token)).map(|(_, digest)| *digest)
    }

    pub(super) fn keep(&self, bearer: &Bearer, digest: Digest) {
        *self.lock() = Some((bearer.clone(), digest));
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Bearer, Digest)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
