//! As whom a supervisor takes a request: a union of what is shown, the token first.

use super::{Authorities, Settings};
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
    /// Front proxies that are believed, by their certificates' names.
    allowed: Vec<String>,
    /// `node:<agent token>`.
    agent: Vec<u8>,
    /// `server:<token>`.
    server: Vec<u8>,
}

impl Authenticator {
    pub(super) fn new(authorities: &Authorities, settings: &Settings) -> Self {
        let verifier =
            |ca: &crate::pki::Ca| WebPkiClientVerifier::builder_with_provider(ca.roots(), provider()).build().unwrap();
        Self {
            clients: verifier(&authorities.client),
            proxies: verifier(&authorities.request_header),
            allowed: settings.allowed_names.clone(),
            agent: format!("node:{}", settings.agent_token).into_bytes(),
            server: format!("server:{}", settings.token).into_bytes(),
        }
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
            let shows = |known: &[u8]| STANDARD.decode(basic).is_ok_and(|text| text == known);
            for (known, name, group) in [(&self.agent, "node", "k3s:agent"), (&self.server, "server", "k3s:server")] {
                if shows(known) {
                    return Ok(User { name: name.to_owned(), groups: vec![group.to_owned()] });
                }
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
                && self.allowed.contains(&subject(leaf).name)
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
