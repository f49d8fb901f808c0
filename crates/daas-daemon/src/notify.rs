//! What the service manager is told: that the process is ready, what it does, that it lives, and that it stops.
//!
//! `sd_notify(3)`: datagrams of `KEY=value` lines to the socket that `NOTIFY_SOCKET` names. Written here because it is so
//! little: the crates for it read the process's environment themselves, which no test can give them safely.

use crate::Readiness;
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::future::pending;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// A service manager that takes nothing is not waited for longer.
const LIMIT: Duration = Duration::from_secs(1);

/// Whom to tell; nobody, where no service manager started this process.
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    socket: Option<Arc<SocketAddr>>,
    /// How long the manager waits for a sign of life.
    watchdog: Option<Duration>,
}

// === impl Notifier ===

impl Notifier {
    /// As this process's environment says.
    pub fn from_env() -> Self {
        Self::new(|name| std::env::var_os(name), std::process::id())
    }

    fn new(var: impl Fn(&str) -> Option<OsString>, own: u32) -> Self {
        let number = |name| var(name)?.to_str()?.parse::<u64>().ok();
        let socket = var("NOTIFY_SOCKET").and_then(|name| match address(&name) {
            Ok(address) => Some(Arc::new(address)),
            Err(error) => {
                tracing::warn!(%error, socket = %name.display(), "the service manager cannot be told anything");
                None
            }
        });
        // Both variables are inherited: they may be meant for a parent.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(own));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Says in a few words what the process does.
    pub fn status(&self, text: &str) {
        self.tell(&format!("STATUS={}", line(text)));
    }

    /// Says that the process is on its way out.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping");
    }

    /// Tells what is awaited, readiness once it is reached, `stopping`, and signs of life until `stopped`.
    pub async fn run(
        self,
        readiness: Readiness,
        stopping: CancellationToken,
        stopped: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut awaited = readiness.watch();
        awaited.mark_changed();
        let mut beat = self.beat();
        let (mut ready, mut stops) = (false, false);
        loop {
            tokio::select! {
                () = stopped.cancelled() => return Ok(()),
                () = stopping.cancelled(), if !stops => {
                    stops = true;
                    self.stopping();
                }
                // `readiness` is the sender and outlives this.
                Ok(()) = awaited.changed(), if !ready && !stops => {
                    let names: Vec<_> = awaited.borrow_and_update().iter().copied().collect();
                    ready = names.is_empty();
                    if ready {
                        self.tell("READY=1\nSTATUS=ready");
                    } else {
                        self.status(&format!("waiting for {}", names.join(", ")));
                    }
                }
                () = next(beat.as_mut()) => {
                    works().await;
                    self.lives(ready);
                }
            }
        }
    }

    /// Twice as often as the manager looks.
    fn beat(&self) -> Option<Interval> {
        self.socket.as_ref()?;
        let mut beat = interval(self.watchdog? / 2);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(beat)
    }

    /// Until readiness there is no watchdog, but an end of the manager's patience: that is put off as long as this lives.
    fn lives(&self, ready: bool) {
        match self.watchdog {
            Some(_) if ready => self.tell("WATCHDOG=1"),
            Some(watchdog) => self.tell(&format!("EXTEND_TIMEOUT_USEC={}", watchdog.as_micros())),
            None => {}
        }
    }

    fn tell(&self, message: &str) {
        let Some(address) = &self.socket else { return };
        if let Err(error) = send(address, message) {
            tracing::warn!(%error, "the service manager was not told");
        }
    }
}

/// Comes back when the runtime has run a task that was not there before, so a runtime whose threads all hang is silent.
async fn works() {
    let mut probe = JoinSet::new();
    probe.spawn(async {});
    drop(probe.join_next().await);
}

async fn next(beat: Option<&mut Interval>) {
    match beat {
        Some(beat) => drop(beat.tick().await),
        None => pending().await,
    }
}

/// A path, or after `@` a name that stands in no folder.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "neither a path nor an abstract name")),
    }
}

fn send(address: &SocketAddr, message: &str) -> io::Result<()> {
    // One for each message: the manager may have been replaced since the last.
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(LIMIT))?;
    socket.send_to_addr(message.as_bytes(), address).map(drop)
}

/// A value ends with its line.
fn line(text: &str) -> Cow<'_, str> {
    if text.contains('\n') { text.replace('\n', " ").into() } else { text.into() }
}

#[cfg(test)]
#[path = "notify/tests.rs"]
mod tests;
