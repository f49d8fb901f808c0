//! The package: publishing, clusters, their policy, offices and treasury.

use crate::contract::*;
use crate::support::*;
use daas_types::onchain::{AuditAnchors, Cluster, Event, Nautilus, Policy, PositionState, Registry};
use daas_types::{CapId, Mist, UnixMs};
use std::time::Duration;
use sui_rpc::proto::sui::rpc::v2::GetFunctionRequest;
use sui_sdk_types::Address;

#[tokio::test]
async fn another_package_is_refused_by_both_digests() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let (mut modules, dependencies) = compiled();
    modules[0].push(0);
    let error = net.build(&ann, |b| {
        let cap = b.publish(modules, dependencies);
        let to = b.pure(&ann.address);
        b.transfer_objects(vec![cap], to);
    });
    let error = error.await.unwrap_err().to_string();
    let text = include_str!("../../../../contracts/k3s_daas/compiled.json");
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    assert!(error.contains(json["digest"].as_str().unwrap()), "{error}");
    assert!(error.contains("has digest"), "{error}");
}

#[tokio::test]
async fn a_published_package_describes_itself() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let package = net.publish(&ann).await;
    let request =
        GetFunctionRequest::default().with_package_id(package.0).with_module_name("staking").with_name("restake");
    let function = net.client.clone().package_client().get_function(request).await.unwrap().into_inner();
    let function = function.function.unwrap();
    assert!(function.is_entry());
    let types: Vec<_> = function.parameters.iter().map(|p| p.body().type_name().to_owned()).collect();
    assert!(types[0].starts_with(&package.to_string()) && types[0].ends_with("::cluster::Cluster"), "{types:?}");
    // The stored code names its own package.
    let object = net.object(package.0).await;
    let code = object.package().modules[0].contents().to_vec();
    assert!(code.windows(32).any(|w| w == package.0.as_bytes()));
}

#[tokio::test]
async fn a_cluster_is_four_shared_objects_and_three_offices() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let package = net.publish(&ann).await;
    let done = net.run(&ann, |b| net.found(b, package, "test", &policy())).await;
    let [Event::Cluster { state, .. }] = &events(&done)[..] else { panic!() };
    let cluster: Cluster = net.read(state.cluster.0).await;
    assert_eq!((cluster.state(), cluster.treasury), (state.clone(), Mist(0)));
    assert_eq!((cluster.version, cluster.generation, cluster.name.as_str()), (1, 1, "test"));
    assert_eq!((&cluster.policy, cluster.genesis.as_slice()), (&policy(), net.devnet.genesis.digest().as_bytes()));
    assert!(!cluster.paused && cluster.announced.is_none() && cluster.operator_positions.is_empty());
    let nautilus: Nautilus = net.read(cluster.nautilus.0).await;
    assert_eq!((nautilus.cluster, nautilus.generation, nautilus.registrations), (cluster.id, 1, 0));
    assert_eq!(net.read::<Registry>(cluster.registry.0).await.cluster, cluster.id);
    assert_eq!(net.read::<AuditAnchors>(cluster.anchors.0).await.cluster, cluster.id);
    for (cap, holder) in [(cluster.proposer_cap, PROPOSER), (cluster.judge_cap, JUDGE)] {
        assert_eq!(net.object(cap.0).await.owner().address(), Wallet::new(holder).address.to_string());
    }
}

#[tokio::test]
async fn a_clusters_offices_are_three_addresses() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let package = net.publish(&ann).await;
    let with = async |change: fn(&mut Policy), error: &str| {
        let mut policy = policy();
        change(&mut policy);
        assert_abort(net.build(&ann, |b| net.found(b, package, "test", &policy)).await, error);
    };
    with(|p| p.beneficiary = wallet_of(&Wallet::new(JUDGE)), "cluster::EOfficesNotApart").await;
    with(|p| p.thresholds.viewer = p.thresholds.developer, "policy::EThresholdOrder").await;
    with(|p| p.min_stake = Mist(0), "policy::EStakeBounds").await;
    with(|p| p.slash_bps = 0, "policy::ESlashShare").await;
    with(|p| p.max_seal_lifetime_ms += 1, "policy::ESealLifetime").await;
    with(|p| p.evidence_max_age_ms = p.unbonding_ms + 1, "policy::EEvidenceAge").await;
    with(|p| p.delay_ms = u64::MAX, "policy::ETooLong").await;
    with(|p| p.heartbeat_ms = 0, "policy::ENoTime").await;
    let long = "n".repeat(129);
    let named = net.build(&ann, |b| net.found(b, package, &long, &policy())).await;
    assert_abort(named, "cluster::ENameTooLong");
}

