//! Whose credential it is. Reads one snapshot of the index; makes no call to anything.

mod service_account;

pub(crate) use service_account::BoundToken;

use crate::config::{ConfigError, ServiceAccountConfig};
use crate::credential::{Bearer, Token};
use crate::refusal::Refusal;
use aws_lc_rs::hmac;
use daas_chain::index::{LivePosition, Snapshot};
use daas_types::ErrorCode::{
    PositionClosed, SealExpired, ServiceAccountRefused, TokenExpired, TokenForeign, TokenMalformed, TokenUnknown,
};
use daas_types::onchain::{SealRecord, Status};
use daas_types::pop::{PopError, PopToken, Usage};
use daas_types::{ClusterId, PositionId, SealId, SealSecret, UnixMs, WalletAddress};
use quick_cache::sync::Cache;
use service_account::Issuer;
use std::sync::Arc;

/// What a credential turned out to be, against one snapshot.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A Seal's holder.
    Seal(SealHolder),
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
}

/// Verifies credentials and remembers which verified.
pub(crate) struct Authenticator {
    cluster: ClusterId,
    issuer: Option<Issuer>,
    /// Keyed by a hash that only this process can compute, so a dump of the cache gives no token to guess at.
    /// Only what was accepted once is in it, so tokens of strangers push nothing out.
    verified: Cache<[u8; 32], Verified>,
    key: hmac::Key,
    /// Whose Seals were shown, to tell their holders what became of them.
    positions: Cache<SealId, PositionId>,
}

#[derive(Clone)]
enum Verified {
    Pop(Arc<PopToken>),
    ServiceAccount(Arc<BoundToken>),
}

// === impl Authenticator ===

impl Authenticator {
    /// Verifies what is meant for `cluster`, and pods' tokens of `issuer`; remembers `remembered` of them.
    pub(crate) fn new(
        cluster: ClusterId,
        issuer: Option<&ServiceAccountConfig>,
        remembered: usize,
    ) -> Result<Self, ConfigError> {
        let rng = aws_lc_rs::rand::SystemRandom::new();
        Ok(Self {
            cluster,
            issuer: issuer.map(Issuer::new).transpose()?,
            verified: Cache::new(remembered),
            positions: Cache::new(remembered),
            key: hmac::Key::generate(hmac::HMAC_SHA256, &rng).expect("the system's random source must answer"),
        })
    }

    /// Whose `bearer` is. `opaque` is what an opaque secret counts for at the place that is asked for.
    pub(crate) fn authenticate(
        &self,
        bearer: &Bearer,
        opaque: Usage,
        snapshot: &Snapshot,
        now: UnixMs,
    ) -> Result<Caller, Refusal> {
        match bearer.token()? {
            Token::Pop(text) => self.pop(text, snapshot, now).map(Caller::Seal),
            Token::Opaque(secret) => self.opaque(&secret, opaque, snapshot).map(Caller::Seal),
            Token::Jwt(text) => {
                let token = self.service_account(text, now)?;
                Ok(Caller::ServiceAccount { token, bearer: bearer.clone() })
            }
        }
    }

    /// The signature is checked once; audience, time, Seal and signer at every use.
    fn pop(&self, text: &str, snapshot: &Snapshot, now: UnixMs) -> Result<SealHolder, Refusal> {
        let key = self.hash(text);
        let known = match self.verified.get(&key) {
            Some(Verified::Pop(token)) => Some(token),
            Some(Verified::ServiceAccount(_)) | None => None,
        };
        let token = match &known {
            Some(token) => token.clone(),
            None => Arc::new(PopToken::verify(text).map_err(refused)?),
        };
        token.check(self.cluster, now).map_err(refused)?;
        let claims = token.claims();
        let (position, seal) = snapshot.seal(claims.seal).ok_or_else(|| self.gone(claims.seal, snapshot))?;
        let until = speaks_until(token.signer(), position, seal, now)?;
        let holder = SealHolder { position: position.clone(), seal: seal.clone(), usage: claims.usage, until };
        if known.is_none() {
            // Only here: anyone can sign a token for any Seal with a key of their own.
            self.verified.insert(key, Verified::Pop(token));
            self.positions.insert(holder.seal.id, holder.position.state.position);
        }
        Ok(holder)
    }

    /// Why a Seal is not live. Its position took it along when it closed; otherwise another Seal took its place.
    fn gone(&self, seal: SealId, snapshot: &Snapshot) -> Refusal {
        let closed = self.positions.get(&seal).filter(|position| {
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
            })
            .ok_or_else(|| Refusal::unauthorized(TokenUnknown, "no Seal commits to this secret"))
    }

    fn service_account(&self, text: &str, now: UnixMs) -> Result<Arc<BoundToken>, Refusal> {
        let issuer = self.issuer.as_ref();
        let issuer = issuer.ok_or_else(|| Refusal::unauthorized(ServiceAccountRefused, "no issuer is configured"))?;
        let key = self.hash(text);
        let token = match self.verified.get(&key) {
            Some(Verified::ServiceAccount(token)) => token,
            Some(Verified::Pop(_)) | None => {
                let token = Arc::new(issuer.verify(text)?);
                token.check(now)?;
                self.verified.insert(key, Verified::ServiceAccount(token.clone()));
                token
            }
        };
        token.check(now)?;
        Ok(token)
    }

    fn hash(&self, text: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.key, text.as_bytes());
        tag.as_ref().try_into().expect("an HMAC-SHA256 tag must have 32 bytes")
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

fn refused(error: PopError) -> Refusal {
    let code = match error {
        PopError::Audience { .. } => TokenForeign,
        PopError::Expired { .. } | PopError::NotYet { .. } => TokenExpired,
        PopError::Malformed(_) | PopError::Scheme(_) | PopError::Signature | PopError::Lifetime(_) => TokenMalformed,
    };
    Refusal::unauthorized(code, error)
}
