use crate::harness::{Options, World, get, reason, user, within};
use daas_gateway::Limits;
use daas_types::Permissions;
use std::time::Duration;

#[tokio::test]
async fn shutdown_of_an_idle_gateway_does_not_wait_for_the_grace() {
    let mut world = World::with(Options::default(), Duration::from_mins(10)).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    assert_eq!(world.send(get("/api", &user(&staker))).await.status(), 200);
    let _idle = (world.http1().await, world.http2().await);
    world.shutdown.cancel();
    within(world.running.join_next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_api_server_that_is_gone_is_named() {
    let mut world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let client = world.http2().await;
    assert_eq!(within(client.send(get("/api", &user(&staker)))).await.unwrap().status(), 200);
    let front = daas_testkit::pki::Ca::new("other");
    world.upstream = daas_testkit::upstream::Upstream::start(front.server(&["kubernetes"]), &front, 100).await;
    let response = within(async {
        loop {
            let response = client.send(get("/api", &user(&staker))).await.unwrap();
            if response.status() != 200 {
                return response;
            }
        }
    })
    .await;
    assert_eq!((response.status().as_u16(), reason(response).await), (503, "ApiServerUnavailable".to_owned()));
}

#[tokio::test]
async fn an_answer_that_never_comes_has_a_deadline() {
    let limits = Limits { upstream_response: Duration::from_millis(200), ..Limits::default() };
    let world = World::with(Options { limits, ..Options::default() }, Duration::from_secs(1)).await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let response = world.send(get("/stuck", &user(&staker))).await;
    assert_eq!((response.status().as_u16(), reason(response).await), (504, "ApiServerUnavailable".to_owned()));
    within(world.upstream.until_open(0)).await;
}
