//! The start, step by step. Each step looks at what is there first and does only what is missing, so that a second start
//! with the state kept publishes, creates and stakes nothing again.

mod master;
mod network;
mod node;
mod operator;

pub(crate) use operator::node_id as operator_node;

use super::children::Children;
use super::report::{Reporter, StepName, StepState};
use crate::cli::{Settings, SuperviseArgs};
use crate::machine;
use crate::paths::StateDir;
use daas_types::Problem;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// What the steps share.
struct Start<'a> {
    state: &'a StateDir,
    settings: &'a Settings,
    /// The address other machines reach this one by.
    advertise: IpAddr,
    reporter: &'a Reporter,
}

/// Brings the cluster up and returns its endpoint.
pub(super) async fn run(
    state: &StateDir,
    args: &SuperviseArgs,
    children: &mut Children,
    reporter: &Reporter,
) -> Result<String, Problem> {
    let advertise = args.settings.bind.unwrap_or_else(machine::primary_address);
    let start = Start { state, settings: &args.settings, advertise, reporter };
    let network = start.step(StepName::Network, network::start(&start, children)).await?;
    let wallets = start.step(StepName::Wallet, Box::pin(operator::wallets(&start, &network))).await?;
    let operator = start.step(StepName::Contract, Box::pin(operator::contract(&start, &network, wallets))).await?;
    let version = start.step(StepName::Device, master::device(&start, children)).await?;
    start.step(StepName::Measurement, Box::pin(master::measurement(&start, &operator))).await?;
    let seal = start.step(StepName::Stake, Box::pin(operator::stake(&start, &operator))).await?;
    let enclave = start.step(StepName::Master, master::start(&start, children, seal.position)).await?;
    let answers_for = Box::pin(master::register(&start, children, &operator, seal, &enclave));
    let cluster = start.step(StepName::Registration, answers_for).await?;
    start.step(StepName::ControlPlane, master::ready(&start, children, &version)).await?;
    start.step(StepName::Verification, master::verify(&start, &cluster)).await?;
    if !args.settings.no_node {
        start.step(StepName::Node, Box::pin(node::start(&start, children, &cluster))).await?;
    }
    Ok(cluster.info.join.endpoint)
}

// === impl Start ===

impl Start<'_> {
    /// Runs one step and reports its time and its one line.
    async fn step<T>(
        &self,
        name: StepName,
        work: impl Future<Output = Result<(T, String), Problem>>,
    ) -> Result<T, Problem> {
        self.reporter.step(name, StepState::Running, None, None);
        tracing::info!(step = name.title(), "begins");
        let begun = Instant::now();
        let result = work.await;
        let took = u64::try_from(begun.elapsed().max(Duration::from_millis(1)).as_millis()).ok();
        match result {
            Ok((value, detail)) => {
                tracing::info!(step = name.title(), took_ms = took, %detail, "done");
                self.reporter.step(name, StepState::Done, took, Some(detail));
                Ok(value)
            }
            Err(problem) => {
                let first = problem.cause.lines().next().unwrap_or_default().to_owned();
                self.reporter.step(name, StepState::Failed, took, Some(first));
                Err(problem)
            }
        }
    }
}
