//! `k3s_daas::caps`.

use super::{Call, declare_errors};
use crate::execute::Fault;
use daas_types::{CapId, ClusterId, WalletAddress};
use serde::{Deserialize, Serialize};

declare_errors! { "caps":
    FOREIGN_CAP = 1 "EForeignCap" "The capability is of another cluster";
}

/// `AdminCap`, `ProposerCap` and `JudgeCap` look the same.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Cap {
    pub(super) id: CapId,
    cluster: ClusterId,
}

/// `new_admin`, `new_proposer` and `new_judge`.
pub(super) fn make(call: &mut Call<'_, '_>, cluster: ClusterId) -> Cap {
    Cap { id: CapId(call.new_id()), cluster }
}

/// `transfer::public_transfer` of a new capability.
pub(super) fn send(call: &mut Call<'_, '_>, name: &'static str, cap: Cap, to: WalletAddress) {
    let tag = call.tag("caps", name);
    call.send(cap.id.0, tag, true, &cap, to.0);
}

/// Argument `n` is an admin's capability of `cluster`.
pub(super) fn assert_of(call: &Call<'_, '_>, n: usize, cluster: ClusterId) -> Result<(), Fault> {
    let cap: Cap = call.object(n)?;
    call.ensure(cap.cluster == cluster, FOREIGN_CAP, "assert_of")
}

/// The id of the capability that argument `n` is.
pub(super) fn id_of(call: &Call<'_, '_>, n: usize) -> Result<CapId, Fault> {
    let cap: Cap = call.object(n)?;
    Ok(cap.id)
}
