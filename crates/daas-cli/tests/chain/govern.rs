//! What an operator and the owners of positions do after the first day.

use crate::world::{Net, Person, init_cluster, moment};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use sui_crypto::ed25519::Ed25519PrivateKey;
use sui_crypto::secp256k1::Secp256k1PrivateKey;
use sui_crypto::secp256r1::Secp256r1PrivateKey;
use sui_crypto::simple::SimpleKeypair;

/// A cluster under the devnet's rules, its admin, its proposer and its judge.
pub(crate) async fn cluster(net: &Net) -> [Person; 3] {
    let mut people = ["operator", "proposer", "judge"].map(|name| net.person(name));
    for person in &people {
        person.fill().await;
    }
    let [operator, proposer, judge] = &people;
    let package = operator.json(&["chain", "publish", "--yes"]).await["package"].as_str().unwrap().to_owned();
    let (proposes, judges) = (proposer.address().await, judge.address().await);
    let init = init_cluster("ours", &package, [&proposes, &judges, "0x8"]);
    operator.json(&[&init[..], &["--yes", "--pins", "pins.json"]].concat()).await;
    let join = operator.home().join("join.json");
    assert!(operator.home().join("pins.json").exists());
    for person in &mut people {
        person.joins(&join);
    }
    people
}

async fn newcomer(net: &Net, name: &str, of: &Person) -> Person {
    let mut person = net.person(name);
    person.fill().await;
    person.joins(&of.home().join("join.json"));
    person
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("no {path} in {value}"))
}

