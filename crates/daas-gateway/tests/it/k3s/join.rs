//! What an agent with a Seal is given, and what K3s sees of it.

use super::world::{Choices, World};
use crate::harness::{self, within};
use daas_audit::Caller;
use daas_gateway::Refusal;
use daas_testkit::k3s::{AGENT_TOKEN, ASKED, JOIN, RESTART, ScriptedAgent, basic, calls};
use daas_types::pop::Usage;
use daas_types::{ErrorCode, Permissions};

#[tokio::test]
async fn an_agent_joins_with_its_seal() {
    let world = World::new().await;
    let (staker, mut agent) = world.worker(1);
    assert_eq!(within(agent.play(JOIN)).await, calls(JOIN));
    within(world.supervisor.until_tunnels(&["system:node:worker-1"])).await;
    assert_eq!(world.supervisor.transcript(), calls(ASKED));
    let token = basic(AGENT_TOKEN);
    for asked in world.supervisor.asked() {
        let identity = asked.headers.iter().any(|(name, _)| name.starts_with("x-remote-"));
        let authorization = asked.all("authorization");
        assert_eq!(authorization, if identity { vec![] } else { vec![token.as_str()] }, "{}", asked.line());
        let all = format!("{:?}", asked.headers);
        assert!(!all.contains(&staker.opaque()) && !all.contains(basic(&staker.opaque()).trim_start_matches("Basic ")));
    }
    let asked = world.supervisor.asked();
    let kubelets = asked.iter().filter(|asked| asked.target.ends_with("kubelet.crt"));
    assert_eq!(kubelets.clone().count(), 1);
    for asked in kubelets {
        assert_eq!(asked.all("k3s-node-name"), ["worker-1"]);
        assert_eq!(asked.all("k3s-node-password"), ["password-of-worker-1"]);
        assert_eq!(asked.all("k3s-node-ip"), ["10.0.0.9"]);
    }
    let proxied = asked.iter().find(|asked| asked.target == "/v1-k3s/connect").unwrap();
    assert_eq!(proxied.all("x-remote-user"), ["system:node:worker-1"]);
    assert_eq!(proxied.all("x-remote-group"), ["system:nodes"]);
    assert_eq!(proxied.all("x-remote-extra-daas-seal"), [staker.state.seals[0].id.to_string()]);
}

#[tokio::test]
async fn an_agent_starts_again_with_what_it_has_and_the_gateway_too() {
    let mut world = World::new().await;
    let (_, mut agent) = world.joined(1).await;
    assert_eq!(within(agent.play(RESTART)).await, calls(RESTART));
    world.restart().await;
    agent.server = world.addr;
    for call in [
        "GET /v1-k3s/connect pinned kubelet",
        "GET /readyz?verbose pinned controller",
        "GET /api/v1/services pinned kube-proxy",
    ] {
        let ended = within(agent.call(call)).await;
        assert!(ended == "200" || ended == "101", "{call}: {ended} {}", agent.message);
    }
}

#[tokio::test]
async fn a_node_whose_object_is_gone_comes_back_with_its_seal_alone() {
    let world = World::new().await;
    let (_, mut agent) = world.joined(1).await;
    world.supervisor.delete_node("worker-1");
    // By the certificate beside it K3s would say 401, after which an agent asks with an empty body for ever.
    assert_eq!(within(agent.play(RESTART)).await, calls(RESTART));
    world.supervisor.delete_node("worker-1");
    agent.token = Some("00".repeat(32));
    let (ended, _) = world.refused(&mut agent, "POST /v1-k3s/client-kubelet.crt pinned seal+kubelet").await;
    assert_eq!(ended, "401");
}

#[tokio::test]
async fn a_token_that_proves_the_seal_counts_where_it_is_a_kubelets() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::BOTH);
    let agent = |usage| ScriptedAgent::new(world.addr, "worker-1", &staker.token(usage));
    assert_eq!(within(agent(Usage::Kubelet).play(JOIN)).await, calls(JOIN));
    for usage in [Usage::User, Usage::KubeProxy, Usage::Worker] {
        let call = "GET /v1-k3s/config any seal";
        let (ended, message) = world.refused(&mut agent(usage), call).await;
        assert_eq!(ended, "401", "{usage:?}");
        assert!(message.starts_with("The Seal does not permit this use."), "{message}");
    }
}

