//! What a machine must have before an engine can run on it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::command::SYSTEM_PATH;

/// What a machine is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It runs the control plane.
    Server,
    /// It runs pods.
    Node,
}

/// One thing that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// The rights of root.
    Root,
    /// A program.
    Program {
        /// Its name.
        name: &'static str,
        /// The Debian and Ubuntu package with it.
        package: &'static str,
    },
}

/// What the machine lacks, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The role that was asked for.
    pub role: Role,
    /// What is not there; never empty.
    pub needs: Vec<Need>,
}

/// The programs a node needs besides its own, with their packages.
const NODE_PROGRAMS: [(&str, &str); 7] = [
    ("runc", "runc"),
    ("nft", "nftables"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    ("mount", "mount"),
    ("umount", "mount"),
    ("busybox", "busybox-static"),
];

/// What K3s' agent needs of the machine, and who takes it down.
const AGENT_PROGRAMS: [(&str, &str); 3] = [("ip", "iproute2"), ("mount", "mount"), ("umount", "mount")];

/// Whether this machine can take the role; an error names everything that is missing at once.
pub(crate) fn check(role: Role) -> Result<(), Missing> {
    check_with(role, nix::unistd::geteuid().is_root(), SYSTEM_PATH)
}

/// The same for K3s, which brings most of its programs along and needs root as a server as well.
pub(crate) fn check_k3s(role: Role) -> Result<(), Missing> {
    check_k3s_with(role, nix::unistd::geteuid().is_root(), SYSTEM_PATH)
}

fn check_k3s_with(role: Role, root: bool, path: &str) -> Result<(), Missing> {
    match role {
        Role::Server => missing(role, root, path, &[]),
        Role::Node => missing(role, root, path, &AGENT_PROGRAMS),
    }
}

fn check_with(role: Role, root: bool, path: &str) -> Result<(), Missing> {
    match role {
        Role::Server => Ok(()),
        Role::Node => missing(role, root, path, &NODE_PROGRAMS),
    }
}

fn missing(role: Role, root: bool, path: &str, programs: &[(&'static str, &'static str)]) -> Result<(), Missing> {
    let programs = programs
        .iter()
        .copied()
        .filter(|(name, _)| find_in(path, name).is_none())
        .map(|(name, package)| Need::Program { name, package });
    let needs: Vec<Need> = (!root).then_some(Need::Root).into_iter().chain(programs).collect();
    if needs.is_empty() { Ok(()) } else { Err(Missing { role, needs }) }
}

/// The full path of a program of the system.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    find_in(SYSTEM_PATH, name)
}

fn find_in(path: &str, name: &str) -> Option<PathBuf> {
    path.split(':').map(|folder| Path::new(folder).join(name)).find(|file| file.is_file())
}

// === impl Missing ===

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.needs == [Need::Root] && self.role == Role::Server {
            return write!(f, "K3s' server writes below /etc and needs root");
        }
        if self.needs.contains(&Need::Root) {
            write!(f, "a node runs containers and needs root (the control plane alone does not)")?;
        }
        let mut packages = Vec::new();
        for need in &self.needs {
            if let Need::Program { name, package } = need {
                let lead = if packages.is_empty() && !self.needs.contains(&Need::Root) { "" } else { "; " };
                write!(f, "{lead}`{name}` is not installed")?;
                if !packages.contains(package) {
                    packages.push(*package);
                }
            }
        }
        if packages.is_empty() {
            return Ok(());
        }
        write!(f, ": apt-get install {}", packages.join(" "))
    }
}

impl std::error::Error for Missing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_everything_that_is_missing_at_once() {
        let empty = tempfile::tempdir().unwrap();
        let missing = check_with(Role::Node, false, empty.path().to_str().unwrap()).unwrap_err();
        assert_eq!(missing.needs.len(), 1 + NODE_PROGRAMS.len());
        let text = missing.to_string();
        assert!(text.contains("needs root") && text.contains("`nft` is not installed"), "{text}");
        assert!(text.ends_with("apt-get install runc nftables conntrack iproute2 mount busybox-static"), "{text}");
    }

    #[test]
    fn a_control_plane_needs_no_root_and_no_programs() {
        assert_eq!(check_with(Role::Server, false, ""), Ok(()));
    }

    #[test]
    fn k3s_needs_root_and_its_agent_a_few_programs() {
        let needs = |role, root| check_k3s_with(role, root, "").map_err(|missing| missing.needs.len());
        assert_eq!((needs(Role::Server, true), needs(Role::Server, false)), (Ok(()), Err(1)));
        assert_eq!((needs(Role::Node, true), needs(Role::Node, false)), (Err(3), Err(4)));
        assert_eq!(check_k3s_with(Role::Server, false, "").unwrap_err().needs, [Need::Root]);
    }
}
