//! Every entry function of the compiled contract has one call here, with arguments of its parameters' kinds.

use super::*;
use crate::client::ChainClient;
use crate::ops::build::{CLOCK, DISPLAY_REGISTRY, FRAMEWORK};
use crate::testing::TestChain;
use crate::wallet::Wallet;
use daas_types::onchain::Policy;
use daas_types::{Commitment, Locator, Permissions};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const INTERFACE: &str = include_str!("../../../../../contracts/k3s_daas/interface.json");
/// No entry function, since it takes what the framework made of a document before.
const REGISTER: (&str, &str) = ("nautilus", "register_master");

#[derive(Deserialize)]
struct Module {
    functions: BTreeMap<String, Function>,
}

#[derive(Deserialize)]
struct Function {
    entry: bool,
    parameters: Vec<String>,
}

fn interface() -> BTreeMap<(String, String), Vec<String>> {
    let modules: BTreeMap<String, Module> = serde_json::from_str(INTERFACE).unwrap();
    let functions = modules.into_iter().flat_map(|(module, Module { functions })| {
        functions.into_iter().map(move |(name, function)| ((module.clone(), name), function))
    });
    let called =
        functions.filter(|((module, name), function)| function.entry || (module.as_str(), name.as_str()) == REGISTER);
    called.map(|(name, function)| (name, function.parameters)).collect()
}

/// What governs a cluster, and what its masters do.
fn of_the_cluster(ops: &Ops) -> Vec<Draft> {
    let (ids, at, who, pcr0) = (ids(), id(2).into(), WalletAddress(id(8)), [1; 48]);
    let policy = Policy::devnet(who);
    let cluster = ClusterSpec { name: "c".to_owned(), policy: policy.clone(), proposer: who, judge: who };
    let register = RegisterSpec {
        position: at,
        document: vec![1; 300],
        endpoint: "https://h:1".to_owned(),
        ca_spki: [1; 32],
        config_digest: [2; 32],
    };
    let pcrs = Pcrs { pcr0, pcr1: [2; 48], pcr2: [3; 48] };
    let plain = |call: Call<'_, Outcome>| call.draft().clone();
    vec![
        ops.create_cluster(ids.package, &cluster).draft().clone(),
        plain(ops.create_display(ids.package)),
        plain(ops.announce_policy(&ids, &policy)),
        plain(ops.recall_policy(&ids)),
        plain(ops.apply_policy(&ids)),
        plain(ops.set_paused(&ids, true)),
        plain(ops.set_operator_positions(&ids, &[at, at])),
        plain(ops.appoint_proposer(&ids, who)),
        plain(ops.appoint_judge(&ids, who)),
        plain(ops.migrate(&ids)),
        plain(ops.pay_treasury(&ids)),
        plain(ops.announce_measurement(&ids, &pcrs)),
        plain(ops.activate_measurement(&ids, &pcr0)),
        plain(ops.retire_measurement(&ids, &pcr0)),
        plain(ops.revoke_measurement(&ids, &pcr0)),
        plain(ops.endorse_master(&ids, at, &[1; 32])),
        plain(ops.register_master(&ids, &register)),
        plain(ops.heartbeat(&ids)),
        plain(ops.remove_master(&ids, &[1; 32])),
        plain(ops.record_result(&ids, id(6).into(), 200, &[1; 32])),
        plain(ops.anchor_root(&ids, id(6).into(), 1, &[1; 32], 2)),
        ops.jail(&ids, at, UnixMs(1)).draft().clone(),
    ]
}

