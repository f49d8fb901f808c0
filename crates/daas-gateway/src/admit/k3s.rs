//! The processes of a K3s agent, and K3s' own server.

use super::{
    Identity, Kind, Lease, Leash, NodeRole, Permit, Upstream, View, no_header, of_node, right_of_node, within_grace,
};
use crate::authenticate::{Caller, CertificateHolder, SealHolder};
use crate::limits::Payer;
use crate::refusal::Refusal;
use core::time::Duration;
use daas_chain::index::Right;
use daas_types::ErrorCode::{CertificateRefused, TokenMalformed};
use daas_types::{NodeId, UnixMs};
use http::HeaderValue;
use std::sync::Arc;

/// Beyond any deadline.
const LONGEST: Duration = Duration::from_hours(1);

/// May this process go on, by the right that its position's node has now?
pub(super) fn certificate(holder: &CertificateHolder, view: &View<'_>) -> Result<Permit, Refusal> {
    let CertificateHolder { position, seal, role, until, given } = holder;
    if view.now >= *until {
        let cause = format!("the certificate ended at {until}; it is {}", view.now);
        return Err(Refusal::unauthorized(CertificateRefused, cause));
    }
    within_grace(view)?;
    let id = right_of_node(position, view)?;
    let identity = given.or_make(position, false, || {
        let identity = Identity::new(role.user(&id), None, role.groups(), *seal);
        identity.and_then(|identity| identity.on(&id)).map_err(|error| no_header(&error))
    })?;
    // Without a Seal: to be renewed without losing a pod, it may be replaced while the node runs.
    let hold = view.index.hold(position.clone(), Right::Node, None);
    let leash = Leash::new(hold, None, view.nodes_stale(), until.since(view.now));
    let payer = Payer::Node(position.state.position, of_node(position));
    Ok(Permit::new(Upstream::FrontProxy(identity), Kind::Node { id, role: *role }, payer, leash))
}

// === impl Permit ===

impl Permit {
    /// For what K3s finishes, whoever waits for it or not.
    pub(crate) fn unhurried() -> Lease {
        Leash::new(None, None, Arc::default(), LONGEST).lease()
    }
}

/// May this Seal's node ask K3s for what an agent needs, as whoever has K3s' agent token?
pub(crate) fn admit_join(caller: &Caller, token: HeaderValue, view: &View<'_>) -> Result<Permit, Refusal> {
    let Caller::Seal(holder @ SealHolder { .. }) = caller else {
        return Err(Refusal::unauthorized(TokenMalformed, "only a Seal joins"));
    };
    Ok(super::node(holder, NodeRole::Kubelet, view)?.joining(token))
}

/// K3s' own server on its way to itself. It has no stake to lose.
pub(crate) fn admit_k3s_server(id: &NodeId, until: UnixMs, view: &View<'_>) -> Result<Permit, Refusal> {
    if view.now >= until {
        let cause = format!("the certificate ended at {until}; it is {}", view.now);
        return Err(Refusal::unauthorized(CertificateRefused, cause));
    }
    let role = NodeRole::Kubelet;
    let identity = Identity::new(role.user(id), None, role.groups(), None).map_err(|error| no_header(&error))?;
    let leash = Leash::new(None, None, Arc::default(), until.since(view.now));
    let kind = Kind::Node { id: id.clone(), role };
    Ok(Permit::new(Upstream::FrontProxy(Arc::new(identity)), kind, Payer::control_plane(), leash))
}

#[cfg(test)]
mod tests {
    use super::super::admit;
    use super::*;
    use crate::freshness::Watch;
    use crate::namespaces::Namespaces;
    use daas_testkit::chain::Chain;
    use daas_types::ErrorCode::NodeJailed;
    use daas_types::Permissions;

    fn view(chain: &Chain) -> View<'static> {
        let watch = Watch::new(chain.index.clone(), Duration::from_mins(15), Namespaces::default());
        Box::leak(Box::new(watch)).view()
    }

    #[test]
    fn a_certificate_is_worth_what_its_position_is_now() {
        let chain = Chain::new();
        let mut staker = chain.staker(1, "5", Permissions::NODE);
        let (position, seal) = (staker.state.position, staker.state.seals[0].id);
        let shown = |until: UnixMs| {
            let view = view(&chain);
            let position = view.snapshot.position(position).unwrap().clone();
            let given = Arc::default();
            let role = NodeRole::KubeProxy;
            admit(&Caller::Certificate(CertificateHolder { position, seal, role, until, given }), &view)
        };
        let now = view(&chain).now;
        let later = now.plus(Duration::from_mins(5));
        let permit = shown(later).unwrap();
        assert_eq!(permit.identity().unwrap().user(), "system:kube-proxy");
        assert!(permit.identity().unwrap().groups().is_empty());
        // The name is every node's: on which, admission policies are told.
        let headers = permit.identity().unwrap().headers();
        assert!(headers.iter().any(|(name, value)| name == "x-remote-extra-daas-node" && value == "worker-1"));
        assert_eq!(shown(now).unwrap_err().code(), CertificateRefused, "its time is over");
        // A new Seal, which does not even permit it, changes nothing for what runs.
        chain.put(&mut staker, |state| state.seals[0].permissions = Permissions::USER);
        assert!(shown(later).is_ok());
        chain.put(&mut staker, |state| state.jailed_until_ms = later);
        assert_eq!(shown(later).unwrap_err().code(), NodeJailed);
    }
}
