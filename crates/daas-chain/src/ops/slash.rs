use super::build::{Arg, Office};
use super::{Call, Ops, PositionOutcome, SlashSpec};
use crate::index::IndexIds;
use daas_types::{Mist, PositionId};

/// `staking`: what the proposer and the judge may do.
impl Ops {
    /// Proposes a slash, which suspends the position at once.
    pub fn propose_slash(&self, ids: &IndexIds, position: PositionId, spec: &SlashSpec) -> Call<'_, PositionOutcome> {
        let args = [
            Arg::Office(Office::Proposer, *ids),
            Arg::shared(ids.cluster.0),
            Arg::shared_mut(position.0),
            Arg::pure(&spec.reason),
            Arg::pure(spec.evidence_hash.as_slice()),
            Arg::pure(&spec.evidence),
            Arg::pure(&spec.uri),
            Arg::clock(),
        ];
        self.entry(ids, "staking", "propose_slash", args).position()
    }

    /// Upholds an appealed slash.
    pub fn uphold_slash(&self, ids: &IndexIds, position: PositionId) -> Call<'_, PositionOutcome> {
        self.judge(ids, position, "uphold_slash", [])
    }

    /// Lets a smaller slash stand.
    pub fn reduce_slash(&self, ids: &IndexIds, position: PositionId, amount: Mist) -> Call<'_, PositionOutcome> {
        self.judge(ids, position, "reduce_slash", [Arg::pure(&amount)])
    }

    /// Cancels a pending slash.
    pub fn cancel_slash(&self, ids: &IndexIds, position: PositionId) -> Call<'_, PositionOutcome> {
        self.judge(ids, position, "cancel_slash", [])
    }

    fn judge(
        &self,
        ids: &IndexIds,
        position: PositionId,
        function: &'static str,
        more: impl IntoIterator<Item = Arg>,
    ) -> Call<'_, PositionOutcome> {
        let args = [Arg::Office(Office::Judge, *ids), Arg::shared(ids.cluster.0), Arg::shared_mut(position.0)];
        self.entry(ids, "staking", function, args.into_iter().chain(more).chain([Arg::clock()])).position()
    }
}
