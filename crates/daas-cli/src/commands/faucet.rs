use crate::chain::wallet_or_new;
use crate::cli::FaucetArgs;
use crate::cli::send::SendFlags;
use crate::context::Context;
use crate::output::done;
use crate::supervise::report::Report;
use daas_chain::ops::faucet;
use daas_client::ClusterInfo;
use daas_types::{ErrorCode, Problem};
use serde_json::json;

/// The devnet's usual port.
const PORT: u16 = 9123;

pub(crate) async fn run(context: &Context, args: &FaucetArgs) -> Result<(), Problem> {
    let cluster = context.cluster()?;
    if cluster.genesis.devnet().is_none() {
        return Err(Problem::new(ErrorCode::ChainForeign, "only a development network gives SUI away"));
    }
    let wallet = wallet_or_new(context, &SendFlags::default())?;
    let url = match &args.url {
        Some(url) => url.clone(),
        None => own(context, &cluster.join.rpc).map_or_else(|| beside(&cluster.join.rpc), Ok)?,
    };
    let client = cluster.chain().await?;
    let came = faucet(&client, &url, wallet.address()).await?;
    let balance = client.balance(wallet.address()).await?;
    let text = done(format!("{came} SUI came; {} has {balance}", wallet.address()));
    let value = json!({ "address": wallet.address(), "received": came.to_string(), "balance": balance.to_string() });
    context.output.result(text, &value);
    Ok(())
}

/// The faucet of the network that this machine runs, if it is the cluster's.
fn own(context: &Context, rpc: &str) -> Option<String> {
    let report = Report::read(&context.state.status()).ok()??;
    let here = ClusterInfo::load(&context.state.join()).ok()?;
    (here.join.rpc == rpc && !report.faucet.is_empty()).then_some(report.faucet)
}

/// The faucet of the host that serves the chain.
fn beside(rpc: &str) -> Result<String, Problem> {
    let parsed = rpc.parse::<http::Uri>().ok();
    let host = parsed.as_ref().and_then(http::Uri::host);
    let host = host.ok_or_else(|| Problem::new(ErrorCode::ClusterFileBad, format!("rpc {rpc}: not a URL")))?;
    Ok(format!("http://{host}:{PORT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faucet_is_beside_the_chain() {
        assert_eq!(beside("http://10.0.0.1:9000").unwrap(), "http://10.0.0.1:9123");
        assert_eq!(beside("http://[::1]:9000/").unwrap(), "http://[::1]:9123");
        assert_eq!(beside("").unwrap_err().code, ErrorCode::ClusterFileBad);
    }
}
