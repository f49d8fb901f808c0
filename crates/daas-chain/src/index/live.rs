use daas_types::onchain::{Policy, PositionState, SealRecord};
use daas_types::{NodeId, PositionId, Rights};
use tokio_util::sync::CancellationToken;

/// A position as of one snapshot.
#[derive(Clone, Debug)]
pub struct LivePosition {
    /// Its state on chain.
    pub state: PositionState,
    /// What it may do: by stake and policy, and nothing while `gap` is set.
    pub rights: Rights,
    /// Cancelled when the rights decrease; the state after that has a fresh one.
    pub cut: CancellationToken,
    /// Its Seals.
    pub seals: Vec<LiveSeal>,
    /// Events of it are missing. It has no rights until it has been read again.
    pub gap: bool,
}

/// A Seal as of one snapshot.
#[derive(Clone, Debug)]
pub struct LiveSeal {
    /// What is on chain.
    pub record: SealRecord,
    /// Cancelled with its position's, and alone when this Seal disappears.
    pub cut: CancellationToken,
}

/// The Kubernetes namespace of a position's tenant.
pub fn namespace_of(position: PositionId) -> String {
    format!("t-{}", &hex::encode(position.0.as_bytes())[..32])
}

// === impl LivePosition ===

impl LivePosition {
    /// Its node, if it has a valid one.
    pub fn node(&self) -> Option<NodeId> {
        self.state.node()
    }

    /// Its namespace.
    pub fn namespace(&self) -> String {
        namespace_of(self.state.position)
    }

    /// The state that follows `old`, and the tokens to cancel once it is published.
    pub(super) fn after(
        old: Option<&Self>,
        state: PositionState,
        gap: bool,
        policy: &Policy,
    ) -> (Self, Vec<CancellationToken>) {
        let rights = if gap { Rights::default() } else { state.rights(policy) };
        let kept = old.filter(|old| !old.rights.decreased_in(rights));
        let (cut, cuts) = match (old, kept) {
            (_, Some(kept)) => {
                let gone = |seal: &&LiveSeal| !state.seals.contains(&seal.record);
                (kept.cut.clone(), kept.seals.iter().filter(gone).map(|seal| seal.cut.clone()).collect())
            }
            // The Seals' tokens are children of this one.
            (Some(old), None) => (CancellationToken::new(), vec![old.cut.clone()]),
            (None, None) => (CancellationToken::new(), Vec::new()),
        };
        let seals = state.seals.iter().map(|record| {
            let same = kept.and_then(|kept| kept.seals.iter().find(|seal| seal.record == *record));
            let cut = same.map_or_else(|| cut.child_token(), |seal| seal.cut.clone());
            LiveSeal { record: record.clone(), cut }
        });
        let seals = seals.collect();
        (Self { state, rights, cut, seals, gap }, cuts)
    }
}
