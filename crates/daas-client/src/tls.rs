//! TLS 1.3 to a gateway whose CA is pinned: the join file's, and no other.

use daas_types::{ErrorCode, Problem};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const CONNECT: Duration = Duration::from_secs(10);

/// A TLS 1.3 client configuration that trusts the CAs in `ca_pem` alone.
pub fn client_config(ca_pem: &str, alpn: &[&[u8]]) -> Result<ClientConfig, Problem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_pem)? {
        roots.add(certificate).map_err(Problem::of(ErrorCode::ClusterFileBad))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(Problem::of(ErrorCode::Internal))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    Ok(config)
}

/// SHA-256 of the first CA's SubjectPublicKeyInfo.
pub fn ca_spki(ca_pem: &str) -> Result<[u8; 32], Problem> {
    let bad = |cause: String| Problem::new(ErrorCode::ClusterFileBad, cause);
    let certificates = certificates(ca_pem)?;
    let first = certificates.first().ok_or_else(|| bad("the cluster CA is empty".to_owned()))?;
    let (_, parsed) = x509_parser::parse_x509_certificate(first).map_err(|e| bad(format!("cluster CA: {e}")))?;
    Ok(Sha256::digest(parsed.public_key().raw).into())
}

/// Connects to `https://host:port`.
pub async fn connect(endpoint: &str, config: &Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, Problem> {
    let unreachable = |cause: String| Problem::new(ErrorCode::MasterUnreachable, format!("{endpoint}: {cause}"));
    let (host, port) = split(endpoint).ok_or_else(|| unreachable("not https://host:port".to_owned()))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|e| unreachable(e.to_string()))?;
    let attempt = async {
        let tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        TlsConnector::from(config.clone()).connect(name, tcp).await
    };
    match tokio::time::timeout(CONNECT, attempt).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(unreachable(error.to_string())),
        Err(_) => Err(unreachable(format!("no answer within {} s", CONNECT.as_secs()))),
    }
}

/// Host (without brackets) and port of an `https://` endpoint.
pub fn split(endpoint: &str) -> Option<(&str, u16)> {
    let rest = endpoint.strip_prefix("https://")?.trim_end_matches('/');
    let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "443"));
    Some((host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?))
}

pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| Problem::new(ErrorCode::ClusterFileBad, format!("cluster CA: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        assert_eq!(split("https://10.0.0.1:6443/"), Some(("10.0.0.1", 6443)));
        assert_eq!(split("https://[fd00::1]:6443"), Some(("fd00::1", 6443)));
        assert_eq!(split("http://10.0.0.1:6443"), None);
    }
}
