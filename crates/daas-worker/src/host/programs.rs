//! The engine's programs on this machine: whether they are there, and fetching K3s.

use crate::config::WorkerConfig;
use daas_engine::build::{self, BuildError, Program, Progress};
use daas_engine::k3s::{self, FetchError, K3sError, Place, Release, RuntimeError};
use daas_engine::{Engine, EngineError, EngineKind, Need, NodeError, Role};
use daas_types::join::Joining;
use daas_types::{ErrorCode, Problem};
use std::path::{Path, PathBuf};

/// Whether this machine has what a node needs that joins like this.
pub fn check_programs(config: &WorkerConfig, joining: Joining) -> Result<(), Problem> {
    let engine = engine(joining);
    engine.check(Role::Node).map_err(problem)?;
    let cache = cache(config).ok();
    if engine.has_agents() && k3s::locate(cache.as_deref()).map_err(|error| problem(error.into()))?.is_none() {
        return Err(problem(K3sError::NotFound.into()));
    }
    Ok(())
}

/// Whether what is to run the pods of a node that joins like this takes them, if that is not its own.
pub async fn check_runtime(config: &WorkerConfig, joining: Joining) -> Result<(), Problem> {
    let data_dir = std::path::absolute(config.data_dir(joining)).map_err(Problem::of(ErrorCode::StateUnreadable))?;
    engine(joining).check_runtime(&config.runtime, &data_dir).await.map_err(problem)
}

/// Where the engine's programs are.
pub(super) fn cache(config: &WorkerConfig) -> Result<PathBuf, Problem> {
    let set = config.engine_dir.clone();
    set.map_or_else(|| build::default_cache_dir().map_err(|error| problem(error.into())), Ok)
}

pub(super) fn engine(joining: Joining) -> Engine {
    match joining {
        Joining::Kubernetes => EngineKind::Kubernetes.resolve(),
        Joining::K3s => EngineKind::K3s.resolve(),
    }
}

/// Fetches a release of K3s, because somebody has typed that; what to tell them. `tell` is told megabytes.
pub async fn fetch(
    release: &Release,
    releases: &Place,
    cache: Option<&Path>,
    mut tell: impl FnMut(u64) + Send,
) -> Result<String, Problem> {
    let cache = match cache {
        Some(cache) => cache.to_owned(),
        None => build::default_cache_dir().map_err(|error| problem(error.into()))?,
    };
    let mut progress = |progress| {
        if let Progress::Downloading { bytes } = progress {
            tell(bytes / 1_000_000);
        }
    };
    let fetched = k3s::fetch(release, releases, &cache, &mut progress).await;
    let programs = fetched.map_err(|error| problem(error.into()))?;
    let (path, sha256) = (programs.path(Program::K3s), programs.manifest().split(' ').next().unwrap_or_default());
    let mut text = format!("✓ K3s {}, sha256 {sha256}, {}", programs.version(), path.display());
    if let Ok(Some(first)) = k3s::locate(Some(&cache))
        && first != path
    {
        text = format!("{text}\n  but K3S_BIN or PATH has another, which goes before it: {}", first.display());
    }
    Ok(text)
}

/// The engine's errors in the catalogue's words.
pub(super) fn problem(error: EngineError) -> Problem {
    let code = match &error {
        EngineError::Prerequisites(missing) if missing.needs.contains(&Need::Root) => ErrorCode::RootNeeded,
        EngineError::Prerequisites(_) | EngineError::Build(BuildError::NoCompiler) => ErrorCode::ToolMissing,
        EngineError::Build(BuildError::NoGo { .. } | BuildError::GoTooOld { .. }) => ErrorCode::GoMissing,
        EngineError::Build(BuildError::NoNetwork { .. }) => ErrorCode::NetworkNeeded,
        EngineError::Build(BuildError::DiskFull { .. }) => ErrorCode::DiskFull,
        EngineError::Build(_) => ErrorCode::EngineBuildFailed,
        EngineError::K3s(K3sError::Fetch(error)) => unfetched(error),
        EngineError::K3s(_) => ErrorCode::K3sMissing,
        EngineError::Node(NodeError::Runtime(RuntimeError::Docker { .. })) => ErrorCode::DockerMissing,
        EngineError::Node(NodeError::Runtime(RuntimeError::Cri { .. })) => ErrorCode::RuntimeMissing,
        EngineError::NoRuntime(_) | EngineError::OtherWay(_) | EngineError::Unknown(_) => ErrorCode::ConfigInvalid,
        EngineError::Node(NodeError::Taken { .. }) => ErrorCode::DataFolderTaken,
        EngineError::Node(NodeError::Waiting { .. }) => ErrorCode::ApiServerUnavailable,
        EngineError::Server(_) | EngineError::Node(_) | EngineError::Process(_) => ErrorCode::NodeFailed,
    };
    Problem::of(code)(error)
}

/// Why a release is not here.
fn unfetched(error: &FetchError) -> ErrorCode {
    match error {
        FetchError::NoCurl => ErrorCode::ToolMissing,
        FetchError::Network { .. } => ErrorCode::NetworkNeeded,
        FetchError::Checksum { .. } => ErrorCode::ChecksumWrong,
        FetchError::DiskFull { .. } => ErrorCode::DiskFull,
        FetchError::BadPlace { .. } => ErrorCode::ConfigInvalid,
        FetchError::NoRelease { .. }
        | FetchError::TooOld { .. }
        | FetchError::NoMachine { .. }
        | FetchError::NotThere { .. }
        | FetchError::TooLong { .. }
        | FetchError::NoChecksum { .. }
        | FetchError::OtherVersion { .. } => ErrorCode::ReleaseMissing,
    }
}
