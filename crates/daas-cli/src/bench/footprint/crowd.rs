//! Many stakers, of whom the index has to know.

use crate::chain::{Staker, wallet_at};
use crate::minting::{self, Missing};
use crate::stage::Stage;
use crate::supervise::report::Report;
use anyhow::{Context as _, bail};
use daas_chain::ops::faucet;
use daas_chain::wallet::Wallet;
use daas_client::{ClusterInfo, SealFile};
use daas_types::{Mist, Permissions};
use tokio::task::JoinSet;

/// They stake beside each other: one wallet's transactions wait for one another.
const WALLETS: u32 = 8;
/// What makes a viewer.
const STAKE: Mist = Mist(500_000_000);

/// Makes that many positions.
pub(super) async fn stake(stage: &Stage, positions: u32) -> anyhow::Result<()> {
    let info = ClusterInfo::load(&stage.state.join())?;
    let url = Report::read(&stage.state.status())?.context("`up` left no status")?.faucet;
    let mut staking = JoinSet::new();
    for number in 0..WALLETS {
        let share = positions / WALLETS + u32::from(number < positions % WALLETS);
        let wallet = wallet_at(&stage.state.path().join(format!("people/crowd-{number}/wallet.key")))?;
        staking.spawn(share_of(info.clone(), url.clone(), wallet, share));
    }
    while let Some(done) = staking.join_next().await {
        done??;
    }
    Ok(())
}

async fn share_of(info: ClusterInfo, url: String, wallet: Wallet, share: u32) -> anyhow::Result<()> {
    let staker = Staker::new(&info, wallet).await?;
    faucet(staker.ops.client(), &url, staker.ops.sender()).await?;
    for _ in 0..share {
        let seal = SealFile::prepare(&info.join, staker.ops.sender(), Permissions::USER, None)?;
        match minting::missing(&staker, &seal, STAKE).await? {
            Missing::Call(call) => drop((*call).await?),
            Missing::Nothing(_) => bail!("a new position was there already"),
        }
    }
    Ok(())
}
