//! What the master keeps true inside Kubernetes: tiers' rights, tenants' namespaces, nodes' taints, its own endpoint.
//! Every effect is idempotent, so a round that fails is simply done again.

use crate::applied::Applied;
use crate::nodes::Nodes;
use crate::{bindings, endpoint, namespaces, rbac, tenants};
use daas_chain::clock;
use daas_chain::index::{Change, Index};
use daas_gateway::Namespaces;
use kube::Client;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often everything is looked at again without a reason.
const ROUND: Duration = Duration::from_secs(10);

/// What the controllers work on.
#[derive(Clone)]
pub(crate) struct Controllers {
    /// The API server.
    pub(crate) client: Client,
    /// Live positions.
    pub(crate) index: Index,
    /// The gateway, for the `kubernetes` Service.
    pub(crate) gateway: (IpAddr, u16),
    /// The address that pods ask for names, where the engine has nothing of its own there.
    pub(crate) cluster_dns: Option<Ipv4Addr>,
    /// Whose namespaces are, for the gateway.
    pub(crate) namespaces: Namespaces,
}

// === impl Controllers ===

impl Controllers {
    /// Brings everything in place once, unless an earlier start has; to be done before the gateway serves.
    pub(crate) async fn prepare(&self) -> anyhow::Result<()> {
        let nodes = Nodes::new(self.client.clone());
        let ours = Applied::of(self.gateway, self.cluster_dns);
        if !ours.is_in_place(&self.client).await {
            // What is half applied is not in place, whichever version looks.
            Applied::forget(&self.client).await?;
            rbac::apply_all(&self.client).await?;
            if let Some(address) = self.cluster_dns {
                // Not worth a cluster: where it is outside the service network, nobody can take it either.
                logged("dns", endpoint::reserve_dns(&self.client, address).await);
            }
            endpoint::publish(&self.client, self.gateway.0, self.gateway.1).await?;
            rbac::in_force(&self.client).await?;
            ours.record(&self.client).await?;
        }
        // None of them waits for another. Boxed: all of `main` would carry room for it.
        let together = async { tokio::try_join!(nodes.prepare(), namespaces::learn(&self.client, &self.namespaces)) };
        Box::pin(together).await.map(drop)
    }

    /// Keeps the gateway's knowledge of namespaces true.
    pub(crate) async fn run_namespaces(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        namespaces::run(self.client, self.namespaces, shutdown).await
    }

    /// Cuts nodes off the moment their right goes. Apart from [`Self::run_rounds`], so that nothing slow stands before it.
    pub(crate) async fn run_revocation(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let nodes = Nodes::new(self.client.clone());
        let mut changes = self.index.changes();
        loop {
            let change = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            match change {
                Ok(change) => self.revoke(&nodes, change).await,
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "changes missed, looking at every node");
                    logged("nodes", nodes.reconcile(&self.index.snapshot()).await);
                }
                Err(RecvError::Closed) => anyhow::bail!("the index is gone"),
            }
        }
    }

    async fn revoke(&self, nodes: &Nodes, change: Change) {
        if change.before == change.after {
            return;
        }
        let snapshot = self.index.snapshot();
        let Some(node) = snapshot.position(change.position).and_then(|p| p.node()) else { return };
        if change.before.node && !change.after.node {
            logged("revocation", nodes.revoke(node.as_str()).await);
        } else if change.after.node {
            logged("nodes", nodes.reconcile(&snapshot).await);
        }
    }

    /// Looks at everything, every now and then and whenever a position changes.
    pub(crate) async fn run_rounds(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let nodes = Nodes::new(self.client.clone());
        let mut changes = self.index.changes();
        let mut ticks = interval(ROUND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = ticks.tick() => {
                    logged("rights", rbac::apply_all(&self.client).await);
                    logged("endpoint", endpoint::publish(&self.client, self.gateway.0, self.gateway.1).await);
                    logged("nodes", nodes.reconcile(&self.index.snapshot()).await);
                    logged("bindings", bindings::sweep(&self.client, &self.index.snapshot()).await);
                }
                // Lagging loses nothing: the round looks at the whole snapshot. A burst is one round.
                _ = changes.recv() => while !matches!(changes.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {},
            }
            logged("tenants", tenants::reconcile(&self.client, &self.index.snapshot(), clock::now()).await);
        }
    }
}

fn logged(what: &str, result: anyhow::Result<()>) {
    if let Err(error) = result {
        metrics::counter!("daas_controller_errors_total", "controller" => what.to_owned()).increment(1);
        tracing::warn!(controller = what, error = format!("{error:#}"), "round failed, will be repeated");
    }
}
