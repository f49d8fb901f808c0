//! Certificate authorities that live as long as a test.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

/// A certificate authority.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    cert: CertificateDer<'static>,
}

/// A certificate and its key.
pub struct Leaf {
    /// The certificate.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

// === impl Ca ===

impl Ca {
    /// A new one.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), cert }
    }

    /// Its certificate.
    pub fn cert(&self) -> CertificateDer<'static> {
        self.cert.clone()
    }

    /// Its certificate, as files hold it.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.cert)
    }

    /// Trust in it alone.
    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.cert()).unwrap();
        Arc::new(roots)
    }

    /// A server's certificate.
    pub fn server(&self, names: &[&str]) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.sign(CertificateParams::new(names).unwrap(), "server", ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for both ends whose time is over.
    pub fn expired(&self, names: &[&str]) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        self.sign(params, "expired", ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's certificate.
    pub fn client(&self, common_name: &str) -> Leaf {
        self.sign(CertificateParams::default(), common_name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, mut params: CertificateParams, common_name: &str, usage: ExtendedKeyUsagePurpose) -> Leaf {
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Leaf { chain: vec![cert.der().clone()], key }
    }
}

// === impl Leaf ===

impl Leaf {
    /// The certificate and its key, as files hold them.
    pub fn pem(&self) -> (String, String) {
        let chain = self.chain.iter().map(|cert| pem("CERTIFICATE", cert)).collect();
        (chain, pem("PRIVATE KEY", self.key.secret_der()))
    }
}

impl Clone for Leaf {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    // OpenSSL reads no longer lines than the standard has.
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

pub(crate) fn common_name(cert: &CertificateDer<'_>) -> String {
    let (_, cert) = x509_parser::parse_x509_certificate(cert).unwrap();
    let name = cert.subject().iter_common_name().next().unwrap();
    name.as_str().unwrap().to_owned()
}
