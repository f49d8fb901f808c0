//! How components on loopback are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::pki::Pki;

const LIMIT: Duration = Duration::from_secs(4);
/// No health answer is longer; the rest would be cut.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// Asks components on loopback how they are, with the controllers' certificate.
#[derive(Clone)]
pub(crate) struct Probe {
    tls: TlsConnector,
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probe")
    }
}

// === impl Probe ===

impl Probe {
    pub(crate) fn new(pki: &Pki) -> Result<Self, String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let client = pki.files("controller");
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(pki.server_ca_pem().as_bytes()).map_err(|e| text(&e))?;
        roots.add(ca).map_err(|e| text(&e))?;
        let cert = CertificateDer::from_pem_file(&client.cert).map_err(|e| text(&e))?;
        let key = PrivateKeyDer::from_pem_file(&client.key).map_err(|e| text(&e))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| text(&e))?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![cert], key)
            .map_err(|e| text(&e))?;
        Ok(Self { tls: TlsConnector::from(Arc::new(tls)) })
    }

    /// `Ok` if the path on a loopback port answers 200, else what is wrong.
    pub(crate) async fn https(&self, port: u16, path: &str) -> Result<(), String> {
        self.https_with(port, path, "").await
    }

    /// The same with further lines in the request's head, each with its end.
    pub(crate) async fn https_with(&self, port: u16, path: &str, lines: &str) -> Result<(), String> {
        match timeout(LIMIT, self.get(port, path, lines)).await {
            Ok(Ok(answer)) => judge(&answer),
            Ok(Err(e)) => Err(e.to_string()),
            Err(_) => Err(format!("no answer within {LIMIT:?}")),
        }
    }

    /// `Ok` if something accepts connections on the socket.
    pub(crate) async fn socket(&self, path: &Path) -> Result<(), String> {
        UnixStream::connect(path).await.map(drop).map_err(|e| e.to_string())
    }

    async fn get(&self, port: u16, path: &str, lines: &str) -> std::io::Result<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let mut stream = self.tls.connect(name, TcpStream::connect(address).await?).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        match stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await {
            // The peer need not say goodbye in TLS before it closes.
            Err(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => Err(e),
            _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
        }
    }
}

fn judge(answer: &str) -> Result<(), String> {
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    // Kubernetes lists its checks; only the failed ones say something.
    let failed: Vec<&str> = answer.lines().filter(|line| line.starts_with("[-]")).collect();
    Err(if failed.is_empty() { status.to_owned() } else { failed.join("; ") })
}
