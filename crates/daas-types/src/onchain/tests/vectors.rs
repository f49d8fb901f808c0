//! The Move package's own bytes, as its unit tests assert them, against these layouts.

use super::*;
use crate::PackageId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const VECTORS: &str = include_str!("../../../../../contracts/k3s_daas/vectors.json");

fn vectors() -> Vec<Value> {
    let all: Value = serde_json::from_str(VECTORS).unwrap();
    let list = all["vectors"].as_array().unwrap().clone();
    assert!(list.len() >= 16);
    list
}

fn round_trip<T: DeserializeOwned + Serialize>(name: &str, bytes: &[u8]) {
    let typed: T = bcs::from_bytes(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(hex::encode(bcs::to_bytes(&typed).unwrap()), hex::encode(bytes), "{name}");
}

#[test]
fn events_and_objects_are_the_contracts_bytes() {
    for vector in vectors() {
        let name = vector["type"].as_str().unwrap_or_default();
        let Some(hex) = vector["hex"].as_str() else { continue };
        let bytes = hex::decode(hex.trim_start_matches("0x")).unwrap();
        let mut path = name.rsplit("::");
        let (struct_name, module) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
        match (vector["kind"].as_str().unwrap(), struct_name) {
            ("event", _) => {
                Event::decode(module, struct_name, &bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert!(Event::decode(module, struct_name, &bytes[1..]).is_err(), "{name}");
            }
            ("object", "Cluster") => round_trip::<Cluster>(name, &bytes),
            ("object", "Registry") => round_trip::<Registry>(name, &bytes),
            ("object", "Nautilus") => round_trip::<Nautilus>(name, &bytes),
            ("object", "StakePosition") => round_trip::<PositionState>(name, &bytes),
            ("object", "SealToken") => round_trip::<SealToken>(name, &bytes),
            ("object", "K8sRequest") => round_trip::<RequestState>(name, &bytes),
            ("object", "AuditAnchors") => round_trip::<AuditAnchors>(name, &bytes),
            (kind, _) => panic!("no layout for {kind} {name}"),
        }
    }
}

#[test]
fn ids_are_derived_as_the_contract_derives_them() {
    let derived: Vec<Value> = vectors().into_iter().filter(|v| v["kind"] == "derived_id").collect();
    assert!(!derived.is_empty());
    for vector in derived {
        let text = |key: &str| vector[key].as_str().unwrap_or_else(|| panic!("{vector} has no {key}"));
        let package = PackageId(text("package").parse().unwrap());
        match vector["type"].as_str().unwrap() {
            "0x0::registry::PositionKey" => {
                let key = PositionKey(text("owner").parse().unwrap(), vector["salt"].as_u64().unwrap());
                let id = position_id(package, text("registry").parse().unwrap(), key);
                assert_eq!(id.to_string(), text("position"));
            }
            "0x0::k8s_gateway::RequestKey" => {
                let key = RequestKey(hex::decode(text("key")).unwrap());
                let id = request_id(package, text("position").parse().unwrap(), &key);
                assert_eq!(id.to_string(), text("request"));
            }
            other => panic!("nothing is derived from {other}"),
        }
    }
}

#[test]
fn preimages_are_spelled_out() {
    let cluster = ClusterId(id(2));
    let root = AuditRoot { cluster, sequence: 258, root: &[9; 32] };
    let mut expected = vec![19];
    expected.extend_from_slice(b"k3s-daas/audit-root");
    expected.extend_from_slice(&[2; 32]);
    expected.extend_from_slice(&[2, 1, 0, 0, 0, 0, 0, 0, 32]);
    expected.extend_from_slice(&[9; 32]);
    assert_eq!(root.to_signed_bytes(), expected);

    let message = IntentMessage { intent: 7, timestamp_ms: 258, payload: vec![1, 2] };
    assert_eq!(message.to_signed_bytes(), [7, 2, 1, 0, 0, 0, 0, 0, 0, 2, 1, 2]);
}

#[test]
fn preimages_and_digests_are_the_contracts() {
    let all: Value = serde_json::from_str(VECTORS).unwrap();
    let mut seen = 0;
    for vector in all["preimages"].as_array().unwrap() {
        let text = |key: &str| vector[key].as_str().unwrap();
        let fields = &vector["fields"];
        let field = |key: &str| fields[key].as_str().unwrap();
        let bytes = |key: &str| hex::decode(field(key)).unwrap();
        match text("type") {
            "0x0::enclave::AuditRoot" => {
                let (cluster, sequence) = (field("cluster").parse().unwrap(), fields["sequence"].as_u64().unwrap());
                let root = bytes("root");
                let message = AuditRoot { cluster, sequence, root: &root };
                assert_eq!(hex::encode(message.to_signed_bytes()), text("hex"));
                if let Some(digest) = vector["blake2b256"].as_str() {
                    assert_eq!(hex::encode(offence(cluster, &root, sequence)), digest);
                }
            }
            "0x0::enclave::IntentMessage" => {
                let message: IntentMessage = serde_json::from_value(fields.clone()).unwrap();
                assert_eq!(hex::encode(message.to_signed_bytes()), text("hex"));
            }
            "0x0::attestation::RegistrationNonce" => {
                let nonce =
                    registration_nonce(field("nautilus").parse().unwrap(), fields["registrations"].as_u64().unwrap());
                assert_eq!(hex::encode(nonce), text("sha256"));
            }
            // What the device crate makes of it is tested there.
            "0x0::attestation::Binding" => {}
            other => panic!("no preimage {other}"),
        }
        seen += 1;
    }
    assert!(seen >= 5);
}
