use super::{Ops, TxError};
use crate::client::{ChainClient, ChainError};
use core::time::Duration;
use daas_types::{Mist, WalletAddress};
use sui_rpc::faucet::FaucetClient;

const DEADLINE: Duration = Duration::from_secs(15);

/// Asks the faucet at `url` for coins, and waits until they can be spent. Answers how much came.
pub async fn faucet(client: &ChainClient, url: &str, to: WalletAddress) -> Result<Mist, TxError> {
    const CALL: &str = "faucet";
    let unreachable = |cause: String| ChainError::Unreachable { call: CALL, cause };
    let faucet = FaucetClient::new(url).map_err(|e| unreachable(e.to_string()))?;
    let answer = tokio::time::timeout(DEADLINE, faucet.request(to.0)).await;
    let coins = answer
        .map_err(|_| unreachable(format!("no answer within {} s", DEADLINE.as_secs())))?
        .map_err(|e| unreachable(e.to_string()))?;
    let mut sum = Mist(0);
    for coin in coins {
        Ops::await_checkpoint(client, coin.transfer_tx_digest).await?;
        sum = sum.saturating_add(Mist(coin.amount));
    }
    Ok(sum)
}
