//! A sequence as the other side reads it: arguments as Move spells them, and of everything seen a digest.

use super::super::call::encode;
use super::chain::{Chain, Given, Op};
use super::draw::node_ids;
use super::life::{Called, Made, Refusal, Sequence, Step};
use super::scene::{Scene, enclaves, wallets};
use crate::objects::framework_type;
use crate::twin::{k8s_gateway, registry};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sui_sdk_types::{Address, StructTag, TypeTag};

/// Longer runs of one byte are told as such.
const LONG: usize = 24;

/// All of a sequence.
pub(super) fn sequence(name: &str, sequence: &Sequence<'_>) -> Value {
    let chain = &sequence.chain;
    json!({
        "name": name,
        "steps": sequence.steps.iter().map(|it| step(chain, it)).collect::<Vec<_>>(),
        "books": books(chain),
        "refusals": sequence.refusals.iter().map(|it| refusal(chain, it)).collect::<Vec<_>>(),
    })
}

fn step(chain: &Chain<'_>, step: &Step) -> Value {
    match step {
        Step::Time(ms) => json!({ "time": ms.to_string() }),
        Step::Version(cluster, version) => json!({ "version": [cluster.to_string(), version] }),
        Step::Call(called) => {
            let mut told = call(chain, &called.op);
            told["events"] = events(called).into();
            told["made"] = called.made.iter().map(|it| made(chain, it)).collect();
            told["seen"] = seen(chain, called).to_vec().into();
            told
        }
    }
}

fn made(chain: &Chain<'_>, made: &Made) -> Value {
    json!({ "kind": made.kind, "id": chain.told(made.id).to_string(), "owner": made.owner.map(|owner| owner.to_string()) })
}

fn refusal(chain: &Chain<'_>, refusal: &Refusal) -> Value {
    let mut told = call(chain, &refusal.op);
    told["after"] = refusal.after.into();
    told["error"] = format!("{}::{}", refusal.abort.module, refusal.abort.name).into();
    told
}

