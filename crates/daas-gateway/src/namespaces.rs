use daas_types::PositionId;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Whose each namespace is, as far as Kubernetes has told. Cheap to clone; all clones are the same.
///
/// A service account acts for the owner of its namespace, so one that is not in here opens nothing. Tenants' own
/// namespaces (`t-…`) are not in here: those are the chain's to say.
#[derive(Clone, Debug, Default)]
pub struct Namespaces(Arc<RwLock<HashMap<String, Owner>>>);

/// For whom a namespace's service accounts act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// For the cluster: made by Kubernetes or the master.
    Cluster,
    /// For the position that made it.
    Position(PositionId),
}

// === impl Namespaces ===

impl Namespaces {
    /// Takes these for all there are.
    pub fn replace(&self, all: HashMap<String, Owner>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// One is there, or is no longer, or is nobody's.
    pub fn set(&self, name: String, owner: Option<Owner>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match owner {
            Some(owner) => known.insert(name, owner),
            None => known.remove(&name),
        };
    }

    pub(crate) fn owner(&self, name: &str) -> Option<Owner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}
