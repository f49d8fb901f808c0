//! What of a machine and of a cluster has to be in order before a node joins: looked at without changing anything, without
//! spending anything, and without sending a token anywhere.

mod cluster;
mod machine;

pub use cluster::cluster;
pub use machine::{DISK, MOUNTS, cgroups, disk, machine};

use crate::config::WorkerConfig;
use crate::host;
use daas_client::ClusterInfo;
use daas_engine::ContainerRuntime;
use daas_types::join::Joining;
use daas_types::{ErrorCode, Problem};
use std::path::Path;

/// One thing that was looked at.
#[derive(Debug)]
pub struct Finding {
    /// What.
    pub what: &'static str,
    /// How it is, or what is wrong with it.
    pub found: Result<String, Problem>,
}

/// Looks at all of it.
pub async fn preflight(config: &WorkerConfig) -> Vec<Finding> {
    let mut findings = machine(config);
    let runtime = match config.runtime {
        ContainerRuntime::Own => None,
        ContainerRuntime::Docker => Some("docker"),
        ContainerRuntime::Socket(_) => Some("container runtime"),
    };
    if let (Some(what), Ok(cluster)) = (runtime, ClusterInfo::load(&config.cluster)) {
        let found = host::check_runtime(config, cluster.join.engine).await;
        findings.push(Finding { what, found: found.map(|()| "answers, and has no pods but this worker's".to_owned()) });
    }
    findings.extend(cluster(config).await);
    findings
}

/// What would only be found out once the stake is paid. Ports are not looked at: the node of a worker that was killed has them,
/// and the next one takes it down.
pub(crate) fn before_money(config: &WorkerConfig, joining: Joining) -> Result<(), Problem> {
    cgroups(Path::new(MOUNTS))?;
    disk(&config.state_dir, DISK)?;
    disk(&config.data_dir(joining), DISK).map(drop)
}

/// For a person, one thing after the other.
pub fn render(findings: &[Finding]) -> String {
    let line = |Finding { what, found }: &Finding| match found {
        Ok(how) => format!("✓ {what}: {how}"),
        Err(problem) => problem.render(),
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What is wrong first.
pub fn first_problem(findings: Vec<Finding>) -> Option<ErrorCode> {
    findings.into_iter().find_map(|finding| finding.found.err()).map(|problem| problem.code)
}
