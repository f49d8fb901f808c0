//! Attestation documents as the module makes them: an untagged COSE_Sign1 over an indefinite-length map.

use super::chain::Chain;
use super::wire::Attestation;
use coset::{CborSerializable as _, CoseSign1Builder, HeaderBuilder, iana};
use daas_types::UnixMs;
use daas_types::onchain::Pcrs;
use p384::ecdsa::Signature;
use p384::ecdsa::signature::Signer as _;
use serde::Serialize;
use serde_bytes::{ByteBuf, Bytes};
use std::collections::BTreeMap;

pub(super) const PCRS: u16 = 16;

const INDEFINITE_MAP: u8 = 0xbf;
const BREAK: u8 = 0xff;

/// PCR0, 1 and 2 as measured, the others zero.
pub(super) fn pcrs(measured: &Pcrs) -> BTreeMap<u16, ByteBuf> {
    let mut pcrs: BTreeMap<_, _> = (0..PCRS).map(|index| (index, ByteBuf::from(vec![0; 48]))).collect();
    for (index, value) in [(0, &measured.pcr0), (1, &measured.pcr1), (2, &measured.pcr2)] {
        pcrs.insert(index, ByteBuf::from(value.clone()));
    }
    pcrs
}

pub(super) fn sign(chain: &Chain, module_id: &str, measured: &Pcrs, request: &Attestation, now: UnixMs) -> Vec<u8> {
    let cabundle: Vec<_> = chain.cabundle.iter().map(|der| Bytes::new(der)).collect();
    let mut payload = vec![INDEFINITE_MAP];
    entry(&mut payload, "module_id", &module_id);
    entry(&mut payload, "digest", &"SHA384");
    entry(&mut payload, "timestamp", &now.0);
    entry(&mut payload, "pcrs", &pcrs(measured));
    entry(&mut payload, "certificate", &Bytes::new(&chain.certificate));
    entry(&mut payload, "cabundle", &cabundle);
    entry(&mut payload, "public_key", &request.public_key);
    entry(&mut payload, "user_data", &request.user_data);
    entry(&mut payload, "nonce", &request.nonce);
    payload.push(BREAK);
    CoseSign1Builder::new()
        .protected(HeaderBuilder::new().algorithm(iana::Algorithm::ES384).build())
        .payload(payload)
        .create_signature(b"", |signed| {
            let signature: Signature = chain.key.sign(signed);
            signature.to_bytes().to_vec()
        })
        .build()
        .to_vec()
        .expect("a COSE_Sign1 must encode into memory")
}

fn entry(payload: &mut Vec<u8>, key: &str, value: &impl Serialize) {
    for written in [ciborium::into_writer(key, &mut *payload), ciborium::into_writer(value, &mut *payload)] {
        written.expect("a field must encode into memory");
    }
}
