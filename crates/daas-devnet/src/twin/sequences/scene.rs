//! What there is at one moment, read from the objects: of this an operation is drawn.

use super::chain::Chain;
use daas_types::onchain::{AuditAnchors, Cluster, Nautilus, PositionState, Registry, RequestState};
use daas_types::{ClusterId, PositionId};
use serde::de::DeserializeOwned;
use sui_crypto::Signer as _;
use sui_crypto::ed25519::Ed25519PrivateKey;
use sui_sdk_types::{Address, Ed25519Signature};

const WALLETS: u8 = 7;
const ENCLAVES: u8 = 20;
/// So many more exist, and rarely do anything.
const FIRST_ENCLAVE: u8 = 100;

/// An office's capability.
#[derive(Clone, Copy)]
pub(super) struct Cap {
    pub(super) id: Address,
    pub(super) cluster: ClusterId,
    pub(super) owner: Address,
}

/// All that calls can name.
pub(super) struct Scene {
    pub(super) now_ms: u64,
    pub(super) clusters: Vec<Cluster>,
    pub(super) registries: Vec<Registry>,
    pub(super) nautiluses: Vec<Nautilus>,
    pub(super) anchors: Vec<AuditAnchors>,
    pub(super) positions: Vec<PositionState>,
    pub(super) requests: Vec<RequestState>,
    pub(super) admins: Vec<Cap>,
    pub(super) proposers: Vec<Cap>,
    pub(super) judges: Vec<Cap>,
}

/// A person.
pub(super) fn wallet(n: u8) -> Address {
    Address::from_bytes([0x10 + n; 32]).unwrap()
}

pub(super) fn wallets() -> Vec<Address> {
    (0..WALLETS).map(wallet).collect()
}

/// The key of a master's enclave.
pub(super) struct Enclave {
    key: Ed25519PrivateKey,
}

pub(super) fn enclaves() -> impl Iterator<Item = Enclave> {
    (FIRST_ENCLAVE..FIRST_ENCLAVE + ENCLAVES).map(|n| Enclave { key: Ed25519PrivateKey::new([n; 32]) })
}

/// The enclave that signs with this key.
pub(super) fn enclave_of(signing_key: &[u8]) -> Option<Enclave> {
    enclaves().find(|enclave| enclave.signing_key() == signing_key)
}

// === impl Enclave ===

impl Enclave {
    pub(super) fn new(n: u8) -> Self {
        Self { key: Ed25519PrivateKey::new([FIRST_ENCLAVE + n % ENCLAVES; 32]) }
    }

    pub(super) fn signing_key(&self) -> [u8; 32] {
        *self.key.public_key().inner()
    }

    pub(super) fn address(&self) -> Address {
        self.key.public_key().derive_address()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Ed25519Signature = self.key.try_sign(message).unwrap();
        signature.inner().to_vec()
    }
}

// === impl Scene ===

impl Scene {
    pub(super) fn of(chain: &Chain<'_>) -> Self {
        let caps = |name: &'static str| -> Vec<Cap> {
            let cap = |(id, now): (Address, &crate::execute::Now)| {
                let (_, cluster): (Address, ClusterId) = bcs::from_bytes(&now.contents).unwrap();
                Cap { id, cluster, owner: chain.owner(id).unwrap() }
            };
            chain.of_type("caps", name).map(cap).collect()
        };
        let of_first = |cluster: ClusterId| chain.founded.first() != Some(&cluster.0);
        let mut nautiluses: Vec<Nautilus> = all(chain, "nautilus", "Nautilus");
        nautiluses.sort_by_key(|nautilus| of_first(nautilus.cluster));
        let mut clusters: Vec<Cluster> = all(chain, "cluster", "Cluster");
        clusters.sort_by_key(|cluster| chain.founded.iter().position(|id| *id == cluster.id.0));
        Self {
            now_ms: chain.now_ms,
            clusters,
            registries: all(chain, "registry", "Registry"),
            nautiluses,
            anchors: all(chain, "k8s_gateway", "AuditAnchors"),
            positions: all(chain, "position", "StakePosition"),
            requests: all(chain, "k8s_gateway", "K8sRequest"),
            admins: caps("AdminCap"),
            proposers: caps("ProposerCap"),
            judges: caps("JudgeCap"),
        }
    }

    pub(super) fn cluster(&self, id: ClusterId) -> &Cluster {
        self.clusters.iter().find(|cluster| cluster.id == id).unwrap()
    }

    pub(super) fn nautilus_of(&self, id: ClusterId) -> &Nautilus {
        self.nautiluses.iter().find(|nautilus| nautilus.cluster == id).unwrap()
    }

    pub(super) fn position(&self, id: PositionId) -> Option<&PositionState> {
        self.positions.iter().find(|position| position.position == id)
    }

    /// The moments after now at which something changes by itself, soonest first.
    pub(super) fn edges_ms(&self) -> Vec<u64> {
        let mut edges = vec![];
        for cluster in &self.clusters {
            edges.extend(cluster.announced.as_ref().map(|announced| announced.effective_ms.0));
        }
        for position in &self.positions {
            edges.extend([position.unbonding_until_ms.0, position.jailed_until_ms.0, position.cooldown_until_ms.0]);
            edges.extend(position.maintenance.iter().flat_map(|it| [it.from_ms.0, it.until_ms.0]));
            edges.extend(position.proposal.iter().flat_map(|it| [it.appeal_until_ms.0, it.expires_ms.0]));
            edges.extend(position.seals.iter().map(|seal| seal.expires_ms.0));
            let age_ms = self.cluster(position.cluster).policy.evidence_max_age_ms;
            edges.extend(position.trials.iter().map(|trial| trial.evidence_ms.0.saturating_add(age_ms)));
        }
        for nautilus in &self.nautiluses {
            let heartbeat_ms = self.cluster(nautilus.cluster).policy.heartbeat_ms;
            edges.extend(nautilus.measurements.iter().map(|it| it.active_from_ms.0));
            let lives = nautilus.masters.iter().flat_map(|it| [it.expires_ms.0, it.heartbeat_ms.0 + heartbeat_ms]);
            edges.extend(lives);
        }
        edges.extend(self.requests.iter().map(|request| request.expires_ms.0));
        edges.retain(|edge| *edge > self.now_ms && *edge < u64::MAX / 2);
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}

fn all<T: DeserializeOwned>(chain: &Chain<'_>, module: &str, name: &str) -> Vec<T> {
    chain.of_type(module, name).map(|(_, now)| bcs::from_bytes(&now.contents).unwrap()).collect()
}
