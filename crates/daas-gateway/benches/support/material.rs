//! What the processes of a benchmark share on disk: certificates of one run.

use crate::support::gateway::API_SERVER;
use daas_testkit::bench::process::put;
use daas_testkit::pki::Ca;
use rustls::RootCertStore;
use std::path::Path;
use std::sync::Arc;

/// Writes `ca.crt`; `server`, `api` and `front` as `.crt` and `.key`, `server.pem` with both. Returns whom to trust.
pub(crate) fn material(folder: &Path) -> Arc<RootCertStore> {
    let (ca, front) = (Ca::new("cluster"), Ca::new("request-header"));
    put(folder, "ca.crt", &ca.pem());
    let leaves = [
        ("server", ca.server(&["localhost", "127.0.0.1"])),
        ("api", ca.server(&[API_SERVER, "localhost", "127.0.0.1"])),
        ("front", front.client("daas:gateway")),
    ];
    for (name, leaf) in leaves {
        let (chain, key) = leaf.pem();
        put(folder, &format!("{name}.crt"), &chain);
        put(folder, &format!("{name}.key"), &key);
        put(folder, &format!("{name}.pem"), &(chain + &key));
    }
    ca.roots()
}
