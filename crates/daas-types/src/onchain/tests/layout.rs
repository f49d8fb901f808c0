//! Every struct against the layout that the compiled bytecode declares: names of the fields, their order, their types.

use super::*;
use crate::Thresholds;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::LazyLock;

static INTERFACE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../../../contracts/k3s_daas/interface.json")).unwrap());

/// What has no Rust twin here: the keepers of offices, which are an id and a cluster; what never leaves the VM; and the
/// preimages, which have known answers instead.
const ELSEWHERE: [&str; 7] = [
    "caps::AdminCap",
    "caps::ProposerCap",
    "caps::JudgeCap",
    "seal_token::SealRequest",
    "attestation::RegistrationNonce",
    "attestation::Binding",
    "enclave::AuditRoot",
];

/// The structs that were compared.
#[derive(Default)]
struct Compared(BTreeSet<String>);

impl Compared {
    /// The value's JSON, read with the declared field names and written as their types, is the value's BCS.
    fn same<T: Serialize>(&mut self, name: &str, value: &T) {
        let expected = hex::encode(bcs::to_bytes(value).unwrap());
        let json = serde_json::to_value(value).unwrap();
        assert_eq!(hex::encode(encode(&format!("0x0::{name}"), &json)), expected, "{name}");
        self.0.insert(name.to_owned());
    }

    /// An event: `state`, and then whatever `more` is.
    fn event<S: Serialize, T: Serialize>(&mut self, name: &str, state: &S, more: &T) {
        let (module, event) = name.split_once("::").unwrap();
        let fields = INTERFACE[module]["structs"][event]["fields"].as_array().unwrap();
        let mut bytes = bcs::to_bytes(state).unwrap();
        assert_eq!(encode(fields[0]["type"].as_str().unwrap(), &serde_json::to_value(state).unwrap()), bytes, "{name}");
        assert_eq!(fields[0]["name"], "state");
        if let Some(second) = fields.get(1) {
            let tail = encode(second["type"].as_str().unwrap(), &serde_json::to_value(more).unwrap());
            bytes.extend(tail);
        }
        assert!(fields.len() <= 2, "{name}");
        let decoded = Event::decode(module, event, &bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(decoded.cluster(), ClusterId(id(2)), "{name}");
        assert!(Event::decode(module, event, &bytes[1..]).is_err(), "{name}");
        self.0.insert(name.to_owned());
    }
}

#[test]
fn every_struct_has_the_layout_of_the_bytecode() {
    let mut all = Compared::default();
    let (cluster, nautilus) = (cluster(), nautilus());
    let pending = PositionState { proposal: Some(Box::new(proposal())), ..position() };
    all.same("policy::Policy", &cluster.policy);
    all.same("policy::Thresholds", &Thresholds::default());
    all.same("cluster::Cluster", &cluster);
    all.same("cluster::ClusterState", &cluster.state());
    all.same("cluster::Announcement", &cluster.announced.clone().unwrap());
    all.same(
        "registry::Registry",
        &Registry { id: cluster.registry, cluster: cluster.id, positions: nautilus.keys, nodes: nautilus.keys },
    );
    all.same("position::PositionState", &pending);
    all.same("position::PositionState", &position());
    all.same("position::Maintenance", &pending.maintenance.unwrap());
    all.same("position::Trial", &pending.trials[0]);
    all.same("slashing::Proposal", &proposal());
    all.same("seal_token::SealRecord", &seal());
    all.same("seal_token::Session", &session());
    all.same("seal_token::SealToken", &token());
    all.same("nautilus::Nautilus", &nautilus);
    all.same("nautilus::NautilusState", &nautilus.state());
    all.same("nautilus::Measurement", &measurement());
    all.same("nautilus::MasterRecord", &master());
    all.same("nautilus::Endorsement", &nautilus.endorsements[0]);
    all.same("nautilus::NautilusInfo", &info());
    all.same("enclave::IntentMessage", &IntentMessage { intent: 1, timestamp_ms: 2, payload: vec![3; 200] });
    all.same("k8s_gateway::RequestState", &request());
    all.same("k8s_gateway::Anchor", &anchor());
    all.same(
        "k8s_gateway::AuditAnchors",
        &AuditAnchors { id: cluster.anchors, cluster: cluster.id, logs: nautilus.keys },
    );
    same_bytes_after_the_id(&mut all, "position::StakePosition", "position::PositionState");
    same_bytes_after_the_id(&mut all, "k8s_gateway::K8sRequest", "k8s_gateway::RequestState");
    all.tuple("registry::PositionKey", &["address", "u64"]);
    all.tuple("k8s_gateway::RequestKey", &["vector<u8>"]);
    events(&mut all, &cluster.state(), &pending, &nautilus.state());
    all.same("cluster::TreasuryPaid", &TreasuryPaid { cluster: cluster.id, amount: Mist(1), beneficiary: wallet(2) });
    let anchored = RootAnchored { cluster: cluster.id, signing_key: vec![1; 32], anchor: anchor() };
    all.same("k8s_gateway::RootAnchored", &anchored);

    let declared = INTERFACE.as_object().unwrap().iter().flat_map(|(module, content)| {
        let structs = content["structs"].as_object().unwrap();
        structs.keys().map(move |name| format!("{module}::{name}"))
    });
    let compared: BTreeSet<String> = all.0.into_iter().chain(ELSEWHERE.map(str::to_owned)).collect();
    assert_eq!(compared, declared.collect::<BTreeSet<_>>());
}

fn events(all: &mut Compared, cluster: &ClusterState, position: &PositionState, nautilus: &NautilusState) {
    for event in ClusterEvent::ALL {
        all.event(&format!("{}::{}", event.module(), event.as_str()), cluster, &());
    }
    for event in NautilusEvent::ALL {
        all.event(&format!("{}::{}", event.module(), event.as_str()), nautilus, &());
    }
    for event in RequestEvent::ALL {
        all.event(&format!("{}::{}", event.module(), event.as_str()), &request(), &());
    }
    for event in PositionEvent::ALL {
        let name = format!("{}::{}", event.module(), event.as_str());
        match event {
            PositionEvent::SealRefreshed | PositionEvent::SealRevoked | PositionEvent::WorkerSealCreated => {
                all.event(&name, position, &seal().id);
            }
            PositionEvent::SlashAppealed => all.event(&name, position, &"statement"),
            _ => all.event(&name, position, &1),
        }
    }
    assert!(matches!(Event::decode("staking", "Nothing", &[]), Err(EventError::UnknownType(_))));
}

impl Compared {
    /// A positional struct has these types.
    fn tuple(&mut self, name: &str, types: &[&str]) {
        let declared: Vec<_> = fields(name).iter().map(|field| field["type"].as_str().unwrap()).collect();
        assert_eq!(declared, types, "{name}");
        self.0.insert(name.to_owned());
    }
}

/// The object's fields are the state's, but for the wrapping of its own id and of its money, which have the same bytes.
fn same_bytes_after_the_id(all: &mut Compared, object: &str, state: &str) {
    let plain = |name: &str| -> Vec<(String, String)> {
        let pair = |field: &Value| {
            let kind = match field["type"].as_str().unwrap() {
                "0x2::object::UID" => "0x2::object::ID",
                "0x2::balance::Balance<0x2::sui::SUI>" => "u64",
                other => other,
            };
            (field["name"].as_str().unwrap().to_owned(), kind.to_owned())
        };
        fields(name).iter().map(pair).collect()
    };
    let (object_fields, state_fields) = (plain(object), plain(state));
    assert_eq!(object_fields[0].1, state_fields[0].1);
    assert_eq!(object_fields[1..], state_fields[1..], "{object}");
    all.0.insert(object.to_owned());
}

fn fields(name: &str) -> &'static [Value] {
    let (module, name) = name.split_once("::").unwrap();
    INTERFACE[module]["structs"][name]["fields"].as_array().unwrap()
}

