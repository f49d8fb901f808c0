//! K3s with this cluster's own authorities: it makes none if they lie in its data folder before its first start. So they are
//! known, bound and published before it runs, and whoever keeps the cluster's keys keeps these too.

use std::fs;
use std::path::Path;

use crate::control_plane::ControlPlaneError;
use crate::files::{self, FileError};
use crate::pki::Pki;

const SERVICE_KEY: &str = "service.key";
/// Ours, below the folder of keys, and K3s', below `server/tls`. Certificates last: with one of them K3s takes its key as given.
const FILES: [(&str, &str); 7] = [
    ("service-account.key", SERVICE_KEY),
    ("server-ca.key", "server-ca.key"),
    ("client-ca.key", "client-ca.key"),
    ("request-header-ca.key", "request-header-ca.key"),
    ("server-ca.crt", "server-ca.crt"),
    ("client-ca.crt", "client-ca.crt"),
    ("request-header-ca.crt", "request-header-ca.crt"),
];

/// Puts them where K3s looks. One that is there and differs is never replaced: nodes have joined by it.
pub(super) fn place(pki: &Pki, data_dir: &Path) -> Result<(), ControlPlaneError> {
    let folder = data_dir.join("server/tls");
    files::make_folder(&folder)?;
    for (ours, theirs) in FILES {
        let (from, to) = (pki.folder().join(ours), folder.join(theirs));
        let mut wanted = fs::read(&from).map_err(FileError::of("read", &from))?;
        if theirs == SERVICE_KEY {
            // The API server looks for public keys in it, and derives none from a private key in PKCS #8.
            wanted.extend_from_slice(pki.service_account_public_key_pem().as_bytes());
        }
        match fs::read(&to) {
            Ok(there) if there == wanted => {}
            Ok(_) => return Err(ControlPlaneError::Authority { path: to }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => files::write_private(&to, wanted)?,
            Err(error) => return Err(FileError::of("read", &to)(error).into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn they_are_placed_once_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let names = crate::pki::PkiNames {
            gateway_sans: vec![],
            service_ip: [10, 43, 0, 1].into(),
            domain: "cluster.local".to_owned(),
        };
        let now = UNIX_EPOCH + Duration::from_hours(500_000);
        let pki = Pki::load_or_create(&folder.path().join("a"), &names, now).unwrap();
        let data = folder.path().join("k3s");
        for _ in 0..2 {
            place(&pki, &data).unwrap();
        }
        let of = |name: &str| data.join("server/tls").join(name);
        assert_eq!(fs::read_to_string(of("server-ca.crt")).unwrap(), pki.server_ca_pem());
        let keys = fs::read_to_string(of(SERVICE_KEY)).unwrap();
        let blocks: Vec<_> = keys.lines().filter(|line| line.starts_with("-----BEGIN")).collect();
        assert_eq!(blocks, ["-----BEGIN PRIVATE KEY-----", "-----BEGIN PUBLIC KEY-----"]);
        for (_, name) in FILES {
            assert_eq!(fs::metadata(of(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
        let other = Pki::load_or_create(&folder.path().join("b"), &names, now).unwrap();
        for (_, name) in FILES {
            fs::remove_file(of(name)).unwrap();
            let error = place(&other, &data).unwrap_err();
            assert!(matches!(error, ControlPlaneError::Authority { .. }), "{name}: {error}");
            fs::remove_file(of(name)).ok();
            place(&pki, &data).unwrap();
        }
    }
}
