//! The official TypeScript client, over gRPC-web: `tests/typescript/`.

use crate::support::*;
use std::path::Path;
use std::time::Duration;
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

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/typescript.sh");
    let mut tests = Command::new(script);
    tests
        .env("DEVNET_RPC", net.devnet.rpc_url())
        .env("DEVNET_FAUCET", net.devnet.faucet_url())
        .env("DEVNET_CHAIN", net.devnet.genesis.digest().to_string())
        .env("DEVNET_KEY", ann.key.to_suiprivkey().unwrap())
        .env("DEVNET_PACKAGE", made.package.to_string())
        .env("DEVNET_CLUSTER", made.cluster.to_string())
        .env("DEVNET_REGISTRY", made.registry.to_string())
        .env("DEVNET_ADMIN_CAP", made.admin.to_string())
        .env("DEVNET_OTHER_CLUSTER", other.cluster.to_string())
        .kill_on_drop(true);
    let output = tokio::time::timeout(DEADLINE, tests.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // A file that is not found is no failure to the runner.
    let passed = text.lines().find_map(|line| line.strip_prefix("# pass ")).unwrap();
    assert!(passed.parse::<u32>().unwrap() >= 20, "{passed} passed");
}
