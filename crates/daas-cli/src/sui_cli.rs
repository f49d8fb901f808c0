//! The Sui CLI's configuration, as far as it says who signs and which network is meant.

use daas_chain::wallet::{Keystore, Wallet};
use daas_types::{ErrorCode, Problem, WalletAddress};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// `client.yaml` and the keystore it names.
#[derive(Debug)]
pub(crate) struct SuiCli {
    path: PathBuf,
    client: Client,
}

/// `client.yaml`. What is not here is of no concern.
#[derive(Debug, Deserialize)]
struct Client {
    #[serde(default)]
    keystore: Option<KeystoreFile>,
    #[serde(default)]
    envs: Vec<Env>,
    #[serde(default)]
    active_env: Option<String>,
    #[serde(default)]
    active_address: Option<WalletAddress>,
}

#[derive(Debug, Deserialize)]
struct KeystoreFile {
    #[serde(rename = "File")]
    file: PathBuf,
}

/// A network as the Sui CLI knows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Env {
    pub(crate) alias: String,
    pub(crate) rpc: String,
}

// === impl SuiCli ===

impl SuiCli {
    /// The caller's, if there is one: in `$SUI_CONFIG_DIR`, else in `~/.sui/sui_config`.
    pub(crate) fn load() -> Result<Option<Self>, Problem> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("SUI_CONFIG_DIR").or_else(|| set("HOME").map(|home| home.join(".sui/sui_config")));
        match folder {
            Some(folder) => Self::at(&folder),
            None => Ok(None),
        }
    }

    fn at(folder: &Path) -> Result<Option<Self>, Problem> {
        let path = folder.join("client.yaml");
        let bad = |cause: &dyn core::fmt::Display| {
            Problem::new(ErrorCode::ConfigInvalid, format!("{}: {cause}", path.display()))
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(bad(&error)),
        };
        let client = serde_yaml_ng::from_str(&text).map_err(|e| bad(&e))?;
        Ok(Some(Self { path, client }))
    }

    /// Its keys.
    pub(crate) fn keystore(&self) -> Result<Keystore, Problem> {
        let beside = || self.path.with_file_name("sui.keystore");
        let path = self.client.keystore.as_ref().map_or_else(beside, |keystore| keystore.file.clone());
        Ok(Keystore::load(&path)?)
    }

    /// Who signs unless told otherwise.
    pub(crate) fn active_address(&self) -> Option<WalletAddress> {
        self.client.active_address
    }

    /// The active address' key.
    pub(crate) fn active(&self) -> Result<Option<Wallet>, Problem> {
        let Some(address) = self.active_address() else { return Ok(None) };
        Ok(Some(self.keystore()?.find(&address.to_string())?.clone()))
    }

    /// The active network.
    pub(crate) fn active_env(&self) -> Option<&Env> {
        let name = self.client.active_env.as_deref()?;
        self.client.envs.iter().find(|env| env.alias == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use sui_crypto::ed25519::Ed25519PrivateKey;
    use sui_crypto::secp256k1::Secp256k1PrivateKey;
    use sui_crypto::secp256r1::Secp256r1PrivateKey;
    use sui_crypto::simple::SimpleKeypair;

    /// A folder as the Sui CLI leaves it, with a key of each scheme.
    fn folder(client: &str) -> (tempfile::TempDir, [WalletAddress; 3]) {
        let folder = tempfile::tempdir().unwrap();
        let keys: [SimpleKeypair; 3] = [
            Ed25519PrivateKey::new([1; 32]).into(),
            Secp256k1PrivateKey::new([2; 32]).unwrap().into(),
            Secp256r1PrivateKey::new([3; 32]).into(),
        ];
        let texts: Vec<String> = keys.iter().map(SimpleKeypair::to_base64).collect();
        let addresses = keys.map(|key| Wallet::of(key).address());
        let keystore = folder.path().join("sui.keystore");
        std::fs::write(&keystore, serde_json::to_string_pretty(&texts).unwrap()).unwrap();
        std::fs::set_permissions(&keystore, std::fs::Permissions::from_mode(0o600)).unwrap();
        let client =
            client.replace("KEYSTORE", &keystore.display().to_string()).replace("ADDRESS", &addresses[1].to_string());
        std::fs::write(folder.path().join("client.yaml"), client).unwrap();
        (folder, addresses)
    }

    const CLIENT: &str = r#"---
keystore:
  File: KEYSTORE
external_keys: ~
envs:
  - alias: testnet
    rpc: "https://fullnode.testnet.sui.io:443"
    ws: ~
    basic_auth: ~
    chain_id: "4c78adac"
  - alias: mine
    rpc: "http://127.0.0.1:9000"
    ws: ~
    basic_auth: ~
active_env: mine
active_address: "ADDRESS"
"#;

    #[test]
    fn the_active_key_and_network_are_found() {
        let (folder, addresses) = folder(CLIENT);
        let sui = SuiCli::at(folder.path()).unwrap().unwrap();
        assert_eq!(sui.active().unwrap().unwrap().address(), addresses[1]);
        assert_eq!(sui.active_env().map(|env| env.rpc.as_str()), Some("http://127.0.0.1:9000"));
        let keystore = sui.keystore().unwrap();
        assert_eq!(keystore.keys().iter().map(|key| key.wallet.address()).collect::<Vec<_>>(), addresses);
    }

    #[test]
    fn what_is_missing_is_none_and_what_is_wrong_is_named() {
        assert!(SuiCli::at(tempfile::tempdir().unwrap().path()).unwrap().is_none());
        let (fresh, addresses) = folder("envs: []\n");
        let sui = SuiCli::at(fresh.path()).unwrap().unwrap();
        assert!(sui.active().unwrap().is_none() && sui.active_env().is_none());
        assert_eq!(sui.keystore().unwrap().keys()[0].wallet.address(), addresses[0], "the one beside it");
        let (gone, _) = folder(&CLIENT.replace("active_env: mine", "active_env: other"));
        assert!(SuiCli::at(gone.path()).unwrap().unwrap().active_env().is_none());
        for bad in ["envs: 5", "active_address: \"0xzz\"", "keystore: 7", "- a list", "\t"] {
            let (folder, _) = folder(bad);
            let problem = SuiCli::at(folder.path()).unwrap_err();
            assert!(problem.code == ErrorCode::ConfigInvalid && problem.cause.contains("client.yaml"), "{problem}");
        }
    }
}
