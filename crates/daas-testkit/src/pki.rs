//! Certificate authorities that live as long as a test.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

/// A certificate authority.
#[derive(Clone)]
pub struct Ca {
    issuer: Arc<Issuer<'static, KeyPair>>,
    cert: CertificateDer<'static>,
}

/// A request for a certificate, and the key it is signed with.
pub struct Request {
    key: KeyPair,
    der: Vec<u8>,
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
        Self { issuer: Arc::new(Issuer::new(params, key)), cert }
    }

    /// The one in these files.
    pub fn load(cert: &str, key: &str) -> Self {
        let issuer = Issuer::from_ca_cert_pem(cert, KeyPair::from_pem(key).unwrap()).unwrap();
        let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
        Self { issuer: Arc::new(issuer), cert }
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

    /// A client's certificate with these organizations.
    pub fn member(&self, common_name: &str, organizations: &[&str]) -> Leaf {
        let request = Request::new();
        request.leaf(&self.sign_request(request.der(), common_name, organizations))
    }

    /// A client's certificate for the key of a request, as files hold it. Of the request nothing else counts.
    pub fn sign_request(&self, request: &[u8], common_name: &str, organizations: &[&str]) -> String {
        self.sign_key(
            request,
            CertificateParams::default(),
            common_name,
            organizations,
            ExtendedKeyUsagePurpose::ClientAuth,
        )
    }

    /// A server's certificate for the key of a request.
    pub fn sign_server_request(&self, request: &[u8], names: &[&str]) -> String {
        let params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        self.sign_key(request, params, names[0], &[], ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn sign_key(
        &self,
        request: &[u8],
        mut params: CertificateParams,
        common_name: &str,
        organizations: &[&str],
        usage: ExtendedKeyUsagePurpose,
    ) -> String {
        let mut request = CertificateSigningRequestParams::from_der(&request.to_vec().into()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (organization, kind) in organizations.iter().zip([
            DnType::OrganizationName,
            // The same; by one name there is only one.
            DnType::CustomDnType(vec![2, 5, 4, 10]),
        ]) {
            params.distinguished_name.push(kind, *organization);
        }
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages.push(usage);
        request.params = params;
        request.signed_by(&*self.issuer).unwrap().pem()
    }

    fn sign(&self, mut params: CertificateParams, common_name: &str, usage: ExtendedKeyUsagePurpose) -> Leaf {
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &*self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Leaf { chain: vec![cert.der().clone()], key }
    }
}

// === impl Request ===

impl Request {
    /// One for a new key.
    pub fn new() -> Self {
        Self::of(KeyPair::generate().unwrap())
    }

    /// One for a key that a file holds.
    pub fn load(key: &str) -> Self {
        Self::of(KeyPair::from_pem(key).unwrap())
    }

    fn of(key: KeyPair) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let der = params.serialize_request(&key).unwrap().der().to_vec();
        Self { key, der }
    }

    /// Its key, as files hold it.
    pub fn key(&self) -> String {
        self.key.serialize_pem()
    }

    /// The request.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its key with the certificates that were issued for it.
    pub fn leaf(&self, pem: &str) -> Leaf {
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect();
        Leaf { chain, key: PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der())) }
    }
}

impl Default for Request {
    fn default() -> Self {
        Self::new()
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
