//! What K3s' agents, and those who would be them, send.

use super::head;
use crate::credential::Token;
use crate::k3s::{Route, basic_seal};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::header::AUTHORIZATION;

/// Anyone's head where K3s is behind the gateway: no path that K3s could take for one of its own is open but in one spelling, and
/// of `Basic` only a Seal comes out, as it was put in.
pub fn k3s(bytes: &[u8]) {
    let Some(request) = head(bytes) else { return };
    let path = request.uri().path();
    match Route::of(request.method(), request.uri()) {
        Err(_) => {}
        Ok(Some(_)) => {
            let open = path == "/cacerts" || path == "/ping" || path.starts_with("/v1-k3s/");
            let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-.".contains(&byte));
            assert!(open && plain && request.uri().query().is_none(), "a second spelling is open");
        }
        Ok(None) => {
            let first = to_go(path);
            let own = ["db", "cacerts", "ping", "static"].contains(&first.as_str()) || first.starts_with("v1-");
            assert!(!own, "K3s takes it for its own");
        }
    }
    let lines: Vec<_> = request.headers().get_all(AUTHORIZATION).iter().collect();
    if let Ok(found) = basic_seal(request.headers()) {
        assert_eq!(found.is_some(), !lines.is_empty(), "something else than a Seal was let in");
        let Some(bearer) = found else { return };
        assert!(lines.len() == 1, "one of two credentials was chosen");
        assert!(matches!(bearer.token(), Ok(Token::Pop(_) | Token::Opaque(_))), "no Seal");
        let shown = bearer.authorization().expect("what was read from a header must fit into one");
        let token = &shown.as_bytes()["Bearer ".len()..];
        let again = STANDARD.encode([b"node:", token].concat());
        assert_eq!(&lines[0].as_bytes()["Basic ".len()..], again.as_bytes(), "it was read as something else");
    }
}

/// The first segment of a path as Go has it: decoded once, and cleaned.
fn to_go(path: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        let digits = behind.get(..2).and_then(|digits| core::str::from_utf8(digits).ok());
        let coded = digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(coded.unwrap_or(*byte));
        if coded.is_some() {
            rest = behind.get(2..).unwrap_or_default();
        }
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    kept.first().map(|first| String::from_utf8_lossy(first).into_owned()).unwrap_or_default()
}
