//! An operator's way from an empty folder to a slashed staker who has left, each MIST accounted for.

use crate::world::{Net, Person, init_cluster, mist, moment};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

const SUI: i128 = 1_000_000_000;

/// A person, and what its wallet must have.
struct Purse {
    person: Person,
    has: i128,
    /// All gas that receipts showed.
    gas: i128,
}

impl Purse {
    async fn filled(net: &Net, name: &str) -> Self {
        let person = net.person(name);
        let has = person.fill().await;
        let purse = Self { person, has, gas: 0 };
        purse.check("the faucet").await;
        purse
    }

    /// What was shown before is what left after: gas to the MIST, and `pays` beside it (below zero for what comes in).
    async fn does(&mut self, args: &[&str], pays: i128) -> Value {
        let shown = self.person.json(&[args, &["--dry-run"]].concat()).await;
        self.check(&format!("the dry run of {args:?}")).await;
        assert_eq!(shown["sent"], false);
        let done = self.person.json(&[args, &["--yes"]].concat()).await;
        assert_eq!(done["gas"], shown["gas"], "{args:?}");
        assert_eq!(mist(&shown["amount_mist"]), pays.max(0), "{args:?}");
        let gas = mist(&done["gas"]["net_mist"]);
        self.gas += gas;
        self.has -= gas + pays;
        self.check(&format!("{args:?}")).await;
        done
    }

    /// Refused before anything is spent.
    async fn may_not(&self, args: &[&str], name: &str) {
        assert_eq!(self.person.refused(&[args, &["--yes"]].concat()).await, (name.to_owned(), 3), "{args:?}");
        self.check(&format!("refused {args:?}")).await;
    }

    async fn check(&self, after: &str) {
        assert_eq!(self.person.balance().await, self.has, "after {after}");
    }
}

