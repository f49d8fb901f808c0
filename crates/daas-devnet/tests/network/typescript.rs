//! The official TypeScript client, over gRPC-web: `tests/typescript/`.

use crate::money::pay;
use crate::support::*;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use sui_rpc::faucet::FaucetClient;
use sui_sdk_types::{Address, UserSignature};
use sui_transaction_builder::TransactionBuilder;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Packages may have to be fetched first.
const DEADLINE: Duration = Duration::from_mins(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typescript_client_finds_a_sui_network() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    let other = net.cluster_of(made.package, &ann, "other").await;
    net.stake(made, &ann, 5 * SUI, "").await;

    let mut tests = script();
    tests
        .env("DEVNET_RPC", net.devnet.rpc_url())
        .env("DEVNET_FAUCET", net.devnet.faucet_url())
        .env("DEVNET_CHAIN", net.devnet.genesis.digest().to_string())
        .env("DEVNET_KEY", ann.key.to_suiprivkey().unwrap())
        .env("DEVNET_PACKAGE", made.package.to_string())
        .env("DEVNET_CLUSTER", made.cluster.to_string())
        .env("DEVNET_REGISTRY", made.registry.to_string())
        .env("DEVNET_ADMIN_CAP", made.admin.to_string())
        .env("DEVNET_OTHER_CLUSTER", other.cluster.to_string());
    let output = tokio::time::timeout(DEADLINE, tests.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // A file that is not found is no failure to the runner: something of each must have run.
    for name in [
        "a transfer is simulated",
        "a call changes the object, and its event is heard",
        "a table is read",
        "a position: ",
    ] {
        assert!(text.lines().any(|line| line.starts_with("ok ") && line.contains(name)), "{name}\n{text}");
    }
}

fn script() -> Command {
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/typescript.sh"));
    script.kill_on_drop(true);
    script
}

/// What `sign.mjs` answers; the error is what it says.
async fn signer(args: &[&str], keys: &[String], threshold: usize, input: &str) -> Result<Value, String> {
    let mut signer = script();
    signer.arg("sign.mjs").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    signer.env("SIGNER_KEY", keys.join(",")).env("SIGNER_THRESHOLD", threshold.to_string());
    let mut signer = signer.spawn().unwrap();
    // One that fails early does not read.
    signer.stdin.take().unwrap().write_all(input.as_bytes()).await.ok();
    let output = tokio::time::timeout(DEADLINE, signer.wait_with_output()).await.unwrap().unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

/// Every key scheme, and two of them together: addresses, digests and signatures as the other implementation makes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_signed_by_the_typescript_client_are_executed() {
    let net = Net::start().await;
    let bob = Wallet::new(2).address;
    let mut keys = vec![];
    for scheme in ["ed25519", "secp256k1", "secp256r1"] {
        let made = signer(&["new", scheme], &[], 1, "").await.unwrap();
        keys.push(made["key"].as_str().unwrap().to_owned());
    }
    let (ed25519, secp256k1, secp256r1) = (&keys[..1], &keys[1..2], &keys[2..]);
    for (paid, (signers, threshold)) in
        [(ed25519, 1), (secp256k1, 1), (secp256r1, 1), (&keys[..], 2)].into_iter().enumerate()
    {
        let found = signer(&["address"], signers, threshold, "").await.unwrap();
        let sender: Address = found["address"].as_str().unwrap().parse().unwrap();
        FaucetClient::new(net.devnet.faucet_url().as_str()).unwrap().request(sender).await.unwrap();
        let mut builder = TransactionBuilder::new();
        builder.set_sender(sender);
        pay(&mut builder, bob, SUI);
        let transaction = builder.build(&mut net.client.clone()).await.unwrap();
        let bytes = STANDARD.encode(bcs::to_bytes(&transaction).unwrap());
        let signed = signer(&["sign"], signers, threshold, &bytes).await.unwrap();
        assert_eq!((&signed["address"], &signed["sender"]), (&found["address"], &found["address"]));
        assert_eq!(signed["digest"], transaction.digest().to_string());
        let signature = UserSignature::from_base64(signed["signature"].as_str().unwrap()).unwrap();
        let done = net.execute(&transaction, &[signature]).await.unwrap();
        assert!(done.effects().status().success());
        assert_eq!(net.balance(bob).await, (paid as u64 + 1) * SUI);
    }
    for (args, input, said) in [
        (&["sign"][..], "", "the standard input is empty"),
        (&["sign"], "AAAA", "sign.mjs: "),
        (&["new", "rsa"], "", "one of ed25519, secp256k1, secp256r1"),
        (&["burn"], "", "one of: new SCHEME, address, sign"),
    ] {
        let error = signer(args, ed25519, 1, input).await.unwrap_err();
        assert!(error.contains(said) && error.lines().count() == 1, "{error}");
    }
    assert!(signer(&["address"], &[], 1, "").await.unwrap_err().contains("SIGNER_KEY is not set"));
}
