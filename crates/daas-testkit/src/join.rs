//! A cluster's trust anchor that leads nowhere, for whatever needs one and does not follow it.

use daas_types::join::{JoinFile, Joining};
use daas_types::{Address, Digest};

/// Objects 0x01…, 0x02… and so on; nothing listens where it points.
pub fn file() -> JoinFile {
    let id = |n: u8| Address::new([n; 32]);
    JoinFile {
        version: 1,
        genesis: Digest::ZERO,
        genesis_summary: None,
        committee: None,
        rpc: "http://127.0.0.1:9000".parse().unwrap(),
        package: id(1).into(),
        cluster: id(2).into(),
        registry: id(3).into(),
        nautilus: id(4).into(),
        endpoint: "https://127.0.0.1:6443".into(),
        ca: String::new(),
        engine: Joining::Kubernetes,
    }
}
