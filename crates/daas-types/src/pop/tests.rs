use super::*;
use crate::Address;
use proptest::prelude::*;
use sui_crypto::{ed25519::Ed25519PrivateKey, secp256k1::Secp256k1PrivateKey, secp256r1::Secp256r1PrivateKey};

const NOW: UnixMs = UnixMs(1_700_000_000_000);

fn cluster() -> ClusterId {
    ClusterId(Address::from_static("0xc1"))
}

fn key() -> Ed25519PrivateKey {
    Ed25519PrivateKey::new([7; 32])
}

fn claims() -> Claims {
    Claims::new(cluster(), SealId(Address::from_static("0x5ea1")), Usage::User, NOW, MAX_LIFETIME).unwrap()
}

#[test]
fn the_three_simple_schemes_verify() {
    let claims = claims();
    let tokens = [
        (claims.sign(&key()).unwrap(), key().public_key().derive_address()),
        {
            let k = Secp256k1PrivateKey::new([7; 32]).unwrap();
            (claims.sign(&k).unwrap(), k.public_key().derive_address())
        },
        {
            let k = Secp256r1PrivateKey::new([7; 32]);
            (claims.sign(&k).unwrap(), k.public_key().derive_address())
        },
    ];
    for (text, signer) in tokens {
        let token = PopToken::verify(&text).unwrap();
        assert_eq!(token.signer(), WalletAddress(signer));
        assert_eq!(token.claims(), &claims);
        assert_eq!(token.claims().check(cluster(), NOW), Ok(()));
    }
}

#[test]
fn time_and_audience_are_checked_at_every_use() {
    let token = PopToken::verify(&claims().sign(&key()).unwrap()).unwrap();
    let other = ClusterId(Address::from_static("0xc2"));
    assert!(matches!(token.claims().check(other, NOW), Err(PopError::Audience { .. })));
    assert!(matches!(token.claims().check(cluster(), NOW.plus(MAX_LIFETIME)), Err(PopError::Expired { .. })));
    assert_eq!(token.claims().check(cluster(), UnixMs(NOW.0 - 60_000)), Ok(()));
    assert!(matches!(token.claims().check(cluster(), UnixMs(NOW.0 - 60_001)), Err(PopError::NotYet { .. })));
}

#[test]
fn a_token_cannot_ask_for_longer_than_five_minutes() {
    let mut long = claims();
    long.expires = NOW.plus(MAX_LIFETIME + Duration::from_millis(1));
    assert!(matches!(PopToken::verify(&long.sign(&key()).unwrap()), Err(PopError::Lifetime(_))));
    long.expires = NOW;
    assert!(matches!(PopToken::verify(&long.sign(&key()).unwrap()), Err(PopError::Lifetime(_))));
}

#[test]
fn a_transaction_signature_is_no_token() {
    // The same key over the same bytes without the personal-message intent must not verify.
    use sui_crypto::Signer;
    let bytes = bcs::to_bytes(&claims()).unwrap();
    let signature: UserSignature = key().try_sign(&signing_bytes(&bytes)).unwrap();
    let text = format!("{PREFIX}{}.{}", B64.encode(&bytes), B64.encode(signature.to_bytes()));
    assert_eq!(PopToken::verify(&text).unwrap_err(), PopError::Signature);
}

#[test]
fn every_flipped_bit_is_refused() {
    let text = claims().sign(&key()).unwrap();
    for at in PREFIX.len()..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 1;
        if let Ok(changed) = String::from_utf8(bytes) {
            assert!(PopToken::verify(&changed).is_err(), "character {at}");
        }
    }
}

#[test]
fn ten_megabytes_are_refused_at_once() {
    let long = format!("{PREFIX}{}", "A".repeat(10 << 20));
    assert_eq!(PopToken::verify(&long).unwrap_err(), PopError::Malformed("too long"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = PopToken::verify(&text);
        let _ = PopToken::verify(&format!("{PREFIX}{text}"));
    }

    #[test]
    fn no_bytes_panic(claims in prop::collection::vec(any::<u8>(), 0..200), sig in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = PopToken::verify(&format!("{PREFIX}{}.{}", B64.encode(claims), B64.encode(sig)));
    }
}
