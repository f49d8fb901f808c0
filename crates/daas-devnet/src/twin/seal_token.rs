//! `k3s_daas::seal_token`.

use super::{Call, declare_errors};
use crate::execute::Fault;
use daas_types::onchain::{PositionState, SealRecord, SealToken, Session};
use daas_types::{Commitment, Locator, Permissions, SealId, UnixMs, WalletAddress};

declare_errors! { "seal_token":
    BAD_PERMISSIONS = 1 "EBadPermissions" "Permissions are 1 (user), 2 (node) or 3 (both)";
    NODE_ID_MISSING = 2 "ENodeIdMissing" "The node permission needs a position with a node id";
    BAD_LOCATOR = 3 "EBadLocator" "A locator is 16 bytes";
    BAD_COMMITMENT = 4 "EBadCommitment" "A commitment is 32 bytes";
    BAD_LIFETIME = 5 "EBadLifetime" "A Seal lives longer than zero and at most as long as the policy allows";
    BAD_SESSION = 6 "EBadSession" "A session key ends after now and no later than its Seal; without one its end is zero";
}

/// What a new Seal shall be, `SealRequest`.
pub(super) struct Wanted {
    permissions: Permissions,
    locator: Locator,
    commitment: Commitment,
    session: Option<Session>,
    expires_ms: UnixMs,
}

/// `request`, with the arguments from `first` on: locator, commitment, session, the session's end, lifetime.
pub(super) fn request(
    call: &Call<'_, '_>,
    permissions: Permissions,
    first: usize,
    max_lifetime_ms: u64,
) -> Result<Wanted, Fault> {
    const NAME: &str = "request";
    call.ensure(permissions.0 > 0 && Permissions::BOTH.covers(permissions), BAD_PERMISSIONS, NAME)?;
    let locator = <[u8; 16]>::try_from(call.bytes(first)?);
    let locator = Locator(locator.map_err(|_| call.abort(BAD_LOCATOR, NAME))?);
    let commitment = <[u8; 32]>::try_from(call.bytes(first + 1)?);
    let commitment = Commitment(commitment.map_err(|_| call.abort(BAD_COMMITMENT, NAME))?);
    let lifetime_ms: u64 = call.pure(first + 4)?;
    call.ensure(lifetime_ms > 0 && lifetime_ms <= max_lifetime_ms, BAD_LIFETIME, NAME)?;
    let expires_ms = call.sum(call.now_ms, lifetime_ms)?;
    let (key, session_expires_ms): (Option<WalletAddress>, u64) = (call.pure(first + 2)?, call.pure(first + 3)?);
    let fits = match key {
        Some(_) => session_expires_ms > call.now_ms && session_expires_ms <= expires_ms,
        None => session_expires_ms == 0,
    };
    call.ensure(fits, BAD_SESSION, NAME)?;
    let session = key.map(|key| Session { key, expires_ms: UnixMs(session_expires_ms) });
    Ok(Wanted { permissions, locator, commitment, session, expires_ms: UnixMs(expires_ms) })
}

/// Makes a Seal, sends its token to the position's owner, and answers what the position keeps of it.
pub(super) fn mint(call: &mut Call<'_, '_>, wanted: &Wanted, position: &PositionState) -> Result<SealRecord, Fault> {
    let as_node = wanted.permissions.covers(Permissions::NODE);
    call.ensure(!as_node || !position.node_id.is_empty(), NODE_ID_MISSING, "mint")?;
    let token = SealToken {
        id: SealId(call.new_id()),
        cluster: position.cluster,
        position: position.position,
        node_id: position.node_id.clone(),
        permissions: wanted.permissions,
        locator: wanted.locator,
        commitment: wanted.commitment,
        session: wanted.session,
        expires_ms: wanted.expires_ms,
    };
    call.send(token.id.0, call.tag("seal_token", "SealToken"), false, &token, position.owner.0);
    Ok(token.record())
}