fn position(done: &Value) -> [&str; 4] {
    ["status", "active", "frozen", "unbonding"].map(|name| done["position"][name].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_empty_folder_to_a_slashed_staker_who_has_left() {
    let net = Net::start(1).await;
    let mut operator = Purse::filled(&net, "operator").await;
    let mut proposer = Purse::filled(&net, "proposer").await;
    let mut judge = Purse::filled(&net, "judge").await;
    let mut staker = Purse::filled(&net, "staker").await;
    let mut treasury = Purse { person: net.person("treasury"), has: 0, gas: 0 };
    let beneficiary = treasury.person.address().await;

    // Publish, and look whether what is published is what was compiled.
    let package = operator.does(&["chain", "publish"], 0).await["package"].as_str().unwrap().to_owned();
    let verified = staker.person.json(&["chain", "verify-package", &package]).await;
    assert_eq!((&verified["same"], &verified["version"]), (&Value::Bool(true), &Value::from(1)));
    // Nobody pinned anything yet: the network is the endpoint's word. Whoever published can publish more.
    assert_eq!(verified["committee_from"], "endpoint");
    let said = staker.person.run(&["chain", "verify-package", &package]).await.stdout;
    assert!(said.contains("! NOT proven: the committee is the word of") && said.contains(&net.rpc()), "{said}");
    assert_eq!(verified["upgrade_cap"]["holder"], operator.person.address().await);

    let offices = [proposer.person.address().await, judge.person.address().await, beneficiary];
    let join = founded(&mut operator, &package, &offices).await;
    for purse in [&mut operator, &mut proposer, &mut judge, &mut staker, &mut treasury] {
        purse.person.joins(&join);
    }

    let verified = staker.person.json(&["chain", "verify-package"]).await;
    assert_eq!((&verified["committee_from"], &verified["same"]), (&"join_file".into(), &true.into()));
    let said = staker.person.run(&["chain", "verify-package"]).await.stdout;
    assert!(said.contains("proven against the committee that the join file pins"), "{said}");
    // Code of another package gets nobody's capability.
    let foreign = operator.does(&["chain", "publish"], 0).await["package"].as_str().unwrap().to_owned();
    operator.may_not(&["chain", "pause", "--code", &foreign], "CodeForeign").await;
    let own = operator.person.json(&["chain", "pause", "--code", &package, "--dry-run"]).await;
    assert_eq!(own["sent"], false);

    rules(&net, &mut operator).await;
    let at = slashed(&net, &mut staker, &mut proposer, &mut judge, &mut operator).await;

    // The slashed money goes to the beneficiary.
    let paid = operator.does(&["chain", "treasury", "pay"], 0).await;
    assert_eq!(mist(&paid["paid_mist"]), 2 * SUI / 5);
    treasury.has += 2 * SUI / 5;
    treasury.check("the treasury is paid").await;

    // Out, through the unbonding time.
    let out = staker.does(&["unstake", "--all", "--position", &at], 0).await;
    assert_eq!(position(&out), ["closed", "0", "0", "4.6"]);
    staker.may_not(&["withdraw", "--position", &at], "UnbondingNotOver").await;
    net.pass(Duration::from_mins(10)).await;
    let gone = staker.does(&["withdraw", "--position", &at], -46 * SUI / 10).await;
    assert_eq!(position(&gone), ["closed", "0", "0", "0"]);

    // What the faucet gave is in the wallets, but for the gas that was shown.
    let purses = [&operator, &proposer, &judge, &staker, &treasury];
    let (has, gas) = purses.iter().fold((0, 0), |(has, gas), purse| (has + purse.has, gas + purse.gas));
    assert_eq!(has + gas, 4 * 1000 * SUI);
    assert!(staker.has < 1000 * SUI - 2 * SUI / 5 && gas > 0);
}

/// A cluster whose rules change no sooner than an hour after they are announced. Answers its join file.
async fn founded(operator: &mut Purse, package: &str, offices: &[String; 3]) -> PathBuf {
    let join = operator.person.home().join("join.json");
    let mut init = init_cluster("walk", package, offices.each_ref().map(String::as_str));
    init.extend(["--delay", "1h"]);
    let founded = operator.does(&init, 0).await;
    assert!(join.exists() && founded["cluster"].is_string());
    join
}

/// Announced, too early, applied; and one that is taken back.
async fn rules(net: &Net, operator: &mut Purse) {
    let show = ["chain", "policy", "show"];
    operator.does(&["chain", "policy", "announce", "--slash-bps", "2000", "--unbonding", "10m"], 0).await;
    let shown = operator.person.json(&show).await;
    assert_eq!((&shown["policy"]["slash_bps"], &shown["announced"]["slash_bps"]), (&1000.into(), &2000.into()));
    operator.may_not(&["chain", "policy", "apply"], "TooEarly").await;
    net.pass(Duration::from_hours(1)).await;
    operator.does(&["chain", "policy", "apply"], 0).await;
    let shown = operator.person.json(&show).await;
    assert_eq!((&shown["policy"]["slash_bps"], &shown["announced"]), (&2000.into(), &Value::Null));
    assert_eq!(
        (&shown["policy"]["unbonding_ms"], &shown["policy"]["appeal_window_ms"]),
        (&600_000.into(), &5000.into())
    );

    operator.does(&["chain", "policy", "announce", "--slash-bps", "10000"], 0).await;
    operator.does(&["chain", "policy", "recall"], 0).await;
    operator.may_not(&["chain", "policy", "apply"], "NothingAnnounced").await;
    operator.may_not(&["chain", "policy", "announce", "--slash-bps", "10001"], "PolicyRefused").await;
}

/// From a stake of 5 SUI to 4.6: 20 % proposed, appealed, reduced to 0.4, executed. Answers the position.
async fn slashed(net: &Net, staker: &mut Purse, proposer: &mut Purse, judge: &mut Purse, anyone: &mut Purse) -> String {
    let staked = staker.does(&["stake", "5"], 5 * SUI).await;
    assert_eq!((&staked["position"]["tier"], position(&staked)), (&"admin".into(), ["active", "5", "0", "0"]));
    let at = staked["position"]["position"].as_str().unwrap().to_owned();

    let evidence = proposer.person.home().join("evidence");
    std::fs::write(&evidence, "what happened").unwrap();
    let when = moment(&staked);
    let propose = [
        "chain",
        "slash",
        "propose",
        &at,
        "--reason",
        "absent-node",
        "--evidence",
        evidence.to_str().unwrap(),
        "--uri",
        "https://example.org/evidence",
        "--at",
        &when,
    ];
    judge.may_not(&propose, "OfficeMissing").await;
    let proposed = proposer.does(&propose, 0).await;
    assert_eq!(position(&proposed), ["suspended", "4", "1", "0"]);
    staker.may_not(&["unstake", "--all"], "PositionSuspended").await;
    anyone.may_not(&["chain", "slash", "execute", &at], "TooEarly").await;

    let appealed = staker.does(&["appeal", "--reason", "it was maintenance"], 0).await;
    assert_eq!(appealed["position"]["slash"]["stage"], "appealed");
    net.pass(Duration::from_secs(10)).await;
    anyone.may_not(&["chain", "slash", "execute", &at], "TooEarly").await;
    proposer.may_not(&["chain", "slash", "reduce", &at, "0.4"], "OfficeMissing").await;
    judge.may_not(&["chain", "slash", "reduce", &at, "1.5"], "AmountRefused").await;
    let reduced = judge.does(&["chain", "slash", "reduce", &at, "0.4"], 0).await;
    assert_eq!(position(&reduced), ["suspended", "4.6", "0.4", "0"]);
    let executed = anyone.does(&["chain", "slash", "execute", &at], 0).await;
    assert_eq!(position(&executed), ["slashed", "4.6", "0", "0"]);
    at
}
