//! As whom a supervisor takes a request: a union of what is shown, the token first.

use super::{AGENT_TOKEN, Authorities};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use rustls::DigitallySignedStruct;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;
use x509_parser::prelude::FromDer;

/// Front proxies that are believed, by their certificates' names.
const PROXIES: [&str; 2] = ["system:auth-proxy", "daas:gateway"];

/// A user and its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
}

/// Whom nobody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Something was shown and does not hold: 401.
    Wrong,
    /// Nothing was: 403.
    Nothing,
}

pub(super) struct Authenticator {
    clients: Arc<dyn ClientCertVerifier>,
    proxies: Arc<dyn ClientCertVerifier>,
}

impl Authenticator {
    pub(super) fn new(authorities: &Authorities) -> Self {
        let verifier =
            |ca: &crate::pki::Ca| WebPkiClientVerifier::builder_with_provider(ca.roots(), provider()).build().unwrap();
        Self { clients: verifier(&authorities.client), proxies: verifier(&authorities.request_header) }
    }

    /// `proxied`: the API server is up, and with it identities that a front proxy vouches for.
    pub(super) fn judge(
        &self,
        headers: &HeaderMap,
        chain: &[CertificateDer<'_>],
        proxied: bool,
    ) -> Result<User, Unknown> {
        let mut shown = false;
        if let Some(basic) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic ")) {
            if STANDARD.decode(basic).is_ok_and(|text| text == format!("node:{AGENT_TOKEN}").into_bytes()) {
                return Ok(User { name: "node".to_owned(), groups: vec!["k3s:agent".to_owned()] });
            }
            shown = true;
        }
        if let Some((leaf, others)) = chain.split_first() {
            let of =
                |verifier: &dyn ClientCertVerifier| verifier.verify_client_cert(leaf, others, UnixTime::now()).is_ok();
            if of(&*self.clients) {
                return Ok(subject(leaf));
            }
            shown = true;
            let name = headers.get("x-remote-user").and_then(|name| name.to_str().ok());
            if let Some(name) = name.filter(|_| proxied && of(&*self.proxies))
                && PROXIES.contains(&subject(leaf).name.as_str())
            {
                let groups = headers.get_all("x-remote-group").into_iter();
                let groups = groups.map(|group| group.to_str().unwrap().to_owned()).collect();
                return Ok(User { name: name.to_owned(), groups });
            }
        }
        Err(if shown { Unknown::Wrong } else { Unknown::Nothing })
    }
}

fn subject(leaf: &CertificateDer<'_>) -> User {
    let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(leaf).unwrap();
    let subject = certificate.subject();
    let name = subject.iter_common_name().next().unwrap().as_str().unwrap().to_owned();
    let groups = subject.iter_organization().map(|group| group.as_str().unwrap().to_owned()).collect();
    User { name, groups }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// As Go's `RequestClientCert`: asked for, and not looked at in the handshake.
#[derive(Debug)]
pub(super) struct Requested(Arc<CryptoProvider>);

impl Requested {
    pub(super) fn new() -> Self {
        Self(provider())
    }
}

impl ClientCertVerifier for Requested {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
