//! The socket, and who is at its other end.

use super::chain::Authority;
use super::document;
use super::measure::Executables;
use super::wire::{self, Attestation, ErrorCode, Request, Response};
use super::{Args, NsmError, root};
use crate::Clock;
use daas_types::UnixMs;
use daas_types::onchain::Pcrs;
use serde_bytes::ByteBuf;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Connections served at once; more wait in the socket's queue.
const CONNECTIONS: usize = 64;
/// A connection that asks nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(30);
const WRITE: Duration = Duration::from_secs(5);
const RANDOM: usize = 256;
const MAX_PUBLIC_KEY: usize = 1024;
const MAX_USER_DATA: usize = 512;

/// A bound socket and what answers on it.
pub struct Simulation {
    listener: UnixListener,
    socket: OwnSocket,
    module: Arc<Module>,
}

/// The module itself.
struct Module {
    id: String,
    authority: Authority,
    executables: Executables,
    manifest: PathBuf,
    clock: Clock,
}

/// Removes the socket's file at its end, if it still is ours.
struct OwnSocket {
    path: PathBuf,
    inode: u64,
}

// === impl Simulation ===

impl Simulation {
    /// Loads or makes the root key and binds the socket. Needs a runtime.
    pub fn bind(args: Args, clock: Clock) -> Result<Self, NsmError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| NsmError::File { path, source }
        };
        fs::metadata(&args.manifest).map_err(failed(&args.manifest))?;
        let authority = Authority::new(root::load_or_create(&args.state_dir)?);
        clear(&args.socket)?;
        let listener = UnixListener::bind(&args.socket).map_err(failed(&args.socket))?;
        fs::set_permissions(&args.socket, Permissions::from_mode(0o600)).map_err(failed(&args.socket))?;
        let inode = fs::metadata(&args.socket).map_err(failed(&args.socket))?.ino();
        let id = format!("i-simulated-enc{}", hex::encode(&authority.key_hash()[..8]));
        tracing::info!(socket = %args.socket.display(), module.id = id, "simulated security module listens");
        let module = Module { id, authority, executables: Executables::default(), manifest: args.manifest, clock };
        Ok(Self { listener, socket: OwnSocket { path: args.socket, inode }, module: Arc::new(module) })
    }

    /// SHA-256 of the root's SubjectPublicKeyInfo: what the devnet's genesis must name.
    pub fn root_key_hash(&self) -> [u8; 32] {
        self.module.authority.key_hash()
    }

    /// Serves until `shutdown`; the socket is gone then.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), NsmError> {
        let Self { listener, socket: _socket, module } = self;
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Some(ended) = connections.join_next() => report(ended),
                accepted = listener.accept(), if connections.len() < CONNECTIONS => {
                    let (stream, _) = accepted.map_err(NsmError::Socket)?;
                    connections.spawn(serve(Arc::clone(&module), stream));
                }
            }
        }
    }
}

/// Makes way for a new socket: removes one that nobody listens on, and nothing else.
fn clear(path: &Path) -> Result<(), NsmError> {
    let failed = |source| NsmError::File { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(e)),
        Ok(found) if !found.file_type().is_socket() => return Err(NsmError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(NsmError::InUse(path.to_owned())),
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(e) => Err(failed(e)),
    }
}

fn report(ended: Result<io::Result<()>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a connection to the simulated security module failed"),
        Err(error) => tracing::error!(%error, "the simulated security module panicked on a request"),
    }
}

async fn serve(module: Arc<Module>, mut stream: UnixStream) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let own = nix::unistd::geteuid().as_raw();
    // The socket's mode says the same; this also holds in the moment before the mode is set.
    if peer.uid() != own && peer.uid() != 0 {
        return Err(io::Error::other(format!("expected user {own} or 0, got {}", peer.uid())));
    }
    let pid = peer.pid().ok_or_else(|| io::Error::other("the peer's process is unknown"))?;
    while let Ok(frame) = timeout(IDLE, wire::read_frame(&mut stream)).await {
        let Some(frame) = frame? else { return Ok(()) };
        let module = Arc::clone(&module);
        // Hashing an executable and signing are work for a thread.
        let answer = tokio::task::spawn_blocking(move || module.answer(pid, &frame));
        let response = wire::encode(&answer.await.map_err(io::Error::other)?);
        timeout(WRITE, wire::write_frame(&mut stream, &response)).await??;
    }
    Ok(())
}

// === impl Module ===

impl Module {
    fn answer(&self, pid: i32, frame: &[u8]) -> Response {
        let now = (self.clock)();
        let answer = wire::decode(frame).ok_or(ErrorCode::InvalidArgument).and_then(|request| match request {
            Request::DescribePcr { index } => self.describe_pcr(pid, index),
            Request::DescribeNsm => Ok(self.describe()),
            Request::Attestation(request) => self.attest(pid, &request, now),
            Request::GetRandom => random(),
            // All PCRs are locked from the start.
            Request::ExtendPcr { index } | Request::LockPcr { index } => Err(no_change(index)),
            Request::LockPcrs { range } => Err(no_change(range.saturating_sub(1))),
        });
        answer.unwrap_or_else(Response::Error)
    }

    fn attest(&self, pid: i32, request: &Attestation, now: UnixMs) -> Result<Response, ErrorCode> {
        let fields = [
            (&request.user_data, MAX_USER_DATA),
            (&request.nonce, MAX_USER_DATA),
            (&request.public_key, MAX_PUBLIC_KEY),
        ];
        if fields.iter().any(|(field, max)| field.as_ref().is_some_and(|field| field.len() > *max)) {
            return Err(ErrorCode::InputTooLarge);
        }
        let measured = self.measured(pid)?;
        let chain = self.authority.chain(now).map_err(|error| internal(&error))?;
        let document = document::sign(&chain, &self.id, &measured, request, now);
        Ok(Response::Attestation { document: ByteBuf::from(document) })
    }

    fn describe(&self) -> Response {
        Response::DescribeNsm {
            version_major: 1,
            version_minor: 0,
            version_patch: 0,
            module_id: self.id.clone(),
            max_pcrs: document::PCRS,
            locked_pcrs: (0..document::PCRS).collect(),
            digest: "SHA384",
        }
    }

    fn describe_pcr(&self, pid: i32, index: u16) -> Result<Response, ErrorCode> {
        let data = document::pcrs(&self.measured(pid)?).remove(&index).ok_or(ErrorCode::InvalidIndex)?;
        Ok(Response::DescribePcr { lock: true, data })
    }

    fn measured(&self, pid: i32) -> Result<Pcrs, ErrorCode> {
        self.executables.measure(pid, &self.manifest).map_err(|error| internal(&error))
    }
}

fn random() -> Result<Response, ErrorCode> {
    let mut random = vec![0; RANDOM];
    getrandom::fill(&mut random).map_err(|error| internal(&error))?;
    Ok(Response::GetRandom { random: ByteBuf::from(random) })
}

fn no_change(index: u16) -> ErrorCode {
    if index < document::PCRS { ErrorCode::ReadOnlyIndex } else { ErrorCode::InvalidIndex }
}

fn internal(error: &dyn std::fmt::Display) -> ErrorCode {
    tracing::error!(%error, "the simulated security module failed");
    ErrorCode::InternalError
}

// === impl OwnSocket ===

impl Drop for OwnSocket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // Nobody is left to tell; the next start removes a dead socket.
            let _ = fs::remove_file(&self.path);
        }
    }
}