#[tokio::test]
async fn identity_that_an_agent_claims_beside_its_seal_is_not_passed_on() {
    let world = World::new().await;
    let (staker, _) = world.worker(1);
    let basic = basic(&staker.opaque());
    let headers = [
        ("authorization", basic.as_str()),
        ("x-remote-user", "system:admin"),
        ("x-remote-group", "system:masters"),
        ("X_Remote_Group", "system:masters"),
        ("connection", "close"),
    ];
    let client = daas_testkit::client::Http2::connect(world.addr, &world.authorities.server.roots()).await;
    let response = client.send(harness::build("GET", "/v1-k3s/config", &headers[..4], "")).await.unwrap();
    assert_eq!(response.status(), 200);
    let asked = world.supervisor.asked().pop().unwrap();
    assert!(asked.headers.iter().all(|(name, _)| !name.contains("remote")), "{:?}", asked.headers);
    assert_eq!(asked.user, r#"node ["k3s:agent"]"#);
}

#[tokio::test]
async fn each_call_is_in_the_audit_log_from_beginning_to_end() {
    let world = World::new().await;
    let (staker, mut agent) = world.joined(1).await;
    let (ended, _) = world.refused(&mut agent, "GET /db/info pinned seal").await;
    assert_eq!(ended, "403");
    agent.token = Some("00".repeat(32));
    assert_eq!(within(agent.call("GET /v1-k3s/config pinned seal+kubelet")).await, "401");
    agent.tunnels.clear();
    // All calls but those that break off in the handshake.
    let count = calls(JOIN).iter().filter(|call| !call.ends_with("untrusted")).count() + 2;
    let found = within(world.trail.ended(count)).await;
    let lines: Vec<_> = found
        .iter()
        .map(|(_, start, end)| {
            let end = end.as_ref().unwrap();
            let kind = if start.who.kind == Caller::Node { "node" } else { "unknown" };
            assert!(start.who.kind == Caller::Unknown || start.who.position == Some(staker.state.position));
            assert!(start.who.kind == Caller::Unknown || start.who.seal == Some(staker.state.seals[0].id));
            let reason = end.reason.split(' ').next().unwrap_or_default();
            let line = format!(
                "{kind} {} {} {} {} {reason}",
                start.who.user,
                start.what.method(),
                start.what.path(),
                end.status
            );
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect();
    let of = |line: &str| lines.iter().filter(|other| *other == line).count();
    assert_eq!(of("unknown GET /cacerts 200"), 10, "{lines:#?}");
    assert_eq!(of("node system:node:worker-1 GET /v1-k3s/config 200"), 3);
    assert_eq!(of("node system:node:worker-1 POST /v1-k3s/client-kube-proxy.crt 200"), 1);
    assert_eq!(of("node system:node:worker-1 GET /v1-k3s/connect 101 Aborted"), 1, "{lines:#?}");
    assert_eq!(of("node system:k3s-controller GET /readyz 200"), 1);
    assert_eq!(of("unknown GET /db/info 403 RouteRefused"), 1);
    assert_eq!(of("unknown GET /v1-k3s/config 401 TokenUnknown"), 1);
    assert_eq!(lines.len(), count);
}

#[tokio::test]
async fn whoever_joins_is_known_to_the_master_before_it_has_a_kubelets_certificate() {
    let world = World::new().await;
    let (staker, mut agent) = world.worker(1);
    assert_eq!(within(agent.call("GET /cacerts any -")).await, "200");
    let refusal = Refusal::forbidden(ErrorCode::AddressRefused, "10.0.0.9 is the address of another");
    *world.local.refuses.lock().unwrap() = Some(refusal);
    let kubelet = "POST /v1-k3s/client-kubelet.crt pinned seal";
    assert_eq!(within(agent.call(kubelet)).await, "401");
    assert!(agent.message.contains("10.0.0.9 is the address of another"), "{}", agent.message);
    assert!(world.local.agents.lock().unwrap().is_empty());
    for other in ["serving-kubelet", "client-kube-proxy"] {
        assert_eq!(within(agent.call(&format!("POST /v1-k3s/{other}.crt pinned seal"))).await, "200");
    }
    assert!(world.local.agents.lock().unwrap().is_empty());
    assert_eq!(within(agent.call(kubelet)).await, "200");
    let agents = world.local.agents.lock().unwrap().clone();
    let [(caller, address)] = &agents[..] else { panic!("{agents:?}") };
    let (position, node) = (staker.state.position, staker.state.node_id.as_str());
    assert_eq!((caller.position, caller.node_id.as_str()), (position, node));
    assert_eq!(address.to_string(), agent.address);
}

#[tokio::test]
async fn a_kubelets_certificate_as_a_server_is_the_masters_and_never_k3s() {
    const SERVING: &str = "POST /v1-k3s/serving-kubelet.crt any seal";
    let world = World::new().await;
    let (staker, mut agent) = world.worker(1);
    let refusal = Refusal::forbidden(ErrorCode::AddressRefused, "10.0.0.9 is claimed, 127.0.0.1 is seen");
    *world.local.refuses.lock().unwrap() = Some(refusal);
    let (ended, said) = world.refused(&mut agent, SERVING).await;
    assert!(ended == "401" && said.contains("10.0.0.9 is claimed"), "{ended} {said}");
    // Whatever K3s would say to it, or to nobody: it may be down.
    world.supervisor.hold(true);
    assert_eq!(world.refused(&mut agent, SERVING).await.0, "200");
    let served = world.local.served.lock().unwrap().clone();
    let [(caller, address, pem)] = &served[..] else { panic!("{served:?}") };
    assert_eq!((caller.position, caller.seal), (staker.state.position, staker.state.seals[0].id));
    assert_eq!((caller.node_id.as_str(), address.to_string()), ("worker-1", agent.address.clone()));
    assert!(agent.leaf("serving").pem().0.contains(pem.lines().nth(1).unwrap()), "another one arrived");
}

#[tokio::test]
async fn that_k3s_refuses_the_gateways_token_is_not_said_to_be_the_agents_fault() {
    let world = World::with(Choices { agent_token: "another", ..Choices::default() }).await;
    let (_, mut agent) = world.worker(1);
    assert_eq!(within(agent.call("GET /v1-k3s/config any seal")).await, "503");
    assert!(agent.message.contains("K3s refused the gateway's agent token"), "{}", agent.message);
}

#[tokio::test]
async fn without_k3s_nothing_of_this_is_there() {
    let world = harness::World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::BOTH);
    let basic = basic(&staker.opaque());
    let authorization = [("authorization", basic.as_str())];
    let refused = |path| world.refusal(harness::build("GET", path, &authorization, ""));
    assert_eq!(refused("/v1-k3s/config").await.1, "TokenMalformed");
    assert_eq!(world.refusal(harness::build("GET", "/cacerts", &[], "")).await.1, "TokenMissing");
    // As every other path of the API server's.
    let response = world.send(harness::get("/db/info", &harness::user(&staker))).await;
    assert_eq!((response.status().as_u16(), world.upstream.last().target.as_str()), (200, "/db/info"));
}
