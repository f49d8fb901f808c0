//! Machines for nodes: network namespaces on one bridge with the host.

use super::commands::{command, feed, succeed};
use super::eventually;
use anyhow::{Context as _, Result, ensure};
use std::net::Ipv4Addr;
use std::process::Command as Plain;
use std::time::Duration;
use tokio::process::{Child, Command};

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

/// A machine whose mounts outlive its programs, as those of a real one do.
pub(crate) struct Running {
    machine: Machine,
    /// Holds the mounts, and does nothing else.
    holder: Child,
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

    /// Switches it on.
    pub(crate) async fn start(self) -> Result<Running> {
        let holder = self.run(&command("sleep", &["infinity"])).spawn()?;
        let pid = holder.id().context("the machine is off again")?;
        let running = Running { machine: self, holder };
        eventually(Duration::from_secs(5), async || {
            let program = std::fs::read_link(format!("/proc/{pid}/exe"))?;
            ensure!(program.ends_with("sleep"), "{} still runs", program.display());
            Ok(())
        })
        .await?;
        Ok(running)
    }

    /// The command on this machine: its network, and mounts of its own below the host's.
    pub(crate) fn run(&self, inner: &Command) -> Command {
        let mut outer = command("nsenter", &[&format!("--net=/run/netns/{}", self.name)]);
        outer.args(["unshare", "--mount", "--propagation", "slave"]);
        continued(outer, inner)
    }
}

// === impl Running ===

impl Running {
    pub(crate) fn name(&self) -> &'static str {
        self.machine.name
    }

    pub(crate) fn address(&self) -> Ipv4Addr {
        self.machine.address
    }

    /// The command on this machine.
    pub(crate) fn run(&self, inner: &Command) -> Command {
        let net = format!("--net=/run/netns/{}", self.machine.name);
        let mounts = format!("--mount=/proc/{}/ns/mnt", self.holder.id().unwrap_or_default());
        continued(command("nsenter", &[&net, &mounts]), inner)
    }

    /// One HTTP request to a program on this machine's loopback: status and body.
    pub(crate) async fn http(&self, port: u16, request: &str) -> Result<(u16, String)> {
        // What is secret in it is not to be in a command line.
        let talk = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && cat >&3 && cat <&3");
        let ran = feed(self.run(&command("bash", &["-c", &talk])), Some(request)).await?;
        let (head, body) = ran.stdout.split_once("\r\n\r\n").with_context(|| format!("no answer: {}", ran.said()))?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok((status, body.to_owned()))
    }
}

/// `outer` goes on as `inner`, with its environment.
fn continued(mut outer: Command, inner: &Command) -> Command {
    let inner = inner.as_std();
    outer.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

async fn ip(args: &[&str]) -> Result<()> {
    succeed(command("ip", args)).await.map(drop)
}
