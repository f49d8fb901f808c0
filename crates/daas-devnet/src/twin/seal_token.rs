//! `k3s_daas::seal_token`.

use super::{Call, declare_errors};
use crate::execute::Fault;
use daas_types::onchain::{PositionState, SealRecord};
use daas_types::{ClusterId, Permissions, PositionId, SealId, UnixMs, WalletAddress};
use serde::{Deserialize, Serialize};

declare_errors! { ERRORS, "seal_token":
    BAD_PERMISSIONS = 1 "EBadPermissions" "Permissions are 1 (user), 2 (node) or 3 (both)";
    NODE_ID_MISSING = 2 "ENodeIdMissing" "The node permission needs a position with a node id";
    BAD_LOCATOR = 3 "EBadLocator" "A locator is 16 bytes";
    BAD_COMMITMENT = 4 "EBadCommitment" "A commitment is 32 bytes";
    BAD_LIFETIME = 5 "EBadLifetime" "A Seal lives longer than zero and at most as long as the policy allows";
}

/// The object as it stands in the ledger: its id first.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SealTokenObject {
    id: SealId,
    cluster: ClusterId,
    position: PositionId,
    node_id: String,
    permissions: Permissions,
    locator: Vec<u8>,
    commitment: Vec<u8>,
    session: Option<WalletAddress>,
    expires_ms: UnixMs,
}

/// `mint`, with what the Seal is to be in the call's arguments from `first` on: permissions, locator, commitment,
/// session, lifetime. Sends the token to the position's owner and answers what the position keeps of it.
pub(super) fn mint(
    call: &mut Call<'_, '_>,
    first: usize,
    position: &PositionState,
    max_lifetime_ms: u64,
) -> Result<SealRecord, Fault> {
    const NAME: &str = "mint";
    let permissions: Permissions = call.pure(first)?;
    let (locator, commitment): (Vec<u8>, Vec<u8>) = (call.pure(first + 1)?, call.pure(first + 2)?);
    let lifetime_ms: u64 = call.pure(first + 4)?;
    let known = permissions.0 > 0 && Permissions::BOTH.covers(permissions);
    call.ensure(known, BAD_PERMISSIONS, NAME)?;
    let as_node = permissions.covers(Permissions::NODE);
    call.ensure(!as_node || !position.node_id.is_empty(), NODE_ID_MISSING, NAME)?;
    call.ensure(locator.len() == 16, BAD_LOCATOR, NAME)?;
    call.ensure(commitment.len() == 32, BAD_COMMITMENT, NAME)?;
    call.ensure(lifetime_ms > 0 && lifetime_ms <= max_lifetime_ms, BAD_LIFETIME, NAME)?;
    let expires_ms = UnixMs(call.now_ms.checked_add(lifetime_ms).ok_or_else(|| call.overflow())?);
    let id = SealId(call.new_id());
    let record = SealRecord { id, permissions, locator, commitment, session: call.pure(first + 3)?, expires_ms };
    let token = SealTokenObject {
        id,
        cluster: position.cluster,
        position: position.position,
        node_id: position.node_id.clone(),
        permissions,
        locator: record.locator.clone(),
        commitment: record.commitment.clone(),
        session: record.session,
        expires_ms,
    };
    call.send(id.0, call.tag("seal_token", "SealToken"), false, &token, position.owner.0);
    Ok(record)
}
