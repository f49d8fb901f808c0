//! Requests for certificates, of which K3s uses the key alone; and its answers. To a request that it cannot read K3s answers
//! with a private key that all nodes share, so only what is a request goes on, and only what is an answer to it comes back.

use super::keys::KeyId;
use crate::refusal::Refusal;
use daas_types::ErrorCode::{ApiServerUnavailable, CsrRefused};
use http::StatusCode;
use rustls_pki_types::pem::{PemObject, SectionKind};
use x509_parser::certificate::X509Certificate;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

/// Longest request: an RSA key of 8192 bits and its signature take 3 KiB.
pub(super) const MAX_REQUEST: usize = 8 * 1024;

/// The key that a certificate is asked for. Whoever asks has it: the request is signed with it. So nobody binds another's.
pub(crate) fn requested_key(der: &[u8]) -> Result<KeyId, Refusal> {
    let (rest, request) =
        X509CertificationRequest::from_der(der).map_err(|_| refused("the body is no PKCS #10 request in DER"))?;
    if !rest.is_empty() {
        return Err(refused("there is something behind the request"));
    }
    request.verify_signature().map_err(|_| refused("the request is not signed with its own key"))?;
    Ok(KeyId::of(request.certification_request_info.subject_pki.raw))
}

/// Refuses an answer that is not a certificate for this key, and its issuers'.
pub(super) fn check_issued(pem: &[u8], key: KeyId) -> Result<(), Refusal> {
    let mut first = true;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        let (kind, der) = section.map_err(|_| unexpected("what is no PEM"))?;
        if kind != SectionKind::Certificate {
            return Err(unexpected("something else than certificates"));
        }
        let is_leaf = core::mem::take(&mut first);
        if is_leaf {
            let (_, leaf) = X509Certificate::from_der(&der).map_err(|_| unexpected("what is no certificate"))?;
            if KeyId::of(leaf.public_key().raw) != key {
                return Err(unexpected("a certificate for another key"));
            }
        }
    }
    if first { Err(unexpected("no certificate")) } else { Ok(()) }
}

#[track_caller]
fn refused(cause: &str) -> Refusal {
    Refusal::new(CsrRefused, StatusCode::BAD_REQUEST, cause)
}

#[track_caller]
fn unexpected(what: &str) -> Refusal {
    let cause = format!("K3s answered a request for a certificate with {what}");
    Refusal::new(ApiServerUnavailable, StatusCode::BAD_GATEWAY, cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::pki::{Ca, Request};
    use proptest::prelude::*;

    #[test]
    fn the_key_of_a_request_is_that_of_its_certificate() {
        let (ca, request) = (Ca::new("client"), Request::new());
        let key = requested_key(request.der()).unwrap();
        let pem = ca.sign_request(request.der(), "system:kube-proxy", &[]);
        check_issued(pem.as_bytes(), key).unwrap();
        check_issued(format!("{pem}{}", ca.pem()).as_bytes(), key).unwrap();
        assert_ne!(key, requested_key(Request::new().der()).unwrap());
    }

    #[test]
    fn an_answer_that_is_not_of_that_key_goes_no_further() {
        let (ca, request) = (Ca::new("client"), Request::new());
        let key = requested_key(request.der()).unwrap();
        let pem = ca.sign_request(request.der(), "system:kube-proxy", &[]);
        let (shared, private) = ca.member("system:kube-proxy", &[]).pem();
        let answers = [
            String::new(),
            "pong".to_owned(),
            shared.clone(),
            format!("{shared}{pem}"),
            format!("{pem}{private}"),
            private,
            pem.replace("CERTIFICATE", "PUBLIC KEY"),
        ];
        for answer in answers {
            let refusal = check_issued(answer.as_bytes(), key).unwrap_err();
            assert_eq!((refusal.code(), refusal.status().as_u16()), (ApiServerUnavailable, 502), "{answer}");
        }
    }

    #[test]
    fn nobody_asks_for_a_certificate_for_a_key_that_is_not_theirs() {
        let request = Request::new();
        let mut forged = request.der().to_vec();
        // The last byte of the signature.
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(requested_key(&forged).unwrap_err().code(), CsrRefused);
        let mut longer = request.der().to_vec();
        longer.push(0);
        for bytes in [&b""[..], b"-----BEGIN CERTIFICATE REQUEST-----", &longer] {
            let refusal = requested_key(bytes).unwrap_err();
            assert_eq!((refusal.code(), refusal.status().as_u16()), (CsrRefused, 400));
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0..300_usize, with in any::<u8>()
        ) {
            prop_assert!(requested_key(&bytes).is_err());
            let request = Request::new();
            let (key, mut changed) = (requested_key(request.der()).unwrap(), request.der().to_vec());
            let at = at % changed.len();
            changed[at] = with;
            // Another spelling of the same request has the same key, and no other key is had without its owner.
            prop_assert!(requested_key(&changed).is_ok_and(|other| other == key) || requested_key(&changed).is_err());
            prop_assert!(requested_key(&request.der()[..at]).is_err());
            let _ = check_issued(&bytes, key);
        }
    }
}