/// What is done to one position.
fn of_a_position(ops: &Ops) -> Vec<Draft> {
    let (ids, at, who) = (ids(), id(2).into(), WalletAddress(id(8)));
    let (locator, commitment, lifetime) = (Locator([1; 16]), Commitment([2; 32]), Duration::from_secs(1));
    let seal = SealSpec { permissions: Permissions::BOTH, locator, commitment, session: Some(who), lifetime };
    let node = WorkerSealSpec { locator, commitment, session: None, lifetime };
    let stake = StakeSpec { amount: Mist(1), salt: 2, node_id: Some("n-1".parse().unwrap()), seal };
    let for_node = NodeStakeSpec { amount: Mist(1), salt: 2, node_id: "n-1".parse().unwrap(), operator: who };
    let slash = SlashSpec { reason: 1, evidence_hash: [1; 32], evidence: UnixMs(1), uri: "u".to_owned() };
    let proof = DoubleSigned { signing_key: [1; 32], sequence: 1, signed: [([1; 32], [2; 64]), ([3; 32], [4; 64])] };
    let of = |call: Call<'_, PositionOutcome>| call.draft().clone();
    vec![
        of(ops.stake_and_mint_seal(&ids, &stake)),
        of(ops.stake_for_node(&ids, &for_node)),
        of(ops.restake(&ids, at, Mist(1))),
        of(ops.refresh_seal_token(&ids, at, Some(id(6).into()), &seal)),
        of(ops.unstake(&ids, at, Mist(1))),
        of(ops.withdraw(&ids, at)),
        of(ops.set_operator(&ids, at, who)),
        of(ops.offer_ownership(&ids, at, Some(who))),
        of(ops.accept_ownership(&ids, at)),
        of(ops.appeal_slash(&ids, at, "why")),
        of(ops.propose_slash(&ids, at, &slash)),
        of(ops.uphold_slash(&ids, at)),
        of(ops.reduce_slash(&ids, at, Mist(1))),
        of(ops.cancel_slash(&ids, at)),
        of(ops.execute_slash(&ids, at)),
        of(ops.release_lapsed_slash(&ids, at)),
        of(ops.slash_double_signed(&ids, at, &proof)),
        of(ops.revoke_seal(&ids, at, id(6).into())),
        of(ops.revoke_all_seals(&ids, at)),
        of(ops.create_worker_seal_token(&ids, at, None, &node)),
        of(ops.unjail(&ids, at)),
        of(ops.announce_maintenance(&ids, at, UnixMs(1), UnixMs(2))),
    ]
}

fn of_a_request(ops: &Ops) -> [Draft; 2] {
    let request = RequestSpec {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        namespace: String::new(),
        resource_type: "pods".to_owned(),
        payload: vec![],
        payload_hash: vec![1; 32],
        waits: Duration::from_secs(1),
        idempotency_key: vec![1; 16],
    };
    let submitted = ops.submit_k8s_request(&ids(), id(2).into(), &request).draft().clone();
    [submitted, ops.cancel_k8s_request(&ids(), id(6).into()).draft().clone()]
}

fn ops() -> Ops {
    let genesis = TestChain::new(1).genesis().clone();
    let client = ChainClient::unchecked(["http://127.0.0.1:1"], &genesis).unwrap();
    Ops::new(client, Wallet::keyless(WalletAddress(id(9))))
}

#[tokio::test]
async fn every_entry_function_is_called_as_it_was_compiled() {
    let mut left = interface();
    let ops = ops();
    for draft in [of_the_cluster(&ops), of_a_position(&ops), of_a_request(&ops).to_vec()].concat() {
        let Some(Step::Call { package, module, function, args }) = draft.steps.last() else { panic!("{draft:?}") };
        assert_eq!(*package, id(7), "{module}::{function}");
        let called = ((*module).to_owned(), (*function).to_owned());
        let mut parameters =
            left.remove(&called).unwrap_or_else(|| panic!("{module}::{function} is no entry, or twice"));
        parameters.retain(|parameter| !parameter.ends_with("::tx_context::TxContext"));
        assert_eq!(args.len(), parameters.len(), "{module}::{function}");
        for (at, (arg, parameter)) in args.iter().zip(&parameters).enumerate() {
            assert!(fits(arg, parameter), "{module}::{function}, argument {at}: {arg:?} is no {parameter}");
        }
    }
    assert_eq!(left.keys().collect::<BTreeSet<_>>(), BTreeSet::new(), "entries without a call");
}

