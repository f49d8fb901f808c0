//! A bridge for the hosts of the stage, and a network namespace that is the staker's machine.

use super::person::{run, succeed};
use std::net::Ipv4Addr;
use tokio::process::Command;

const BRIDGE: &str = "daas-demo";
const NAMESPACE: &str = "daas-staker";
const HOST_END: &str = "daas-demo-1";

/// The stage's addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StageNetwork {
    /// The operator's machine.
    pub(crate) operator: Ipv4Addr,
    /// The staker's.
    pub(crate) staker: Ipv4Addr,
}

impl Default for StageNetwork {
    fn default() -> Self {
        Self { operator: Ipv4Addr::new(10, 99, 0, 1), staker: Ipv4Addr::new(10, 99, 0, 2) }
    }
}

// === impl StageNetwork ===

impl StageNetwork {
    /// Makes bridge and namespace. What an interrupted run left is replaced.
    pub(crate) async fn make(&self) -> anyhow::Result<()> {
        Self::remove().await;
        let (operator, staker) = (format!("{}/24", self.operator), format!("{}/24", self.staker));
        let gateway = self.operator.to_string();
        for line in [
            vec!["link", "add", BRIDGE, "type", "bridge"],
            vec!["addr", "add", &operator, "dev", BRIDGE],
            vec!["link", "set", BRIDGE, "up"],
            vec!["netns", "add", NAMESPACE],
            vec!["link", "add", HOST_END, "type", "veth", "peer", "name", "eth0", "netns", NAMESPACE],
            vec!["link", "set", HOST_END, "master", BRIDGE, "up"],
            vec!["-n", NAMESPACE, "link", "set", "lo", "up"],
            vec!["-n", NAMESPACE, "addr", "add", &staker, "dev", "eth0"],
            vec!["-n", NAMESPACE, "link", "set", "eth0", "up"],
            vec!["-n", NAMESPACE, "route", "add", "default", "via", &gateway],
        ] {
            succeed(ip(&line)).await?;
        }
        Ok(())
    }

    /// Removes what `make` made, as far as it is there.
    pub(crate) async fn remove() {
        for line in [["link", "del", HOST_END], ["link", "del", BRIDGE], ["netns", "del", NAMESPACE]] {
            // Absence is what is wanted.
            drop(run(ip(&line)).await);
        }
    }

    /// A command on the staker's machine: its network, and mounts of its own below the host's.
    pub(crate) fn on_staker(command: &Command) -> Command {
        let inner = command.as_std();
        let mut outer = Command::new("nsenter");
        outer
            .arg(format!("--net=/run/netns/{NAMESPACE}"))
            .args(["unshare", "--mount", "--propagation", "slave"])
            .arg(inner.get_program())
            .args(inner.get_args())
            .kill_on_drop(true);
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        outer
    }
}

fn ip(args: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(args);
    command
}
