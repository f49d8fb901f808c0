//! Whose a client's certificate is. Judged once, when the connection begins; whether its position still has the right, at every
//! request.

use super::K3s;
use super::keys::{Bound, KeyId};
use super::routes::Issue;
use crate::admit::{Given, NodeRole, Permit, View, admit_k3s_server};
use crate::authenticate::{Caller, CertificateHolder};
use crate::refusal::Refusal;
use core::time::Duration;
use daas_chain::clock;
use daas_types::ErrorCode::CertificateRefused;
use daas_types::{NodeId, UnixMs};
use rustls::ServerConnection;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{OID_X509_COMMON_NAME, OID_X509_ORGANIZATION_NAME};
use x509_parser::prelude::FromDer;

/// Issuers between a certificate and K3s' CA, which sends none: each order of many would be tried, for anyone who connects.
const INTERMEDIATES: usize = 3;

/// A certificate that was shown: one of K3s' client CA for a node's process, or why it is none.
pub(crate) struct Presented(Result<Shown, &'static str>);

struct Shown {
    name: Name,
    key: KeyId,
    until: UnixMs,
    given: Arc<Given>,
}

/// What of all that K3s signs means something here.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Kubelet(NodeId),
    KubeProxy,
    Controller,
}

// === impl K3s ===

impl K3s {
    /// What was shown when this connection began; `None` without a certificate.
    pub(crate) fn presented(&self, session: &ServerConnection) -> Option<Box<Presented>> {
        let chain = session.peer_certificates()?;
        Some(Box::new(Presented(self.judge(chain, clock::now()))))
    }

    /// Whose process it is. Its position need not have a right.
    pub(crate) fn caller(&self, presented: &Presented, view: &View<'_>) -> Result<Caller, Refusal> {
        let Shown { name, key, until, given } = presented.shown()?;
        let Bound { position, seal, issue, .. } = self.keys.get(*key).ok_or_else(|| {
            refused("no certificate was issued for its key through this gateway, or others were since")
        })?;
        let role = match (name, issue) {
            (Name::Kubelet(_), Issue::Kubelet) => NodeRole::Kubelet,
            (Name::KubeProxy, Issue::KubeProxy) => NodeRole::KubeProxy,
            (Name::Controller, Issue::Controller) => NodeRole::Controller,
            (Name::Kubelet(_) | Name::KubeProxy | Name::Controller, _) => {
                return Err(refused("its key was shown for another certificate"));
            }
        };
        let position = view.snapshot.position(position).ok_or_else(|| refused("its position is not known"))?;
        if let Name::Kubelet(id) = name
            && position.node().as_ref() != Some(id)
        {
            return Err(refused("its node id is not its position's"));
        }
        let (position, until, given) = (position.clone(), *until, given.clone());
        Ok(Caller::Certificate(CertificateHolder { position, seal, role, until, given }))
    }

    /// If it is K3s' own server.
    pub(super) fn server(&self, presented: &Presented, view: &View<'_>) -> Option<Result<Permit, Refusal>> {
        let (server, shown) = (self.server.as_ref()?, presented.shown().ok()?);
        let its = shown.key == server.key && shown.name == Name::Kubelet(server.node.clone());
        its.then(|| admit_k3s_server(&server.node, shown.until, view))
    }

    fn judge(&self, chain: &[CertificateDer<'_>], now: UnixMs) -> Result<Shown, &'static str> {
        let (leaf, others) = chain.split_first().ok_or("there is none")?;
        if others.len() > INTERMEDIATES {
            return Err("more come with it than issue one");
        }
        let time = UnixTime::since_unix_epoch(Duration::from_millis(now.0));
        let verified = self.issuers.verify_client_cert(leaf, others, time);
        verified.map_err(|_| "it is not of K3s' client CA, or its time is over")?;
        read(leaf)
    }
}

/// What a certificate says that was verified.
fn read(der: &[u8]) -> Result<Shown, &'static str> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| "it cannot be read")?;
    if !rest.is_empty() {
        return Err("there is something behind it");
    }
    let name = name(&certificate)?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).map_err(|_| "its time is over")?;
    let until = UnixMs(seconds.saturating_mul(1000));
    Ok(Shown { name, key: KeyId::of(certificate.public_key().raw), until, given: Arc::default() })
}

