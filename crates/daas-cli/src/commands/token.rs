use super::kubeconfig::write;
use super::rights::{self, Holder};
use crate::chain::Staker;
use crate::cli::TokenArgs;
use crate::context::Context;
use crate::minting::{self, Missing};
use crate::output::done;
use crate::sending::{Ask, Sending, receipt};
use crate::status_view::ago;
use daas_chain::clock;
use daas_client::{ClusterInfo, SealFile, VerifiedMaster};
use daas_types::pop::{MAX_LIFETIME, Usage};
use daas_types::{Permissions, Problem};
use serde_json::json;
use std::path::Path;
use zeroize::Zeroizing;

/// Prints a token of five minutes, or the Seal's secret; or mints a new Seal.
pub(crate) async fn run(context: &Context, args: &TokenArgs) -> Result<(), Problem> {
    let cluster = context.cluster()?;
    let (path, seal) = Context::seal(args.seal.seal.as_deref(), &cluster)?;
    if args.refresh {
        return refresh(context, &cluster, args, &path, &seal).await;
    }
    let (token, what) = if args.secret {
        (seal.secret().expose_hex(), format!("the Seal's secret; ends {}", ends(&seal)))
    } else {
        // Whoever pastes it somewhere has at least a master that proved itself.
        let holder = Holder::of(&cluster, &seal).await?;
        let mut master = VerifiedMaster::connect(&cluster, &cluster.masters().await?, clock::now()).await?;
        rights::settle(context.output, &mut master, &holder, &seal).await;
        let usage = if seal.permissions.covers(Permissions::USER) { Usage::User } else { Usage::Worker };
        let token = seal.mint(usage, clock::now())?;
        (token, format!("a token of {} s", MAX_LIFETIME.as_secs()))
    };
    give(context, args.output.as_deref(), &token, &what, &path)
}

async fn refresh(
    context: &Context,
    cluster: &ClusterInfo,
    args: &TokenArgs,
    path: &Path,
    seal: &SealFile,
) -> Result<(), Problem> {
    let staker = Staker::existing(context, cluster, &args.send).await?;
    let permissions = args.permissions.unwrap_or(seal.permissions);
    let mut next = minting::next(seal, path, permissions)?;
    let before = staker.position(seal.position).await?;
    let (state, outcome) = match minting::replacement(&staker, &before, seal, &next) {
        Missing::Nothing(state) => (*state, None),
        Missing::Call(call) => {
            if !args.send.dry_run {
                minting::prepare(&next, path)?;
            }
            let sending = Sending::new(context, &args.send, Ask::ForMoney);
            let what = format!("mint a new Seal ({permissions})");
            let Some(outcome) = sending.send(staker.ops.client(), &what, *call).await? else {
                return Ok(());
            };
            (outcome.position, Some(outcome.outcome))
        }
    };
    minting::adopt(&state, &mut next, path)?;
    // A static kubeconfig names this file; it follows the Seal.
    if path.with_extension("token").exists() {
        super::kubeconfig::token_file(path, &next)?;
    }
    let text = done(format!("a new Seal ({permissions}), ends {}\n  Seal file {}", ends(&next), path.display()));
    let more = json!({
        "seal": next.seal, "position": state.position, "permissions": permissions.to_string(),
        "expires_ms": next.expires.0, "seal_file": path,
    });
    context.output.result(text, &receipt(outcome.as_ref(), more));
    Ok(())
}

fn give(
    context: &Context,
    output: Option<&Path>,
    token: &Zeroizing<String>,
    what: &str,
    seal: &Path,
) -> Result<(), Problem> {
    let Some(file) = output else {
        context.output.note(format!("{what}; the Seal itself stays in {}", seal.display()));
        if context.output.is_json() {
            context.output.result("", &json!({ "token": token.as_str() }));
        } else {
            context.output.result(token.as_str(), &());
        }
        return Ok(());
    };
    write(file, token)?;
    context.output.result(done(format!("{what}: {} (0600)", file.display())), &json!({ "token_file": file }));
    Ok(())
}

fn ends(seal: &SealFile) -> String {
    let now = clock::now();
    if seal.expires > now { format!("in {}", ago(seal.expires.since(now))) } else { "ended".to_owned() }
}
