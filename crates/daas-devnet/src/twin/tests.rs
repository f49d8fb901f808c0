//! The twin against what the compiled bytecode declares.

use super::{MoveError, errors, functions};
use crate::execute::{digest_of_package, interface};
use daas_types::onchain::{
    Cluster, ClusterCreated, MasterRecord, Measurement, NautilusState, Policy, PolicyChanged, PositionState, Proposal,
    Registry, SealRecord, SealToken, Status, Table,
};
use daas_types::{
    ClusterId, Mist, NautilusId, Permissions, PositionId, RegistryId, SealId, Thresholds, UnixMs, WalletAddress,
};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use sui_sdk_types::Address;

const CONTEXT: &str = "0x2::tx_context::TxContext";

#[test]
fn the_twin_has_every_entry_function_with_its_parameters() {
    let mut declared = BTreeMap::new();
    for (module, content) in interface().as_object().unwrap() {
        for (name, function) in content["functions"].as_object().unwrap() {
            if function["entry"] == true {
                assert!(function["returns"].as_array().unwrap().is_empty(), "{module}::{name}");
                let params = function["parameters"].as_array().unwrap().iter().map(|p| p.as_str().unwrap().to_owned());
                let params: Vec<String> = params.filter(|p| !p.ends_with(CONTEXT)).collect();
                declared.insert((module.clone(), name.clone()), params);
            }
        }
    }
    let twin: BTreeMap<_, Vec<String>> = functions()
        .map(|f| ((f.module.to_owned(), f.name.to_owned()), f.params.iter().map(|p| (*p).to_owned()).collect()))
        .collect();
    assert_eq!(twin, declared);
}

