//! Live stake decides what its holder may do. This file is where a tier's threshold becomes a tier;
//! what a tier may do inside Kubernetes is RBAC, in `daas-master/src/rbac/`.

use crate::Mist;
use core::fmt;
use serde::{Deserialize, Serialize};

/// What active stake entitles its holder to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Reads an allow-list of kinds.
    Viewer,
    /// Works in namespaces of its own.
    Developer,
    /// Manages the cluster.
    Admin,
    /// Manages the cluster; bound to `system:masters` only where the cluster's policy says so.
    Super,
}

/// The least active stake of each tier, from the on-chain policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Viewer, 0.5 SUI by default.
    pub viewer: Mist,
    /// Developer, 2 SUI by default.
    pub developer: Mist,
    /// Admin, 5 SUI by default.
    pub admin: Mist,
    /// Super, 10 SUI by default.
    pub super_user: Mist,
}

/// What a position may do at one moment. Compared to tell whether a change cuts open streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Its tier, if any.
    pub tier: Option<Tier>,
    /// Whether its node may be in the cluster.
    pub node: bool,
}

// === impl Tier ===

impl Tier {
    /// All tiers, lowest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Developer, Self::Admin, Self::Super];

    /// The tier of an active stake, if it reaches any.
    pub fn of(active: Mist, thresholds: &Thresholds) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|tier| active >= thresholds.of(*tier))
    }

    /// `viewer`, `developer`, `admin` or `super`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Admin => "admin",
            Self::Super => "super",
        }
    }

    /// The Kubernetes group RBAC binds: `daas:viewer` and so on.
    pub const fn group(self) -> &'static str {
        match self {
            Self::Viewer => "daas:viewer",
            Self::Developer => "daas:developer",
            Self::Admin => "daas:admin",
            Self::Super => "daas:super",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Thresholds ===

impl Thresholds {
    /// The threshold of one tier.
    pub const fn of(&self, tier: Tier) -> Mist {
        match tier {
            Tier::Viewer => self.viewer,
            Tier::Developer => self.developer,
            Tier::Admin => self.admin,
            Tier::Super => self.super_user,
        }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            viewer: Mist(500_000_000),
            developer: Mist::from_sui(2),
            admin: Mist::from_sui(5),
            super_user: Mist::from_sui(10),
        }
    }
}

// === impl Rights ===

impl Rights {
    /// Whether going from `self` to `new` takes anything away.
    pub fn decreased_in(self, new: Self) -> bool {
        new.tier < self.tier || (self.node && !new.node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_inclusive() {
        let t = Thresholds::default();
        let of = |sui: &str| Tier::of(sui.parse().unwrap(), &t);
        assert_eq!(of("0.499999999"), None);
        assert_eq!(of("0.5"), Some(Tier::Viewer));
        assert_eq!(of("1.999999999"), Some(Tier::Viewer));
        assert_eq!(of("2"), Some(Tier::Developer));
        assert_eq!(of("5"), Some(Tier::Admin));
        assert_eq!(of("10"), Some(Tier::Super));
    }

    #[test]
    fn only_less_is_a_decrease() {
        let r = |tier, node| Rights { tier, node };
        assert!(r(Some(Tier::Admin), true).decreased_in(r(Some(Tier::Viewer), true)));
        assert!(r(Some(Tier::Admin), true).decreased_in(r(Some(Tier::Super), false)));
        assert!(r(Some(Tier::Viewer), false).decreased_in(r(None, false)));
        assert!(!r(None, false).decreased_in(r(Some(Tier::Viewer), true)));
        assert!(!r(Some(Tier::Admin), true).decreased_in(r(Some(Tier::Admin), true)));
    }
}
