use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{CertFiles, PkiError};
use crate::files;

const DAY: Duration = Duration::from_hours(24);
const AUTHORITY_DAYS: u32 = 3650;
const LEAF_DAYS: u32 = 365;
/// Certificates begin this long in the past, for peers whose clock is behind.
const BACKDATED: Duration = Duration::from_hours(1);

/// What a certificate may be used for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Usage {
    Server,
    Client,
}

/// What is asked to be certified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf<'a> {
    pub(super) name: &'a str,
    pub(super) group: Option<&'a str>,
    pub(super) sans: &'a [String],
    pub(super) usage: Usage,
}

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

// === impl Authority ===

impl Authority {
    pub(super) fn load_or_create(folder: &Path, name: &str, now: SystemTime) -> Result<Self, PkiError> {
        let CertFiles { cert, key } = cert_files(folder, name);
        // The certificate is written last: without it the authority was never used, and is made anew.
        if cert.exists() {
            return Self::load(&cert, &key);
        }
        let pair = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = distinguished_name(&format!("k3s-daas-{name}"), None);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        set_validity(&mut params, now, AUTHORITY_DAYS);
        let pem = params.self_signed(&pair)?.pem();
        files::write_private(&key, pair.serialize_pem())?;
        files::write_private(&cert, &pem)?;
        Ok(Self { issuer: Issuer::new(params, pair), pem })
    }

    fn load(cert: &Path, key: &Path) -> Result<Self, PkiError> {
        let damaged = |reason: String| PkiError::Damaged { path: cert.to_owned(), reason };
        let pem = files::read_text(cert)?;
        let pair = KeyPair::from_pem(&files::read_text(key)?).map_err(|e| damaged(format!("key: {e}")))?;
        let (_, der) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|e| damaged(e.to_string()))?;
        let parsed = der.parse_x509().map_err(|e| damaged(e.to_string()))?;
        if parsed.public_key().raw != pair.subject_public_key_info() {
            return Err(damaged("the certificate is for another key".to_owned()));
        }
        let issuer = Issuer::from_ca_cert_pem(&pem, pair).map_err(|e| damaged(e.to_string()))?;
        Ok(Self { issuer, pem })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn spki_sha256(&self) -> [u8; 32] {
        Sha256::digest(self.issuer.key().subject_public_key_info()).into()
    }

    /// Makes a key and a certificate and writes both.
    pub(super) fn issue(
        &self,
        folder: &Path,
        file: &str,
        leaf: &Leaf<'_>,
        now: SystemTime,
    ) -> Result<CertFiles, PkiError> {
        let pair = KeyPair::generate()?;
        let certificate = leaf.params(now)?.signed_by(&pair, &self.issuer)?;
        let written = cert_files(folder, file);
        files::write_private(&written.key, pair.serialize_pem())?;
        files::write_private(&written.cert, certificate.pem())?;
        Ok(written)
    }

    /// Certifies the public key of a request, and nothing else of it.
    pub(super) fn sign_request(&self, der: &[u8], leaf: &Leaf<'_>, now: SystemTime) -> Result<String, PkiError> {
        let request = CertificateSigningRequestParams::from_der(&der.to_vec().into()).map_err(PkiError::Request)?;
        Ok(leaf.params(now)?.signed_by(&request.public_key, &self.issuer)?.pem())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("spki_sha256", &hex::encode(self.spki_sha256())).finish_non_exhaustive()
    }
}

// === impl Leaf ===

impl Leaf<'_> {
    fn params(&self, now: SystemTime) -> Result<CertificateParams, PkiError> {
        let name = || self.sans.join(", ");
        let mut params =
            CertificateParams::new(self.sans.to_vec()).map_err(|source| PkiError::Name { name: name(), source })?;
        params.distinguished_name = distinguished_name(self.name, self.group);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match self.usage {
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, LEAF_DAYS);
        Ok(params)
    }
}

pub(super) fn cert_files(folder: &Path, name: &str) -> CertFiles {
    CertFiles { cert: folder.join(format!("{name}.crt")), key: folder.join(format!("{name}.key")) }
}

/// Reads or makes the key that signs service-account tokens; answers its public half and keeps it in a file.
pub(super) fn service_account_key(folder: &Path) -> Result<String, PkiError> {
    let path: PathBuf = folder.join("service-account.key");
    let pair = if path.exists() {
        KeyPair::from_pem(&files::read_text(&path)?)
            .map_err(|e| PkiError::Damaged { path: path.clone(), reason: e.to_string() })?
    } else {
        let pair = KeyPair::generate()?;
        files::write_private(&path, pair.serialize_pem())?;
        pair
    };
    let public = pair.public_key_pem();
    files::write_private(&folder.join("service-account.pub"), &public)?;
    Ok(public)
}

fn distinguished_name(name: &str, group: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if let Some(group) = group {
        subject.push(DnType::OrganizationName, group);
    }
    subject.push(DnType::CommonName, name);
    subject
}

fn set_validity(params: &mut CertificateParams, now: SystemTime, days: u32) {
    params.not_before = OffsetDateTime::from(now - BACKDATED);
    params.not_after = OffsetDateTime::from(now + DAY * days);
}
