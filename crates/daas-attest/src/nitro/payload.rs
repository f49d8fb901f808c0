//! The signed content of a document.

use super::Pcr;
use super::cbor::Reader;
use crate::VerifyError;
use daas_types::UnixMs;
use daas_types::onchain::Pcrs;
use std::collections::BTreeMap;

const MAX_MODULE_ID: usize = 256;
const MAX_CERTIFICATE: usize = 1024;
/// Nine CAs and the certificate that signs: ten in all.
const MAX_CABUNDLE: usize = 9;
const MAX_PUBLIC_KEY: usize = 1024;
const MAX_USER_DATA: usize = 512;
const MAX_PCR_INDEX: u8 = 31;
/// Zero in debug mode: the image, the kernel, the application.
const MEASURED: [u8; 3] = [0, 1, 2];

/// A document's content. It has been read, not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) module_id: String,
    pub(crate) timestamp: UnixMs,
    /// Always has 0, 1 and 2.
    pub(crate) pcrs: BTreeMap<u8, Pcr>,
    pub(crate) certificate: Vec<u8>,
    /// Root first.
    pub(crate) cabundle: Vec<Vec<u8>>,
    pub(crate) public_key: Option<Vec<u8>>,
    pub(crate) user_data: Option<Vec<u8>>,
    pub(crate) nonce: Option<Vec<u8>>,
}

/// The fields as they turn up.
#[derive(Default)]
struct Fields {
    module_id: Option<String>,
    digest: Option<()>,
    timestamp: Option<UnixMs>,
    pcrs: Option<BTreeMap<u8, Pcr>>,
    certificate: Option<Vec<u8>>,
    cabundle: Option<Vec<Vec<u8>>>,
    public_key: Option<Nullable>,
    user_data: Option<Nullable>,
    nonce: Option<Nullable>,
}

/// What stands under a key that may be null; a null is there and counts as a duplicate of another.
struct Nullable(Option<Vec<u8>>);

// === impl Document ===

impl Document {
    pub(super) fn read(payload: &[u8]) -> Result<Self, VerifyError> {
        let mut fields = Fields::default();
        let mut reader = Reader::new(payload);
        reader.map(|reader| fields.entry(reader))?;
        reader.end()?;
        let missing = VerifyError::MissingKey;
        fields.digest.ok_or(missing("digest"))?;
        Ok(Self {
            module_id: fields.module_id.ok_or(missing("module_id"))?,
            timestamp: fields.timestamp.ok_or(missing("timestamp"))?,
            pcrs: fields.pcrs.ok_or(missing("pcrs"))?,
            certificate: fields.certificate.ok_or(missing("certificate"))?,
            cabundle: fields.cabundle.ok_or(missing("cabundle"))?,
            public_key: fields.public_key.and_then(|field| field.0),
            user_data: fields.user_data.and_then(|field| field.0),
            nonce: fields.nonce.and_then(|field| field.0),
        })
    }

    /// In debug mode PCR0, 1 and 2 are zero while others are not, so each is looked at for itself.
    pub(super) fn refuse_debug(&self) -> Result<(), VerifyError> {
        let zero = |index: &u8| self.pcrs.get(index).is_none_or(|pcr| pcr.iter().all(|byte| *byte == 0));
        MEASURED.into_iter().find(zero).map_or(Ok(()), |index| Err(VerifyError::Debug { index }))
    }

    pub(crate) fn measurement(&self) -> Pcrs {
        let pcr = |index| self.pcrs.get(&index).map(|pcr| pcr.to_vec()).unwrap_or_default();
        Pcrs { pcr0: pcr(0), pcr1: pcr(1), pcr2: pcr(2) }
    }
}

// === impl Fields ===

impl Fields {
    fn entry(&mut self, r: &mut Reader<'_>) -> Result<(), VerifyError> {
        match r.text()? {
            "module_id" => set(&mut self.module_id, "module_id", module_id(r)?),
            "digest" => set(&mut self.digest, "digest", digest(r)?),
            "timestamp" => set(&mut self.timestamp, "timestamp", UnixMs(r.uint()?)),
            "pcrs" => set(&mut self.pcrs, "pcrs", pcrs(r)?),
            "certificate" => set(&mut self.certificate, "certificate", certificate(r)?),
            "cabundle" => set(&mut self.cabundle, "cabundle", cabundle(r)?),
            "public_key" => set(&mut self.public_key, "public_key", optional(r, "public_key", MAX_PUBLIC_KEY)?),
            "user_data" => set(&mut self.user_data, "user_data", optional(r, "user_data", MAX_USER_DATA)?),
            "nonce" => set(&mut self.nonce, "nonce", optional(r, "nonce", MAX_USER_DATA)?),
            other => Err(VerifyError::UnknownKey(other.chars().take(64).collect())),
        }
    }
}

fn set<T>(slot: &mut Option<T>, key: &str, value: T) -> Result<(), VerifyError> {
    if slot.replace(value).is_some() {
        return Err(VerifyError::DuplicateKey(key.to_owned()));
    }
    Ok(())
}

fn module_id(r: &mut Reader<'_>) -> Result<String, VerifyError> {
    let id = r.text()?;
    super::length("module_id", id.len(), MAX_MODULE_ID, "1..=256")?;
    Ok(id.to_owned())
}

fn digest(r: &mut Reader<'_>) -> Result<(), VerifyError> {
    match r.text()? {
        "SHA384" => Ok(()),
        other => Err(VerifyError::Digest { got: other.chars().take(64).collect() }),
    }
}

fn pcrs(r: &mut Reader<'_>) -> Result<BTreeMap<u8, Pcr>, VerifyError> {
    let mut pcrs = BTreeMap::new();
    r.map(|r| {
        let got = r.uint()?;
        let index = u8::try_from(got).ok().filter(|index| *index <= MAX_PCR_INDEX);
        let index = index.ok_or(VerifyError::PcrIndex { got })?;
        let value = r.bytes()?;
        let length = VerifyError::Length { field: "PCR", expected: "48", got: value.len() };
        if pcrs.insert(index, Pcr::try_from(value).map_err(|_| length)?).is_some() {
            return Err(VerifyError::DuplicateKey(format!("PCR{index}")));
        }
        Ok(())
    })?;
    for (index, name) in MEASURED.into_iter().zip(["PCR0", "PCR1", "PCR2"]) {
        if !pcrs.contains_key(&index) {
            return Err(VerifyError::MissingKey(name));
        }
    }
    Ok(pcrs)
}

fn certificate(r: &mut Reader<'_>) -> Result<Vec<u8>, VerifyError> {
    let der = r.bytes()?;
    super::length("certificate", der.len(), MAX_CERTIFICATE, "1..=1024")?;
    Ok(der.to_vec())
}

fn cabundle(r: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, VerifyError> {
    let mut bundle = Vec::new();
    r.array(|r| {
        bundle.push(certificate(r)?);
        super::length("cabundle", bundle.len(), MAX_CABUNDLE, "1..=9")
    })?;
    super::length("cabundle", bundle.len(), MAX_CABUNDLE, "1..=9")?;
    Ok(bundle)
}

fn optional(r: &mut Reader<'_>, field: &'static str, max: usize) -> Result<Nullable, VerifyError> {
    let Some(bytes) = r.bytes_or_null()? else {
        return Ok(Nullable(None));
    };
    if bytes.len() > max {
        let expected = if max == MAX_USER_DATA { "0..=512" } else { "0..=1024" };
        return Err(VerifyError::Length { field, expected, got: bytes.len() });
    }
    Ok(Nullable(Some(bytes.to_vec())))
}
