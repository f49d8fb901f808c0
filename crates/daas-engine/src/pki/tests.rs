use std::os::unix::fs::PermissionsExt;

use rcgen::PublicKeyData as _;
use x509_parser::prelude::*;

use super::*;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(500_000)
}

fn names() -> PkiNames {
    PkiNames {
        gateway_sans: vec!["192.0.2.7".to_owned(), "daas.example".to_owned()],
        service_ip: Ipv4Addr::new(10, 43, 0, 1),
        domain: "cluster.local".to_owned(),
    }
}

fn made() -> (tempfile::TempDir, Pki) {
    let state = tempfile::tempdir().unwrap();
    let pki = Pki::load_or_create(state.path(), &names(), now()).unwrap();
    (state, pki)
}

fn with_cert<R>(pem: &str, read: impl FnOnce(&X509Certificate<'_>) -> R) -> R {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).unwrap();
    read(&pem.parse_x509().unwrap())
}

fn signed_by(leaf: &str, ca: &str) -> bool {
    with_cert(ca, |ca| with_cert(leaf, |leaf| leaf.verify_signature(Some(ca.public_key())).is_ok()))
}

fn read(pki: &Pki, name: &str) -> String {
    std::fs::read_to_string(pki.files(name).cert).unwrap()
}

#[test]
fn each_certificate_comes_from_its_own_authority() {
    let (_state, pki) = made();
    let request_header_ca = read(&pki, "request-header-ca");
    let expected = [
        ("gateway", request_header_ca.as_str(), "CN=daas:gateway"),
        ("aggregator", &request_header_ca, "CN=daas:aggregator"),
        ("kubelet-client", pki.kubelet_client_ca_pem(), "CN=daas:kubelet-client"),
        ("controller", pki.client_ca.pem(), "O=system:masters, CN=daas:controller"),
        ("kcm", pki.client_ca.pem(), "CN=system:kube-controller-manager"),
        ("scheduler", pki.client_ca.pem(), "CN=system:kube-scheduler"),
        ("loopback-serving", pki.server_ca_pem(), "CN=kube-apiserver"),
        ("gateway-serving", pki.server_ca_pem(), "CN=daas:gateway"),
    ];
    for (name, ca, subject) in expected {
        let leaf = read(&pki, name);
        assert!(signed_by(&leaf, ca), "{name} is not signed by its authority");
        assert_eq!(with_cert(&leaf, |c| c.subject().to_string()), subject);
        assert!(with_cert(&leaf, |c| !c.is_ca()), "{name} may sign");
    }
    assert!(!signed_by(&read(&pki, "gateway"), pki.client_ca.pem()));
    assert!(!signed_by(&read(&pki, "kubelet-client"), pki.client_ca.pem()));
}

#[test]
fn the_gateway_certificate_names_every_way_to_reach_it() {
    let (_state, pki) = made();
    let names = with_cert(&read(&pki, "gateway-serving"), |c| {
        let sans = c.subject_alternative_name().unwrap().unwrap();
        sans.value.general_names.iter().map(ToString::to_string).collect::<Vec<_>>()
    });
    let all = names.join(" ");
    for expected in ["localhost", "kubernetes.default.svc.cluster.local", "daas.example"] {
        assert!(all.contains(expected), "{expected} is not in {all}");
    }
    let count = names.iter().filter(|n| n.starts_with("IPAddress")).count();
    assert_eq!(count, 3, "127.0.0.1, the service address and the given one: {all}");
}

#[test]
fn authorities_survive_and_leaves_do_not() {
    let (state, first) = made();
    let old_leaf = read(&first, "gateway");
    let second = Pki::load_or_create(state.path(), &names(), now()).unwrap();
    assert_eq!(first.server_ca_spki_sha256(), second.server_ca_spki_sha256());
    assert_eq!(first.server_ca_pem(), second.server_ca_pem());
    assert_eq!(first.service_account_public_key_pem(), second.service_account_public_key_pem());
    assert_ne!(old_leaf, read(&second, "gateway"));
    assert!(signed_by(&read(&second, "gateway-serving"), first.server_ca_pem()));
}

#[test]
fn every_file_is_private() {
    let (state, _pki) = made();
    for entry in std::fs::read_dir(state.path().join("pki")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn a_swapped_authority_key_is_refused() {
    let (state, _pki) = made();
    let folder = state.path().join("pki");
    std::fs::copy(folder.join("client-ca.key"), folder.join("server-ca.key")).unwrap();
    let error = Pki::load_or_create(state.path(), &names(), now()).unwrap_err();
    assert!(matches!(&error, PkiError::Damaged { reason, .. } if reason.contains("another key")), "{error}");
}

fn request(name: &str) -> (rcgen::KeyPair, Vec<u8>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let der = params.serialize_request(&key).unwrap().der().to_vec();
    (key, der)
}

#[test]
fn of_a_kubelet_request_only_the_key_counts() {
    let (_state, pki) = made();
    let (key, der) = request("system:node:victim");
    let ip = IpAddr::from([192, 0, 2, 9]);
    let pem = pki.issue_kubelet_serving(&der, "worker-001", ip, now()).unwrap();
    assert!(signed_by(&pem, pki.kubelet_serving_ca_pem()));
    assert!(!signed_by(&pem, pki.server_ca_pem()), "the CA that clients pin signs no node's certificate");
    with_cert(&pem, |cert| {
        assert_eq!(cert.subject().to_string(), "O=system:nodes, CN=system:node:worker-001");
        let sans = cert.subject_alternative_name().unwrap().unwrap().value.general_names.clone();
        assert_eq!(sans, [GeneralName::IPAddress(&[192, 0, 2, 9]), GeneralName::DNSName("worker-001")]);
        let usage = cert.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && !usage.client_auth);
        assert_eq!(cert.public_key().raw, key.subject_public_key_info());
    });
}

#[test]
fn a_request_that_its_key_did_not_sign_is_refused() {
    let (_state, pki) = made();
    let (_key, mut der) = request("worker-001");
    let last = der.len() - 1;
    der[last] ^= 1;
    let ip = IpAddr::from([192, 0, 2, 9]);
    assert!(matches!(pki.issue_kubelet_serving(&der, "worker-001", ip, now()), Err(PkiError::Request(_))));
    assert!(matches!(pki.issue_kubelet_serving(b"junk", "worker-001", ip, now()), Err(PkiError::Request(_))));
}