fn name(certificate: &X509Certificate<'_>) -> Result<Name, &'static str> {
    let other = "it is for none of a node's processes";
    let (mut names, mut groups) = (Vec::new(), Vec::new());
    for attribute in certificate.subject().iter_attributes() {
        let text = attribute.as_str().map_err(|_| other)?;
        match attribute.attr_type() {
            kind if *kind == OID_X509_COMMON_NAME => names.push(text),
            kind if *kind == OID_X509_ORGANIZATION_NAME => groups.push(text),
            _ => return Err(other),
        }
    }
    match (&names[..], &groups[..]) {
        (["system:kube-proxy"], []) => Ok(Name::KubeProxy),
        (["system:k3s-controller"], []) => Ok(Name::Controller),
        ([name], ["system:nodes"]) => {
            let id = name.strip_prefix("system:node:").and_then(|id| id.parse().ok());
            id.map(Name::Kubelet).ok_or(other)
        }
        _ => Err(other),
    }
}

// === impl Presented ===

impl Presented {
    /// Whether it is a kubelet's, by its name.
    pub(super) fn is_kubelets(&self) -> bool {
        matches!(&self.0, Ok(Shown { name: Name::Kubelet(_), .. }))
    }

    fn shown(&self) -> Result<&Shown, Refusal> {
        self.0.as_ref().map_err(|cause| refused(cause))
    }
}

#[track_caller]
fn refused(cause: &str) -> Refusal {
    Refusal::unauthorized(CertificateRefused, cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::pki::Ca;
    use proptest::prelude::*;

    fn named(name: &str, groups: &[&str]) -> Result<Name, &'static str> {
        read(&Ca::new("client").member(name, groups).chain[0]).map(|shown| shown.name)
    }

    #[test]
    fn three_names_mean_something() {
        let kubelet = Name::Kubelet("worker-1".parse().unwrap());
        assert_eq!(named("system:node:worker-1", &["system:nodes"]), Ok(kubelet));
        assert_eq!(named("system:kube-proxy", &[]), Ok(Name::KubeProxy));
        assert_eq!(named("system:k3s-controller", &[]), Ok(Name::Controller));
    }

    #[test]
    fn others_do_not_whatever_they_are_close_to() {
        let others: [(&str, &[&str]); 12] = [
            ("system:admin", &["system:masters"]),
            ("system:node:worker-1", &[]),
            ("system:node:worker-1", &["system:masters"]),
            ("system:node:worker-1", &["system:nodes", "system:masters"]),
            ("system:node:worker-1", &["system:nodes", "system:nodes"]),
            ("system:node:", &["system:nodes"]),
            ("system:node:Worker", &["system:nodes"]),
            ("system:node:a\nX-Remote-Group: system:masters", &["system:nodes"]),
            ("worker-1", &["system:nodes"]),
            ("system:kube-proxy", &["system:masters"]),
            ("system:k3s-controller", &["system:nodes"]),
            ("system:kube-controller-manager", &[]),
        ];
        for (name, groups) in others {
            assert!(named(name, groups).is_err(), "{name} {groups:?}");
        }
    }

    #[test]
    fn a_chain_of_many_is_not_judged() {
        let (ca, folder) = (Ca::new("client"), tempfile::tempdir().unwrap());
        let k3s = super::super::tests::k3s(&ca, folder.path());
        let mut chain = ca.member("system:kube-proxy", &[]).chain;
        for n in 0..=4 {
            let judged = k3s.judge(&chain, clock::now()).map(|shown| shown.name);
            let right = if n > INTERMEDIATES { Err("more come with it than issue one") } else { Ok(Name::KubeProxy) };
            assert_eq!(judged, right, "{n}");
            chain.push(Ca::new("client").cert());
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0..400_usize, with in any::<u8>()
        ) {
            let _ = read(&bytes);
            let mut leaf = Ca::new("client").member("system:kube-proxy", &[]).chain.remove(0).to_vec();
            let at = at % leaf.len();
            leaf[at] = with;
            let _ = read(&leaf);
            let _ = read(&leaf[..at]);
        }
    }
}