fn refused(name: &str) -> (String, i32) {
    (name.to_owned(), 3)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offices_and_pauses() {
    let net = Net::start(31).await;
    let [operator, proposer, judge] = cluster(&net).await;
    let (staker, other) = (newcomer(&net, "staker", &operator).await, newcomer(&net, "other", &operator).await);

    operator.json(&["chain", "pause", "--yes"]).await;
    assert_eq!(staker.refused(&["stake", "2"]).await, refused("ClusterPaused"));
    assert_eq!(staker.refused(&["chain", "unpause", "--yes"]).await, refused("OfficeMissing"));
    operator.json(&["chain", "unpause", "--yes"]).await;
    let staked = staker.json(&["stake", "2"]).await;
    let at = text(&staked, "/position/position");
    assert_eq!(staker.refused(&["stake", "2"]).await, refused("AlreadyStaked"));

    let hash = "ab".repeat(32);
    let when = moment(&staked);
    let what = ["--reason", "rules", "--evidence-hash", &hash, "--uri", "ipfs://it", "--at", &when, "--yes"];
    let propose = [&["chain", "slash", "propose", at][..], &what].concat();
    proposer.json(&propose).await;
    let shown = proposer.json(&["chain", "slash", "show", at]).await;
    assert_eq!(text(&shown, "/position/slash/stage"), "proposed");
    let successor = other.address().await;
    operator.json(&["chain", "office", "judge", &successor, "--yes"]).await;
    let cancel = ["chain", "slash", "cancel", at, "--yes"];
    assert_eq!(judge.refused(&cancel).await, refused("OfficeMissing"));
    let cancelled = other.json(&cancel).await;
    assert_eq!((text(&cancelled, "/position/status"), text(&cancelled, "/position/active")), ("active", "2"));
    assert_eq!(proposer.refused(&propose).await, refused("EvidenceRefused"));
    let shown = other.json(&["chain", "policy", "show"]).await;
    assert_eq!(text(&shown, "/judge"), successor);
    for taken in [successor.as_str(), "0x8"] {
        let same = ["chain", "office", "proposer", taken, "--yes"];
        assert_eq!(operator.refused(&same).await, refused("OfficesNotApart"), "{taken}");
    }
    assert_eq!(operator.refused(&["chain", "treasury", "pay", "--yes"]).await, refused("TreasuryEmpty"));
    let package = text(&operator.json(&["chain", "verify-package"]).await, "/package").to_owned();
    let migrate = ["chain", "migrate", "--yes", "--code", &package];
    assert_eq!(operator.refused(&migrate).await, refused("PackageMismatch"), "to where it is");
}

/// A Seal that was prepared and perhaps paid for elsewhere is neither used for another stake nor overwritten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_seal_is_of_one_stake() {
    let net = Net::start(36).await;
    let [operator, proposer, ..] = cluster(&net).await;
    let file = operator.home().join("seal.json");
    let stake = |amount| ["stake", amount, "--seal", file.to_str().unwrap()];
    let dry = operator.json(&[&stake("2")[..], &["--dry-run"]].concat()).await;
    assert!(dry["at_most_mist"].as_u64().unwrap() > 2_000_000_000 && !file.exists());
    operator.json(&[&stake("2")[..], &["--unsigned"]].concat()).await;
    let prepared = std::fs::read_to_string(&file).unwrap();

    assert_eq!(proposer.refused(&stake("5")).await, refused("SealFileOther"), "another wallet");
    let node = ["--permissions", "user,node", "--node-id", "n1"];
    assert_eq!(operator.refused(&[&stake("5")[..], &node].concat()).await, refused("SealFileOther"));
    assert_eq!(
        operator.refused(&[&stake("5")[..], &node[2..]].concat()).await,
        refused("SealFileOther"),
        "another node"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), prepared);

    // The same stake goes on.
    let staked = operator.json(&stake("5")).await;
    let saved: Value = serde_json::from_str(&prepared).unwrap();
    assert_eq!(text(&staked, "/position/position"), text(&saved, "/position"));
    assert_eq!(operator.refused(&stake("5")).await, refused("AlreadyStaked"));
    // What the contract would refuse is not handed out to be signed.
    let more = ["unstake", "9", "--seal", file.to_str().unwrap(), "--unsigned"];
    assert_eq!(operator.refused(&more).await, refused("AmountRefused"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measurements_and_masters() {
    let net = Net::start(32).await;
    let [operator, ..] = cluster(&net).await;
    let pcr = |n: u8| format!("{n:02x}").repeat(48);
    let (pcr0, pcr1, pcr2) = (pcr(1), pcr(2), pcr(3));
    let announce = ["chain", "measurement", "announce", "--pcr0", &pcr0, "--pcr1", &pcr1, "--pcr2", &pcr2, "--yes"];
    operator.json(&announce).await;
    assert_eq!(operator.refused(&announce).await, refused("MeasurementRefused"));
    for step in ["activate", "retire", "revoke"] {
        operator.json(&["chain", "measurement", step, "--pcr0", &pcr0, "--yes"]).await;
        let left = operator.json(&["chain", "measurement", "list"]).await["measurements"].as_array().unwrap().len();
        assert_eq!(left, usize::from(step != "revoke"), "{step}");
    }
    assert_eq!(
        operator.refused(&["chain", "measurement", "activate", "--pcr0", &pcr0, "--yes"]).await,
        refused("MeasurementRefused")
    );

    let key = "07".repeat(32);
    let endorse = ["chain", "master", "endorse", "--key", &key, "--yes"];
    assert_eq!(operator.refused(&endorse).await, refused("MasterNotEndorsed"));
    let staked = operator.json(&["stake", "10", "--node-id", "operator"]).await;
    let at = text(&staked, "/position/position");
    operator.json(&["chain", "operators", at, "--yes"]).await;
    assert_eq!(operator.json(&["chain", "operators"]).await["operator_positions"], json!([at]));
    assert_eq!(text(&operator.json(&endorse).await, "/position"), at);
    let masters = operator.json(&["chain", "master", "list"]).await;
    assert_eq!((masters["masters"].as_array().unwrap().len(), text(&masters, "/endorsements/0/position")), (0, at));

    // A key that was never a master's proves nothing.
    let signed = |root: &str| json!({ "root": root.repeat(32), "signature": "00".repeat(64) });
    let proof = json!({ "signing_key": key, "sequence": 1, "signed": [signed("01"), signed("02")] });
    std::fs::write(operator.home().join("proof.json"), proof.to_string()).unwrap();
    let prove = ["chain", "slash", "prove", at, "--proof", "proof.json", "--yes"];
    assert_eq!(operator.refused(&prove).await, refused("EvidenceRefused"));
    std::fs::write(operator.home().join("proof.json"), "{}").unwrap();
    assert_eq!(operator.refused(&prove).await, refused("EvidenceRefused"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_and_keepers() {
    let net = Net::start(33).await;
    let [operator, ..] = cluster(&net).await;
    let (owner, keeper) = (newcomer(&net, "owner", &operator).await, newcomer(&net, "keeper", &operator).await);
    let keeps = keeper.address().await;
    let staked = owner.json(&["stake", "1", "--for-node", "n-1", "--operator", &keeps]).await;
    let at = text(&staked, "/position/position");
    assert_eq!((text(&staked, "/position/operator"), text(&staked, "/position/node_id")), (keeps.as_str(), "n-1"));
    assert_eq!(owner.refused(&["stake", "1", "--for-node", "n-1", "--operator", &keeps]).await, refused("NodeIdTaken"));
    keeper.json(&["maintenance", "--lasts", "2h", "--position", at]).await;
    assert_eq!(
        keeper.refused(&["maintenance", "--lasts", "8d", "--position", at]).await,
        refused("MaintenanceRefused")
    );
    assert_eq!(keeper.refused(&["unjail", "--position", at]).await, refused("NodeStateRefused"));
    for money in [&["unstake", "--all", "--position", at][..], &["owner", "offer", &keeps, "--position", at]] {
        assert_eq!(keeper.refused(money).await, refused("NotYours"), "{money:?}");
    }

    let mine = owner.address().await;
    owner.json(&["operator", "set", &mine, "--position", at]).await;
    assert_eq!(keeper.refused(&["revoke-seal", "--all", "--position", at]).await, refused("NotYours"));
    owner.json(&["owner", "offer", &keeps, "--position", at]).await;
    let taken = keeper.json(&["owner", "accept", at]).await;
    assert_eq!(text(&taken, "/position/owner"), keeps);
    assert_eq!(owner.refused(&["restake", "1", "--position", at]).await, refused("NotYours"));

    // One's own Seal: minted, minted anew, voided.
    let staked = owner.json(&["stake", "2"]).await;
    let fresh = owner.json(&["token", "--refresh"]).await;
    assert_ne!(staked["seal"], fresh["seal"]);
    assert!(fresh["gas"]["net_mist"].is_i64());
    let voided = owner.json(&["revoke-seal", text(&fresh, "/seal")]).await;
    assert_eq!(voided["position"]["seals"], 0);
    assert_eq!(owner.refused(&["unstake", "3"]).await, refused("AmountRefused"));
    assert_eq!(owner.refused(&["withdraw"]).await, refused("NothingToWithdraw"));
    assert_eq!(owner.refused(&["appeal", "--reason", "why"]).await, refused("NoSlashPending"));
}

/// Keys of all schemes as the Sui CLI keeps them, by address, by alias, and the active one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sui_clis_keys_sign() {
    let net = Net::start(34).await;
    let mut ann = net.person("ann");
    let keys: [SimpleKeypair; 3] = [
        Ed25519PrivateKey::new([1; 32]).into(),
        Secp256k1PrivateKey::new([2; 32]).unwrap().into(),
        Secp256r1PrivateKey::new([3; 32]).into(),
    ];
    let folder = ann.home().join("sui");
    std::fs::create_dir_all(&folder).unwrap();
    let keystore = folder.join("sui.keystore");
    let texts: Vec<String> = keys.iter().map(SimpleKeypair::to_base64).collect();
    std::fs::write(&keystore, json!(texts).to_string()).unwrap();
    std::fs::set_permissions(&keystore, std::fs::Permissions::from_mode(0o600)).unwrap();
    let addresses = keys.each_ref().map(|key| key.verifying_key().derive_address().to_string());
    let client = json!({
        "keystore": { "File": keystore }, "envs": [{ "alias": "here", "rpc": net.rpc() }], "active_env": "here",
        "active_address": addresses[2],
    });
    std::fs::write(folder.join("client.yaml"), client.to_string()).unwrap();
    // flag ‖ public key, as @mysten/sui prints it for the key of thirty-two ones.
    let alias = json!([{ "alias": "cold", "public_key_base64": "AIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c" }]);
    std::fs::write(folder.join("sui.aliases"), alias.to_string()).unwrap();

    let listed = ann.json(&["wallet", "list"]).await;
    let known: Vec<&str> = (0..3).map(|at| text(&listed, &format!("/sui_cli/{at}/address"))).collect();
    assert_eq!((known, text(&listed, "/active")), (addresses.iter().map(String::as_str).collect(), &*addresses[2]));
    assert_eq!(text(&listed, "/sui_cli/0/alias"), "cold");
    for (at, name) in [(0, "cold"), (1, &*addresses[1]), (2, &*addresses[2])] {
        ann.signs_as(name);
        ann.fill().await;
        let sent = ann.json(&["wallet", "send", "0.25", "0x5", "--dry-run"]).await;
        assert_eq!(text(&sent, "/sender"), addresses[at]);
        ann.json(&["wallet", "send", "0.25", "0x5", "--yes"]).await;
    }
    ann.signs_as("nobody");
    assert_eq!(ann.refused(&["wallet", "send", "1", "0x5", "--yes"]).await.0, "WalletMissing");
    std::fs::set_permissions(&keystore, std::fs::Permissions::from_mode(0o644)).unwrap();
    ann.signs_as("cold");
    assert_eq!(ann.refused(&["wallet", "send", "1", "0x5", "--yes"]).await, ("WalletUnsafe".to_owned(), 2));
}
