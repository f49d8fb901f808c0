use crate::chain::wallet_or_new;
use crate::cli::FaucetArgs;
use crate::cli::send::SendFlags;
use crate::context::Context;
use crate::output::done;
use crate::place::Place;
use crate::supervise::report::Report;
use daas_chain::client::ChainError;
use daas_chain::ops::{TxError, faucet};
use daas_client::ClusterInfo;
use daas_types::{ErrorCode, Problem};
use serde_json::json;

/// The devnet's usual port.
const PORT: u16 = 9123;

pub(crate) async fn run(context: &Context, args: &FaucetArgs) -> Result<(), Problem> {
    let place = Place::find(context, &args.place).await?;
    if place.client.genesis().devnet().is_none() {
        return Err(Problem::new(ErrorCode::ChainForeign, "only a development network gives SUI away"));
    }
    let to = wallet_or_new(context, &SendFlags::for_the_address())?.address();
    let url = match &args.url {
        Some(url) => url.clone(),
        None => own(context, place.client.url()).map_or_else(|| beside(place.client.url()), Ok)?,
    };
    let came = faucet(&place.client, &url, to).await.map_err(|error| match error {
        TxError::Chain(error @ ChainError::Unreachable { .. }) => {
            Problem::new(ErrorCode::FaucetUnreachable, format!("{url}: {error}"))
        }
        other => other.into(),
    })?;
    let balance = place.client.balance(to).await?;
    let value = json!({
        "address": to, "received": came.to_string(), "received_mist": came.0, "balance": balance.to_string(),
        "balance_mist": balance.0,
    });
    context.output.result(done(format!("{came} SUI came; {to} has {balance}")), &value);
    Ok(())
}

/// The faucet of the network that this machine runs, if it is the cluster's.
fn own(context: &Context, rpc: &str) -> Option<String> {
    let report = Report::read(&context.state.status()).ok()??;
    let here = ClusterInfo::load(&context.state.join()).ok()?;
    (here.join.rpc.iter().any(|url| url == rpc) && !report.faucet.is_empty()).then_some(report.faucet)
}

/// Where the faucet of the host that serves the chain usually is.
fn beside(rpc: &str) -> Result<String, Problem> {
    let parsed = rpc.parse::<http::Uri>().ok();
    let host = parsed.as_ref().and_then(http::Uri::host);
    let host = host.ok_or_else(|| Problem::new(ErrorCode::FaucetUnreachable, format!("{rpc} is no URL")))?;
    Ok(format!("http://{host}:{PORT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faucet_is_beside_the_chain() {
        assert_eq!(beside("http://10.0.0.1:9000").unwrap(), "http://10.0.0.1:9123");
        assert_eq!(beside("http://[::1]:9000/").unwrap(), "http://[::1]:9123");
        assert_eq!(beside("").unwrap_err().code, ErrorCode::FaucetUnreachable);
    }
}
