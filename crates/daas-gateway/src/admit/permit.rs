use crate::limits::Payer;
use arc_swap::ArcSwapOption;
use core::future::{Future, pending};
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use daas_chain::index::{Hold, LivePosition};
use daas_types::{ErrorCode, NodeId, PositionId, SealId, Tier};
use http::header::InvalidHeaderValue;
use http::{HeaderName, HeaderValue};
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Nothing is left open for longer, whatever the chain says; also keeps timers within their range.
const LONGEST: Duration = Duration::from_hours(31 * 24);

/// Proof that a request may go to the API server, and as whom. Made by `admit` alone; the only thing `forward` builds
/// an upstream request from.
#[derive(Debug)]
pub struct Permit {
    upstream: Upstream,
    kind: Kind,
    payer: Payer,
    leash: Leash,
}

/// What kind of caller holds a permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A staker.
    Person {
        /// Of this tier.
        tier: Tier,
    },
    /// A node's process.
    Node {
        /// The node.
        id: NodeId,
        /// Which process.
        role: NodeRole,
    },
    /// A pod.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// The account's name.
        name: String,
    },
}

/// Which process of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRole {
    /// `system:node:<id>`.
    Kubelet,
    /// `system:kube-proxy`.
    KubeProxy,
    /// `system:k3s-controller`: K3s' agent itself.
    Controller,
}

/// Who the API server is told it is. Built from validated types only, so that no text from the chain gets here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    user: String,
    uid: Option<PositionId>,
    groups: Vec<String>,
    seal: Option<SealId>,
    /// The same, as the API server is told.
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The identity that a token was given last. Writing one down costs as much as deciding on the request, and it is the same
/// for as long as the position is in the same state under the same policy.
#[derive(Debug, Default)]
pub(crate) struct Given(ArcSwapOption<(Arc<LivePosition>, bool, Arc<Identity>)>);

const USER: HeaderName = HeaderName::from_static("x-remote-user");
const UID: HeaderName = HeaderName::from_static("x-remote-uid");
/// The only one that comes several times.
pub(crate) const GROUP: HeaderName = HeaderName::from_static("x-remote-group");
/// Extra key `daas-seal`: which Seal was shown, for the API server's audit log.
const SEAL: HeaderName = HeaderName::from_static("x-remote-extra-daas-seal");
/// On which node, for users that all nodes have.
const NODE: HeaderName = HeaderName::from_static("x-remote-extra-daas-node");

/// By what the API server knows the caller.
#[derive(Debug)]
pub(crate) enum Upstream {
    /// The gateway vouches, with its certificate.
    FrontProxy(Arc<Identity>),
    /// K3s' agent token in place of the Seal that was shown, and whose Seal it was, of which K3s is told nothing: it judges a
    /// token before the identity that a proxy vouches for, and refuses both together.
    Join(Arc<Identity>, HeaderValue),
    /// The caller's own token, on a connection that has no certificate.
    PassThrough(HeaderValue),
}

/// What ends everything begun under a permit. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Leash(Arc<Ends>);

#[derive(Debug)]
struct Ends {
    /// None of K3s' own server.
    right: Option<Hold>,
    /// A pod's: that of the node it runs on.
    also: Option<Hold>,
    stale: Arc<CancellationToken>,
    expires: Instant,
}

/// Why something was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CutReason {
    /// Stake or Seal are gone.
    #[error("the right is gone")]
    RightLost,
    /// The index is too old to tell.
    #[error("the chain is stale")]
    Stale,
    /// Seal, session key or service-account token have ended.
    #[error("the credential has ended")]
    Expired,
}

/// Resolves when the permit's right ends. To be registered before the first upstream byte: a right that was lost in
/// between is found lost.
pub(crate) struct Lease(Pin<Box<dyn Future<Output = CutReason> + Send + Sync>>);

// === impl Permit ===

impl Permit {
    pub(super) fn new(upstream: Upstream, kind: Kind, payer: Payer, leash: Leash) -> Self {
        Self { upstream, kind, payer, leash }
    }

    /// What kind of caller.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The identity asserted, if the gateway asserts one.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.upstream {
            Upstream::FrontProxy(identity) | Upstream::Join(identity, _) => Some(&**identity),
            Upstream::PassThrough(_) => None,
        }
    }

    /// The same with K3s' agent token, where the identity would be asserted.
    pub(super) fn joining(self, token: HeaderValue) -> Self {
        let upstream = match self.upstream {
            Upstream::FrontProxy(identity) => Upstream::Join(identity, token),
            other => other,
        };
        Self { upstream, ..self }
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// From whose bucket its requests are drawn.
    pub(crate) fn payer(&self) -> Payer {
        self.payer
    }

    pub(crate) fn leash(&self) -> &Leash {
        &self.leash
    }
}

