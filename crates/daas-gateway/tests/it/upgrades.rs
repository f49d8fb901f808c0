use crate::harness::{World, user, within};
use daas_types::Permissions;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const EXEC: &str = "/api/v1/namespaces/default/pods/p/exec?command=sh";

async fn ask(world: &World, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
    let mut client = world.http1().await;
    let mut request = Request::get(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = within(client.send(request.body(Full::default()).unwrap())).await.unwrap();
    // The connection's driver must outlive the answer; tests end soon enough.
    std::mem::forget(client);
    response
}

#[tokio::test]
async fn tunnels_carry_bytes_both_ways_and_close_by_halves() {
    let world = World::new().await;
    let staker = world.chain.staker(1, "5", Permissions::USER);
    let bearer = format!("Bearer {}", user(&staker));
    for (upgrade, extra) in [
        ("websocket", ("sec-websocket-protocol", "v5.channel.k8s.io, v4.channel.k8s.io")),
        ("SPDY/3.1", ("x-stream-protocol-version", "v4.channel.k8s.io")),
    ] {
        let headers = [("authorization", bearer.as_str()), ("connection", "Upgrade"), ("upgrade", upgrade), extra];
        let mut response = ask(&world, EXEC, &headers).await;
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["upgrade"], upgrade);
        let seen = world.upstream.last();
        assert_eq!((seen.target.as_str(), seen.version), (EXEC, http::Version::HTTP_11));
        assert_eq!(seen.client.as_deref(), Some("daas:gateway"));
        assert_eq!(seen.authority, "kubernetes");
        assert_eq!(seen.all(extra.0), [extra.1]);
        assert_eq!(seen.all("x-remote-user"), [staker.state.owner.to_string()]);
        assert_eq!(seen.all("upgrade"), [upgrade]);
        assert!(seen.all("authorization").is_empty());
        let mut tunnel = TokioIo::new(within(hyper::upgrade::on(&mut response)).await.unwrap());
        let sent = b"\x00\xff".repeat(200_000);
        let (mut read, mut write) = tokio::io::split(&mut tunnel);
        let send = async {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let mut got = Vec::new();
        let ((), read) = within(async { tokio::join!(send, read.read_to_end(&mut got)) }).await;
        read.unwrap();
        assert!(got.starts_with(&sent) && got.ends_with(b"bye"), "{} bytes", got.len());
    }
    within(world.upstream.until_open(0)).await;
}
