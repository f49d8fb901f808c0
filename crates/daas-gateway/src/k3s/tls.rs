//! K3s' agents show certificates, and K3s asks for them without insisting. So does the gateway; and it does not judge them in the
//! handshake either: an agent whose certificates are over, or of a cluster that was here before, comes with its Seal and is
//! given new ones. What a certificate is good for is decided after it, in [`super::certificate`].

use super::config::K3sError;
use crate::config::ConfigError;
use crate::tls::serving;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use std::sync::Arc;

/// What clients meet where K3s is behind the gateway: [`crate::server_config`], and a certificate is asked for.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    client_ca: &[CertificateDer<'static>],
) -> Result<Arc<ServerConfig>, ConfigError> {
    serving(chain, key, Arc::new(Asked(issuers(client_ca)?)))
}

/// Judges a chain by K3s' client CA.
pub(super) fn issuers(client_ca: &[CertificateDer<'static>]) -> Result<Arc<dyn ClientCertVerifier>, K3sError> {
    let mut roots = RootCertStore::empty();
    for root in client_ca {
        roots.add(root.clone()).map_err(|error| K3sError::ClientCa(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(aws_lc_rs::default_provider()))
        .allow_unauthenticated()
        .build()
        .map_err(|error| K3sError::ClientCa(error.to_string()))
}

/// Asks for a certificate and checks that its key is the client's; of whom it is, it does not.
#[derive(Debug)]
struct Asked(Arc<dyn ClientCertVerifier>);

// === impl Asked ===

impl ClientCertVerifier for Asked {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None, as K3s: an agent shows what it has.
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
        self.0.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
