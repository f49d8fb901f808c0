//! Whether a caller may go on: a pure function over one snapshot. What it gives is a [`Permit`], which carries the
//! identity, and what tells when losing the right ends whatever was begun with it.

mod k3s;
mod permit;
#[cfg(test)]
mod tests;

pub(crate) use k3s::{admit_join, admit_k3s_server};
pub(crate) use permit::{CutReason, GROUP, Given, Lease, Leash, Upstream};
pub use permit::{Identity, Kind, NodeRole, Permit};

use crate::authenticate::{BoundToken, Caller, SealHolder};
use crate::credential::Bearer;
use crate::freshness::Watch;
use crate::limits::Payer;
use crate::local::NodeCaller;
use crate::namespaces::{Namespaces, Owner};
use crate::refusal::Refusal;
use core::fmt;
use core::time::Duration;
use daas_chain::index::{Freshness, Hold, Index, LivePosition, Right, Snapshot};
use daas_types::ErrorCode::{
    ChainStale, Internal, NodeJailed, PositionClosed, PositionSlashed, PositionSuspended, SealExpired,
    ServiceAccountRefused, StakeTooLow, TokenMalformed, UsageNotPermitted,
};
use daas_types::onchain::Status;
use daas_types::pop::Usage;
use daas_types::{NodeId, Permissions, Tier, UnixMs};
use http::StatusCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a decision rests on, taken together.
pub(crate) struct View<'a> {
    /// Tells when what the snapshot said is no longer true.
    pub(crate) index: &'a Index,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) freshness: Freshness,
    /// The later of the machine's clock and the last verified checkpoint.
    pub(crate) now: UnixMs,
    pub(crate) node_stale_grace: Duration,
    pub(crate) namespaces: &'a Namespaces,
    /// Has what tells when the index becomes too old.
    pub(crate) watch: &'a Watch,
}

// === impl View ===

impl View<'_> {
    /// Cancelled when the index becomes too old for people.
    fn people_stale(&self) -> Arc<CancellationToken> {
        self.watch.people_stale(self.freshness)
    }

    /// Cancelled when it becomes too old for nodes.
    fn nodes_stale(&self) -> Arc<CancellationToken> {
        self.watch.nodes_stale(self.freshness)
    }
}

/// What the API server calls every node's kube-proxy.
pub(crate) const KUBE_PROXY: &str = "system:kube-proxy";

/// May this caller's request reach the API server, and as whom?
pub(crate) fn admit(caller: &Caller, view: &View<'_>) -> Result<Permit, Refusal> {
    match caller {
        Caller::Seal(holder) => match holder.usage {
            Usage::User => person(holder, view),
            Usage::Kubelet => node(holder, NodeRole::Kubelet, view),
            Usage::KubeProxy => node(holder, NodeRole::KubeProxy, view),
            Usage::Worker => {
                let cause = "a worker token opens register-worker and heartbeat only";
                Err(Refusal::forbidden(UsageNotPermitted, cause))
            }
        },
        Caller::Certificate(holder) => k3s::certificate(holder, view),
        Caller::ServiceAccount { token, bearer } => service_account(token, bearer, view),
    }
}

/// May this caller register or heartbeat as a node, and as which? A new node needs a fresh index, an old one does not.
pub(crate) fn admit_worker(caller: &Caller, joins: bool, view: &View<'_>) -> Result<NodeCaller, Refusal> {
    let Caller::Seal(holder) = caller else {
        return Err(Refusal::unauthorized(TokenMalformed, "a service account is no node"));
    };
    if holder.usage != Usage::Worker {
        return Err(Refusal::forbidden(UsageNotPermitted, format!("a {:?} token is no worker's", holder.usage)));
    }
    let node_id = node_right(holder, view)?;
    if joins {
        fresh(view)?;
    }
    Ok(NodeCaller { position: holder.position.state.position, node_id, seal: holder.seal.id })
}