#[tokio::test]
async fn a_policy_is_announced_and_applied_when_its_time_has_come() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, net.wallet(2).await);
    let made = net.cluster(&ann).await;
    let announce = |policy: &Policy| {
        let numbers = policy.numbers().to_vec();
        let terms = [pure(&numbers), pure(&policy.super_is_masters), pure(&policy.beneficiary)];
        act("cluster::announce_policy", [vec![it(made.admin), it(made.cluster)], terms.to_vec(), vec![CLOCK]].concat())
    };
    let recall = act("cluster::recall_policy", vec![it(made.admin), it(made.cluster)]);
    let apply = act("cluster::apply_policy", vec![it(made.cluster), CLOCK]);
    net.refused(&ann, made, recall.clone(), "cluster::ENothingAnnounced").await;
    let delayed = Policy { delay_ms: 1000, super_is_masters: true, ..policy() };
    net.act(&ann, made, announce(&delayed)).await;
    net.act(&ann, made, recall).await;
    net.refused(&bob, made, apply.clone(), "cluster::ENothingAnnounced").await;
    net.act(&ann, made, announce(&delayed)).await;
    net.act(&bob, made, apply.clone()).await;
    let cluster: Cluster = net.read(made.cluster.0).await;
    assert_eq!((cluster.policy, cluster.announced, cluster.generation), (delayed, None, 5));

    let [Event::Cluster { state, .. }] = &net.act(&ann, made, announce(&policy())).await[..] else { panic!() };
    let effective_ms = UnixMs(net.now_ms() + 1000);
    assert_eq!(state.announced.as_ref().map(|a| a.effective_ms), Some(effective_ms));
    net.pass(Duration::from_millis(999));
    net.refused(&bob, made, apply.clone(), "cluster::ETooEarly").await;
    net.pass(Duration::from_millis(1));
    net.act(&bob, made, apply).await;
    assert_eq!(net.read::<Cluster>(made.cluster.0).await.policy, policy());
}

#[tokio::test]
async fn a_paused_cluster_takes_no_stake_and_gives_it_back() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, net.wallet(2).await);
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &bob, 5 * SUI, "").await;
    let pause = |paused: bool| act("cluster::set_paused", vec![it(made.admin), it(made.cluster), pure(&paused)]);
    net.act(&ann, made, pause(true)).await;
    net.refused(&bob, made, restake(made, position, SUI), "cluster::EPaused").await;
    assert_abort(net.build(&ann, |b| stake(b, made, SUI, "")).await, "cluster::EPaused");
    net.change(&bob, made, unstake(made, position, 5 * SUI)).await;
    net.pass(Duration::from_mins(1));
    net.change(&bob, made, withdraw(made, position)).await;
    net.act(&ann, made, pause(false)).await;
    net.stake(made, &ann, SUI, "").await;
}

#[tokio::test]
async fn an_office_is_its_present_holders() {
    let net = Net::start().await;
    let (ann, bob, cat) = (net.wallet(1).await, net.wallet(2).await, net.wallet(3).await);
    let (proposer, treasury) = (net.office(PROPOSER).await, Wallet::new(TREASURY));
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &bob, 5 * SUI, "").await;
    let appoint = |target, holder: &Wallet| act(target, vec![it(made.admin), it(made.cluster), pure(&holder.address)]);
    net.act(&ann, made, appoint("cluster::appoint_proposer", &cat)).await;
    net.act(&ann, made, appoint("cluster::appoint_judge", &ann)).await;
    let cluster: Cluster = net.read(made.cluster.0).await;
    let CapId(proposer_cap) = cluster.proposer_cap;
    assert_eq!(net.object(proposer_cap).await.owner().address(), cat.address.to_string());
    let proposed = propose(made, position, 1, net.now_ms());
    net.refused(&proposer, made, proposed, "cluster::ENotProposer").await;
    let new = Made { proposer: proposer_cap, judge: cluster.judge_cap.0, ..made };
    net.change(&cat, new, propose(new, position, 1, net.now_ms())).await;
    net.change(&ann, new, judge(new, "staking::cancel_slash", position)).await;

    // And so is the treasury: the policy's beneficiary gets it, whoever asks.
    let pay = act("cluster::pay_treasury", vec![it(made.cluster)]);
    net.refused(&bob, made, pay.clone(), "cluster::ETreasuryEmpty").await;
    net.change(&cat, new, propose(new, position, 2, net.now_ms())).await;
    net.pass(Duration::from_millis(5001));
    net.change(&bob, made, execute(made, position)).await;
    assert_eq!(net.read::<Cluster>(made.cluster.0).await.treasury, Mist(SUI / 2));
    let [Event::TreasuryPaid(paid)] = &net.act(&bob, made, pay).await[..] else { panic!() };
    assert_eq!((paid.amount, paid.beneficiary), (Mist(SUI / 2), wallet_of(&treasury)));
    assert_eq!(net.balance(treasury.address).await, SUI / 2);
}