/// The types of its events, each once, in order.
fn events(called: &Called) -> Vec<String> {
    let mut kinds: Vec<String> = vec![];
    for event in &called.events {
        let kind = format!("{}::{}", event.type_.module(), event.type_.name());
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// Of the objects passed, of the events (their number, then each type's), of the objects made.
fn seen(chain: &Chain<'_>, called: &Called) -> [String; 3] {
    let mut told = vec![u32::try_from(called.events.len()).unwrap().to_le_bytes().to_vec()];
    for kind in events(called) {
        let is = |tag: &StructTag| format!("{}::{}", tag.module(), tag.name()) == kind;
        let of_kind: Vec<&[u8]> = called.events.iter().filter(|it| is(&it.type_)).map(|it| &it.contents[..]).collect();
        told.push([vec![u8::try_from(of_kind.len()).unwrap()], of_kind.concat()].concat());
    }
    let made = called.made.iter().map(|made| made.contents.clone()).collect();
    [called.objects.clone(), told, made].map(|parts| digest(chain, parts))
}

/// With the ids that the VM has.
fn digest(chain: &Chain<'_>, mut parts: Vec<Vec<u8>>) -> String {
    for bytes in &mut parts {
        chain.aliases.iter().for_each(|(real, alias)| replace(bytes, real.as_bytes(), alias.as_bytes()));
    }
    hex::encode(Sha256::digest(encode(&parts)))
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|it| it == from) {
        at += found;
        bytes[at..at + to.len()].copy_from_slice(to);
        at += to.len();
    }
}

fn call(chain: &Chain<'_>, op: &Op) -> Value {
    let args = op.function.params.iter().zip(&op.args);
    let args: Vec<String> = args.flat_map(|(param, given)| argument(chain, param, given)).collect();
    json!({ "call": format!("{}::{}", op.function.module, op.function.name), "sender": op.sender.to_string(), "args": args })
}

/// What stands for it in the call of the player; nothing for the clock, several for a document.
fn argument(chain: &Chain<'_>, param: &str, given: &Given) -> Vec<String> {
    match given {
        Given::Clock => vec![],
        Given::Object(id) => vec![format!("@{}", chain.told(*id))],
        Given::Coin(value) => vec![value.to_string()],
        Given::Pure(bytes) => vec![literal(chain, param, bytes)],
        Given::Document(document) => {
            let (indices, values): (Vec<u8>, Vec<_>) = document.pcrs.iter().cloned().unzip();
            let texts = |values: Vec<&Vec<u8>>| {
                format!("vector[{}]", values.into_iter().map(|value| run(value)).collect::<Vec<_>>().join(", "))
            };
            vec![
                document.timestamp.to_string(),
                run(&indices),
                texts(values.iter().collect()),
                texts(document.public_key.iter().collect()),
                texts(document.user_data.iter().collect()),
                texts(document.nonce.iter().collect()),
            ]
        }
    }
}

fn literal(chain: &Chain<'_>, param: &str, bytes: &[u8]) -> String {
    fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> T {
        bcs::from_bytes(bytes).unwrap()
    }
    let list = |values: Vec<String>| format!("vector[{}]", values.join(", "));
    let ids = |ids: Vec<Address>| list(ids.into_iter().map(|id| format!("@{}", chain.told(id))).collect());
    match param {
        "u8" => read::<u8>(bytes).to_string(),
        "u16" => read::<u16>(bytes).to_string(),
        "u64" => read::<u64>(bytes).to_string(),
        "bool" => read::<bool>(bytes).to_string(),
        "address" | "0x2::object::ID" => format!("@{}", chain.told(read(bytes))),
        "vector<u8>" | "0x1::string::String" => run(&read::<Vec<u8>>(bytes)),
        "vector<u64>" => list(read::<Vec<u64>>(bytes).iter().map(u64::to_string).collect()),
        "vector<0x2::object::ID>" => ids(read(bytes)),
        "0x1::option::Option<address>" | "0x1::option::Option<0x2::object::ID>" => {
            ids(read::<Option<Address>>(bytes).into_iter().collect())
        }
        other => panic!("no literal of {other}"),
    }
}

fn run(bytes: &[u8]) -> String {
    match bytes.first() {
        Some(byte) if bytes.len() > LONG && bytes.iter().all(|it| it == byte) => {
            format!("run({byte}, {})", bytes.len())
        }
        _ => format!("x\"{}\"", hex::encode(bytes)),
    }
}

// === What stands in tables and purses ===

/// Of each cluster what its tables hold, and of each wallet what it was paid.
fn books(chain: &Chain<'_>) -> Value {
    let scene = Scene::of(chain);
    let keys: Vec<Vec<u8>> = enclaves().map(|enclave| enclave.signing_key().to_vec()).collect();
    let clusters = scene.clusters.iter().map(|cluster| {
        let books = scene.registries.iter().find(|it| it.id == cluster.registry).unwrap();
        let nautilus = scene.nautilus_of(cluster.id);
        let anchors = scene.anchors.iter().find(|it| it.id == cluster.anchors).unwrap();
        let mut seen = vec![encode(&books.positions.size)];
        for index in 0..books.positions.size {
            seen.push(entry(chain, books.positions.id, &TypeTag::U64, &encode(&index)).unwrap());
        }
        for name in node_ids() {
            seen.push(option(entry(chain, books.nodes.id, &registry::string_type(), &encode(&name))));
        }
        for key in &keys {
            seen.push(option(entry(chain, nautilus.keys.id, &k8s_gateway::key_type(), &encode(key))));
            seen.push(option(entry(chain, anchors.logs.id, &k8s_gateway::key_type(), &encode(key))));
        }
        json!({ "cluster": cluster.id.to_string(), "seen": digest(chain, seen) })
    });
    let holders: Vec<Address> = wallets();
    let coins = |holder: Address| -> u128 {
        let of = chain.of_type("coin", "Coin").filter(|(id, _)| chain.owner(*id) == Some(holder));
        of.map(|(_, now)| u128::from(u64::from_le_bytes(now.contents[32..40].try_into().unwrap()))).sum()
    };
    json!({
        "clusters": clusters.collect::<Vec<_>>(),
        "names": node_ids(),
        "keys": keys.iter().map(hex::encode).collect::<Vec<_>>(),
        "purses": holders.into_iter().map(|it| json!([it.to_string(), coins(it).to_string()])).collect::<Vec<_>>(),
    })
}

/// The value of a table's entry.
fn entry(chain: &Chain<'_>, table: Address, key_type: &TypeTag, key: &[u8]) -> Option<Vec<u8>> {
    let field = chain.objects.get(&table.derive_dynamic_child_id(key_type, key))?;
    assert_eq!(field.tag.name(), framework_type("dynamic_field", "Field", vec![]).name());
    Some(field.contents[Address::LENGTH + key.len()..].to_vec())
}

fn option(value: Option<Vec<u8>>) -> Vec<u8> {
    value.map_or_else(|| vec![0], |value| [vec![1], value].concat())
}
