use super::*;
use crate::testkit::{NOW, binding, chain, devnet, expected, measurement, set};
use ciborium::Value;
use sui_sdk_types::Address;

type Change = fn(&mut Binding);

fn nitro(bytes: Vec<u8>) -> Evidence {
    Evidence::Nitro(bytes)
}

#[test]
fn a_bound_fresh_document_gives_its_claims() {
    let chain = chain();
    let evidence = nitro(chain.document(chain.content()));
    let verified = verify(&evidence, &chain.roots(), &expected(), NOW).unwrap();
    assert_eq!(verified.module_id(), "i-test-enc1");
    assert_eq!(verified.timestamp(), NOW);
    assert_eq!(verified.public_key(), &[6; 32]);
    assert_eq!(verified.pcrs().len(), 16);
    assert_eq!(verified.pcrs()[&0], [1; 48]);
    assert_eq!(verified.security_level(), SecurityLevel::Simulated);
    assert_eq!((SecurityLevel::Simulated.number(), SecurityLevel::Nitro.number()), (0, 5));
}

#[test]
fn a_simulated_root_counts_only_where_the_genesis_names_it() {
    let chain = chain();
    let evidence = nitro(chain.document(chain.content()));
    let mainnet = Genesis::of_digest(daas_types::genesis::MAINNET.parse().unwrap());
    let same_digest_without_summary = Genesis::of_digest(devnet(chain.root_key).digest());
    let other_devnet = devnet([0xee; 32]);
    for roots in [
        Roots::aws(),
        Roots::for_genesis(&mainnet),
        Roots::for_genesis(&same_digest_without_summary),
        Roots::for_genesis(&other_devnet),
    ] {
        let refused = verify(&evidence, &roots, &expected(), NOW).unwrap_err();
        let VerifyError::UnknownRoot { got, .. } = &refused else { panic!("{refused}") };
        assert!(got.contains(&hex::encode(chain.root_key)), "{got}");
    }
}

#[test]
fn age_is_bounded_on_both_sides() {
    let chain = chain();
    let evidence = nitro(chain.document(chain.content()));
    let roots = chain.roots();
    let at = |ms: i64, max_age: Duration| {
        let now = UnixMs(NOW.0.checked_add_signed(ms).unwrap());
        verify(&evidence, &roots, &Expected { max_age, ..expected() }, now).map(|_| ())
    };
    let minute = Duration::from_mins(1);
    assert_eq!(at(60_000, minute), Ok(()));
    assert_eq!(at(60_001, minute), Err(VerifyError::TooOld { age: Duration::from_millis(60_001), max: minute }));
    // No caller can accept more than five minutes.
    let hour = Duration::from_hours(1);
    assert_eq!(at(300_000, hour), Ok(()));
    assert_eq!(at(300_001, hour), Err(VerifyError::TooOld { age: Duration::from_millis(300_001), max: MAX_AGE }));
    assert_eq!(at(-60_000, minute), Ok(()));
    assert_eq!(
        at(-60_001, minute),
        Err(VerifyError::FromFuture { ahead: Duration::from_millis(60_001), max: FUTURE_TOLERANCE })
    );
}

#[test]
fn every_measured_pcr_counts_together() {
    let chain = chain();
    let evidence = nitro(chain.document(chain.content()));
    let judge = |measurements: Vec<Pcrs>| {
        verify(&evidence, &chain.roots(), &Expected { measurements, ..expected() }, NOW).map(|_| ())
    };
    let good = measurement(1);
    assert_eq!(judge(vec![good.clone()]), Ok(()));
    let other = [9; 48].to_vec();
    let wrong = [
        vec![],
        vec![Pcrs { pcr0: other.clone(), ..good.clone() }],
        vec![Pcrs { pcr1: other.clone(), ..good.clone() }],
        vec![Pcrs { pcr2: other.clone(), ..good.clone() }],
        // Each PCR is allowed somewhere, but not all three in one image.
        vec![Pcrs { pcr0: other.clone(), ..good.clone() }, Pcrs { pcr1: other, ..good.clone() }],
    ];
    for allowed in wrong {
        let refused = VerifyError::Measurement { allowed: allowed.clone(), got: good.clone() };
        assert_eq!(judge(allowed), Err(refused));
    }
}

