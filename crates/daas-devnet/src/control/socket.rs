//! The socket.

use super::{Control, Request};
use crate::DevnetError;
use serde_json::json;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const NAME: &str = "control.sock";
const DRAFT: &str = "control.draft";
/// Connections served at once; more wait in the socket's queue.
const CONNECTIONS: usize = 16;
/// A connection that asks nothing for so long is closed.
const IDLE: Duration = Duration::from_mins(10);
const WRITE: Duration = Duration::from_secs(5);
/// Longest request.
const MAX_LINE: u64 = 64 * 1024;

/// The listening socket; its file goes with it.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// Connects to the network of a state folder.
pub(super) async fn connect(dir: &Path) -> io::Result<UnixStream> {
    let folder = File::open(dir)?;
    UnixStream::connect(short(&folder, NAME)).await
}

// === impl Socket ===

impl Socket {
    /// Binds it, readable by its owner alone. Whoever has the folder's ledger has it alone, so a file that is there is a
    /// dead process's.
    pub(crate) fn bind(dir: &Path) -> Result<Self, DevnetError> {
        let path = dir.join(NAME);
        let file = |source| DevnetError::File { path: path.clone(), source };
        let draft = dir.join(DRAFT);
        let listener = (|| {
            match fs::remove_file(&draft) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let folder = File::open(dir)?;
            let listener = UnixListener::bind(short(&folder, DRAFT))?;
            fs::set_permissions(&draft, Permissions::from_mode(0o600))?;
            fs::rename(&draft, &path)?;
            Ok(listener)
        })();
        Ok(Self { listener: listener.map_err(file)?, path })
    }

    /// Serves until `shutdown`.
    pub(crate) async fn serve(self, control: Control, shutdown: CancellationToken) -> Result<(), DevnetError> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Some(ended) = connections.join_next() => report(ended),
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(converse(control.clone(), stream));
                    }
                    Err(source) => return Err(DevnetError::File { path: self.path.clone(), source }),
                },
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // If it cannot be removed it is in nobody's way: the next start replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

/// A socket's path has 107 bytes at most, a state folder's may have more.
fn short(folder: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

fn report(ended: Result<io::Result<()>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a control connection failed"),
        Err(error) => tracing::error!(%error, "a control request panicked"),
    }
}

async fn converse(control: Control, stream: UnixStream) -> io::Result<()> {
    let own = nix::unistd::geteuid().as_raw();
    let peer = stream.peer_cred()?.uid();
    // The socket's mode says the same; this also holds in the moment before the mode is set.
    if peer != own && peer != 0 {
        return Err(io::Error::other(format!("expected user {own} or 0, got {peer}")));
    }
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = vec![];
        let mut bounded = (&mut read).take(MAX_LINE);
        let Ok(read) = timeout(IDLE, bounded.read_until(b'\n', &mut line)).await else {
            return Ok(());
        };
        if read? == 0 {
            return Ok(());
        }
        let whole = line.last() == Some(&b'\n');
        let mut answer = answer(&control, &line, whole).await;
        answer.push(b'\n');
        timeout(WRITE, write.write_all(&answer)).await??;
        if !whole {
            return Ok(());
        }
    }
}

async fn answer(control: &Control, line: &[u8], whole: bool) -> Vec<u8> {
    let asked = if whole {
        serde_json::from_slice::<Request>(line).map_err(|e| format!("not a request: {e}"))
    } else {
        Err(format!("a request is one line of at most {MAX_LINE} bytes"))
    };
    let done = match asked {
        Ok(request) => control.ask(request).await.map_err(|e| e.to_string()),
        Err(error) => Err(error),
    };
    let answer = match done {
        Ok(answer) => json!({ "ok": answer }),
        Err(error) => json!({ "error": error }),
    };
    answer.to_string().into_bytes()
}
