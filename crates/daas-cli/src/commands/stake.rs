use crate::chain::{Staker, wallet_or_new};
use crate::cli::StakeArgs;
use crate::context::Context;
use crate::minting::{self, Missing};
use crate::output::done;
use crate::sending::{Ask, Sending, receipt};
use crate::status_view::PositionLine;
use daas_chain::clock;
use daas_chain::ops::NodeStakeSpec;
use daas_client::{ClusterInfo, SealFile};
use daas_types::onchain::Status;
use daas_types::{ErrorCode, Mist, NodeId, Permissions, Problem, WalletAddress};
use serde_json::json;
use std::path::Path;

pub(crate) async fn run(context: &Context, args: &StakeArgs) -> Result<(), Problem> {
    if args.permissions.covers(Permissions::NODE) && args.node_id.is_none() {
        return Err(Problem::new(ErrorCode::ConfigInvalid, "the node permission needs --node-id NAME"));
    }
    let cluster = context.cluster()?;
    let staker = Staker::new(&cluster, wallet_or_new(context, &args.send)?).await?;
    let sending = Sending::new(context, &args.send, Ask::ForMoney);
    if let (Some(node), Some(operator)) = (&args.for_node, args.operator) {
        return for_node(&staker, &sending, args.amount, node, operator).await;
    }
    let path = Context::seal_path(args.seal.seal.as_deref(), &cluster)?;
    let mut seal = seal_to_mint(&staker, &cluster, args, &path).await?;
    let (state, outcome) = match minting::missing(&staker, &seal, args.amount).await? {
        Missing::Nothing(state) => (*state, None),
        Missing::Call(call) => {
            let what = format!("stake {} SUI", args.amount);
            let Some(outcome) = sending.send(staker.ops.client(), &what, *call).await? else {
                return Ok(());
            };
            (outcome.position, Some(outcome.outcome))
        }
    };
    minting::keep(&state, &mut seal, &path)?;
    let line = PositionLine::new(&state, &staker.policy, clock::now());
    let tier = line.tier.unwrap_or("no tier");
    let text = format!(
        "{}\n  position {}\n  Seal file {} (0600; whoever reads it is you)\n\n  k3s-daas kubeconfig --output FILE",
        done(format!("{} SUI staked: {tier}", args.amount)),
        state.position,
        path.display()
    );
    let more = json!({ "position": line, "seal": seal.seal, "seal_file": path });
    context.output.result(text, &receipt(outcome.as_ref(), more));
    Ok(())
}

/// Stakes for a node that `operator` keeps.
async fn for_node(
    staker: &Staker,
    sending: &Sending<'_>,
    amount: Mist,
    node: &NodeId,
    operator: WalletAddress,
) -> Result<(), Problem> {
    let mut salt = [0; 8];
    getrandom::fill(&mut salt).map_err(|e| Problem::new(ErrorCode::Internal, e))?;
    let salt = u64::from_le_bytes(salt);
    let spec = NodeStakeSpec { amount, salt, node_id: node.clone(), operator };
    let call = staker.ops.stake_for_node(&staker.ids, &spec);
    let what = format!("stake {amount} SUI for node {node}, kept by {operator}");
    let Some(outcome) = sending.send(staker.ops.client(), &what, call).await? else {
        return Ok(());
    };
    let line = PositionLine::new(&outcome.position, &staker.policy, outcome.outcome.timestamp);
    let position = outcome.position.position;
    let text = format!(
        "{}\n  position {position}: {operator} makes its Seals\n\n  k3s-daas unstake --all --position {position}",
        done(format!("{amount} SUI staked for node {node}")),
    );
    sending.receipt(text, &outcome.outcome, json!({ "position": line, "salt": salt }));
    Ok(())
}

/// A new Seal, or the one that an interrupted `stake` of the same left. A live one is never overwritten, nor one whose
/// transaction may have been handed out and sent by somebody else.
async fn seal_to_mint(
    staker: &Staker,
    cluster: &ClusterInfo,
    args: &StakeArgs,
    path: &Path,
) -> Result<SealFile, Problem> {
    if path.exists() {
        let known = SealFile::load(path)?;
        if known.seal.is_none() {
            let other = difference(&known, staker, args);
            return other.map_or(Ok(known), |other| {
                let cause = format!("{} was prepared {other}, and may have been paid for", path.display());
                Err(Problem::new(ErrorCode::SealFileOther, cause))
            });
        }
        // That a position is not there is the endpoint's word, which is no reason to throw a Seal away.
        let state = staker.ops.client().position(&staker.ids, known.position).await?;
        if state.is_none_or(|state| state.status != Status::Closed || state.unbonding > Mist(0)) {
            let cause = format!(
                "{} is of position {}; add to it with `k3s-daas restake {}`, or name another file with --seal",
                path.display(),
                known.position,
                args.amount
            );
            return Err(Problem::new(ErrorCode::AlreadyStaked, cause));
        }
    }
    let seal = SealFile::prepare(&cluster.join, staker.ops.sender(), args.permissions, args.node_id.clone())?;
    if !args.send.dry_run {
        seal.save(path)?;
    }
    Ok(seal)
}

/// What a prepared Seal is for, if it is not what is asked for now.
fn difference(draft: &SealFile, staker: &Staker, args: &StakeArgs) -> Option<String> {
    if draft.cluster != staker.ids.cluster {
        return Some(format!("for cluster {}", draft.cluster));
    }
    if draft.owner != staker.ops.sender() {
        return Some(format!("for wallet {}", draft.owner));
    }
    if draft.permissions != args.permissions {
        return Some(format!("with --permissions {}", draft.permissions));
    }
    (draft.node_id != args.node_id).then(|| match &draft.node_id {
        Some(node) => format!("with --node-id {node}"),
        None => "without --node-id".to_owned(),
    })
}
