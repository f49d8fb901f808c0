//! The gateway and a stand-in API server, each as a process of its own, for benchmarks that measure what a process costs.

pub(crate) mod gateway;
pub(crate) mod material;

use daas_testkit::bench::process::{self, Process};
use daas_testkit::bench::stub;
use daas_testkit::pki::Leaf;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;

/// To be called first in `main`: whether this process was started to be one of the roles, which it then was.
pub(crate) fn was_role() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["gateway", folder, upstream] => gateway::run(Path::new(folder), upstream, gateway::for_people),
        ["stub", folder] => run_stub(Path::new(folder)),
        _ => return false,
    }
    true
}

/// Starts the stand-in and the gateway before it.
pub(crate) fn start(folder: &Path) -> (Process, Process) {
    let folder = folder.to_str().unwrap();
    let stub = Process::role("stub", &[folder]);
    let gateway = Process::role("gateway", &[folder, stub.hello("addr")]);
    (stub, gateway)
}

fn run_stub(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        process::hello(&serde_json::json!({ "addr": listener.local_addr().unwrap().to_string() }));
        let chain = vec![CertificateDer::from_pem_file(folder.join("api.crt")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(folder.join("api.key")).unwrap();
        tokio::select! {
            () = stub::serve(listener, Leaf { chain, key }) => {}
            () = process::abandoned() => {}
        }
    });
}
