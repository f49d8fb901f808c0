//! What this machine has and how much of it is used.

use daas_types::api::{Capacity, ResourceUsage};
use nix::sys::statvfs::statvfs;
use std::path::{Path, PathBuf};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, Networks, RefreshKind, System};

const GIB: u64 = 1 << 30;
/// The loopback interface, and what container networks make: traffic over those is either none or counted again elsewhere.
const INNER: [&str; 6] = ["lo", "veth", "cni", "flannel", "docker", "kube-"];

/// Looks at the machine. CPU usage is that since the last look.
pub struct Machine {
    system: System,
    folder: PathBuf,
}

/// What has gone over the machine's network interfaces since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

// === impl Machine ===

impl Machine {
    /// The machine, with `folder`'s disk.
    pub fn new(folder: &Path) -> Self {
        Self { system: System::new_with_specifics(Self::looked_at()), folder: folder.to_owned() }
    }

    /// What it has, as the registration tells it.
    pub fn capacity(&self) -> Capacity {
        let (total, _) = self.disk();
        Capacity {
            cpu: self.system.cpus().len().to_string(),
            memory: format!("{}Gi", self.system.total_memory().div_euclid(GIB)),
            storage: format!("{}Gi", total.div_euclid(GIB)),
        }
    }

    /// What is used now.
    pub fn usage(&mut self) -> ResourceUsage {
        self.system.refresh_specifics(Self::looked_at());
        let (total, free) = self.disk();
        ResourceUsage {
            cpu: self.system.global_cpu_usage(),
            memory: percent(self.system.used_memory(), self.system.total_memory()),
            disk: percent(total.saturating_sub(free), total),
        }
    }

    /// What has gone over its network interfaces.
    pub fn traffic(&self) -> Traffic {
        let networks = Networks::new_with_refreshed_list();
        networks.iter().filter(|(name, _)| is_outer(name)).fold(Traffic::default(), |sum, (_, data)| Traffic {
            received: sum.received.saturating_add(data.total_received()),
            sent: sum.sent.saturating_add(data.total_transmitted()),
        })
    }

    fn disk(&self) -> (u64, u64) {
        disk_of(&self.folder).unwrap_or_default()
    }

    fn looked_at() -> RefreshKind {
        let cpu = CpuRefreshKind::nothing().with_cpu_usage();
        RefreshKind::nothing().with_cpu(cpu).with_memory(MemoryRefreshKind::nothing().with_ram())
    }
}

/// Total and free bytes of the folder's own disk. No other is asked: a pod's volume whose server is gone would never answer.
pub(crate) fn disk_of(folder: &Path) -> Option<(u64, u64)> {
    let disk = statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.fragment_size());
    Some((bytes(disk.blocks()), bytes(disk.blocks_available())))
}

fn is_outer(interface: &str) -> bool {
    !INNER.iter().any(|inner| if *inner == "lo" { interface == "lo" } else { interface.starts_with(inner) })
}

fn percent(part: u64, whole: u64) -> f32 {
    if whole == 0 {
        return 0.0;
    }
    let tenths = part.saturating_mul(1000).div_euclid(whole).min(1000);
    f32::from(u16::try_from(tenths).unwrap_or(1000)) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_percentages() {
        assert!((percent(1, 3) - 33.3).abs() < 0.01);
        assert!((percent(5, 0) - 0.0).abs() < 0.01);
        assert!((percent(9, 3) - 100.0).abs() < 0.01);
    }

    #[test]
    fn what_stays_in_the_machine_is_no_traffic() {
        for inner in ["lo", "veth1a2b", "cni0", "flannel.1", "flannel-wg", "docker0", "kube-ipvs0"] {
            assert!(!is_outer(inner), "{inner}");
        }
        for outer in ["eth0", "enp3s0", "wlan0", "lora0", "bond0"] {
            assert!(is_outer(outer), "{outer}");
        }
    }

    #[test]
    fn the_machine_has_something() {
        let mut machine = Machine::new(Path::new("/"));
        let capacity = machine.capacity();
        assert!(capacity.cpu.parse::<u32>().unwrap() >= 1);
        assert!(capacity.memory.ends_with("Gi"));
        assert_ne!(capacity.storage, "0Gi");
        let usage = machine.usage();
        assert!(usage.memory > 0.0 && usage.memory <= 100.0);
    }
}
