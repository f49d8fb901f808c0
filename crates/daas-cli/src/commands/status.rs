use crate::cli::StatusArgs;
use crate::context::Context;
use crate::gateway;
use crate::paths::Office;
use crate::status_view::{ChainLine, ClusterLine, MasterLine, PositionLine, Supervisor, View, datastore};
use crate::supervise::{lock, report::Report};
use crate::workers;
use daas_chain::client::ChainClient;
use daas_chain::index::namespace_of;
use daas_chain::{clock, wallet::Wallet};
use daas_client::{ClusterInfo, VerifiedMaster};
use daas_types::genesis::Network;
use daas_types::{ErrorCode, Problem, WalletAddress};

/// Shows all that can be found out. Fails only when nothing runs and nothing answers.
pub(crate) async fn run(context: &Context, args: &StatusArgs) -> Result<(), Problem> {
    if args.namespace {
        let cluster = context.cluster()?;
        let (_, seal) = Context::seal(None, &cluster)?;
        context.output.raw(&format!("{}\n", namespace_of(seal.position)));
        return Ok(());
    }
    let (view, chain) = gather(context).await?;
    context.output.result(view.text(), &view);
    let supervised = view.supervisor.as_ref().is_some_and(|supervisor| supervisor.running);
    let running = supervised || view.workers.iter().any(|worker| worker.running);
    match chain {
        // A cluster that was named is elsewhere: starting one here would not mend it.
        Some(problem) if context.names_cluster() => Err(problem),
        Some(problem) if !running => Err(Problem::new(ErrorCode::NotRunning, problem.cause)),
        _ => Ok(()),
    }
}

/// What was found, and why the chain could not be asked, if so.
async fn gather(context: &Context) -> Result<(View, Option<Problem>), Problem> {
    let running = lock::holder(&context.state).is_some();
    let report = Report::read(&context.state.status())?;
    let cluster = context.cluster();
    let unknown = |problem: &Problem| Problem::new(problem.code, &problem.cause);
    let (chain, master, positions) = match &cluster {
        Err(problem) => (Err(unknown(problem)), Err(unknown(problem)), Vec::new()),
        Ok(cluster) => match cluster.chain().await {
            Err(problem) => (Err(unknown(&problem)), Err(problem), Vec::new()),
            Ok(client) => {
                let positions = positions(context, cluster, &client).await.unwrap_or_default();
                (chain_line(cluster, &client).await, master_line(cluster).await, positions)
            }
        },
    };
    // This machine runs the cluster that is asked about, unless another's file was named.
    let runs_here = report.is_some() && (!context.names_cluster() || same(context, cluster.as_ref().ok()));
    let admin = report.as_ref().filter(|_| running && runs_here).and_then(|report| report.admin.parse().ok());
    let audit = match admin {
        Some(admin) => gateway::audit_log(admin).await.ok(),
        None => None,
    };
    let cluster = cluster.map(|c| ClusterLine { id: c.join.cluster.to_string(), endpoint: c.join.endpoint });
    let problem = chain.as_ref().err().map(unknown);
    let view = View {
        now: clock::now(),
        supervisor: report.map(|report| Supervisor { running, report }),
        workers: workers::of_this_machine(&context.state),
        cluster: cluster.into(),
        chain: chain.into(),
        master: master.into(),
        audit,
        datastore: datastore(runs_here),
        positions,
    };
    Ok((view, problem))
}

/// Whether the cluster of this machine is the one that was named.
fn same(context: &Context, named: Option<&ClusterInfo>) -> bool {
    let here = ClusterInfo::load(&context.state.join()).ok();
    here.zip(named).is_some_and(|(here, named)| here.join.cluster == named.join.cluster)
}

async fn chain_line(cluster: &ClusterInfo, client: &ChainClient) -> Result<ChainLine, Problem> {
    let (height, _) = client.heights().await?;
    let checkpoint = client.checkpoint(cluster.join.package, height).await?;
    let age = clock::now().since(checkpoint.timestamp());
    Ok(ChainLine {
        genesis: cluster.genesis.digest().to_string(),
        network: match cluster.genesis.network() {
            Network::Mainnet => "mainnet",
            Network::Testnet => "testnet",
            Network::Devnet(_) => "devnet",
            Network::Other => "other",
        },
        checkpoint: height,
        age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
    })
}

async fn master_line(cluster: &ClusterInfo) -> Result<MasterLine, Problem> {
    let master = VerifiedMaster::connect(cluster, &cluster.masters().await?, clock::now()).await?;
    let (evidence, level) = (master.evidence(), master.evidence().security_level());
    let pcr0 = evidence.pcrs().get(&0).map(hex::encode).unwrap_or_default();
    Ok(MasterLine {
        endpoint: master.record().endpoint.clone(),
        measurement: format!("sha384:{pcr0}"),
        tee_type: level.tee_type(),
        security_level: level.number(),
    })
}

/// The positions of the wallets this caller can read: its own, and on the operator's machine the operator's.
async fn positions(
    context: &Context,
    cluster: &ClusterInfo,
    client: &ChainClient,
) -> Result<Vec<PositionLine>, Problem> {
    let wallets = [context.wallet_path()?, context.state.wallet(Office::Operator)];
    let owners: Vec<WalletAddress> =
        wallets.iter().filter_map(|path| Wallet::load(path).ok()).map(|wallet| wallet.address()).collect();
    if owners.is_empty() {
        return Ok(Vec::new());
    }
    let ids = cluster.ids();
    let policy = client.cluster(&ids).await?.policy;
    let all = client.positions(&ids).await?;
    let now = clock::now();
    Ok(all.iter().filter(|p| owners.contains(&p.owner)).map(|p| PositionLine::new(p, &policy, now)).collect())
}
