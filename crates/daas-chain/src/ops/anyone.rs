use super::build::{Arg, Draft, Step};
use super::{Call, DoubleSigned, Ops, Outcome, PositionOutcome};
use crate::index::IndexIds;
use daas_types::{Mist, PositionId, WalletAddress};

/// What anyone may do.
impl Ops {
    /// Puts the announced policy in force, once its delay is over.
    pub fn apply_policy(&self, ids: &IndexIds) -> Call<'_, Outcome> {
        self.entry(ids, "cluster", "apply_policy", [Arg::shared_mut(ids.cluster.0), Arg::clock()])
    }

    /// Pays the treasury to the policy's beneficiary.
    pub fn pay_treasury(&self, ids: &IndexIds) -> Call<'_, Outcome> {
        self.entry(ids, "cluster", "pay_treasury", [Arg::shared_mut(ids.cluster.0)])
    }

    /// Puts an announced image in force, once its delay is over.
    pub fn activate_measurement(&self, ids: &IndexIds, pcr0: &[u8; 48]) -> Call<'_, Outcome> {
        let args =
            [Arg::shared(ids.cluster.0), Arg::shared_mut(ids.nautilus.0), Arg::pure(pcr0.as_slice()), Arg::clock()];
        self.entry(ids, "nautilus", "activate_measurement", args)
    }

    /// Executes a slash whose time to appeal is over.
    pub fn execute_slash(&self, ids: &IndexIds, position: PositionId) -> Call<'_, PositionOutcome> {
        let args = [Arg::shared_mut(ids.cluster.0), Arg::shared_mut(position.0), Arg::clock()];
        self.entry(ids, "staking", "execute_slash", args).position()
    }

    /// Clears a lapsed slash away.
    pub fn release_lapsed_slash(&self, ids: &IndexIds, position: PositionId) -> Call<'_, PositionOutcome> {
        self.on_position(ids, position, ("staking", "release_lapsed_slash"), [Arg::clock()])
    }

    /// Shows that an enclave key signed two audit roots under one sequence number, which slashes the position that
    /// answers for it.
    pub fn slash_double_signed(
        &self,
        ids: &IndexIds,
        position: PositionId,
        proof: &DoubleSigned,
    ) -> Call<'_, PositionOutcome> {
        let [(root, signature), (other_root, other_signature)] = &proof.signed;
        let args = [
            Arg::shared_mut(ids.cluster.0),
            Arg::shared_mut(ids.nautilus.0),
            Arg::shared_mut(position.0),
            Arg::pure(proof.signing_key.as_slice()),
            Arg::pure(&proof.sequence),
            Arg::pure(root.as_slice()),
            Arg::pure(signature.as_slice()),
            Arg::pure(other_root.as_slice()),
            Arg::pure(other_signature.as_slice()),
            Arg::clock(),
        ];
        self.entry(ids, "staking", "slash_double_signed", args).position()
    }

    /// Sends SUI.
    pub fn transfer(&self, to: WalletAddress, amount: Mist) -> Call<'_, Outcome> {
        let send = Step::Send { what: Arg::Payment(amount), to: Some(to) };
        Call::new(self, Draft { package: None, cluster: None, steps: vec![send] })
    }
}
