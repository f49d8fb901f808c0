//! The Move package's own bytes, as its unit tests assert them, against these layouts.

use super::*;
use crate::PackageId;
use serde_json::Value;

fn vectors() -> Vec<Value> {
    let text = include_str!("../../../../contracts/k3s_daas/vectors.json");
    let all: Value = serde_json::from_str(text).unwrap();
    let list = all.as_array().or_else(|| all["vectors"].as_array()).unwrap();
    assert!(list.len() >= 16);
    list.clone()
}

fn round_trip<T: serde::de::DeserializeOwned + Serialize + PartialEq + core::fmt::Debug>(fields: &Value, bytes: &[u8]) {
    let typed: T = serde_json::from_value(fields.clone()).unwrap();
    assert_eq!(hex::encode(bcs::to_bytes(&typed).unwrap()), hex::encode(bytes));
    assert_eq!(bcs::from_bytes::<T>(bytes).unwrap(), typed);
}

#[test]
fn events_and_objects_are_the_contracts_bytes() {
    for vector in vectors() {
        let kind = vector["kind"].as_str().unwrap();
        let name = vector["type"].as_str().unwrap_or_default().to_owned();
        let fields = &vector["fields"];
        if kind == "derived_id" {
            continue; // has a test of its own below
        }
        let bytes = hex::decode(vector["hex"].as_str().unwrap().trim_start_matches("0x")).unwrap();
        let mut path = name.rsplit("::");
        let (struct_name, module) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
        match kind {
            "event" => {
                Event::decode(module, struct_name, &bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert!(Event::decode(module, struct_name, &bytes[1..]).is_err(), "{name}");
            }
            "object" => match struct_name {
                "Cluster" => round_trip::<Cluster>(fields, &bytes),
                "Registry" => round_trip::<Registry>(fields, &bytes),
                "Nautilus" => round_trip::<NautilusState>(fields, &bytes),
                "StakePosition" => round_trip::<PositionState>(fields, &bytes),
                // Its own id stands first in the object's bytes; daas-chain reads it so.
                "SealToken" => {}
                other => panic!("no layout for {other}"),
            },
            other => panic!("unknown kind {other}"),
        }
    }
}

#[test]
fn position_ids_are_derived_as_the_contract_derives_them() {
    let registry = "0x63d9a65220318469fb169034d8a011eae3f014fed2a1f8c006183e2ece3c3975".parse().unwrap();
    let key = PositionKey(WalletAddress(Address::from_static("0xa")), 7);
    let id = position_id(PackageId(Address::from_static("0x0")), registry, key);
    assert_eq!(id.to_string(), "0xb08f8a7441bd96a722d759a02a5cb1c0a17e23bdc2a454611abae8b95546803c");
}
