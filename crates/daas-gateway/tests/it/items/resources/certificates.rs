//! Item 35: an API server that is not who it should be.

use crate::harness::{Options, World, get, reason, user, within};
use crate::items::wire::status;
use daas_testkit::pki::{Ca, Leaf};
use daas_types::Permissions;
use std::time::Duration;

type Certificate = fn(&Ca) -> Leaf;

async fn is_not_spoken_to(what: &str, options: Options) {
    let world = World::with(options, Duration::from_secs(1)).await;
    let token = user(&world.chain.staker(1, "5", Permissions::USER));
    let client = world.http2().await;
    let response = within(client.send(get("/api", &token))).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), reason(response).await),
        (503, "ApiServerUnavailable".to_owned()),
        "{what}"
    );
    let upgrade = format!(
        "GET /exec HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    );
    assert_eq!(status(&world, upgrade).await, 503, "{what}");
    // Not a head, not a byte of one.
    assert!(world.upstream.requests().is_empty(), "{what}");
    assert!(world.upstream.tapes().iter().all(|tape| !tape.windows(4).any(|four| four == b"/api")), "{what}");
}

#[tokio::test]
async fn item_35_an_api_server_of_another_name_ca_or_time_is_not_spoken_to() {
    let serving: [(&str, Certificate); 4] = [
        ("another name", |ca| ca.server(&["elsewhere"])),
        ("another CA", |_| Ca::new("cluster").server(&["kubernetes"])),
        ("a time long over", |ca| ca.expired(&["kubernetes"])),
        ("a client's certificate", |ca| ca.client("kubernetes")),
    ];
    for (what, api_server) in serving {
        is_not_spoken_to(what, Options { api_server, ..Options::default() }).await;
    }
}

#[tokio::test]
async fn item_35_a_gateway_whose_own_certificate_is_not_taken_says_so() {
    let proxies: [(&str, Certificate); 2] = [
        ("of another CA", |_| Ca::new("request-header").client("daas:gateway")),
        ("a time long over", |ca| ca.expired(&["daas:gateway"])),
    ];
    for (what, proxy) in proxies {
        is_not_spoken_to(what, Options { proxy, ..Options::default() }).await;
    }
}