fn token() -> SealToken {
    let SealRecord { id: seal, permissions, locator, commitment, session, expires_ms } = seal();
    let token = SealToken {
        id: seal,
        cluster: ClusterId(id(2)),
        position: PositionId(id(3)),
        node_id: "node-1".to_owned(),
        permissions,
        locator,
        commitment,
        session,
        expires_ms,
    };
    assert_eq!(token.record(), super::seal());
    token
}

fn info() -> NautilusInfo {
    let MasterRecord { endpoint, ca_spki, signing_key, config_digest, expires_ms, .. } = master();
    NautilusInfo { cluster: ClusterId(id(2)), endpoint, ca_spki, signing_key, config_digest, expires_ms }
}

/// BCS of a JSON value as a declared type.
pub(super) fn encode(kind: &str, value: &Value) -> Vec<u8> {
    let number = || value.as_u64().unwrap_or_else(|| panic!("{kind} from {value}"));
    let text = || value.as_str().unwrap_or_else(|| panic!("{kind} from {value}"));
    match kind {
        "u8" => vec![u8::try_from(number()).unwrap()],
        "u16" => u16::try_from(number()).unwrap().to_le_bytes().to_vec(),
        "u64" | "0x2::balance::Balance<0x2::sui::SUI>" => number().to_le_bytes().to_vec(),
        "bool" => vec![u8::from(value.as_bool().unwrap())],
        "address" | "0x2::object::ID" | "0x2::object::UID" => text().parse::<Address>().unwrap().as_bytes().to_vec(),
        "0x1::string::String" => sequence(text().len(), text().as_bytes().to_vec()),
        "vector<u8>" => {
            let bytes = hex::decode(text()).unwrap();
            sequence(bytes.len(), bytes)
        }
        table if table.starts_with("0x2::table::Table<") => {
            [encode("address", &value["id"]), encode("u64", &value["size"])].concat()
        }
        _ => encode_compound(kind, value),
    }
}

fn encode_compound(kind: &str, value: &Value) -> Vec<u8> {
    let inner = |prefix: &str| kind.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('>'));
    if let Some(element) = inner("vector<") {
        let items = value.as_array().unwrap();
        return sequence(items.len(), items.iter().flat_map(|item| encode(element, item)).collect());
    }
    if let Some(element) = inner("0x1::option::Option<") {
        return if value.is_null() { vec![0] } else { [vec![1], encode(element, value)].concat() };
    }
    let object = value.as_object().unwrap_or_else(|| panic!("{kind} from {value}"));
    let fields = fields(kind.strip_prefix("0x0::").unwrap_or_else(|| panic!("unknown type {kind}")));
    assert_eq!(fields.len(), object.len(), "{kind}");
    let one = |field: &Value| {
        let name = field["name"].as_str().unwrap();
        encode(field["type"].as_str().unwrap(), object.get(name).unwrap_or_else(|| panic!("{kind} has no {name}")))
    };
    fields.iter().flat_map(one).collect()
}

/// A length as ULEB128, and what has it.
fn sequence(mut length: usize, content: Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![];
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend(content);
    bytes
}