#[test]
fn another_nonce_is_refused() {
    let chain = chain();
    let evidence = nitro(chain.document(chain.content()));
    let nonces =
        [bind_nonce(&[7; 32], &[9; 32]), bind_nonce(&[9; 32], &[8; 32]), bind_nonce(&[8; 32], &[7; 32]), [7; 32]];
    for nonce in nonces {
        let refused = verify(&evidence, &chain.roots(), &Expected { nonce, ..expected() }, NOW).unwrap_err();
        let right = hex::encode(expected().nonce);
        assert_eq!(refused, VerifyError::Nonce { expected: hex::encode(nonce), got: right });
    }
}

#[test]
fn every_part_of_the_binding_counts() {
    let chain = chain();
    let evidence = nitro(chain.document(chain.content()));
    let changes: [(&str, Change); 5] = [
        ("genesis", |b| b.genesis = Digest::new([99; 32])),
        ("cluster", |b| b.cluster = Address::new([99; 32]).into()),
        ("package", |b| b.package = Address::new([99; 32]).into()),
        ("config_digest", |b| b.config_digest = [99; 32]),
        ("ca_spki", |b| b.ca_spki = [99; 32]),
    ];
    for (part, change) in changes {
        let mut expected = expected();
        change(&mut expected.binding);
        let refused = verify(&evidence, &chain.roots(), &expected, NOW).unwrap_err();
        let user_data = VerifyError::UserData {
            expected: hex::encode(expected.binding.user_data()),
            got: hex::encode(binding().user_data()),
        };
        assert_eq!(refused, user_data, "{part}");
    }
    let mut expected = expected();
    expected.binding.signing_key = [99; 32];
    let refused = verify(&evidence, &chain.roots(), &expected, NOW).unwrap_err();
    let key = VerifyError::SigningKey { expected: hex::encode([99; 32]), got: hex::encode([6; 32]) };
    assert_eq!(refused, key);
}

#[test]
fn the_signing_key_is_in_the_user_data_too() {
    let chain = chain();
    let mut content = chain.content();
    set(&mut content, "public_key", Value::Bytes(vec![99; 32]));
    let mut expected = expected();
    expected.binding.signing_key = [99; 32];
    let refused = verify(&nitro(chain.document(content)), &chain.roots(), &expected, NOW).unwrap_err();
    assert!(matches!(refused, VerifyError::UserData { .. }), "{refused}");
}

#[test]
fn what_is_not_bound_at_all_is_refused() {
    let chain = chain();
    for (key, name) in [("nonce", "nonce"), ("public_key", "signing key"), ("user_data", "user data")] {
        for absent in [Value::Null, Value::Bytes(vec![])] {
            let mut content = chain.content();
            set(&mut content, key, absent);
            let refused = verify(&nitro(chain.document(content)), &chain.roots(), &expected(), NOW).unwrap_err();
            assert!(refused.to_string().starts_with(&format!("expected {name}")), "{refused}");
        }
    }
}

#[test]
fn user_data_is_the_bcs_of_its_parts() {
    let b = binding();
    let parts = (
        "k3s-daas/v1",
        *b.genesis.inner(),
        b.cluster.0.into_inner(),
        b.package.0.into_inner(),
        b.config_digest,
        b.ca_spki,
        b.signing_key,
    );
    let digest: [u8; 32] = Sha256::digest(bcs::to_bytes(&parts).unwrap()).into();
    assert_eq!(b.user_data(), digest);
    let golden = "11689433754f65cb91f635819a3b48dc275fc46bb172e2732af3792e3596280c";
    assert_eq!(hex::encode(b.user_data()), golden);
    assert_eq!(
        hex::encode(bind_nonce(&[7; 32], &[8; 32])),
        "6411db144be2454340f6e3f6a874df49a60dac56e0a2d52c1374efad4212f8fa"
    );
}

#[test]
fn user_data_is_what_the_contract_computes() {
    let text = include_str!("../../../../contracts/k3s_daas/vectors.json");
    let all: serde_json::Value = serde_json::from_str(text).unwrap();
    let found = all["preimages"].as_array().unwrap().iter().find(|v| v["type"] == "0x0::attestation::Binding");
    let (fields, digest) = (&found.unwrap()["fields"], found.unwrap()["sha256"].as_str().unwrap());
    let part = |key: &str| *fields[key].as_str().unwrap().parse::<Address>().unwrap().inner();
    let binding = Binding {
        genesis: Digest::new(part("genesis")),
        cluster: Address::new(part("cluster")).into(),
        package: Address::new(part("package")).into(),
        config_digest: part("config_digest"),
        ca_spki: part("ca_spki"),
        signing_key: part("signing_key"),
    };
    assert_eq!(hex::encode(binding.user_data()), digest);
}