fn person(holder: &SealHolder, view: &View<'_>) -> Result<Permit, Refusal> {
    fresh(view)?;
    seal_covers(holder, Permissions::USER, view.now)?;
    counts(&holder.position)?;
    let tier = tier_of(&holder.position)?;
    let state = &holder.position.state;
    let masters = tier == Tier::Super && view.snapshot.policy().super_is_masters;
    let identity = holder.given.or_make(&holder.position, masters, || {
        let mut groups = vec![tier.group().to_owned(), format!("daas:position:{}", state.position)];
        groups.extend(masters.then(|| "system:masters".to_owned()));
        Identity::new(state.owner.to_string(), Some(state.position), groups, holder.seal.id)
            .map_err(|error| no_header(&error))
    })?;
    let leash = Leash::new(holder.hold(Right::People, view), None, view.people_stale(), holder.until.since(view.now));
    let payer = Payer::Person(state.position, tier);
    Ok(Permit::new(Upstream::FrontProxy(identity), Kind::Person { tier }, payer, leash))
}

fn node(holder: &SealHolder, role: NodeRole, view: &View<'_>) -> Result<Permit, Refusal> {
    let id = node_right(holder, view)?;
    let identity = holder.given.or_make(&holder.position, false, || {
        // No UID: the API server compares a kubelet's with nothing, and two roles of one position are not one user.
        Identity::new(role.user(&id), None, role.groups(), holder.seal.id).map_err(|error| no_header(&error))
    })?;
    let leash = Leash::new(holder.hold(Right::Node, view), None, view.nodes_stale(), holder.until.since(view.now));
    let payer = Payer::Node(holder.position.state.position, of_node(&holder.position));
    Ok(Permit::new(Upstream::FrontProxy(identity), Kind::Node { id, role }, payer, leash))
}

fn node_right(holder: &SealHolder, view: &View<'_>) -> Result<NodeId, Refusal> {
    within_grace(view)?;
    seal_covers(holder, Permissions::NODE, view.now)?;
    right_of_node(&holder.position, view)
}

/// Whatever was shown for it.
fn right_of_node(position: &LivePosition, view: &View<'_>) -> Result<NodeId, Refusal> {
    counts(position)?;
    let no_node = || Refusal::forbidden(UsageNotPermitted, "the position has no node id");
    let id = position.node().ok_or_else(no_node)?;
    if position.state.is_jailed() {
        let until = position.state.jailed_until_ms;
        return Err(Refusal::forbidden(
            NodeJailed,
            format!("node {id} was silent; it is jailed at least until {until}"),
        ));
    }
    if !position.rights.node {
        let minimum = view.snapshot.policy().node_minimum;
        let active = position.state.active;
        let cause = format!("{active} SUI active, a node needs {minimum}");
        return Err(Refusal::forbidden(StakeTooLow, cause));
    }
    Ok(id)
}

fn service_account(token: &BoundToken, bearer: &Bearer, view: &View<'_>) -> Result<Permit, Refusal> {
    // A pod acts for its namespace's owner, so people's staleness rule holds; without one it is part of the cluster.
    let (stale, owner, acts_for) =
        if let Some((owner, least)) = acts_for(&token.namespace, view).map_err(|cause| no_pod(cause))? {
            fresh(view)?;
            counts(owner).map_err(|why| no_owner(token, &why))?;
            let tier = tier_of(owner).map_err(|why| no_owner(token, &why))?;
            if tier < least {
                let cause = format!("owner of {}: {} SUI active", token.namespace, owner.state.active);
                return Err(no_pod(cause));
            }
            let hold = view.index.hold(owner.clone(), Right::People, None);
            (view.people_stale(), Some(Payer::Pods(owner.state.position, tier)), Some(hold))
        } else {
            within_grace(view)?;
            (view.nodes_stale(), None, None)
        };
    let host = view.snapshot.by_node(&token.node);
    let host = host.ok_or_else(|| no_pod(format!("no position holds node {}", token.node)))?;
    if !host.rights.node {
        return Err(no_pod(format!("node {} has no right to be in the cluster", token.node)));
    }
    let runs_on = view.index.hold(host.clone(), Right::Node, None);
    let authorization = bearer.authorization().ok_or_else(|| no_pod("the token is no header value"))?;
    let kind = Kind::ServiceAccount { namespace: token.namespace.clone(), name: token.name.clone() };
    let payer = owner.unwrap_or(Payer::System(host.state.position, of_node(host)));
    Ok(Permit::new(
        Upstream::PassThrough(authorization),
        kind,
        payer,
        Leash::new(runs_on, acts_for, stale, token.expires.since(view.now)),
    ))
}

