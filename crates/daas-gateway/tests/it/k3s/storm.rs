//! Many at once.

use super::world::{Choices, World};
use crate::harness::within;
use daas_gateway::{Limits, Rate, Rates};
use daas_testkit::k3s::{JOIN, calls};
use std::net::IpAddr;

#[tokio::test]
async fn what_k3s_has_no_room_for_waits() {
    let world = World::new().await;
    let mut agents: Vec<_> = (1..=60).map(|n| world.worker(n).1).collect();
    for (call, reads, writes) in
        [("GET /v1-k3s/config any seal", 20, 0), ("POST /v1-k3s/client-kubelet.crt any seal", 20, 10)]
    {
        world.supervisor.hold(true);
        let all = agents.iter_mut().map(|agent| agent.call(call));
        let release = async {
            world.supervisor.busy(reads, writes).await;
            world.supervisor.hold(false);
        };
        let (ended, ()) = within(async { tokio::join!(futures::future::join_all(all), release) }).await;
        assert_eq!(ended, vec!["200"; 60]);
        assert_eq!(world.supervisor.peaks(), (reads, writes));
    }
}

#[tokio::test]
async fn whoever_hangs_up_keeps_its_turn_until_k3s_has_answered() {
    const CALL: &str = "POST /v1-k3s/client-kubelet.crt any seal";
    let world = World::new().await;
    world.supervisor.hold(true);
    for n in 1..=10 {
        let (_, mut agent) = world.worker(n);
        tokio::select! {
            _ = agent.call(CALL) => panic!("nobody answers"),
            () = within(world.supervisor.until_asked(usize::from(n))) => {}
        }
    }
    // K3s works on ten; the eleventh waits.
    let (_, mut next) = world.worker(11);
    let mut call = Box::pin(next.call(CALL));
    let (_, mut other) = world.worker(12);
    let meanwhile = async {
        for _ in 0..20 {
            assert_eq!(other.call("GET /ping any -").await, "200");
        }
    };
    tokio::select! {
        _ = &mut call => panic!("it was not to be asked yet"),
        () = within(meanwhile) => {}
    }
    assert_eq!(world.supervisor.asked().len(), 10);
    world.supervisor.hold(false);
    assert_eq!(within(call).await, "200");
    assert_eq!(world.supervisor.peaks(), (0, 10));
}

#[tokio::test]
async fn the_master_has_no_more_joins_at_once_than_k3s_though_agents_hang_up() {
    const CALL: &str = "POST /v1-k3s/client-kubelet.crt any seal";
    let world = World::new().await;
    let door = world.local.door.lock().await;
    let mut joining = world.local.joining.subscribe();
    for n in 1..=10 {
        let (_, mut agent) = world.worker(n);
        tokio::select! {
            _ = agent.call(CALL) => panic!("nobody answers"),
            now = within(joining.wait_for(|now| *now == usize::from(n))) => drop(now.unwrap()),
        }
    }
    // K3s has answered all of them; the eleventh waits for the master.
    let (_, mut next) = world.worker(11);
    let mut call = Box::pin(next.call(CALL));
    let (_, mut other) = world.worker(12);
    let meanwhile = async {
        for _ in 0..20 {
            assert_eq!(other.call("GET /ping any -").await, "200");
        }
    };
    tokio::select! {
        _ = &mut call => panic!("its turn is not yet"),
        () = within(meanwhile) => {}
    }
    assert_eq!((world.supervisor.asked().len(), *joining.borrow()), (10, 10));
    drop(door);
    assert_eq!(within(call).await, "200");
    assert_eq!(world.local.agents.lock().unwrap().len(), 11);
}

#[tokio::test]
async fn two_hundred_agents_join_at_once_and_none_is_refused() {
    let rates = Rates { address: Rate { per_minute: 60_000, burst: 10_000 }, ..Rates::default() };
    let world =
        World::with(Choices { limits: Limits { rates, threads: 2, ..Limits::default() }, ..Choices::default() }).await;
    let mut agents: Vec<_> = (1..=200).map(|n| world.worker(n).1).collect();
    for (agent, n) in agents.iter_mut().zip(1..) {
        agent.from = IpAddr::from([127, 0, 1, n]);
    }
    let all = futures::future::join_all(agents.iter_mut().map(|agent| agent.play(JOIN)));
    let played = tokio::time::timeout(std::time::Duration::from_mins(2), all).await.expect("must not hang");
    for played in played {
        assert_eq!(played, calls(JOIN));
    }
    let (reads, writes) = world.supervisor.peaks();
    assert!((1..=20).contains(&reads) && (1..=10).contains(&writes), "{reads} {writes}");
    let named: Vec<String> = (1..=200).map(|n| format!("system:node:worker-{n}")).collect();
    let mut named: Vec<&str> = named.iter().map(String::as_str).collect();
    named.sort_unstable();
    within(world.supervisor.until_tunnels(&named)).await;
}

#[tokio::test]
async fn what_anyone_may_ask_has_an_end_and_seals_are_not_counted_there() {
    let rates = Rates { address: Rate { per_minute: 1, burst: 5 }, ..Rates::default() };
    let world = World::with(Choices { limits: Limits { rates, ..Limits::default() }, ..Choices::default() }).await;
    let (_, mut agent) = world.worker(1);
    for _ in 0..10 {
        assert_eq!(within(agent.call("GET /v1-k3s/config any seal")).await, "200");
    }
    for path in ["/cacerts", "/cacerts", "/ping", "/ping", "/cacerts"] {
        assert_eq!(within(agent.call(&format!("GET {path} any -"))).await, "200");
    }
    for path in ["/cacerts", "/ping"] {
        assert_eq!(within(agent.call(&format!("GET {path} any -"))).await, "429");
    }
    assert_eq!(within(agent.call("GET /v1-k3s/config any seal")).await, "200");
}
