use super::build::{Arg, Draft, FRAMEWORK, Step};
use super::{Call, Ops, Outcome, PositionOutcome, RegisterSpec};
use crate::index::IndexIds;
use daas_types::{AnchorsId, PositionId, RequestId, UnixMs};

/// `nautilus`, `node` and `k8s_gateway`: what a master does, from the address of its enclave's key; and the
/// endorsement before that.
impl Ops {
    /// Says that an operator's position answers for an enclave's signing key.
    pub fn endorse_master(&self, ids: &IndexIds, position: PositionId, signing_key: &[u8; 32]) -> Call<'_, Outcome> {
        let args = [
            Arg::shared(ids.cluster.0),
            Arg::shared_mut(ids.nautilus.0),
            Arg::shared(position.0),
            Arg::pure(signing_key.as_slice()),
        ];
        self.entry(ids, "nautilus", "endorse_master", args)
    }

    /// Registers the sender as a master, in place of one with the same endpoint or key.
    pub fn register_master(&self, ids: &IndexIds, spec: &RegisterSpec) -> Call<'_, Outcome> {
        let document = Step::Call {
            package: FRAMEWORK,
            module: "nitro_attestation",
            function: "load_nitro_attestation",
            args: vec![Arg::pure(&spec.document), Arg::clock()],
        };
        let args = vec![
            Arg::shared(ids.cluster.0),
            Arg::shared_mut(ids.nautilus.0),
            Arg::shared(spec.position.0),
            Arg::Result(0),
            Arg::pure(&spec.endpoint),
            Arg::pure(spec.ca_spki.as_slice()),
            Arg::pure(spec.config_digest.as_slice()),
            Arg::clock(),
        ];
        let package = ids.package.0;
        let register = Step::Call { package, module: "nautilus", function: "register_master", args };
        Call::new(self, Draft { package: Some(ids.package), cluster: Some(*ids), steps: vec![document, register] })
    }

    /// Says that the master lives.
    pub fn heartbeat(&self, ids: &IndexIds) -> Call<'_, Outcome> {
        let args = [Arg::shared(ids.cluster.0), Arg::shared_mut(ids.nautilus.0), Arg::clock()];
        self.entry(ids, "nautilus", "heartbeat", args)
    }

    /// Jails a node that has been silent since `silent_since`.
    pub fn jail(&self, ids: &IndexIds, position: PositionId, silent_since: UnixMs) -> Call<'_, PositionOutcome> {
        let args = [
            Arg::shared(ids.cluster.0),
            Arg::shared(ids.nautilus.0),
            Arg::shared_mut(position.0),
            Arg::pure(&silent_since),
            Arg::clock(),
        ];
        self.entry(ids, "node", "jail", args).position()
    }

    /// Says what came of a request: the answer's HTTP status and the digest of its body.
    pub fn record_result(
        &self,
        ids: &IndexIds,
        request: RequestId,
        status: u16,
        digest: &[u8; 32],
    ) -> Call<'_, Outcome> {
        let args = [
            Arg::shared(ids.cluster.0),
            Arg::shared(ids.nautilus.0),
            Arg::shared_mut(request.0),
            Arg::pure(&status),
            Arg::pure(digest.as_slice()),
            Arg::clock(),
        ];
        self.entry(ids, "k8s_gateway", "record_result", args)
    }

    /// Anchors the root of the master's audit log: that of its first `records` records.
    pub fn anchor_root(
        &self,
        ids: &IndexIds,
        anchors: AnchorsId,
        sequence: u64,
        root: &[u8; 32],
        records: u64,
    ) -> Call<'_, Outcome> {
        let args = [
            Arg::shared(ids.cluster.0),
            Arg::shared(ids.nautilus.0),
            Arg::shared_mut(anchors.0),
            Arg::pure(&sequence),
            Arg::pure(root.as_slice()),
            Arg::pure(&records),
            Arg::clock(),
        ];
        self.entry(ids, "k8s_gateway", "anchor_root", args)
    }
}
