//! `--unsigned` and `--signature`: what another implementation signs does what this program's own signature does.

use crate::world::{Net, Person, init_cluster};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use sui_crypto::simple::SimpleKeypair;
use sui_rpc::Client;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::GetTransactionRequest;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The packages of the other implementation may have to be fetched first.
const PATIENCE: Duration = Duration::from_mins(10);

/// Keys of the other implementation, several of which are a multisig.
struct Signer {
    keys: String,
    threshold: usize,
    address: String,
}

// === impl Signer ===

impl Signer {
    /// New keys, one for each scheme.
    async fn new(schemes: &[&str], threshold: usize) -> Self {
        let mut keys = Vec::new();
        for scheme in schemes {
            let made = theirs(&["new", scheme], &[], "").await;
            keys.push(made["key"].as_str().unwrap().to_owned());
        }
        let nameless = Self { keys: keys.join(","), threshold, address: String::new() };
        let address = nameless.ask("address", "").await["address"].as_str().unwrap().to_owned();
        Self { address, ..nameless }
    }

    /// Signs the bytes; the other implementation must know the same transaction by the same digest.
    async fn sign(&self, unsigned: &Value) -> String {
        let signed = self.ask("sign", unsigned["tx"].as_str().unwrap()).await;
        assert_eq!((&signed["digest"], &signed["sender"]), (&unsigned["digest"], &unsigned["sender"]));
        signed["signature"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, command: &str, input: &str) -> Value {
        let threshold = self.threshold.to_string();
        theirs(&[command], &[("SIGNER_KEY", &self.keys), ("SIGNER_THRESHOLD", &threshold)], input).await
    }

    /// The key as the Sui CLI keeps it, with a name and as the active one.
    fn write_as_the_sui_cli(&self, folder: &Path, rpc: &str) {
        std::fs::create_dir_all(folder).unwrap();
        let key = SimpleKeypair::from_suiprivkey(&self.keys).unwrap().to_base64();
        let keystore = folder.join("sui.keystore");
        std::fs::write(&keystore, json!([key]).to_string()).unwrap();
        std::fs::set_permissions(&keystore, std::fs::Permissions::from_mode(0o600)).unwrap();
        let client = json!({
            "keystore": { "File": keystore }, "envs": [{ "alias": "here", "rpc": rpc, "ws": null }],
            "active_env": "here", "active_address": self.address,
        });
        std::fs::write(folder.join("client.yaml"), client.to_string()).unwrap();
    }
}

/// `tests/typescript/sign.mjs`, which is `@mysten/sui`.
async fn theirs(args: &[&str], env: &[(&str, &str)], input: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/typescript.sh");
    let mut command = Command::new(script);
    command.arg("sign.mjs").args(args).envs(env.iter().copied()).kill_on_drop(true);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The whole effects of a transaction, as the network keeps them.
async fn effects(net: &Net, transaction: &Value) -> Vec<u8> {
    let digest = transaction.as_str().unwrap().parse().unwrap();
    let request = GetTransactionRequest::new(&digest).with_read_mask(FieldMask::from_str("effects.bcs"));
    let answer = Client::new(net.rpc()).unwrap().ledger_client().get_transaction(request).await.unwrap();
    answer.into_inner().transaction().effects().bcs().value().to_vec()
}

/// The same command on two equal networks: signed here on one, signed there on the other.
struct Twice<'a> {
    nets: [&'a Net; 2],
    here: Person,
    there: Person,
    signer: &'a Signer,
}

impl Twice<'_> {
    /// The receipt, which is the same on both, as are the effects, byte by byte.
    async fn does(&self, args: &[&str]) -> Value {
        let ours = self.here.json(&[args, &["--yes"]].concat()).await;
        let unsigned = self.there.json(&[args, &["--unsigned"]].concat()).await;
        assert_eq!(unsigned["sender"].as_str(), Some(self.signer.address.as_str()));
        let signature = self.signer.sign(&unsigned).await;
        let theirs = self.there.json(&[args, &["--signature", &signature]].concat()).await;
        assert_eq!(without_files(ours.clone()), without_files(theirs.clone()), "{args:?}");
        assert_eq!(ours["transaction"], unsigned["digest"]);
        let [here, there] =
            [effects(self.nets[0], &ours["transaction"]).await, effects(self.nets[1], &theirs["transaction"]).await];
        assert!(!here.is_empty() && here == there, "{args:?}");
        ours
    }
}

/// Two homes have two join files.
fn without_files(mut receipt: Value) -> Value {
    receipt.as_object_mut().unwrap().remove("join_file");
    receipt
}

async fn same_effects(scheme: &str, seed: u64) {
    let nets = [&Net::start(seed).await, &Net::start(seed).await];
    assert_eq!(nets[0].genesis(), nets[1].genesis());
    let signer = Signer::new(&[scheme], 1).await;
    let (mut here, mut there) = (nets[0].person("ann"), nets[1].person("ann"));
    // Here the key is the Sui CLI's active one; there is no key there.
    signer.write_as_the_sui_cli(&here.home().join("sui"), &nets[0].rpc());
    there.signs_as(&signer.address);
    here.signs_as(&signer.address);
    for person in [&here, &there] {
        assert_eq!(person.fill().await, 1_000_000_000_000);
    }
    let mut twice = Twice { nets, here, there, signer: &signer };
    twice.does(&["wallet", "send", "1.5", &format!("0x{}", "5".repeat(64))]).await;
    let package = twice.does(&["chain", "publish"]).await["package"].as_str().unwrap().to_owned();
    let offices = ["6", "7", "8"].map(|n| format!("0x{}", n.repeat(64)));
    // Each in its own folder.
    let joins = [twice.here.home().join("join.json"), twice.there.home().join("join.json")];
    let founded = twice.does(&init_cluster("two", &package, offices.each_ref().map(String::as_str))).await;
    assert!(founded["cluster"].is_string());
    twice.here.joins(&joins[0]);
    twice.there.joins(&joins[1]);
    twice.does(&["chain", "pause"]).await;
    assert_eq!(twice.there.json(&["chain", "policy", "show"]).await["paused"], true);
    // A key that is not here signs nothing here.
    let key_elsewhere = twice.there.refused(&["chain", "unpause", "--yes"]).await;
    assert_eq!(key_elsewhere, ("WalletMissing".to_owned(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ed25519_signed_elsewhere_has_the_same_effects() {
    same_effects("ed25519", 11).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secp256k1_signed_elsewhere_has_the_same_effects() {
    same_effects("secp256k1", 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secp256r1_signed_elsewhere_has_the_same_effects() {
    same_effects("secp256r1", 13).await;
}

/// The admin's office held by two of three, of all schemes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_govern_a_cluster() {
    let net = Net::start(14).await;
    let committee = Signer::new(&["ed25519", "secp256k1", "secp256r1"], 2).await;
    let stranger = Signer::new(&["ed25519"], 1).await;
    let mut person = net.person("committee");
    person.signs_as(&committee.address);
    person.fill().await;
    let send = async |person: &Person, args: &[&str]| {
        let unsigned = person.json(&[args, &["--unsigned"]].concat()).await;
        let signature = committee.sign(&unsigned).await;
        // From a file, as it comes back from elsewhere.
        let file = person.home().join("tx");
        std::fs::write(&file, unsigned["tx"].as_str().unwrap()).unwrap();
        let submit = ["chain", "submit", "--tx", file.to_str().unwrap(), "--signature", &signature];
        let done = person.json(&submit).await;
        assert_eq!(done["transaction"], unsigned["digest"]);
        done
    };
    let published = send(&person, &["chain", "publish"]).await;
    let created = published["created"].as_array().unwrap();
    let package = created.iter().find(|made| made["type"] == "package").unwrap()["id"].as_str().unwrap().to_owned();

    // The join file is written by whoever submits.
    let offices = ["6", "7", "8"].map(|n| format!("0x{}", n.repeat(64)));
    let init = init_cluster("ours", &package, offices.each_ref().map(String::as_str));
    let unsigned = person.json(&[&init[..], &["--unsigned"]].concat()).await;
    let wrong = stranger.ask("sign", unsigned["tx"].as_str().unwrap()).await["signature"].as_str().unwrap().to_owned();
    let refused = person.refused(&[&init[..], &["--signature", &wrong]].concat()).await;
    assert_eq!(refused, ("SignatureRefused".to_owned(), 3));
    let join = person.home().join("join.json");
    assert!(!join.exists());
    let right = committee.sign(&unsigned).await;
    person.json(&[&init[..], &["--signature", &right]].concat()).await;
    person.joins(&join);

    send(&person, &["chain", "policy", "announce", "--slash-bps", "500"]).await;
    send(&person, &["chain", "policy", "apply"]).await;
    assert_eq!(person.json(&["chain", "policy", "show"]).await["policy"]["slash_bps"], 500);
}
