use crate::chain::{Staker, wallet_or_new};
use crate::cli::StakeArgs;
use crate::context::Context;
use crate::minting;
use crate::output::done;
use crate::status_view::PositionLine;
use daas_client::{ClusterInfo, SealFile};
use daas_types::onchain::Status;
use daas_types::{ErrorCode, Mist, Permissions, Problem};
use serde_json::json;
use std::path::Path;

pub(crate) async fn run(context: &Context, args: &StakeArgs) -> Result<(), Problem> {
    if args.permissions.covers(Permissions::NODE) && args.node_id.is_none() {
        return Err(Problem::new(ErrorCode::ConfigInvalid, "the node permission needs --node-id NAME"));
    }
    let cluster = context.cluster()?;
    let path = Context::seal_path(args.seal.seal.as_deref(), &cluster)?;
    let staker = Staker::new(&cluster, wallet_or_new(context)?).await?;
    let mut seal = seal_to_mint(&staker, &cluster, args, &path).await?;
    let state = minting::settle(&staker, &mut seal, &path, args.amount).await?;
    let line = PositionLine::new(&state, &staker.policy);
    let tier = line.tier.unwrap_or("no tier");
    let text = format!(
        "{}\n  position {}\n  Seal file {} (0600; whoever reads it is you)\n\n  k3s-daas kubeconfig --output FILE",
        done(format!("{} SUI staked: {tier}", args.amount)),
        state.position,
        path.display()
    );
    context.output.result(text, &json!({ "position": line, "seal": seal.seal, "seal_file": path }));
    Ok(())
}

/// A new Seal, or the one that an interrupted `stake` left. A live one is never overwritten.
async fn seal_to_mint(
    staker: &Staker,
    cluster: &ClusterInfo,
    args: &StakeArgs,
    path: &Path,
) -> Result<SealFile, Problem> {
    if path.exists() {
        let known = SealFile::load(path)?;
        if known.seal.is_none() {
            return Ok(known);
        }
        let state = staker.ops.client().position(&staker.ids, known.position).await?;
        if state.is_some_and(|state| state.status != Status::Closed || state.unbonding > Mist(0)) {
            let cause = format!(
                "{} is of position {}; add to it with `k3s-daas restake {}`, or name another file with --seal",
                path.display(),
                known.position,
                args.amount
            );
            return Err(Problem::new(ErrorCode::AlreadyStaked, cause));
        }
    }
    let owner = staker.ops.wallet().address();
    let seal = SealFile::prepare(&cluster.join, owner, args.permissions, args.node_id.clone())?;
    seal.save(path)?;
    Ok(seal)
}