/// Whoever answers for the pod's namespace has no right to.
#[track_caller]
fn no_owner(token: &BoundToken, why: &Refusal) -> Refusal {
    no_pod(format!("owner of {}: {}", token.namespace, why.cause()))
}

#[track_caller]
fn no_header(error: &dyn fmt::Display) -> Refusal {
    Refusal::new(Internal, StatusCode::INTERNAL_SERVER_ERROR, error)
}

#[track_caller]
fn no_pod(cause: impl fmt::Display) -> Refusal {
    Refusal::unauthorized(ServiceAccountRefused, cause)
}

// === impl SealHolder ===

impl SealHolder {
    fn hold(&self, right: Right, view: &View<'_>) -> Hold {
        view.index.hold(self.position.clone(), right, Some(self.seal.clone()))
    }
}

/// Whom a namespace's service accounts act for, and which tier gave it the namespace; `None` if for the cluster.
fn acts_for<'a>(namespace: &str, view: &'a View<'_>) -> Result<Option<(&'a Arc<LivePosition>, Tier)>, String> {
    let (owner, least) = if namespace.starts_with("t-") {
        (view.snapshot.by_namespace(namespace), Tier::Developer)
    } else {
        match view.namespaces.owner(namespace) {
            Some(Owner::Cluster) => return Ok(None),
            Some(Owner::Position(id)) => (view.snapshot.position(id), Tier::Admin),
            None => (None, Tier::Admin),
        }
    };
    let owner = owner.ok_or_else(|| format!("nobody's namespace: {namespace}"))?;
    Ok(Some((owner, least)))
}

fn fresh(view: &View<'_>) -> Result<(), Refusal> {
    let cause = match view.freshness {
        Freshness::Fresh => return Ok(()),
        Freshness::Stale(age) => format!("the last verified checkpoint is {} s old", age.as_secs()),
        Freshness::Unknown => "no verified checkpoint yet".to_owned(),
    };
    Err(Refusal::unavailable(ChainStale, cause))
}

fn within_grace(view: &View<'_>) -> Result<(), Refusal> {
    match view.freshness {
        Freshness::Stale(age) if age <= view.node_stale_grace => Ok(()),
        Freshness::Fresh | Freshness::Stale(_) | Freshness::Unknown => fresh(view),
    }
}

fn seal_covers(holder: &SealHolder, needed: Permissions, now: UnixMs) -> Result<(), Refusal> {
    let record = &holder.seal;
    if record.is_expired(now) {
        let cause = format!("Seal {} ended at {}; it is {now}", record.id, record.expires_ms);
        return Err(Refusal::unauthorized(SealExpired, cause));
    }
    if !record.permissions.covers(needed) {
        let cause = format!("this needs `{needed}`, Seal {} permits `{}`", record.id, record.permissions);
        return Err(Refusal::forbidden(UsageNotPermitted, cause));
    }
    Ok(())
}

fn counts(position: &LivePosition) -> Result<(), Refusal> {
    let id = position.state.position;
    if position.gap {
        return Err(Refusal::unavailable(ChainStale, format!("position {id} is being read again")));
    }
    let code = match position.state.status {
        Status::Active => return Ok(()),
        Status::Suspended => PositionSuspended,
        Status::Slashed | Status::Recovering => PositionSlashed,
        Status::Closed => PositionClosed,
    };
    Err(Refusal::forbidden(code, format!("position {id} is {}", position.state.status)))
}

/// What the stake of a node counts for. A kubelet watches each Secret and ConfigMap of its pods, whatever was staked.
fn of_node(position: &LivePosition) -> Tier {
    position.rights.tier.map_or(Tier::Developer, |tier| tier.max(Tier::Developer))
}

fn tier_of(position: &LivePosition) -> Result<Tier, Refusal> {
    let too_low = || Refusal::forbidden(StakeTooLow, format!("{} SUI active", position.state.active));
    position.rights.tier.ok_or_else(too_low)
}
