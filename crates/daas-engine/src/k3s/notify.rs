//! K3s says by a datagram when it is ready, as it would to a service manager.

use std::fs;
use std::io;
use std::path::Path;

use tokio::net::UnixDatagram;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::process::ProcessState;

/// What it says.
const READY: &str = "READY=1";
/// Nothing it says is longer; the rest would be cut.
const LONGEST: usize = 4096;

/// Hears what a process says.
#[derive(Debug)]
pub(super) struct Notify {
    /// The last process that said it was ready.
    ready: watch::Receiver<Option<u32>>,
    _task: JoinSet<()>,
}

/// The open socket, before there is a process to hear.
pub(super) struct Socket(UnixDatagram);

// === impl Socket ===

impl Socket {
    /// Opens it; one that an earlier run left is replaced.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        UnixDatagram::bind(path).map(Self)
    }

    /// Hears the process of which this is the state.
    pub(super) fn hear(self, process: watch::Receiver<ProcessState>) -> Notify {
        let (told, ready) = watch::channel(None);
        let mut task = JoinSet::new();
        task.spawn(hear(self.0, process, told));
        Notify { ready, _task: task }
    }
}

async fn hear(socket: UnixDatagram, mut process: watch::Receiver<ProcessState>, told: watch::Sender<Option<u32>>) {
    let mut buffer = [0; LONGEST];
    loop {
        let heard = match socket.recv(&mut buffer).await {
            Ok(heard) => heard,
            Err(error) => {
                tracing::error!(%error, "K3s is not heard any more");
                return;
            }
        };
        let text = String::from_utf8_lossy(&buffer[..heard]);
        if !text.lines().any(|line| line == READY) {
            continue;
        }
        // It may be quicker than the news that it was started.
        match process.wait_for(|state| matches!(state, ProcessState::Running { .. })).await.as_deref() {
            Ok(ProcessState::Running { pid }) => told.send_replace(Some(*pid)),
            _ => return,
        };
    }
}

// === impl Notify ===

impl Notify {
    /// Whether this process, and none before it, has said that it is ready.
    pub(super) fn is_ready(&self, pid: Option<u32>) -> bool {
        pid.is_some() && *self.ready.borrow() == pid
    }

    #[cfg(test)]
    async fn until(&mut self, pid: u32) {
        self.ready.wait_for(|ready| *ready == Some(pid)).await.unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram as Sender;

    #[tokio::test]
    async fn a_process_that_has_said_it_is_ready_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify.sock");
        drop(Socket::bind(&path).unwrap());
        let socket = Socket::bind(&path).expect("one that was left is replaced");
        let (state, process) = watch::channel(ProcessState::Starting);
        let mut notify = socket.hear(process);
        let k3s = Sender::unbound().unwrap();
        for said in ["STATUS=READY=1", "READY=0\n", "xREADY=1", "\u{fffd}"] {
            k3s.send_to(said.as_bytes(), &path).unwrap();
        }
        k3s.send_to(b"STATUS=up\nREADY=1\n", &path).unwrap();
        assert!(!notify.is_ready(None) && !notify.is_ready(Some(7)));
        state.send_replace(ProcessState::Running { pid: 7 });
        notify.until(7).await;
        assert!(notify.is_ready(Some(7)) && !notify.is_ready(None));
        // Started anew: what the one before it said is not its word.
        state.send_replace(ProcessState::Running { pid: 8 });
        assert!(!notify.is_ready(Some(8)));
        k3s.send_to(b"READY=1", &path).unwrap();
        notify.until(8).await;
        assert!(notify.is_ready(Some(8)) && !notify.is_ready(Some(7)));
    }
}