// === impl NodeRole ===

impl NodeRole {
    /// What the API server calls it on this node.
    pub(crate) fn user(self, node: &NodeId) -> String {
        match self {
            Self::Kubelet => format!("system:node:{node}"),
            Self::KubeProxy => super::KUBE_PROXY.to_owned(),
            Self::Controller => "system:k3s-controller".to_owned(),
        }
    }

    /// Its groups: those two are bound by their names.
    pub(super) fn groups(self) -> Vec<String> {
        match self {
            Self::Kubelet => vec!["system:nodes".to_owned()],
            Self::KubeProxy | Self::Controller => Vec::new(),
        }
    }
}

// === impl Identity ===

impl Identity {
    pub(super) fn new(
        user: String,
        uid: Option<PositionId>,
        groups: Vec<String>,
        seal: impl Into<Option<SealId>>,
    ) -> Result<Self, InvalidHeaderValue> {
        let seal = seal.into();
        let mut headers = vec![(USER, HeaderValue::from_str(&user)?)];
        if let Some(uid) = uid {
            headers.push((UID, HeaderValue::from_str(&uid.to_string())?));
        }
        for group in &groups {
            headers.push((GROUP, HeaderValue::from_str(group)?));
        }
        if let Some(seal) = seal {
            headers.push((SEAL, HeaderValue::from_str(&seal.to_string())?));
        }
        Ok(Self { user, uid, groups, seal, headers })
    }

    /// The same on this node, which admission policies look at.
    pub(super) fn on(mut self, node: &NodeId) -> Result<Self, InvalidHeaderValue> {
        self.headers.push((NODE, HeaderValue::from_str(node.as_str())?));
        Ok(self)
    }

    /// User name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// UID: the position, for people.
    pub fn uid(&self) -> Option<PositionId> {
        self.uid
    }

    /// Groups.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The Seal that was shown, now or when the certificate was issued, for the API server's audit log.
    pub fn seal(&self) -> Option<SealId> {
        self.seal
    }

    /// What says so to the API server. A group may come several times.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

// === impl Given ===

impl Given {
    /// The identity for this state and policy, made if it is another than last time's.
    pub(super) fn or_make<E>(
        &self,
        position: &Arc<LivePosition>,
        masters: bool,
        make: impl FnOnce() -> Result<Identity, E>,
    ) -> Result<Arc<Identity>, E> {
        if let Some(given) = &*self.0.load()
            && Arc::ptr_eq(&given.0, position)
            && given.1 == masters
        {
            return Ok(given.2.clone());
        }
        let identity = Arc::new(make()?);
        self.0.store(Some(Arc::new((position.clone(), masters, identity.clone()))));
        Ok(identity)
    }
}

// === impl Leash ===

impl Leash {
    /// Over at the latest after `left`.
    pub(super) fn new(
        right: impl Into<Option<Hold>>,
        also: Option<Hold>,
        stale: Arc<CancellationToken>,
        left: Duration,
    ) -> Self {
        Self(Arc::new(Ends { right: right.into(), also, stale, expires: Instant::now() + left.min(LONGEST) }))
    }

    /// Whether it is over, and why.
    pub(crate) fn ended(&self) -> Option<CutReason> {
        let Ends { right, also, stale, expires } = &*self.0;
        if right.as_ref().is_some_and(Hold::is_lost) || also.as_ref().is_some_and(Hold::is_lost) {
            Some(CutReason::RightLost)
        } else if stale.is_cancelled() {
            Some(CutReason::Stale)
        } else {
            (Instant::now() >= *expires).then_some(CutReason::Expired)
        }
    }

    /// A future that resolves when it is over.
    pub(crate) fn lease(&self) -> Lease {
        let ends = self.0.clone();
        Lease(Box::pin(async move {
            let lost = async |hold: &Option<Hold>| match hold {
                Some(hold) => hold.lost().await,
                None => pending().await,
            };
            tokio::select! {
                biased;
                () = lost(&ends.right) => CutReason::RightLost,
                () = lost(&ends.also) => CutReason::RightLost,
                () = ends.stale.cancelled() => CutReason::Stale,
                () = sleep_until(ends.expires) => CutReason::Expired,
            }
        }))
    }
}

// === impl CutReason ===

impl CutReason {
    /// As the client and the audit log are told.
    pub(crate) fn code(self) -> ErrorCode {
        match self {
            Self::Stale => ErrorCode::ChainStale,
            Self::RightLost | Self::Expired => ErrorCode::RightLost,
        }
    }
}

// === impl Lease ===

impl Future for Lease {
    type Output = CutReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CutReason> {
        self.0.as_mut().poll(cx)
    }
}