#[tokio::test]
async fn capabilities_are_of_their_cluster_and_versions_only_rise() {
    let net = Net::start().await;
    let (ann, bob) = (net.wallet(1).await, net.wallet(2).await);
    let made = net.cluster(&ann).await;
    let other = net.cluster_of(made.package, &ann, "other").await;
    let operators = |cap: Address, positions: Vec<Address>| {
        act("cluster::set_operator_positions", vec![it(cap), it(made.cluster), pure(&positions)])
    };
    net.refused(&ann, made, operators(other.admin, vec![]), "caps::EForeignCap").await;
    net.refused(&ann, made, operators(made.admin, vec![Address::TWO; 65]), "cluster::ETooManyOperators").await;
    net.act(&ann, made, operators(made.admin, vec![Address::TWO])).await;
    let cluster: Cluster = net.read(made.cluster.0).await;
    assert_eq!((cluster.generation, cluster.operator_positions.len()), (2, 1));
    let migrate = |cap: Address| act("cluster::migrate", vec![it(cap), it(made.cluster)]);
    net.refused(&ann, made, migrate(made.admin), "cluster::ENotOlder").await;
    net.refused(&ann, made, migrate(other.admin), "caps::EForeignCap").await;
    let error = net.build(&bob, |b| operators(made.admin, vec![]).add(b, made)).await.unwrap_err();
    assert!(error.to_string().contains("not owned by the sender"), "{error}");
}

#[tokio::test]
async fn an_abort_that_is_executed_anyway_is_recorded_and_paid() {
    let net = Net::start().await;
    let (ann, proposer) = (net.wallet(1).await, net.office(PROPOSER).await);
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &ann, 5 * SUI, "").await;
    // Valid when built, too late when sent.
    let proposed = propose(made, position, 1, net.now_ms());
    let late = net.build(&proposer, |b| proposed.add(b, made)).await.unwrap();
    net.pass(Duration::from_secs(61));
    let done = net.execute(&late, &[proposer.sign(&late)]).await.unwrap();
    let error = done.effects().status().error();
    let abort = error.abort();
    assert_eq!((abort.location().module(), abort.location().function_name()), ("slashing", "assert_grounds"));
    assert_eq!(abort.location().package(), made.package.to_string());
    assert_eq!((abort.clever_error().error_code(), abort.clever_error().constant_name()), (4, "EEvidenceTooOld"));
    assert_eq!(abort.abort_code() >> 48 & 0xff, 4);
    assert!(done.events.is_none());
    assert_eq!(net.read::<PositionState>(position.0).await.generation, 1);
}

#[tokio::test]
async fn views_answer_in_simulations_and_feed_commands() {
    let net = Net::start().await;
    let ann = net.wallet(1).await;
    let made = net.cluster(&ann).await;
    let position = net.stake(made, &ann, 5 * SUI, "node-1").await;
    let view = |target, args| net.ask_view::<u64>(&ann, made, act(target, args));
    assert_eq!(view("position::active", vec![it(position)]).await, 5 * SUI);
    assert_eq!(view("cluster::treasury", vec![it(made.cluster)]).await, 0);
    assert_eq!(view("registry::position_count", vec![it(made.registry)]).await, 1);
    let state: PositionState = net.ask_view(&ann, made, act("position::state", vec![it(position)])).await;
    assert_eq!(state, net.position(position).await);
    let by_node = act("registry::position_of_node", vec![it(made.registry), pure("node-1")]);
    assert_eq!(net.ask_view::<Option<Address>>(&ann, made, by_node).await, Some(position.0));
    let first = act("registry::position_at", vec![it(made.registry), pure(&0_u64)]);
    assert_eq!(net.ask_view::<Address>(&ann, made, first).await, position.0);
    let second = act("registry::position_at", vec![it(made.registry), pure(&1_u64)]);
    let missing = net.build(&ann, |b| second.add(b, made)).await.unwrap_err();
    assert!(missing.to_string().contains("dynamic_field"), "{missing}");

    // What one command answers is another's argument: all of the stake.
    net.run(&ann, |b| {
        let all = act("position::active", vec![it(position)]).write(b, made);
        let args = vec![object(b, made.cluster.0), object(b, position.0), all, clock(b)];
        call(b, made.package, "staking", "unstake", args);
    })
    .await;
    assert_eq!(net.position(position).await.unbonding, Mist(5 * SUI));
}
