use super::build::{Arg, DISPLAY_REGISTRY, Office};
use super::{Call, ClusterSpec, Ops, Outcome, Pcrs, TxError};
use crate::index::IndexIds;
use daas_types::onchain::{Event, Policy};
use daas_types::{PackageId, PositionId, WalletAddress};

/// `founding`, `cluster` and `nautilus`: what the holder of the `AdminCap` may do.
impl Ops {
    /// Makes a cluster. The sender gets the admin's capability, the two others theirs.
    pub fn create_cluster(&self, package: PackageId, spec: &ClusterSpec) -> Call<'_, (IndexIds, Outcome)> {
        let args = [Arg::pure(&spec.name), Arg::pure(self.client.genesis().digest().inner().as_slice())];
        let offices = [Arg::pure(&spec.proposer), Arg::pure(&spec.judge)];
        let args = args.into_iter().chain(policy_args(&spec.policy)).chain(offices);
        self.entry_of(package, "founding", "create_cluster", args).then(move |outcome| {
            let made = outcome.events.iter().find_map(|event| match event {
                Event::Cluster { state, .. } => Some(state),
                _ => None,
            });
            let made = made.ok_or_else(|| TxError::Broken(format!("{} made no cluster", outcome.digest)))?;
            let ids = IndexIds { package, cluster: made.cluster, registry: made.registry, nautilus: made.nautilus };
            Ok((ids, outcome))
        })
    }

    /// Says once, for everyone and for ever, how wallets show this package's Seals. A development network has no registry of
    /// such things.
    pub fn create_display(&self, package: PackageId) -> Call<'_, Outcome> {
        self.entry_of(package, "seal_token", "create_display", [Arg::shared_mut(DISPLAY_REGISTRY)])
    }

    /// Announces a policy in place of any announced before.
    pub fn announce_policy(&self, ids: &IndexIds, policy: &Policy) -> Call<'_, Outcome> {
        let args = administer(ids).into_iter().chain(policy_args(policy)).chain([Arg::clock()]);
        self.entry(ids, "cluster", "announce_policy", args)
    }

    /// Takes back the announced policy.
    pub fn recall_policy(&self, ids: &IndexIds) -> Call<'_, Outcome> {
        self.entry(ids, "cluster", "recall_policy", administer(ids))
    }

    /// Stops or allows new stake.
    pub fn set_paused(&self, ids: &IndexIds, paused: bool) -> Call<'_, Outcome> {
        self.entry(ids, "cluster", "set_paused", administer(ids).into_iter().chain([Arg::pure(&paused)]))
    }

    /// Names the positions whose nodes are the operator's pool, and which may answer for masters.
    pub fn set_operator_positions(&self, ids: &IndexIds, positions: &[PositionId]) -> Call<'_, Outcome> {
        let args = administer(ids).into_iter().chain([Arg::pure(positions)]);
        self.entry(ids, "cluster", "set_operator_positions", args)
    }

    /// Gives the proposer's office to `holder`.
    pub fn appoint_proposer(&self, ids: &IndexIds, holder: WalletAddress) -> Call<'_, Outcome> {
        self.entry(ids, "cluster", "appoint_proposer", administer(ids).into_iter().chain([Arg::pure(&holder)]))
    }

    /// Gives the judge's office to `holder`.
    pub fn appoint_judge(&self, ids: &IndexIds, holder: WalletAddress) -> Call<'_, Outcome> {
        self.entry(ids, "cluster", "appoint_judge", administer(ids).into_iter().chain([Arg::pure(&holder)]))
    }

    /// Moves the cluster to the version of the package that is called.
    pub fn migrate(&self, ids: &IndexIds) -> Call<'_, Outcome> {
        self.entry(ids, "cluster", "migrate", administer(ids))
    }

    /// Announces an image that masters may run later.
    pub fn announce_measurement(&self, ids: &IndexIds, pcrs: &Pcrs) -> Call<'_, Outcome> {
        let Pcrs { pcr0, pcr1, pcr2 } = pcrs;
        let pcrs = [pcr0, pcr1, pcr2].map(|pcr| Arg::pure(pcr.as_slice()));
        let args = measure(ids).into_iter().chain(pcrs).chain([Arg::clock()]);
        self.entry(ids, "nautilus", "announce_measurement", args)
    }

    /// Lets no more masters register with an image.
    pub fn retire_measurement(&self, ids: &IndexIds, pcr0: &[u8; 48]) -> Call<'_, Outcome> {
        let args = measure(ids).into_iter().chain([Arg::pure(pcr0.as_slice())]);
        self.entry(ids, "nautilus", "retire_measurement", args)
    }

    /// Takes an image and every master that runs it out at once.
    pub fn revoke_measurement(&self, ids: &IndexIds, pcr0: &[u8; 48]) -> Call<'_, Outcome> {
        let args = measure(ids).into_iter().chain([Arg::pure(pcr0.as_slice())]);
        self.entry(ids, "nautilus", "revoke_measurement", args)
    }

    /// Takes a master off the list.
    pub fn remove_master(&self, ids: &IndexIds, signing_key: &[u8; 32]) -> Call<'_, Outcome> {
        let args = measure(ids).into_iter().chain([Arg::pure(signing_key.as_slice())]);
        self.entry(ids, "nautilus", "remove_master", args)
    }
}

fn administer(ids: &IndexIds) -> [Arg; 2] {
    [Arg::Office(Office::Admin, *ids), Arg::shared_mut(ids.cluster.0)]
}

fn measure(ids: &IndexIds) -> [Arg; 3] {
    [Arg::Office(Office::Admin, *ids), Arg::shared(ids.cluster.0), Arg::shared_mut(ids.nautilus.0)]
}

fn policy_args(policy: &Policy) -> [Arg; 3] {
    [Arg::pure(policy.numbers().as_slice()), Arg::pure(&policy.super_is_masters), Arg::pure(&policy.beneficiary)]
}
