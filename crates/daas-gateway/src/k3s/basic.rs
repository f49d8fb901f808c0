use crate::credential::{Bearer, Token};
use crate::refusal::Refusal;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_types::ErrorCode::{TokenAmbiguous, TokenMalformed};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

/// The Seal's secret, or a token that proves it, in `Basic node:<SEAL>`: what K3s' agents make of `--token <SEAL>`.
pub(crate) fn seal(headers: &HeaderMap) -> Result<Option<Bearer>, Refusal> {
    let mut given = headers.get_all(AUTHORIZATION).into_iter();
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Refusal::unauthorized(TokenAmbiguous, "more than one credential"));
    }
    let text = value.to_str().map_err(|_| malformed("Authorization is not visible ASCII"))?;
    let encoded = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")).map(|(_, rest)| rest);
    let encoded = encoded.ok_or_else(|| malformed("K3s' agents show their token as Basic"))?;
    let credentials = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| malformed("Basic is not base64"))?);
    let credentials = core::str::from_utf8(&credentials).map_err(|_| malformed("Basic is not UTF-8"))?;
    let token = credentials.strip_prefix("node:");
    let token = token.ok_or_else(|| malformed("the user is not `node`: only agents join here"))?;
    let bearer = Bearer::new(token)?;
    match bearer.token()? {
        Token::Pop(_) | Token::Opaque(_) => Ok(Some(bearer)),
        Token::Jwt(_) => Err(malformed("a service account is no node")),
    }
}

#[track_caller]
fn malformed(cause: &str) -> Refusal {
    Refusal::unauthorized(TokenMalformed, cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(values: &[&str]) -> Result<Option<Bearer>, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        seal(&headers)
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    #[test]
    fn a_seal_is_found_behind_the_user_node() {
        let secret = "0a".repeat(32);
        for scheme in ["Basic", "basic", "BASIC"] {
            let value = basic(&format!("node:{secret}")).replace("Basic", scheme);
            assert!(matches!(of(&[&value]).unwrap().unwrap().token().unwrap(), Token::Opaque(_)));
        }
        assert!(of(&[]).unwrap().is_none());
    }

    #[test]
    fn everything_else_is_refused() {
        let secret = "0a".repeat(32);
        let good = basic(&format!("node:{secret}"));
        let cases: [(&[&str], _); 12] = [
            (&[&good, &good], TokenAmbiguous),
            (&[&format!("Bearer {secret}")], TokenMalformed),
            (&[&basic(&format!("server:{secret}"))], TokenMalformed),
            (&[&basic(&format!("Node:{secret}"))], TokenMalformed),
            (&[&basic(&format!("node {secret}"))], TokenMalformed),
            (&[&basic("node:nonsense")], TokenMalformed),
            (&[&basic(&format!("node:K10{secret}"))], TokenMalformed),
            (&[&basic(&format!("node:eyJ{}.{}.x", "a".repeat(60), "b".repeat(60)))], TokenMalformed),
            (&[&format!("Basic  {}", STANDARD.encode(format!("node:{secret}")))], TokenMalformed),
            (&["Basic"], TokenMalformed),
            (&["Basic !!!"], TokenMalformed),
            (&[""], TokenMalformed),
        ];
        for (values, code) in cases {
            let refusal = of(values).unwrap_err();
            assert_eq!((refusal.code(), refusal.status().as_u16()), (code, 401), "{values:?}");
            assert!(!refusal.cause().contains(&secret));
        }
        let missing = of(&[&basic("node:")]).unwrap_err();
        assert_eq!(missing.status().as_u16(), 401);
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic_and_only_seals_come_out(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for value in [[b"Basic ", &bytes[..]].concat(), format!("Basic {}", STANDARD.encode(&bytes)).into_bytes(),
                          format!("Basic {}", STANDARD.encode([b"node:", &bytes[..]].concat())).into_bytes()] {
                let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
                let mut headers = HeaderMap::new();
                headers.insert(AUTHORIZATION, value);
                if let Ok(found) = seal(&headers) {
                    prop_assert!(matches!(found.unwrap().token(), Ok(Token::Pop(_) | Token::Opaque(_))));
                }
            }
        }
    }
}
