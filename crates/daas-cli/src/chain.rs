//! What every command about stake does with the chain.

use crate::cli::send::SendFlags;
use crate::context::Context;
use crate::place;
use daas_chain::client::ChainClient;
use daas_chain::index::IndexIds;
use daas_chain::ops::Ops;
use daas_chain::wallet::Wallet;
use daas_client::ClusterInfo;
use daas_types::onchain::{Policy, PositionState};
use daas_types::{ErrorCode, PositionId, Problem};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// A wallet on the cluster's chain.
pub(crate) struct Staker {
    pub(crate) ids: IndexIds,
    pub(crate) ops: Ops,
    pub(crate) policy: Policy,
}

// === impl Staker ===

impl Staker {
    /// With the caller's wallet, which must be there.
    pub(crate) async fn existing(context: &Context, cluster: &ClusterInfo, send: &SendFlags) -> Result<Self, Problem> {
        Self::new(cluster, place::sender(context, send)?).await
    }

    pub(crate) async fn new(cluster: &ClusterInfo, wallet: Wallet) -> Result<Self, Problem> {
        Self::on(cluster.chain().await?, cluster.ids(), wallet).await
    }

    pub(crate) async fn on(client: ChainClient, ids: IndexIds, wallet: Wallet) -> Result<Self, Problem> {
        let policy = client.cluster(&ids).await?.policy;
        Ok(Self { ids, ops: Ops::new(client, wallet), policy })
    }

    /// A position as it is now.
    pub(crate) async fn position(&self, position: PositionId) -> Result<PositionState, Problem> {
        let found = self.ops.client().position(&self.ids, position).await?;
        found.ok_or_else(|| Problem::new(ErrorCode::NotStaked, format!("there is no position {position}")))
    }
}

/// Who stakes: the key that was named, else the caller's wallet, made if there is none; then it says where.
pub(crate) fn wallet_or_new(context: &Context, send: &SendFlags) -> Result<Wallet, Problem> {
    if context.from().is_some() {
        return place::sender(context, send);
    }
    let path = context.wallet_path()?;
    let known = path.exists();
    let wallet = wallet_at(&path)?;
    if !known {
        context.output.note(format!("made a wallet: {} (0600), address {}", path.display(), wallet.address()));
    }
    Ok(wallet)
}

/// The wallet of a file, made with its folder if there is none.
pub(crate) fn wallet_at(path: &Path) -> Result<Wallet, Problem> {
    make_folder(path)?;
    Ok(Wallet::load_or_create(path)?)
}

/// Makes the folder of a wallet's file.
pub(crate) fn make_folder(path: &Path) -> Result<(), Problem> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|e| Problem::new(ErrorCode::StateUnreadable, format!("{}: {e}", folder.display())))
}
