use crate::Masters;
use daas_chain::client::ChainClient;
use daas_chain::clock;
use daas_chain::index::IndexIds;
use daas_types::genesis::Genesis;
use daas_types::join::JoinFile;
use daas_types::{ErrorCode, Problem};
use std::path::Path;

/// A cluster as a join file pins it.
#[derive(Clone, Debug)]
pub struct ClusterInfo {
    /// The file.
    pub join: JoinFile,
    /// Its network's trust anchor.
    pub genesis: Genesis,
}

// === impl ClusterInfo ===

impl ClusterInfo {
    /// Reads and checks a join file.
    pub fn load(path: &Path) -> Result<Self, Problem> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let code = match error.kind() {
                std::io::ErrorKind::NotFound => ErrorCode::ClusterFileMissing,
                _ => ErrorCode::ClusterFileBad,
            };
            Problem::new(code, format!("{}: {error}", path.display()))
        })?;
        Self::parse(&text).map_err(|p| Problem::new(p.code, format!("{}: {}", path.display(), p.cause)))
    }

    /// Checks a join file's content.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let join = JoinFile::parse(text).map_err(Problem::of(ErrorCode::ClusterFileBad))?;
        let genesis = join.anchor().map_err(Problem::of(ErrorCode::ClusterFileBad))?;
        Ok(Self { join, genesis })
    }

    /// Its objects on chain.
    pub fn ids(&self) -> IndexIds {
        let JoinFile { package, cluster, registry, nautilus, .. } = self.join;
        IndexIds { package, cluster, registry, nautilus }
    }

    /// A client of its chain, through all of the file's endpoints, that has checked the network's genesis.
    pub async fn chain(&self) -> Result<ChainClient, Problem> {
        let rpc = &self.join.rpc;
        if self.genesis.devnet().is_none() && rpc.count() < 2 {
            tracing::warn!(%rpc, "one endpoint cannot prove that what it says is the newest: name a second one in `rpc`");
        }
        Ok(ChainClient::connect_any(rpc.iter(), &self.genesis).await?)
    }

    /// Whether its masters can be known at all. That what is on chain is the newest, an endpoint cannot prove; it might keep
    /// a revocation to itself for as long as the last heartbeat counts. So a devnet's only.
    pub fn check_masters(&self) -> Result<(), Problem> {
        if self.genesis.devnet().is_some() {
            return Ok(());
        }
        let cause = format!("one endpoint cannot prove what is newest on network {}", self.genesis.digest());
        Err(Problem::new(ErrorCode::MasterUnverified, cause))
    }

    /// The cluster's masters on chain, proven to be in a checkpoint.
    pub async fn masters(&self) -> Result<Masters, Problem> {
        self.check_masters()?;
        let (chain, ids) = (self.chain().await?, self.ids());
        let at = clock::now();
        Ok(Masters { nautilus: chain.nautilus(&ids).await?, policy: chain.cluster(&ids).await?.policy, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_types::Digest;

    #[tokio::test]
    async fn where_nobody_can_say_what_is_newest_there_are_no_masters() {
        let info = ClusterInfo { join: daas_testkit::join::file(), genesis: Genesis::of_digest(Digest::ZERO) };
        assert_eq!(info.check_masters().unwrap_err().code, ErrorCode::MasterUnverified);
        assert_eq!(info.masters().await.unwrap_err().code, ErrorCode::MasterUnverified, "nothing is asked");
    }
}
