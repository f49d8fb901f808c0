//! What K3s' server and its agents prove themselves with to each other. Made once, in files that only this user reads; K3s is
//! told the files.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::control_plane::ControlPlaneError;
use crate::files::{self, FileError};

/// Bytes of chance in a token.
const BYTES: usize = 32;

/// The two files.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    /// Opens everything; nobody but K3s' own servers is shown it.
    pub(super) server: PathBuf,
    /// Opens what agents may. The gateway shows it in place of a Seal.
    pub(super) agent: PathBuf,
}

// === impl Tokens ===

impl Tokens {
    /// Those below this folder, made if they are not there. K3s seals what it keeps in its datastore with the server's, so that
    /// one is not made anew where there is a datastore.
    pub(super) fn load_or_create(folder: &Path, datastore: &Path) -> Result<Self, ControlPlaneError> {
        files::make_folder(folder)?;
        let tokens = Self { server: folder.join("server-token"), agent: folder.join("agent-token") };
        let bad = || ControlPlaneError::Tokens { folder: folder.to_owned() };
        if datastore.exists() && !tokens.server.exists() {
            return Err(bad());
        }
        for path in [&tokens.server, &tokens.agent] {
            if !path.exists() {
                files::write_private(path, make()?.as_bytes())?;
            }
        }
        let (server, agent) = (read(&tokens.server)?, read(&tokens.agent)?);
        // With one for both, whoever has the agents' token is an administrator. And K3s takes an empty one for none.
        match [&server, &agent].into_iter().find(|token| token.is_empty()) {
            None if *server != *agent => Ok(tokens),
            _ => Err(bad()),
        }
    }

    /// A line of a request's head by which K3s takes it for an agent's.
    pub(super) fn authorization(&self) -> Result<Zeroizing<String>, FileError> {
        let user = Zeroizing::new(format!("node:{}", read(&self.agent)?.as_str()));
        Ok(Zeroizing::new(format!("Authorization: Basic {}\r\n", Zeroizing::new(STANDARD.encode(&*user)).as_str())))
    }
}

fn make() -> Result<Zeroizing<String>, ControlPlaneError> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random.fill(bytes.as_mut_slice()).map_err(|_| ControlPlaneError::Random)?;
    Ok(Zeroizing::new(hex::encode(bytes.as_slice())))
}

fn read(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let text = Zeroizing::new(files::read_text(path)?);
    Ok(Zeroizing::new(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn load(folder: &Path) -> Result<Tokens, ControlPlaneError> {
        Tokens::load_or_create(folder, &folder.join("no-datastore"))
    }

    #[test]
    fn an_agents_token_is_never_the_servers() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = load(folder.path()).unwrap();
        let both = || [&tokens.server, &tokens.agent].map(|path| fs::read_to_string(path).unwrap());
        let first = both();
        assert_ne!(first[0], first[1]);
        for (path, token) in [&tokens.server, &tokens.agent].into_iter().zip(&first) {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
            // Not `id.secret`, which K3s takes for a bootstrap token.
            assert!(token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit()));
        }
        load(folder.path()).unwrap();
        assert_eq!(both(), first, "made once");
        for bad in [first[0].as_str(), &format!("{}\n", first[0]), "", "\n"] {
            fs::write(&tokens.agent, bad).unwrap();
            let error = load(folder.path()).unwrap_err();
            assert!(matches!(error, ControlPlaneError::Tokens { .. }), "{bad:?}: {error}");
        }
        // One that is lost is made anew for agents, and for a server that has kept nothing yet.
        fs::remove_file(&tokens.agent).unwrap();
        load(folder.path()).unwrap();
        assert_ne!(both()[1], first[1]);
        fs::remove_file(&tokens.server).unwrap();
        let error = Tokens::load_or_create(folder.path(), folder.path()).unwrap_err();
        assert!(matches!(error, ControlPlaneError::Tokens { .. }) && !tokens.server.exists(), "{error}");
        load(folder.path()).unwrap();
    }

    #[test]
    fn a_token_is_shown_as_agents_show_it() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = load(folder.path()).unwrap();
        fs::write(&tokens.agent, "secret:of.agents\n").unwrap();
        let line = tokens.authorization().unwrap();
        assert_eq!(*line, "Authorization: Basic bm9kZTpzZWNyZXQ6b2YuYWdlbnRz\r\n");
    }
}
