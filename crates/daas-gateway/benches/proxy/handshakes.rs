//! Connections one after another, each with one request: the whole price of a `kubectl` that comes once.

use rustls::client::Resumption;
use rustls::version::TLS13;
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use rustls_pki_types::ServerName;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// Makes `count` connections, each resuming the one before if `resumed`.
pub(crate) fn connect(addr: SocketAddr, roots: &Arc<RootCertStore>, bearer: &str, count: usize, resumed: bool) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
    let mut config = config.with_root_certificates(roots.clone()).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = if resumed { Resumption::in_memory_sessions(64) } else { Resumption::disabled() };
    let config = Arc::new(config);
    if resumed {
        once(addr, &config, bearer);
    }
    for _ in 0..count {
        let kind = once(addr, &config, bearer);
        assert_eq!(kind == HandshakeKind::Resumed, resumed, "{kind:?}");
    }
}

fn once(addr: SocketAddr, config: &Arc<ClientConfig>, bearer: &str) -> HandshakeKind {
    let mut tcp = TcpStream::connect(addr).unwrap();
    tcp.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = rustls::ClientConnection::new(config.clone(), name).unwrap();
    let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
    let request = format!(
        "GET /api/v1/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // Some end without close_notify; the answer says its own length.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    tls.handshake_kind().unwrap()
}
