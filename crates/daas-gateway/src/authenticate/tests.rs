use super::*;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use core::cell::Cell;
use core::time::Duration;
use daas_chain::clock;
use daas_testkit::chain::{Chain, Staker, cluster};
use daas_types::Permissions;
use daas_types::pop::{MAX_LIFETIME, SKEW};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use sui_crypto::ed25519::Ed25519PrivateKey;

fn bearer(token: &str) -> Bearer {
    let line = (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    Bearer::from_headers(&HeaderMap::from_iter([line])).unwrap().unwrap()
}

fn authenticator() -> Authenticator {
    Authenticator::new(cluster(), None, 512).unwrap()
}

/// What is said of a token, and how many signatures were checked for it.
fn shown(to: &Authenticator, token: &str, chain: &Chain, now: UnixMs) -> (Result<Caller, Refusal>, u32) {
    let checked = Cell::new(0);
    let may_verify = |_| {
        checked.set(checked.get() + 1);
        Ok(())
    };
    let result = to.authenticate(&bearer(token), Usage::User, &chain.index.snapshot(), now, may_verify);
    (result, checked.get())
}

fn code(result: Result<Caller, Refusal>) -> daas_types::ErrorCode {
    result.unwrap_err().code()
}

/// The staker's token with one bit of the signature turned: it names a live Seal and has its owner's key beside it.
fn forged(token: &str) -> String {
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let mut signature = B64.decode(signature).unwrap();
    signature[10] ^= 1;
    format!("{rest}.{}", B64.encode(signature))
}

#[test]
fn a_signature_is_checked_once_and_for_strangers_not_at_all() {
    let (chain, authenticator, now) = (Chain::new(), authenticator(), clock::now());
    let staker = chain.staker(1, "5", Permissions::USER);
    let token = staker.token(Usage::User);
    assert!(matches!(shown(&authenticator, &token, &chain, now), (Ok(_), 1)));
    assert!(matches!(shown(&authenticator, &token, &chain, now), (Ok(_), 0)));
    // Signed with a key of one's own, for a Seal that lives and for one that does not, late, and for elsewhere.
    let own = Ed25519PrivateKey::new([9; 32]);
    let sign = |change: &dyn Fn(&mut Claims)| {
        let mut claims = staker.claims(Usage::User);
        change(&mut claims);
        claims.sign(&own).unwrap().to_string()
    };
    let late = now.plus(MAX_LIFETIME).plus(Duration::from_secs(1));
    for (token, now, expected) in [
        (sign(&|_| ()), now, TokenUnknown),
        (sign(&|claims| claims.seal = SealId(daas_types::Address::new([7; 32]))), now, TokenUnknown),
        (sign(&|_| ()), late, TokenExpired),
        (sign(&|claims| claims.cluster = ClusterId(daas_types::Address::new([7; 32]))), now, TokenForeign),
    ] {
        let (result, checked) = shown(&authenticator, &token, &chain, now);
        assert_eq!((code(result), checked), (expected, 0));
    }
    // The most that a stranger can make us do.
    for _ in 0..3 {
        let (result, checked) = shown(&authenticator, &forged(&token), &chain, now);
        assert_eq!((code(result), checked), (TokenMalformed, 1));
    }
    assert!(authenticator.tokens.get(authenticator.tokens.digest(&forged(&token))).is_none());
}

#[test]
fn what_counted_on_a_connection_is_known_there_and_judged_again() {
    let (chain, authenticator, now) = (Chain::new(), authenticator(), clock::now());
    let mut staker = chain.staker(1, "5", Permissions::USER);
    let (token, other) = (staker.token(Usage::User), staker.token(Usage::User));
    let connection = Shown::default();
    let again = |token: &str, now| authenticator.again(&connection, token.as_bytes(), &chain.index.snapshot(), now);
    assert!(again(&token, now).is_none());
    for token in [&token, &other] {
        assert!(matches!(shown(&authenticator, token, &chain, now), (Ok(_), 1)));
    }
    authenticator.counted(&connection, &bearer(&token));
    assert!(matches!(again(&token, now), Some(Ok(Caller::Seal(_)))));
    // Others are read, whatever they begin with.
    for text in [&*other, &forged(&token), &token[..token.len() - 1], &format!("{token}A"), ""] {
        assert!(again(text, now).is_none(), "{text}");
    }
    let late = now.plus(MAX_LIFETIME).plus(Duration::from_mins(2));
    assert_eq!(code(again(&token, late).unwrap()), TokenExpired);
    chain.put(&mut staker, |state| state.seals.clear());
    assert_eq!(code(again(&token, now).unwrap()), TokenUnknown);
    // What is not remembered any more has to be verified again.
    authenticator.tokens.forget(authenticator.tokens.digest(&token));
    assert!(again(&token, now).is_none());
    // A secret is not kept.
    authenticator.counted(&connection, &bearer(&staker.opaque()));
    assert!(again(&staker.opaque(), now).is_none());
}

#[test]
fn one_who_mints_without_end_pushes_nobody_out() {
    let (chain, authenticator, now) = (Chain::new(), authenticator(), clock::now());
    let (dust, other) = (chain.staker(1, "0.1", Permissions::USER), chain.staker(2, "5", Permissions::USER));
    let token = other.token(Usage::User);
    assert!(matches!(shown(&authenticator, &token, &chain, now), (Ok(_), 1)));
    let minted: Vec<_> = (0..300).map(|_| dust.token(Usage::User)).collect();
    assert!(minted.iter().all(|token| shown(&authenticator, token, &chain, now).1 == 1));
    assert!(matches!(shown(&authenticator, &token, &chain, now), (Ok(_), 0)));
    let remembered = |token: &&String| authenticator.tokens.get(authenticator.tokens.digest(token)).is_some();
    assert_eq!(minted.iter().filter(remembered).count(), TOKENS_OF_ONE);
    assert!(remembered(&minted.last().unwrap()));
}

#[test]
fn one_program_more_than_are_remembered_costs_little_more() {
    const ROUNDS: usize = 20;
    let (chain, authenticator, now) = (Chain::new(), authenticator(), clock::now());
    let staker = chain.staker(1, "5", Permissions::USER);
    let programs: Vec<_> = (0..=TOKENS_OF_ONE).map(|_| staker.token(Usage::User)).collect();
    let turns = programs.iter().cycle().take(ROUNDS * programs.len());
    let checked = turns.filter(|token| shown(&authenticator, token, &chain, now).1 > 0).count();
    assert!((programs.len() + ROUNDS / 2..programs.len() * ROUNDS / 4).contains(&checked), "{checked}");
}

#[test]
fn a_pods_token_that_cannot_be_right_costs_no_signature() {
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer = ServiceAccountConfig { issuer: "https://issuer".to_owned(), public_key: key.public_key_pem() };
    let authenticator = Authenticator::new(cluster(), Some(&issuer), 64).unwrap();
    let (chain, now) = (Chain::new(), clock::now());
    let secs = now.secs();
    let token = |claims: &str| {
        let [header, claims] = [r#"{"alg":"ES256"}"#, claims].map(|part| B64.encode(part));
        format!("{header}.{claims}.{}", B64.encode([7; 64]))
    };
    let claims = |iss: &str, aud: &str, exp: u64| {
        format!(r#"{{"iss":"{iss}","aud":{aud},"exp":{exp},"sub":"system:serviceaccount:a:b"}}"#)
    };
    let ours = r#"["https://issuer"]"#;
    for (claims, expected) in [
        ("{}".to_owned(), ServiceAccountRefused),
        ("rubbish".to_owned(), ServiceAccountRefused),
        (claims("https://other", ours, secs + 60), ServiceAccountRefused),
        (claims("https://issuer", r#""https://other""#, secs + 60), ServiceAccountRefused),
        (claims("https://issuer", ours, secs), TokenExpired),
    ] {
        let (result, checked) = shown(&authenticator, &token(&claims), &chain, now);
        assert_eq!((code(result), checked), (expected, 0), "{claims}");
    }
    for ours in [ours, r#""https://kubernetes.default.svc.cluster.local""#] {
        let (result, checked) = shown(&authenticator, &token(&claims("https://issuer", ours, secs + 60)), &chain, now);
        assert_eq!((code(result), checked), (ServiceAccountRefused, 1));
    }
}

#[test]
fn a_token_that_was_too_early_is_good_a_moment_later() {
    let (chain, authenticator, now) = (Chain::new(), authenticator(), clock::now());
    let mut staker = Staker::new(1, "5", Permissions::USER);
    let token = staker.token(Usage::User);
    assert_eq!(code(shown(&authenticator, &token, &chain, now).0), TokenUnknown);
    chain.put(&mut staker, |_| ());
    let early = UnixMs(now.0 - u64::try_from(SKEW.as_millis()).unwrap() - 1_000);
    assert_eq!(code(shown(&authenticator, &token, &chain, early).0), TokenExpired);
    // One that was not looked at, because too many came, is not held against it either.
    let refused = |_| Err(Refusal::forbidden(TokenUnknown, "too many"));
    let asked = authenticator.authenticate(&bearer(&token), Usage::User, &chain.index.snapshot(), now, refused);
    assert!(asked.is_err());
    assert!(matches!(shown(&authenticator, &token, &chain, now), (Ok(_), 1)));
}

#[test]
fn a_herd_with_one_new_token_has_its_signature_checked_once() {
    const HERD: usize = 16;
    let (chain, authenticator, now) = (Chain::new(), authenticator(), clock::now());
    let staker = chain.staker(1, "5", Permissions::USER);
    let (checked, start) = (AtomicUsize::new(0), Barrier::new(HERD));
    let (token, snapshot) = (staker.token(Usage::User), chain.index.snapshot());
    let one = || {
        start.wait();
        let may_verify = |_| {
            checked.fetch_add(1, Ordering::Relaxed);
            // Long enough for all the others to come.
            std::thread::yield_now();
            Ok(())
        };
        authenticator.authenticate(&bearer(&token), Usage::User, &snapshot, now, may_verify).is_ok()
    };
    let good = std::thread::scope(|scope| {
        let herd: Vec<_> = (0..HERD).map(|_| scope.spawn(one)).collect();
        herd.into_iter().filter_map(|one| one.join().ok()).filter(|good| *good).count()
    });
    assert_eq!((good, checked.into_inner()), (HERD, 1));
}
