//! Whose credential it is. Reads one snapshot of the index; makes no call to anything.

mod service_account;
mod shown;
#[cfg(test)]
mod tests;
mod verified;

pub(crate) use service_account::{BoundToken, Issuer};
pub(crate) use shown::Shown;

use crate::admit::{Given, NodeRole};
use crate::config::{ConfigError, ServiceAccountConfig};
use crate::credential::{Bearer, Token};
use crate::refusal::Refusal;
use core::convert::Infallible;
use daas_chain::index::{LivePosition, Snapshot};
use daas_types::ErrorCode::{
    PositionClosed, SealExpired, ServiceAccountRefused, TokenExpired, TokenForeign, TokenMalformed, TokenUnknown,
};
use daas_types::onchain::{SealRecord, Status};
use daas_types::pop::{Claims, PopError, PopToken, Usage};
use daas_types::{ClusterId, PositionId, SealId, SealSecret, UnixMs, WalletAddress};
use quick_cache::sync::Cache;
use std::sync::{Arc, Mutex, PoisonError};
use verified::{Digest, Verified};

/// What a credential turned out to be, against one snapshot.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A Seal's holder.
    Seal(SealHolder),
    /// A node's process, by its certificate.
    Certificate(CertificateHolder),
    /// A pod.
    ServiceAccount {
        /// What the issuer says.
        token: Arc<BoundToken>,
        /// The token itself, which the API server is to see.
        bearer: Bearer,
    },
}

/// The holder of a Seal that exists in the snapshot. Whether it counts is `admit`'s question.
#[derive(Clone, Debug)]
pub(crate) struct SealHolder {
    pub(crate) position: Arc<LivePosition>,
    pub(crate) seal: SealRecord,
    pub(crate) usage: Usage,
    /// When what was shown ends: the Seal, or the session key that signed before it does.
    pub(crate) until: UnixMs,
    /// Of the token, which has one usage and one Seal.
    pub(crate) given: Arc<Given>,
}

/// A process of a K3s agent whose key was bound to this position when its certificate was issued.
#[derive(Clone, Debug)]
pub(crate) struct CertificateHolder {
    pub(crate) position: Arc<LivePosition>,
    /// Under which the certificate was issued; whether it lives still is of no account.
    pub(crate) seal: SealId,
    pub(crate) role: NodeRole,
    /// When the certificate ends.
    pub(crate) until: UnixMs,
    /// Of the connection, which has one certificate.
    pub(crate) given: Arc<Given>,
}

/// A token that was verified.
#[derive(Clone)]
struct Known {
    token: Arc<PopToken>,
    given: Arc<Given>,
}

/// Verifies credentials and remembers which verified.
pub(crate) struct Authenticator {
    cluster: ClusterId,
    issuer: Option<Issuer>,
    tokens: Verified<Known>,
    accounts: Verified<Arc<BoundToken>>,
    /// What is remembered of each position.
    of_one: Cache<PositionId, Arc<Mutex<Vec<Digest>>>>,
    /// Whose Seals were that were shown, to tell their holders what became of them.
    seals: Cache<SealId, PositionId>,
}

/// Tokens of one position that are remembered: as many programs use them at once, each with one of its own. Without this bound one
/// with little stake could mint until nobody else's were.
const TOKENS_OF_ONE: usize = 64;

// === impl Authenticator ===

