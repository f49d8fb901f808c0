//! What somebody types who does it for the first time, and what is said then.

use crate::govern::cluster;
use crate::world::Net;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_named() {
    let net = Net::start(51).await;
    let mut ann = net.person("ann");
    let ran = ann.run(&["chain", "publish", "--yes"]).await;
    assert!(ran.stderr.contains("D209") && ran.stderr.contains("`k3s-daas wallet address`"), "{ran:?}");
    let nobody = ann.run(&["faucet", "--url", "http://127.0.0.1:1"]).await;
    assert!(nobody.code == Some(4) && nobody.stderr.contains("http://127.0.0.1:1: "), "{nobody:?}");
    assert!(nobody.stderr.contains("D244") && nobody.stderr.contains("--url"), "{nobody:?}");
    let address = net.rpc().replace("http://", "");
    ann.asks(&[&address]);
    let ran = ann.run(&["wallet", "balance"]).await;
    assert!(ran.code == Some(2) && ran.stderr.contains("http://HOST:PORT"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_founder_is_told_what_comes_next() {
    let net = Net::start(52).await;
    let [operator, ..] = cluster(&net).await;
    let migrate = ["chain", "migrate", "--yes"];
    assert_eq!(operator.refused(&migrate).await, ("ConfigInvalid".to_owned(), 2));
    assert!(operator.run(&migrate).await.stderr.contains("--code"));
    // The devnet keeps no such thing; the same commands lead from nothing to a cluster all the same.
    assert_eq!(operator.json(&["chain", "display", "--yes"]).await["transaction"], Value::Null);
    // Founded, but there is no master yet.
    let verify = operator.run(&["verify"]).await;
    assert!(verify.code == Some(2) && verify.stderr.contains("D320"), "{verify:?}");
    assert!(verify.stdout.contains("the master, which the join file does not name, is not verified"), "{verify:?}");
}

/// The list is replaced as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_out_of_the_operators_pool_is_shown() {
    let net = Net::start(53).await;
    let [operator, ..] = cluster(&net).await;
    let [one, two] = ["5", "6"].map(|n| format!("0x{}", n.repeat(64)));
    let named = operator.json(&["chain", "operators", &one, "--yes"]).await;
    assert_eq!((&named["added"][0], named["removed"].as_array().unwrap().len()), (&Value::from(one.as_str()), 0));
    let shown = operator.run(&["chain", "operators", &two, "--dry-run"]).await;
    assert!(
        shown.stdout.contains(&format!("in      {two}")) && shown.stdout.contains(&format!("OUT     {one}")),
        "{shown:?}"
    );
    let shown = operator.run(&["chain", "operators", &one, &two, "--dry-run"]).await;
    assert!(!shown.stdout.contains("OUT"), "{shown:?}");
    let none = operator.json(&["chain", "operators", "--none", "--yes"]).await;
    assert_eq!(none["removed"][0], one.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_out_says_where_it_is_submitted() {
    let net = Net::start(54).await;
    let [operator, ..] = cluster(&net).await;
    let (rpc, join) = (net.rpc(), operator.home().join("join.json"));
    let submit = "then: k3s-daas chain submit --tx BYTES --signature SIG";
    let ran = operator.run(&["chain", "pause", "--unsigned"]).await;
    assert!(ran.stderr.contains(&format!("{submit} --rpc {rpc} --cluster {}", join.display())), "{ran:?}");
    let ran = operator.run(&["stake", "2", "--unsigned"]).await;
    assert!(ran.stderr.contains(&format!("{submit} --cluster {}", join.display())), "{ran:?}");
}

/// It would be handed the admin's capability.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_code_of_another_package_is_not_called() {
    let net = Net::start(55).await;
    let [operator, ..] = cluster(&net).await;
    let published = operator.json(&["chain", "publish", "--yes"]).await;
    let other = published["package"].as_str().unwrap();
    for command in [&["pause"][..], &["migrate"], &["operators", "--none"]] {
        let args = [&["chain"], command, &["--yes", "--code", other]].concat();
        assert_eq!(operator.refused(&args).await, ("CodeForeign".to_owned(), 3), "{args:?}");
    }
    assert_eq!(operator.json(&["chain", "policy", "show"]).await["paused"], false);
    let own = operator.json(&["chain", "verify-package"]).await["package"].as_str().unwrap().to_owned();
    operator.json(&["chain", "pause", "--yes", "--code", &own]).await;
}
