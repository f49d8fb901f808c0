//! The gateway before K3s, with nodes' Seals on chain and no limit but those that every gateway has.

use crate::support::gateway::{Setup, leaf};
use bytes::Bytes;
use daas_gateway::{AgentToken, K3sConfig, Limits, k3s_server_config};
use daas_testkit::bench::process::{open_files, put};
use daas_testkit::chain::{Chain, Staker};
use daas_testkit::k3s::{AGENT_TOKEN, Authorities};
use daas_testkit::pki::Leaf;
use daas_types::Permissions;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::path::Path;

/// Nodes with a Seal on chain.
pub(crate) const NODES: u16 = 1_200;

/// The one of that number, from 1 on.
pub(crate) fn node(n: u16) -> Staker {
    Staker::of_many(n, "5", Permissions::NODE)
}

/// Writes what the gateway needs: `server` and `front` as `.crt` and `.key`, and K3s' CAs as `ca.crt` and `client-ca.crt`.
pub(crate) fn material(folder: &Path, authorities: &Authorities) {
    let Authorities { server, client, request_header } = authorities;
    put(folder, "ca.crt", &server.pem());
    put(folder, "client-ca.crt", &client.pem());
    let own: [(&str, Leaf); 2] =
        [("server", server.server(&["localhost", "127.0.0.1"])), ("front", request_header.client("daas:gateway"))];
    for (name, leaf) in own {
        let (chain, key) = leaf.pem();
        put(folder, &format!("{name}.crt"), &chain);
        put(folder, &format!("{name}.key"), &key);
    }
}

/// A gateway for nodes.
pub(crate) fn for_nodes(folder: &Path) -> Setup {
    let chain = Chain::new();
    for n in 1..=NODES {
        chain.put(&mut node(n), |_| ());
    }
    let client_ca = vec![CertificateDer::from_pem_file(folder.join("client-ca.crt")).unwrap()];
    let (certificates, key) = leaf(folder, "server");
    let tls = k3s_server_config(certificates, key, &client_ca).unwrap();
    let k3s = K3sConfig {
        agent_token: AgentToken::parse(AGENT_TOKEN).unwrap(),
        server_ca: Bytes::from(std::fs::read(folder.join("ca.crt")).unwrap()),
        client_ca,
        keys: folder.join("keys.json"),
        server: None,
        own_names: vec!["the-gateway".to_owned()],
        own_addresses: vec!["10.43.0.1".parse().unwrap()],
    };
    // As a master has them.
    let threads = std::thread::available_parallelism().unwrap().get();
    let limits = Limits { threads, ..Limits::default() }.within(open_files());
    Setup { chain, limits, tls, k3s: Some(k3s) }
}