#[test]
fn the_twin_has_every_error_with_its_code() {
    let mut declared = BTreeSet::new();
    for (module, content) in interface().as_object().unwrap() {
        for (name, error) in content["errors"].as_object().unwrap() {
            let text = error["message"].as_str().unwrap().to_owned();
            declared.insert((module.clone(), name.clone(), error["code"].as_u64().unwrap(), text));
        }
    }
    let one = |e: &MoveError| (e.module.to_owned(), e.name.to_owned(), u64::from(e.code), e.message.to_owned());
    assert_eq!(errors().map(one).collect::<BTreeSet<_>>(), declared);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one value of each struct")]
fn every_struct_has_the_layout_of_its_rust_twin() {
    let (cluster, position, seal) = (ClusterId(Address::TWO), PositionId(Address::TWO), SealId(Address::TWO));
    let owner = WalletAddress(Address::TWO);
    let (registry, nautilus) = (RegistryId(Address::TWO), NautilusId(Address::TWO));
    let policy = Policy {
        thresholds: Thresholds::default(),
        min_stake: Mist(1),
        node_minimum: Mist(2),
        slash_bps: 3,
        appeal_window_ms: 4,
        unbonding_ms: 5,
        max_seal_lifetime_ms: 6,
        evidence_max_age_ms: 7,
        super_is_masters: true,
        operator_positions: vec![position],
    };
    let (name, table) = ("name".to_owned(), Table { id: Address::TWO, size: 1 });
    let record = SealRecord {
        id: seal,
        permissions: Permissions::BOTH,
        locator: vec![1; 16],
        commitment: vec![2; 32],
        session: Some(owner),
        expires_ms: UnixMs(8),
    };
    let proposal = Proposal {
        reason: 1,
        evidence_hash: vec![3; 32],
        uri: name.clone(),
        amount: Mist(9),
        from_unbonding: Mist(10),
        proposed_ms: UnixMs(11),
        appeal_until_ms: UnixMs(12),
        appealed: true,
        upheld: false,
        prior_status: Status::Closed,
    };
    let state = PositionState {
        position,
        cluster,
        generation: 1,
        owner,
        node_id: name.clone(),
        status: Status::Active,
        active: Mist(1),
        frozen: Mist(2),
        unbonding: Mist(3),
        unbonding_until_ms: UnixMs(4),
        proposal: Some(proposal.clone()),
        seals: vec![record.clone()],
    };
    let measurement = Measurement { pcr0: vec![1; 48], pcr1: vec![2; 48], pcr2: vec![3; 48] };
    let master = MasterRecord {
        endpoint: name.clone(),
        ca_spki: vec![1; 32],
        signing_key: vec![2; 32],
        config_digest: vec![3; 32],
        registered_ms: UnixMs(4),
    };
    let masters = NautilusState {
        id: nautilus,
        cluster,
        generation: 1,
        measurements: vec![measurement.clone()],
        masters: vec![master.clone()],
    };
    let (version, generation, treasury) = (1, 2, Mist(3));
    let made = Cluster {
        id: cluster,
        version,
        name: name.clone(),
        generation,
        registry,
        nautilus,
        policy: policy.clone(),
        treasury,
    };
    same("cluster", "Cluster", &made);
    same("cluster", "Policy", &policy);
    same("cluster", "Registry", &Registry { id: registry, cluster, positions: table, nodes: table });
    same("cluster", "ClusterCreated", &ClusterCreated { cluster, registry, nautilus, name, policy: policy.clone() });
    same("cluster", "PolicyChanged", &PolicyChanged { cluster, generation, policy });
    same("cluster", "PositionKey", &daas_types::onchain::PositionKey(owner, 1));
    for cap in ["AdminCap", "ProposerCap", "JudgeCap"] {
        same("caps", cap, &(Address::TWO, cluster));
    }
    same("seal_token", "SealRecord", &record);
    let SealToken { node_id, .. } = SealToken { cluster, position, node_id: "n".to_owned(), record: record.clone() };
    let rest = (record.permissions, &record.locator, &record.commitment, record.session, record.expires_ms);
    same("seal_token", "SealToken", &(seal, cluster, position, node_id, rest));
    same("staking", "StakePosition", &state);
    same("staking", "PositionState", &state);
    same("staking", "Proposal", &proposal);
    for event in ["Staked", "Restaked", "SlashProposed", "SlashUpheld", "SlashCancelled"] {
        same("staking", event, &state);
    }
    for event in ["Unstaked", "Withdrawn", "SlashExecuted"] {
        same("staking", event, &(&state, Mist(1)));
    }
    same("staking", "SealRefreshed", &(&state, seal));
    same("staking", "SlashAppealed", &(&state, "statement"));
    same("nautilus", "Measurement", &measurement);
    same("nautilus", "MasterRecord", &master);
    for holder in ["Nautilus", "NautilusState", "MeasurementsChanged", "MastersChanged"] {
        same("nautilus", holder, &masters);
    }
}

#[test]
fn the_digest_is_the_compilers() {
    let (computed, declared) = digest_of_package();
    assert_eq!(hex::encode(computed.as_bytes()), declared);
}

/// Walks the declared fields over the value's bytes: they must be consumed exactly.
fn same<T: Serialize>(module: &str, name: &str, value: &T) {
    let bytes = bcs::to_bytes(value).unwrap();
    let left = walk(&format!("0x0::{module}::{name}"), &bytes);
    assert_eq!(left.map(<[u8]>::len), Some(0), "{module}::{name}");
}

fn walk<'b>(kind: &str, bytes: &'b [u8]) -> Option<&'b [u8]> {
    let interface = interface();
    match kind {
        "u8" => bytes.get(1..),
        "bool" => bytes.split_first().filter(|(b, _)| **b < 2).map(|(_, rest)| rest),
        "u64" | "0x2::balance::Balance<0x2::sui::SUI>" => bytes.get(8..),
        "address" | "0x2::object::UID" | "0x2::object::ID" => bytes.get(32..),
        "0x1::string::String" => walk("vector<u8>", bytes),
        table if table.starts_with("0x2::table::Table<") => bytes.get(40..),
        _ => {
            if let Some(element) = kind.strip_prefix("vector<").and_then(|k| k.strip_suffix('>')) {
                let (count, rest) = bytes.split_first()?;
                return (0..*count).try_fold(rest, |rest, _| walk(element, rest));
            }
            if let Some(inner) = kind.strip_prefix("0x1::option::Option<").and_then(|k| k.strip_suffix('>')) {
                let (some, rest) = bytes.split_first().filter(|(b, _)| **b < 2)?;
                return if *some == 1 { walk(inner, rest) } else { Some(rest) };
            }
            let (module, name) = kind.strip_prefix("0x0::")?.split_once("::")?;
            let fields = interface[module]["structs"][name]["fields"].as_array()?.clone();
            fields.iter().try_fold(bytes, |rest, field| walk(field["type"].as_str()?, rest))
        }
    }
}

#[test]
fn no_struct_is_left_out() {
    let layouts = include_str!("tests.rs");
    for (module, content) in interface().as_object().unwrap() {
        for name in content["structs"].as_object().map(|s| s.keys()).into_iter().flatten() {
            let inner = ["Thresholds"].contains(&name.as_str());
            assert!(inner || layouts.contains(&format!("\"{name}\"")), "{module}::{name} is not compared");
        }
    }
    assert_ne!(interface(), Value::Null);
}
