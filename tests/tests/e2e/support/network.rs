//! Machines for nodes: network namespaces on one bridge with the host.

use super::commands::{command, succeed};
use anyhow::Result;
use std::net::Ipv4Addr;
use std::process::Command as Plain;
use tokio::process::Command;

const BRIDGE: &str = "daas-t-br";
/// The host's address on the bridge.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 1);

/// The bridge and its machines; gone when dropped.
pub(crate) struct Network {
    machines: Vec<Machine>,
}

/// A network namespace that stands for a machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    pub(crate) address: Ipv4Addr,
}

// === impl Network ===

impl Network {
    /// A bridge with these machines. What an interrupted run left is replaced.
    pub(crate) async fn make(machines: &[Machine]) -> Result<Self> {
        let network = Self { machines: machines.to_vec() };
        network.remove();
        let host = format!("{HOST}/24");
        ip(&["link", "add", BRIDGE, "type", "bridge"]).await?;
        ip(&["addr", "add", &host, "dev", BRIDGE]).await?;
        ip(&["link", "set", BRIDGE, "up"]).await?;
        for machine in machines {
            machine.make().await?;
        }
        Ok(network)
    }

    fn remove(&self) {
        let gone = |args: &[&str]| drop(Plain::new("ip").args(args).output());
        for machine in &self.machines {
            gone(&["link", "del", machine.name]);
            gone(&["netns", "del", machine.name]);
        }
        gone(&["link", "del", BRIDGE]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.remove();
    }
}

// === impl Machine ===

impl Machine {
    async fn make(&self) -> Result<()> {
        let (name, address, gateway) = (self.name, format!("{}/24", self.address), HOST.to_string());
        ip(&["netns", "add", name]).await?;
        ip(&["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name]).await?;
        ip(&["link", "set", name, "master", BRIDGE, "up"]).await?;
        ip(&["-n", name, "link", "set", "lo", "up"]).await?;
        ip(&["-n", name, "addr", "add", &address, "dev", "eth0"]).await?;
        ip(&["-n", name, "link", "set", "eth0", "up"]).await?;
        ip(&["-n", name, "route", "add", "default", "via", &gateway]).await
    }

    /// The command on this machine: its network, and mounts of its own below the host's.
    pub(crate) fn run(&self, inner: &Command) -> Command {
        let inner = inner.as_std();
        let mut outer = command("nsenter", &[&format!("--net=/run/netns/{}", self.name)]);
        outer.args(["unshare", "--mount", "--propagation", "slave"]).arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        outer
    }
}

async fn ip(args: &[&str]) -> Result<()> {
    succeed(command("ip", args)).await.map(drop)
}
