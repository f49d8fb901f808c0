//! Jails silent nodes on chain: their node right ends until their keepers take them out.
//!
//! A node lives while its worker sends heartbeats or its kubelet renews its lease. Whose master cannot see its nodes, or
//! the chain, judges nobody; and it begins to count anew when it can again.

use crate::nodes::Nodes;
use crate::presence::Presence;
use crate::registration::Registration;
use daas_chain::clock;
use daas_chain::index::{Freshness, Index, IndexIds, LivePosition};
use daas_chain::ops::Ops;
use daas_types::onchain::Policy;
use daas_types::{NodeId, PositionId, UnixMs};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often all nodes are looked at.
const ROUND: Duration = Duration::from_secs(10);
/// Where kubelets keep their leases.
const LEASES: &str = "kube-node-lease";
/// Nodes jailed in one round; the others wait for the next.
const AT_ONCE: usize = 16;

/// Watches over the nodes.
pub(crate) struct Warden {
    /// The API server.
    pub(crate) client: Client,
    /// Live positions.
    pub(crate) index: Index,
    /// The enclave's transactions.
    pub(crate) ops: Ops,
    /// The cluster.
    pub(crate) ids: IndexIds,
    /// When nodes were heard of.
    pub(crate) presence: Arc<Presence>,
    /// Only a registered master may jail.
    pub(crate) registration: Registration,
}

/// What a warden remembers from round to round.
#[derive(Default)]
struct Watch {
    /// Each lease's version.
    leases: BTreeMap<String, String>,
    /// Since when nodes could have been heard without a break.
    listening_since: Option<UnixMs>,
}

// === impl Warden ===

impl Warden {
    /// Until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut watch = Watch::default();
        let mut ticks = interval(ROUND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            let round = async {
                if let Err(error) = self.round(&mut watch).await {
                    watch.listening_since = None;
                    tracing::warn!(error = format!("{error:#}"), "nodes not looked at; nobody is judged");
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = round => {}
            }
        }
    }

    async fn round(&self, watch: &mut Watch) -> anyhow::Result<()> {
        let now = clock::now();
        if self.index.freshness(now) != Freshness::Fresh || !self.registration.is_registered() {
            watch.listening_since = None;
            return Ok(());
        }
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), LEASES);
        let leases = leases.list(&ListParams::default()).await?;
        let versions = leases.iter().map(|lease| (lease.name_any(), lease.resource_version().unwrap_or_default()));
        self.note(watch, versions.collect(), now);
        let since = *watch.listening_since.get_or_insert(now);
        let records = Nodes::new(self.client.clone()).records().await?;
        let snapshot = self.index.snapshot();
        let joined = |live: &LivePosition, node: &NodeId| {
            records.get(node.as_str()).is_some_and(|record| record.position == live.state.position)
        };
        let silent: Vec<_> = snapshot
            .positions()
            .filter_map(|live| {
                let node = live.node().filter(|node| joined(live, node))?;
                let last = self.presence.last(&node, live.state.position);
                let silent_since = silent_since(live, last, since, snapshot.policy(), now)?;
                Some((node, live.state.position, silent_since))
            })
            .take(AT_ONCE)
            .collect();
        for (node, position, silent_since) in silent {
            self.jail(&node, position, silent_since).await;
        }
        Ok(())
    }

    /// A lease that changed since the last round is a sign of life. Its own time is the node's word and counts for nothing.
    fn note(&self, watch: &mut Watch, versions: BTreeMap<String, String>, now: UnixMs) {
        let snapshot = self.index.snapshot();
        for (name, version) in &versions {
            let renewed = watch.leases.get(name).is_some_and(|last| last != version);
            if let Some(node) = name.parse::<NodeId>().ok().filter(|_| renewed)
                && let Some(holder) = snapshot.by_node(&node)
            {
                self.presence.seen(&node, holder.state.position, now);
            }
        }
        watch.leases = versions;
    }

    async fn jail(&self, node: &NodeId, position: PositionId, silent_since: UnixMs) {
        match self.ops.jail(&self.ids, position, silent_since).await {
            Ok(_) => {
                metrics::counter!("daas_nodes_jailed_total").increment(1);
                tracing::warn!(%node, %position, silent.since = %silent_since, "silent node jailed");
            }
            // It may have spoken, or another master was first: the next round looks again.
            Err(error) => tracing::warn!(%node, %position, %error, "silent node not jailed"),
        }
    }
}

/// Since when a node has been silent, if that is long enough to jail it.
fn silent_since(
    live: &LivePosition,
    last_seen: Option<UnixMs>,
    listening_since: UnixMs,
    policy: &Policy,
    now: UnixMs,
) -> Option<UnixMs> {
    if !live.rights.node || live.state.in_maintenance(now) {
        return None;
    }
    // What ends with announced maintenance begins there.
    let maintained = live.state.maintenance.filter(|notice| notice.until_ms <= now).map(|notice| notice.until_ms);
    let since = last_seen.unwrap_or_default().max(listening_since).max(maintained.unwrap_or_default());
    (now.since(since) >= Duration::from_millis(policy.silence_ms)).then_some(since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::chain::Chain;
    use daas_types::Permissions;
    use daas_types::onchain::{Maintenance, Status};

    const T0: UnixMs = UnixMs(1_000_000_000);

    fn at(secs: u64) -> UnixMs {
        T0.plus(Duration::from_secs(secs))
    }

    #[test]
    fn silence_is_counted_from_when_the_node_could_have_been_heard() {
        let chain = Chain::new();
        let mut staker = chain.staker(1, "5", Permissions::NODE);
        let judged = |last: Option<UnixMs>, listening: u64, now: u64| {
            let snapshot = chain.index.snapshot();
            let live = snapshot.positions().next().unwrap();
            silent_since(live, last, at(listening), snapshot.policy(), at(now))
        };
        // 90 s is what the development network's policy allows.
        assert_eq!(judged(Some(at(0)), 0, 89), None);
        assert_eq!(judged(Some(at(0)), 0, 90), Some(at(0)));
        assert_eq!(judged(None, 10, 99), None);
        assert_eq!(judged(None, 10, 100), Some(at(10)));
        // The master itself was deaf until a moment ago.
        assert_eq!(judged(Some(at(0)), 500, 510), None);
        // Announced maintenance, and the silence after it.
        chain.put(&mut staker, |state| state.maintenance = Some(Maintenance { from_ms: at(50), until_ms: at(200) }));
        assert_eq!(judged(Some(at(0)), 0, 40), None);
        assert_eq!(judged(Some(at(0)), 0, 199), None);
        assert_eq!(judged(Some(at(0)), 0, 289), None);
        assert_eq!(judged(Some(at(0)), 0, 290), Some(at(200)));
        // Nodes without a right have nothing to lose.
        chain.put(&mut staker, |state| state.jailed_until_ms = at(1));
        assert_eq!(judged(Some(at(0)), 0, 500), None);
        chain.put(&mut staker, |state| {
            (state.jailed_until_ms, state.status) = (UnixMs(0), Status::Suspended);
        });
        assert_eq!(judged(Some(at(0)), 0, 500), None);
    }
}
