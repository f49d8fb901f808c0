//! Where the API may listen: on loopback, or anywhere with a certificate, and never on a port that the node needs.

use core::net::SocketAddr;
use daas_types::{ErrorCode, Problem};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Ports of the node's own programs.
const RESERVED: [(u16, &str); 8] = [
    (6443, "the gateway's"),
    (6444, "the K3s agent's load balancer's"),
    (10010, "containerd's, for streams"),
    (10248, "the kubelet's, for its health"),
    (10249, "kube-proxy's, for its metrics"),
    (10250, "the kubelet's"),
    (10255, "the kubelet's, to be read by anyone"),
    (10256, "kube-proxy's, for its health"),
];

const CLIENTS: &str = "security.client_ca";

/// A place to listen that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// Whether the port was asked for by name; else the worker goes on without its API where something else has it.
    pub asked: bool,
    /// What it is served over HTTPS with.
    pub tls: Option<Tls>,
    /// What this machine is called beside `localhost`, its node id and the address a request came to.
    pub names: Vec<String>,
}

/// Files of PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities, if any: whoever has a certificate of one of them may speak to the API.
    pub clients: Option<PathBuf>,
}

// === impl Listen ===

impl Listen {
    /// Refuses an address that would show the API to strangers, and ports that are taken.
    pub fn checked(self) -> Result<Self, Problem> {
        let port = self.address.port();
        if let Some((_, whose)) = RESERVED.iter().find(|(reserved, _)| *reserved == port) {
            return Err(Problem::new(ErrorCode::ApiPortReserved, format!("api.port is {port}, which is {whose}")));
        }
        if !self.address.ip().to_canonical().is_loopback() && self.tls.is_none() {
            let cause =
                format!("api.bind is {}, and security.tls_cert and security.tls_key are not set", self.address.ip());
            return Err(Problem::new(ErrorCode::ApiExposed, cause));
        }
        Ok(self)
    }

    /// Reads the certificate, if there is one.
    pub(super) fn server_config(&self) -> Result<Option<Arc<ServerConfig>>, Problem> {
        let Some(Tls { cert, key, clients }) = &self.tls else { return Ok(None) };
        let chain = certificates("security.tls_cert", cert)?;
        let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| bad("security.tls_key", key, &error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(Problem::of(ErrorCode::Internal))?;
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(authorities(path)?);
                // Who has none shows a token, as without all this.
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).allow_unauthenticated();
                config.with_client_cert_verifier(verifier.build().map_err(|error| bad(CLIENTS, path, &error))?)
            }
        };
        let config = config.with_single_cert(chain, key_der);
        let mut config = config.map_err(|error| bad("security.tls_cert", cert, &error))?;
        // Each connection shows its certificate anew: one that has expired opens nothing.
        config.send_tls13_tickets = 0;
        Ok(Some(Arc::new(config)))
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(CLIENTS, path)? {
        roots.add(certificate).map_err(|error| bad(CLIENTS, path, &error))?;
    }
    Ok(roots)
}

fn certificates(name: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.map_err(|error| bad(name, path, &error))
}

fn bad(name: &str, path: &Path, cause: &dyn core::fmt::Display) -> Problem {
    Problem::new(ErrorCode::ConfigInvalid, format!("{name} {}: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(address: &str, tls: bool) -> Result<Listen, Problem> {
        let tls = tls.then(|| Tls { cert: "/c.crt".into(), key: "/c.key".into(), clients: None });
        Listen { address: address.parse().unwrap(), asked: true, tls, names: Vec::new() }.checked()
    }

    #[test]
    fn outside_of_loopback_a_certificate_is_needed() {
        for loopback in ["127.0.0.1:8080", "[::1]:8080", "127.0.0.53:1"] {
            listen(loopback, false).unwrap();
        }
        for open in ["0.0.0.0:8080", "10.0.0.1:8080", "[::]:8080", "[::ffff:10.0.0.1]:8080"] {
            let problem = listen(open, false).unwrap_err();
            assert_eq!(problem.code, ErrorCode::ApiExposed, "{open}");
            assert!(problem.render().contains("security.tls_cert"), "{}", problem.render());
            listen(open, true).unwrap();
        }
    }

    #[test]
    fn a_port_of_the_nodes_programs_is_refused_by_name() {
        for (port, whose) in [(10250, "the kubelet's"), (10255, "kubelet"), (10256, "kube-proxy"), (6444, "K3s")] {
            for tls in [false, true] {
                let problem = listen(&format!("127.0.0.1:{port}"), tls).unwrap_err();
                assert_eq!(problem.code, ErrorCode::ApiPortReserved);
                assert!(problem.cause.contains(whose), "{problem}");
            }
        }
    }

    #[test]
    fn a_certificate_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let listen = Listen {
            address: "127.0.0.1:0".parse().unwrap(),
            asked: true,
            tls: Some(Tls { cert: dir.path().join("worker.crt"), key: dir.path().join("worker.key"), clients: None }),
            names: Vec::new(),
        };
        let problem = listen.server_config().unwrap_err();
        assert_eq!(problem.code, ErrorCode::ConfigInvalid);
        assert!(problem.cause.contains("security.tls_cert") && problem.cause.contains("worker.crt"), "{problem}");
    }

    #[test]
    fn authorities_that_are_not_there_or_none_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (cert, key) = daas_testkit::pki::Ca::new("owner").server(&["localhost"]).pem();
        let (cert, key) = (file("worker.crt", &cert), file("worker.key", &key));
        for clients in
            [dir.path().join("none.crt"), file("empty.crt", ""), file("text.crt", "no certificate"), key.clone()]
        {
            let (address, shown) = ("127.0.0.1:0".parse().unwrap(), clients.display().to_string());
            let tls = Some(Tls { cert: cert.clone(), key: key.clone(), clients: Some(clients) });
            let problem = Listen { address, asked: true, tls, names: Vec::new() }.server_config().unwrap_err();
            assert_eq!(problem.code, ErrorCode::ConfigInvalid);
            assert!(problem.cause.contains("security.client_ca") && problem.cause.contains(&shown), "{problem}");
        }
    }
}
