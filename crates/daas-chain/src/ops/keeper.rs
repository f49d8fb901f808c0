use super::build::Arg;
use super::staker::secret_args;
use super::{Call, Ops, Outcome, PositionOutcome, RequestSpec, TxError, WorkerSealSpec};
use crate::index::IndexIds;
use daas_types::{PositionId, RequestId, SealId, UnixMs};

/// `staking`, `node` and `k8s_gateway`: what a position's owner and its operator may do; and requests, which are the owner's.
impl Ops {
    /// Mints a Seal that joins the position's node and does nothing else, in place of `replaces` if that is given and
    /// still there.
    pub fn create_worker_seal_token(
        &self,
        ids: &IndexIds,
        position: PositionId,
        replaces: Option<SealId>,
        seal: &WorkerSealSpec,
    ) -> Call<'_, PositionOutcome> {
        let secret = secret_args(seal.locator.0.as_slice(), seal.commitment.0.as_slice(), seal.session, seal.lifetime);
        let args = [Arg::shared(ids.cluster.0), Arg::shared_mut(position.0), Arg::pure(&replaces)];
        self.entry(ids, "k8s_gateway", "create_worker_seal_token", args.into_iter().chain(secret)).position()
    }

    /// Voids one Seal.
    pub fn revoke_seal(&self, ids: &IndexIds, position: PositionId, seal: SealId) -> Call<'_, PositionOutcome> {
        self.on_position(ids, position, ("staking", "revoke_seal"), [Arg::pure(&seal), Arg::clock()])
    }

    /// Voids all Seals.
    pub fn revoke_all_seals(&self, ids: &IndexIds, position: PositionId) -> Call<'_, PositionOutcome> {
        self.on_position(ids, position, ("staking", "revoke_all_seals"), [Arg::clock()])
    }

    /// Takes the node out of jail.
    pub fn unjail(&self, ids: &IndexIds, position: PositionId) -> Call<'_, PositionOutcome> {
        self.on_position(ids, position, ("node", "unjail"), [Arg::clock()])
    }

    /// Announces a time in which the node may be silent.
    pub fn announce_maintenance(
        &self,
        ids: &IndexIds,
        position: PositionId,
        from: UnixMs,
        until: UnixMs,
    ) -> Call<'_, PositionOutcome> {
        let args = [Arg::pure(&from), Arg::pure(&until), Arg::clock()];
        self.on_position(ids, position, ("node", "announce_maintenance"), args)
    }

    /// Asks the cluster for something by transaction. Answers the request's id.
    pub fn submit_k8s_request(
        &self,
        ids: &IndexIds,
        position: PositionId,
        spec: &RequestSpec,
    ) -> Call<'_, (RequestId, Outcome)> {
        let args = [
            Arg::shared(ids.cluster.0),
            Arg::shared_mut(position.0),
            Arg::pure(&spec.method),
            Arg::pure(&spec.path),
            Arg::pure(&spec.namespace),
            Arg::pure(&spec.resource_type),
            Arg::pure(&spec.payload),
            Arg::pure(&spec.payload_hash),
            Arg::End(spec.waits),
            Arg::pure(&spec.idempotency_key),
            Arg::clock(),
        ];
        self.entry(ids, "k8s_gateway", "submit_k8s_request", args).then(|outcome| {
            let made = outcome.created("k8s_gateway", "K8sRequest");
            let id = made.ok_or_else(|| TxError::Broken(format!("{} made no request", outcome.digest)))?;
            Ok((RequestId(id), outcome))
        })
    }

    /// Takes a request back.
    pub fn cancel_k8s_request(&self, ids: &IndexIds, request: RequestId) -> Call<'_, Outcome> {
        let args = [Arg::shared(ids.cluster.0), Arg::shared_mut(request.0)];
        self.entry(ids, "k8s_gateway", "cancel_k8s_request", args)
    }
}
