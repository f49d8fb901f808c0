//! Which network, which endpoint, which key.

use crate::world::{Net, init_cluster};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_gone_is_passed_over() {
    let net = Net::start(21).await;
    let mut ann = net.person("ann");
    let good = net.rpc();
    ann.fill().await;
    let package = ann.json(&["chain", "publish", "--yes"]).await["package"].as_str().unwrap().to_owned();
    ann.asks(&["http://127.0.0.1:1"]);
    assert_eq!(ann.refused(&["chain", "verify-package", &package]).await, ("ChainUnreachable".to_owned(), 4));
    for rpc in [[good.as_str(), "http://127.0.0.1:1"], ["http://127.0.0.1:1", good.as_str()]] {
        ann.asks(&rpc);
        assert_eq!(ann.json(&["chain", "verify-package", &package]).await["same"], true, "{rpc:?}");
    }
    // What a whole cluster is to rest on must be what all of them say.
    let mut init = init_cluster("one", &package, ["0x6", "0x7", "0x8"]);
    init.push("--yes");
    assert_eq!(ann.refused(&init).await, ("ChainUnreachable".to_owned(), 4));
    ann.asks(&[&good, &good]);
    ann.json(&init).await;
    ann.joins(&ann.home().join("join.json"));
    for rpc in [[good.as_str(), "http://127.0.0.1:1"], ["http://127.0.0.1:1", good.as_str()]] {
        ann.asks(&rpc);
        ann.json(&["chain", if rpc[0] == good { "pause" } else { "unpause" }, "--yes"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_of_two_networks_are_no_network() {
    let (net, other) = (Net::start(22).await, Net::start(23).await);
    let mut ann = net.person("ann");
    let (one, two) = (net.rpc(), other.rpc());
    ann.asks(&[&one, &two]);
    assert_eq!(ann.refused(&["chain", "verify-package", "0x7"]).await, ("ChainForeign".to_owned(), 3));
    ann.asks(&[&one]);
    let wrong = ann.refused(&["chain", "verify-package", "0x7", "--network", "mainnet"]).await;
    assert_eq!(wrong, ("ChainForeign".to_owned(), 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_changed_byte_of_a_package_is_found() {
    let net = Net::start(24).await;
    let ann = net.person("ann");
    ann.fill().await;
    let compiled = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/k3s_daas/compiled.json");
    let mut package: Value = serde_json::from_str(&std::fs::read_to_string(compiled).unwrap()).unwrap();
    let published = ann.json(&["chain", "publish", "--yes"]).await["package"].as_str().unwrap().to_owned();
    let code = package["modules"]["staking"].as_str().unwrap().to_owned();
    // A letter in the middle: still Base64, still Move's header.
    let middle = code.len() / 2;
    let other = if &code[middle..=middle] == "A" { "B" } else { "A" };
    package["modules"]["staking"] = format!("{}{other}{}", &code[..middle], &code[middle + 1..]).into();
    let file = ann.home().join("other.json");
    std::fs::write(&file, package.to_string()).unwrap();
    let args = ["chain", "verify-package", &published, "--package", file.to_str().unwrap()];
    let ran = ann.run(&args).await;
    assert!(ran.code == Some(3) && ran.stdout.contains("module staking differs at byte"), "{ran:?}");
    assert_eq!(ann.refused(&args).await.0, "PackageMismatch");
    let missing = ann.refused(&["chain", "verify-package", &format!("0x{}", "5".repeat(64))]).await;
    assert_eq!(missing, ("ObjectMissing".to_owned(), 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_that_nobody_confirmed() {
    let net = Net::start(25).await;
    let ann = net.person("ann");
    let had = ann.fill().await;
    for args in [&["chain", "publish"][..], &["wallet", "send", "1", "0x5"]] {
        assert_eq!(ann.refused(args).await, ("NotConfirmed".to_owned(), 1));
        // People are shown the cost first.
        let ran = ann.run(args).await;
        assert!(ran.code == Some(1) && ran.stderr.contains("total") && ran.stderr.contains("D237"), "{ran:?}");
    }
    assert_eq!(ann.balance().await, had);
}