impl Authenticator {
    /// Verifies what is meant for `cluster`, and pods' tokens of `issuer`; remembers `remembered` of them.
    pub(crate) fn new(
        cluster: ClusterId,
        issuer: Option<&ServiceAccountConfig>,
        remembered: usize,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            cluster,
            issuer: issuer.map(Issuer::new).transpose()?,
            tokens: Verified::new(remembered),
            accounts: Verified::new(remembered),
            of_one: Cache::new(remembered),
            seals: Cache::new(remembered),
        })
    }

    /// Whose `bearer` is. `opaque` is what an opaque secret counts for at the place that is asked for; `may_verify` is asked
    /// before a signature is checked, with the position for which the key speaks that is said to have made it.
    pub(crate) fn authenticate(
        &self,
        bearer: &Bearer,
        opaque: Usage,
        snapshot: &Snapshot,
        now: UnixMs,
        may_verify: impl FnOnce(Option<PositionId>) -> Result<(), Refusal>,
    ) -> Result<Caller, Refusal> {
        match bearer.token()? {
            Token::Pop(text) => self.pop(text, snapshot, now, may_verify).map(Caller::Seal),
            Token::Opaque(secret) => self.opaque(&secret, opaque, snapshot).map(Caller::Seal),
            Token::Jwt(text) => {
                let token = self.service_account(text, now, may_verify)?;
                Ok(Caller::ServiceAccount { token, bearer: bearer.clone() })
            }
        }
    }

    /// The same for a token that counted on this connection before. None if it has to be read.
    pub(crate) fn again(
        &self,
        shown: &Shown,
        token: &[u8],
        snapshot: &Snapshot,
        now: UnixMs,
    ) -> Option<Result<Caller, Refusal>> {
        let Known { token, given } = self.tokens.get(shown.digest(token)?)?;
        Some(self.holder(token.claims(), token.signer(), given, snapshot, now).map(Caller::Seal))
    }

    /// It counted, and most likely is shown again.
    pub(crate) fn counted(&self, shown: &Shown, bearer: &Bearer) {
        if let Ok(Token::Pop(text)) = bearer.token() {
            shown.keep(bearer, self.tokens.digest(text));
        }
    }

    /// The signature is checked once; audience, time, Seal and signer at every use. The signature last: anyone can sign a
    /// token with a key of their own, and making up one that names a live Seal and its owner's key still costs us the most.
    fn pop(
        &self,
        text: &str,
        snapshot: &Snapshot,
        now: UnixMs,
        may_verify: impl FnOnce(Option<PositionId>) -> Result<(), Refusal>,
    ) -> Result<SealHolder, Refusal> {
        let digest = self.tokens.digest(text);
        if let Some(Known { token, given }) = self.tokens.get(digest) {
            return self.holder(token.claims(), token.signer(), given, snapshot, now);
        }
        let token = PopToken::parse(text).map_err(|error| refused(&error))?;
        let holder = self.holder(token.claims(), token.signer(), Arc::default(), snapshot, now)?;
        self.tokens.or_verify(digest, || {
            may_verify(Some(holder.position.state.position))?;
            let token = token.verify().map(Arc::new).map_err(|error| refused(&error))?;
            Ok(Known { token, given: holder.given.clone() })
        })?;
        self.seen(&holder, digest);
        Ok(holder)
    }

    /// A token of this position is remembered; another of its own no longer, where there are too many: any, because if it were
    /// the oldest, one program more than that would make all of them new at every turn.
    fn seen(&self, holder: &SealHolder, token: Digest) {
        let position = holder.position.state.position;
        self.seals.insert(holder.seal.id, position);
        let Ok(tokens) = self.of_one.get_or_insert_with(&position, || Ok::<_, Infallible>(Arc::default()));
        let mut tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.contains(&token) {
            // Many came with it at once, and each is told here.
            return;
        }
        if tokens.len() >= TOKENS_OF_ONE {
            let any = token.any(tokens.len());
            self.tokens.forget(tokens.swap_remove(any));
        }
        tokens.push(token);
    }

    fn holder(
        &self,
        claims: &Claims,
        signer: WalletAddress,
        given: Arc<Given>,
        snapshot: &Snapshot,
        now: UnixMs,
    ) -> Result<SealHolder, Refusal> {
        claims.check(self.cluster, now).map_err(|error| refused(&error))?;
        let (position, seal) = snapshot.seal(claims.seal).ok_or_else(|| self.gone(claims.seal, snapshot))?;
        let until = speaks_until(signer, position, seal, now)?;
        Ok(SealHolder { position: position.clone(), seal: seal.clone(), usage: claims.usage, until, given })
    }

    /// Why a Seal is not live. Its position took it along when it closed; otherwise another Seal took its place.
    fn gone(&self, seal: SealId, snapshot: &Snapshot) -> Refusal {
        let closed = self.seals.get(&seal).filter(|position| {
            snapshot.position(*position).is_none_or(|live| live.state.status == Status::Closed && !live.gap)
        });
        match closed {
            Some(position) => Refusal::forbidden(PositionClosed, format!("position {position} is closed")),
            None => Refusal::unauthorized(TokenUnknown, format!("Seal {seal} is not live")),
        }
    }

    /// Anyone can copy a locator into a Seal of its own, so it only names candidates; the commitment decides.
    fn opaque(&self, secret: &SealSecret, usage: Usage, snapshot: &Snapshot) -> Result<SealHolder, Refusal> {
        snapshot
            .by_locator(secret.locator())
            .find(|(position, seal)| secret.commitment(self.cluster, position.state.position).matches(&seal.commitment))
            .map(|(position, seal)| SealHolder {
                position: position.clone(),
                seal: seal.clone(),
                usage,
                until: seal.expires_ms,
                given: Arc::default(),
            })
            .ok_or_else(|| Refusal::unauthorized(TokenUnknown, "no Seal commits to this secret"))
    }

    fn service_account(
        &self,
        text: &str,
        now: UnixMs,
        may_verify: impl FnOnce(Option<PositionId>) -> Result<(), Refusal>,
    ) -> Result<Arc<BoundToken>, Refusal> {
        let issuer = self.issuer.as_ref();
        let issuer = issuer.ok_or_else(|| Refusal::unauthorized(ServiceAccountRefused, "no issuer is configured"))?;
        let digest = self.accounts.digest(text);
        let token = if let Some(token) = self.accounts.get(digest) {
            token
        } else {
            // What anybody can make up costs no signature.
            issuer.check_claims(text, now)?;
            self.accounts.or_verify(digest, || {
                may_verify(None)?;
                issuer.verify(text).map(Arc::new)
            })?
        };
        token.check(now)?;
        Ok(token)
    }
}

/// Until when `signer` may speak for the Seal: the owner as long as it lives, its session key as long as that lives. The
/// position's operator does not.
fn speaks_until(
    signer: WalletAddress,
    position: &LivePosition,
    seal: &SealRecord,
    now: UnixMs,
) -> Result<UnixMs, Refusal> {
    if signer == position.state.owner {
        return Ok(seal.expires_ms);
    }
    let Some(session) = seal.session.filter(|session| session.key == signer) else {
        let cause = format!("{signer} is neither the owner nor the session key of Seal {}", seal.id);
        return Err(Refusal::unauthorized(TokenUnknown, cause));
    };
    if now >= session.expires_ms {
        let cause = format!("the session key of Seal {} ended at {}; it is {now}", seal.id, session.expires_ms);
        return Err(Refusal::unauthorized(SealExpired, cause));
    }
    Ok(seal.expires_ms.min(session.expires_ms))
}

/// By reference, because the line that refuses is to be the caller's, and passed on as a function it would be the library's.
#[track_caller]
fn refused(error: &PopError) -> Refusal {
    let code = match error {
        PopError::Audience { .. } => TokenForeign,
        PopError::Expired { .. } | PopError::NotYet { .. } => TokenExpired,
        PopError::Malformed(_) | PopError::Scheme(_) | PopError::Signature | PopError::Lifetime(_) => TokenMalformed,
    };
    Refusal::unauthorized(code, error)
}
