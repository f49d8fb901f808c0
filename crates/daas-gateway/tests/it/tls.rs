use crate::harness::{World, within};
use daas_testkit::client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_client_without_alpn_speaks_http11_and_tls12_is_not_spoken() {
    let world = World::new().await;
    let mut tls = client::tls(world.addr, &world.ca.roots(), &[]).await.unwrap();
    assert_eq!(tls.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    tls.write_all(b"GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = within(tls.read_to_string(&mut answer)).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");

    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(world.ca.roots())
        .with_no_client_auth();
    let tcp = tokio::net::TcpStream::connect(world.addr).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    let old = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect(name, tcp);
    assert!(within(old).await.is_err());
}
