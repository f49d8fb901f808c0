//! Questions about this machine: processes, ports, disk, addresses. All answered from `/proc` and system calls.

use daas_types::{ErrorCode, Problem};
use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

/// A process that cannot be mistaken for a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pub(crate) pid: u32,
    /// Clock ticks since boot.
    #[serde(rename = "starttime")]
    pub(crate) start_time: u64,
}

/// Who listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    pub(crate) name: String,
}

// === impl ProcessId ===

impl ProcessId {
    /// This process.
    pub(crate) fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// The process that has this id now.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(Self { pid, start_time: start_time(&stat)? })
    }

    /// The process recorded in `path`, if it still lives.
    pub(crate) fn recorded(path: &Path) -> Option<Self> {
        let recorded: Self = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
        recorded.is_alive().then_some(recorded)
    }

    /// Records this process in `path`, for whoever has to stop it.
    pub(crate) fn record(self, path: &Path) -> Result<(), Problem> {
        let text = serde_json::to_vec(&self).map_err(Problem::of(ErrorCode::Internal))?;
        daas_client::write_private(path, &text)
            .map_err(|e| Problem::new(ErrorCode::StateUnreadable, format!("{}: {e}", path.display())))
    }

    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// Refuses an address something else listens on, and names it where that can be found out.
pub(crate) fn port_free(address: SocketAddr) -> Result<(), Problem> {
    if address.port() == 0 {
        return Ok(());
    }
    let Err(error) = TcpListener::bind(address) else {
        return Ok(());
    };
    let by = match holder(address.port()) {
        Some(Holder { pid, name }) => format!("it is held by {name} (pid {pid})"),
        None => error.to_string(),
    };
    Err(Problem::new(ErrorCode::PortBusy, format!("{address}: {by}")))
}

/// Bytes that this user can still write below `path`, of whose folders the nearest that exists counts.
pub(crate) fn free_space(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|p| p.exists())?;
    let stat = statvfs(existing).ok()?;
    Some(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// The address other machines most likely reach this one by: the source of the default route. No packet is sent.
pub(crate) fn primary_address() -> IpAddr {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let route = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        // A documentation address: connecting a datagram socket only asks the kernel for the route.
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        Ok(socket.local_addr()?.ip())
    };
    route().ok().filter(|ip| !ip.is_unspecified()).unwrap_or(loopback)
}

/// Whether this process may make real containers.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn holder(port: u16) -> Option<Holder> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| listening_inode(&table, port))?;
    let socket = format!("socket:[{inode}]");
    let pids = fs::read_dir("/proc").ok()?.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids {
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        let holds = |e: fs::DirEntry| fs::read_link(e.path()).is_ok_and(|to| to.as_os_str() == socket.as_str());
        if open.filter_map(Result::ok).any(holds) {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            return Some(Holder { pid, name: name.trim().to_owned() });
        }
    }
    None
}

/// The inode of the socket that listens on `port`, from a `/proc/net/tcp` table.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (_, hex) = local.rsplit_once(':')?;
        (*state == LISTEN && u16::from_str_radix(hex, 16).ok()? == port).then(|| inode.parse().ok())?
    })
}

/// Field 22 of `/proc/PID/stat`; `None` for a process that only waits to be reaped.
fn start_time(stat: &str) -> Option<u64> {
    // The name in parentheses may hold anything, so the fields are counted from its end.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_its_id_and_its_start() {
        let own = ProcessId::own().unwrap();
        assert!(own.is_alive());
        assert!(!ProcessId { start_time: own.start_time + 1, ..own }.is_alive());
        assert_eq!(start_time("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 999 21"), Some(999));
        assert_eq!(start_time("7 (a) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 999 21"), None);
    }

    #[test]
    fn a_busy_port_is_named_with_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let problem = port_free(address).unwrap_err();
        assert_eq!(problem.code, ErrorCode::PortBusy);
        assert!(problem.cause.contains(&format!("pid {}", std::process::id())), "{}", problem.cause);
        drop(listener);
        port_free(address).unwrap();
    }

    #[test]
    fn only_listening_sockets_hold_a_port() {
        let table = "  sl  local_address rem_address   st tx rx tr tm retr uid timeout inode\n\
             0: 0100007F:192B 00000000:0000 01 0:0 0:0 0 0 0 41 1\n\
             1: 0100007F:192B 00000000:0000 0A 0:0 0:0 0 0 0 42 1\n";
        assert_eq!(listening_inode(table, 6443), Some(42));
        assert_eq!(listening_inode(table, 6444), None);
    }
}
