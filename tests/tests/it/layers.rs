//! Arrows between crates go one way; ARCHITECTURE.md draws them.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};

/// Crate → the crates of ours that it may depend on. What is not here may not exist.
const ALLOWED: &[(&str, &[&str])] = &[
    ("daas-types", &[]),
    ("daas-daemon", &[]),
    ("daas-engine", &[]),
    ("daas-attest", &["daas-types"]),
    ("daas-audit", &["daas-types"]),
    ("daas-chain", &["daas-types"]),
    ("daas-client", &["daas-types", "daas-attest", "daas-chain"]),
    ("daas-gateway", &["daas-types", "daas-audit", "daas-chain"]),
    (
        "daas-master",
        &["daas-types", "daas-attest", "daas-audit", "daas-chain", "daas-daemon", "daas-engine", "daas-gateway"],
    ),
    ("daas-worker", &["daas-types", "daas-attest", "daas-chain", "daas-client", "daas-daemon", "daas-engine"]),
    (
        "daas-cli",
        &["daas-types", "daas-attest", "daas-audit", "daas-chain", "daas-client", "daas-daemon", "daas-engine"],
    ),
    ("daas-devnet", &["daas-types", "daas-attest", "daas-daemon"]),
    ("daas-testkit", &["daas-types", "daas-audit", "daas-chain"]),
    ("daas-tests", &[]),
];

/// Crates that decide and therefore may not wait, look at a clock or reach a network.
const PURE: &[(&str, &[&str])] = &[
    ("daas-types", &["tokio", "hyper", "sui-rpc", "tonic", "rustls"]),
    ("daas-attest", &["tokio", "hyper", "sui-rpc", "tonic", "reqwest"]),
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata must work in a checkout");
    let normal = |package: &cargo_metadata::Package| {
        let all = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
        all.map(|d| d.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), normal(package))).collect()
}

#[test]
fn every_arrow_is_allowed() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    for (package, dependencies) in dependencies() {
        let may = allowed.get(package.as_str()).unwrap_or_else(|| panic!("{package} is not in the table"));
        for dependency in dependencies.iter().filter(|d| d.starts_with("daas-")) {
            assert!(may.contains(&dependency.as_str()), "{package} may not depend on {dependency}");
        }
    }
}

#[test]
fn deciding_crates_cannot_wait() {
    let all = dependencies();
    for (package, forbidden) in PURE {
        for name in *forbidden {
            assert!(!all[*package].contains(*name), "{package} may not depend on {name}");
        }
    }
}
