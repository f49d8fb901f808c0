use super::*;
use std::fs;
use sui_crypto::secp256k1::Secp256k1PrivateKey;
use sui_crypto::simple::SimpleVerifier;
use sui_crypto::{SuiSigner, SuiVerifier};
use sui_sdk_types::PersonalMessage;

#[test]
fn a_created_wallet_is_private_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wallet");
    let made = Wallet::create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Wallet::load(&path).unwrap().address(), made.address());
    assert_eq!(Wallet::load_or_create(&path).unwrap().address(), made.address());
    assert!(matches!(Wallet::create(&path), Err(WalletError::Exists(_))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");

    let message = PersonalMessage(b"hello".into());
    let signature = made.sign_personal_message(&message).unwrap();
    SimpleVerifier.verify_personal_message(&message, &signature).unwrap();
}

#[test]
fn a_wallet_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wallet");
    Wallet::create(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(Wallet::load(&path), Err(WalletError::Unsafe { mode: got, .. }) if got == mode));
        let problem = Problem::from(Wallet::load(&path).unwrap_err());
        assert_eq!(problem.code, ErrorCode::WalletUnsafe);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(Wallet::load(&path).is_ok());
}

#[test]
fn no_key_shows_in_debug_or_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wallet");
    let wallet = Wallet::create(&path).unwrap();
    let secret = fs::read_to_string(&path).unwrap();
    assert!(!format!("{wallet:?}").contains(secret.trim_end()));
    assert!(format!("{wallet:?}").contains(&wallet.address().to_string()));
    for bad in ["", "suiprivkey1qqqq", &format!("{secret}{secret}"), &secret.repeat(100)] {
        fs::write(&path, bad).unwrap();
        let error = Wallet::load(&path).unwrap_err();
        assert!(matches!(error, WalletError::Malformed(_)));
        assert!(!format!("{error} {error:?}").contains("suiprivkey1q"));
    }
    assert!(matches!(Wallet::load(&folder.path().join("none")), Err(WalletError::Missing(_))));
}

#[test]
fn any_simple_scheme_loads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wallet");
    let key = Secp256k1PrivateKey::new([9; 32]).unwrap();
    fs::write(&path, key.to_suiprivkey().unwrap()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(Wallet::load(&path).unwrap().address(), WalletAddress(key.public_key().derive_address()));
}
