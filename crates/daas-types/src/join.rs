//! `join.json`: what a joining machine trusts. Nothing in it is secret; everything in it must come from a person the
//! reader trusts, because it is the root of all later checks.

use crate::genesis::{Genesis, GenesisError};
use crate::{ClusterId, NautilusId, PackageId, RegistryId, RpcUrls};
use serde::{Deserialize, Serialize};
use sui_sdk_types::Digest;

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinFile {
    /// Format version, 1.
    pub version: u8,
    /// Full digest (base58) of the network's genesis checkpoint.
    pub genesis: Digest,
    /// BCS of the genesis checkpoint's summary, base64: what the digest covers, such as the devnet's committee and the
    /// simulated TEE's root. Absent for networks compiled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genesis_summary: Option<String>,
    /// BCS of the validator committee from which every later one is reached, base64. Absent where the genesis names it,
    /// as a devnet's does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committee: Option<String>,
    /// Where the chain is read: one address, or a list of them. None is trusted.
    pub rpc: RpcUrls,
    /// The Move package.
    pub package: PackageId,
    /// The cluster.
    pub cluster: ClusterId,
    /// Its registry.
    pub registry: RegistryId,
    /// Its measurements and masters.
    pub nautilus: NautilusId,
    /// The gateway, `https://host:6443`.
    pub endpoint: String,
    /// The cluster CA, PEM.
    pub ca: String,
    /// How nodes join. Left out where it is as it always was, so that a program which does not know the other way refuses the file
    /// and not, once it has staked, the cluster.
    #[serde(default, skip_serializing_if = "Joining::is_usual")]
    pub engine: Joining,
}

/// How a cluster's nodes join, by the engine of its control plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Joining {
    /// The worker registers a kubelet.
    #[default]
    Kubernetes,
    /// By K3s' own protocol: the worker runs `k3s agent`.
    K3s,
}

/// Why a join file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinFileError {
    /// Not the format.
    #[error("not a join file: {0}")]
    Format(String),
    /// A version this program does not know.
    #[error("join file version {0}; this program knows 1")]
    Version(u8),
    /// Its genesis does not hold together.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
}

// === impl Joining ===

impl Joining {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "so serde calls it")]
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

// === impl JoinFile ===

impl JoinFile {
    /// Parses and checks the file.
    pub fn parse(json: &str) -> Result<Self, JoinFileError> {
        let file: Self = serde_json::from_str(json).map_err(|e| JoinFileError::Format(e.to_string()))?;
        if file.version != 1 {
            return Err(JoinFileError::Version(file.version));
        }
        file.anchor()?;
        Ok(file)
    }

    /// The network's trust anchor.
    pub fn anchor(&self) -> Result<Genesis, JoinFileError> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let decode = |text: &String| STANDARD.decode(text).map_err(|e| JoinFileError::Format(e.to_string()));
        let genesis = match &self.genesis_summary {
            Some(summary) => Genesis::pinned(self.genesis, &decode(summary)?)?,
            None => Genesis::of_digest(self.genesis),
        };
        let Some(committee) = &self.committee else {
            return Ok(genesis);
        };
        let committee = bcs::from_bytes(&decode(committee)?);
        let committee = committee.map_err(|e| JoinFileError::Format(format!("committee: {e}")))?;
        Ok(genesis.with_committee(committee)?)
    }
}

/// `pins.json`: what a master is pinned to before its own CA exists. A [`JoinFile`] is this plus endpoint and CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainPins {
    /// Format version, 1.
    pub version: u8,
    /// As in the join file.
    pub genesis: Digest,
    /// As in the join file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genesis_summary: Option<String>,
    /// As in the join file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committee: Option<String>,
    /// As in the join file.
    pub rpc: RpcUrls,
    /// As in the join file.
    pub package: PackageId,
    /// As in the join file.
    pub cluster: ClusterId,
    /// As in the join file.
    pub registry: RegistryId,
    /// As in the join file.
    pub nautilus: NautilusId,
}

// === impl ChainPins ===

impl ChainPins {
    /// The join file of a cluster whose gateway is at `endpoint` with this CA (PEM), and whose nodes join as usual.
    pub fn into_join_file(self, endpoint: String, ca: String) -> JoinFile {
        let Self { version, genesis, genesis_summary, committee, rpc, package, cluster, registry, nautilus } = self;
        JoinFile {
            version,
            genesis,
            genesis_summary,
            committee,
            rpc,
            package,
            cluster,
            registry,
            nautilus,
            endpoint,
            ca,
            engine: Joining::default(),
        }
    }

    /// The network's trust anchor.
    pub fn anchor(&self) -> Result<Genesis, JoinFileError> {
        self.clone().into_join_file(String::new(), String::new()).anchor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;

    #[test]
    fn a_file_says_how_nodes_join_only_where_it_is_not_as_usual() {
        let id = |n: u8| Address::new([n; 32]);
        let usual = ChainPins {
            version: 1,
            genesis: Digest::ZERO,
            genesis_summary: None,
            committee: None,
            rpc: "http://127.0.0.1:9000".parse().unwrap(),
            package: id(1).into(),
            cluster: id(2).into(),
            registry: id(3).into(),
            nautilus: id(4).into(),
        };
        let usual = usual.into_join_file("https://127.0.0.1:6443".to_owned(), String::new());
        let text = serde_json::to_string(&usual).unwrap();
        assert!(!text.contains("engine"), "who knows nothing of it reads it as before: {text}");
        assert_eq!(JoinFile::parse(&text).unwrap().engine, Joining::Kubernetes);
        let k3s = JoinFile { engine: Joining::K3s, ..usual };
        let text = serde_json::to_string(&k3s).unwrap();
        assert!(text.contains(r#""engine":"k3s""#), "{text}");
        assert_eq!(JoinFile::parse(&text).unwrap(), k3s);
        assert!(JoinFile::parse(&text.replace("k3s", "k0s")).is_err(), "what is not known is not guessed");
    }
}