/// An object where one is taken, as it is taken; a value's bytes where a value is, and no more.
fn fits(arg: &Arg, parameter: &str) -> bool {
    let object = |name: &str| parameter.trim_start_matches("&mut ").trim_start_matches('&').ends_with(name);
    match arg {
        Arg::Object { id, mutable } => {
            let system = [(CLOCK, "::clock::Clock"), (DISPLAY_REGISTRY, "::display_registry::DisplayRegistry")];
            let named = system.iter().find(|(known, _)| known == id).is_none_or(|(_, name)| object(name));
            named && parameter.starts_with(if *mutable { "&mut " } else { "&0x" })
        }
        Arg::Office(office, _) => parameter.starts_with("&0x0::caps::") && object(office.cap()),
        Arg::Payment(_) => parameter == "0x2::coin::Coin<0x2::sui::SUI>",
        Arg::End(_) => parameter == "u64",
        Arg::Result(_) => parameter.ends_with("::nitro_attestation::NitroAttestationDocument"),
        Arg::Pure(bytes) => pure(bytes, parameter),
    }
}

fn pure(bytes: &[u8], parameter: &str) -> bool {
    fn is<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> bool {
        bcs::from_bytes::<T>(bytes).is_ok()
    }
    match parameter {
        "u8" => is::<u8>(bytes),
        "u16" => is::<u16>(bytes),
        "u64" => is::<u64>(bytes),
        "bool" => is::<bool>(bytes),
        "address" | "0x2::object::ID" => is::<Address>(bytes),
        "0x1::string::String" => is::<String>(bytes),
        "vector<u8>" => is::<Vec<u8>>(bytes),
        "vector<u64>" => is::<Vec<u64>>(bytes),
        "vector<0x2::object::ID>" => is::<Vec<Address>>(bytes),
        "0x1::option::Option<address>" | "0x1::option::Option<0x2::object::ID>" => is::<Option<Address>>(bytes),
        _ => false,
    }
}

#[test]
fn what_does_not_fit_is_told_apart() {
    let office = Arg::Office(Office::Judge, ids());
    for (arg, right, wrong) in [
        (Arg::shared(id(1)), "&0x0::cluster::Cluster", "&mut 0x0::cluster::Cluster"),
        (Arg::shared_mut(id(1)), "&mut 0x0::cluster::Cluster", "&0x0::cluster::Cluster"),
        (Arg::clock(), "&0x2::clock::Clock", "&0x0::cluster::Cluster"),
        (office, "&0x0::caps::JudgeCap", "&0x0::caps::AdminCap"),
        (Arg::pure(&1_u64), "u64", "u8"),
        (Arg::pure(&id(1)), "address", "vector<u8>"),
        (Arg::pure(&None::<Address>), "0x1::option::Option<address>", "address"),
        (Arg::Payment(Mist(1)), "0x2::coin::Coin<0x2::sui::SUI>", "u64"),
    ] {
        assert!(fits(&arg, right) && !fits(&arg, wrong), "{arg:?}");
    }
}

#[tokio::test]
async fn an_upgrade_is_authorized_made_and_committed() {
    let package = CompiledPackage {
        digest: "0a".repeat(32),
        dependencies: vec![Address::from_static("0x1"), FRAMEWORK],
        modules: [("caps".to_owned(), vec![1])].into(),
    };
    let ops = ops().calling(Some(PackageId(id(6))));
    let spec = UpgradeSpec { current: PackageId(id(6)), original: PackageId(id(7)), cap: id(2) };
    let call = ops.upgrade(&package, &spec).unwrap();
    assert_eq!(call.package(), Some(PackageId(id(7))), "types keep the first version's id");
    let mut known = known(vec![coin(20, Mist::from_sui(5))]);
    known.objects.get_mut(&id(2)).unwrap().owner = Owner::Address(id(9));
    let (inputs, commands) = parts(call.draft().build(&known).unwrap());
    let [Command::MoveCall(authorize), Command::Upgrade(upgrade), Command::MoveCall(commit)] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!((authorize.package, authorize.function.as_str()), (FRAMEWORK, "authorize_upgrade"));
    assert_eq!((upgrade.package, upgrade.ticket), (id(6), Argument::Result(0)));
    assert_eq!((commit.function.as_str(), commit.arguments[1]), ("commit_upgrade", Argument::Result(1)));
    assert_eq!(authorize.arguments[0], commit.arguments[0]);
    assert!(inputs.contains(&Input::Pure([vec![32], vec![10; 32]].concat())), "the digest as a vector");
    let broken = CompiledPackage { digest: "no hex".to_owned(), ..package };
    assert!(matches!(ops.upgrade(&broken, &spec), Err(TxError::Broken(_))));
}
