//! The Kubernetes programs: built once from their Go modules into a cache, and never half-trusted.
//!
//! The cache key is a hash over go.mod, go.sum and the build's flags. A build happens in a temporary sibling
//! and is renamed into place only with its manifest, so a killed build or a full disk leaves nothing that a
//! later start would use.

mod cache;
pub(crate) use cache::{copy_hashed, hash_file, lock, run_blocking};
mod go;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::FileError;

/// The version of Kubernetes that is built.
pub const KUBERNETES_VERSION: &str = go::KUBERNETES;
pub(crate) const GO_MOD: &str = include_str!("../../../engine/go.mod");
pub(crate) const GO_SUM: &str = include_str!("../../../engine/go.sum");

/// One of the programs an engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the program of that name")]
pub enum Program {
    Bridge,
    Containerd,
    ContainerdShim,
    Ctr,
    HostLocal,
    K3s,
    Kine,
    KubeApiserver,
    KubeControllerManager,
    KubeProxy,
    KubeScheduler,
    Kubectl,
    Kubelet,
    Loopback,
    Portmap,
}

/// How a build goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Another process builds the same; its result will be used.
    WaitingForOther,
    /// Modules are fetched and the packages counted.
    Fetching,
    /// Packages compiled so far. What the compiler's own cache holds is skipped, so `done` may end below `total`.
    Compiling {
        /// Packages done.
        done: usize,
        /// Packages in all.
        total: usize,
    },
    /// A release is fetched.
    Downloading {
        /// Bytes so far.
        bytes: u64,
    },
    /// The finished programs are hashed.
    Hashing,
}

/// Why the programs are not there.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no Go toolchain.
    #[error("no `go` on PATH: install Go {needed} or later to build the Kubernetes programs")]
    NoGo {
        /// The version that go.mod asks for.
        needed: String,
    },
    /// The Go toolchain is older than go.mod asks for.
    #[error("Go {found} is too old: the Kubernetes programs need Go {needed} or later")]
    GoTooOld {
        /// The version on PATH.
        found: String,
        /// The version that go.mod asks for.
        needed: String,
    },
    /// There is no C compiler, which the sqlite driver needs.
    #[error("no C compiler: install gcc and libc6-dev to build the Kubernetes programs")]
    NoCompiler,
    /// Modules could not be fetched.
    #[error("cannot fetch Go modules, is there a network? (GOPROXY, HTTPS_PROXY)\n{output}")]
    NoNetwork {
        /// What `go` said last.
        output: String,
    },
    /// The disk filled up.
    #[error("no space left while building in {folder}: the programs and Go's caches need about 6 GB")]
    DiskFull {
        /// The cache folder.
        folder: PathBuf,
    },
    /// The compiler failed.
    #[error("the Kubernetes programs do not compile\n{output}")]
    Compile {
        /// What `go` said last.
        output: String,
    },
    /// What the build made, or the cache holds, is not what its manifest says.
    #[error("{path} is not as its manifest says: expected {expected}, got {got}; remove its folder to build anew")]
    Altered {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Neither `XDG_CACHE_HOME` nor `HOME` names a folder.
    #[error("neither XDG_CACHE_HOME nor HOME is set: name a cache folder")]
    NoCacheFolder,
}

/// The programs of one complete build, or the K3s that was found.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
    manifest: String,
    version: String,
}

/// The folder below which builds are kept unless one is configured: `$XDG_CACHE_HOME/k3s-daas/engine`.
pub fn default_cache_dir() -> Result<PathBuf, BuildError> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("k3s-daas/engine"))
        .ok_or(BuildError::NoCacheFolder)
}

/// K3s, in a folder of its own.
pub(crate) fn k3s(folder: PathBuf, sha256: &str, version: String) -> Binaries {
    Binaries { folder, manifest: format!("{sha256}  {}\n", Program::K3s.file_name()), version }
}

/// The name of the build that this version of the crate uses.
pub fn cache_key() -> String {
    cache::key(GO_MOD, GO_SUM, go::FLAGS)
}

/// The programs from the cache, if a complete build is there; never builds.
pub async fn find(cache_dir: &Path) -> Result<Option<Binaries>, BuildError> {
    cache::find(&cache_dir.join(cache_key())).await
}

/// The programs from the cache, built first if they are not there.
///
/// `progress` is called often and must not block. Dropping the future abandons the build.
pub async fn ensure(cache_dir: &Path, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Binaries, BuildError> {
    ensure_with(cache_dir, &go::Toolchain::from_path(), progress).await
}

async fn ensure_with(
    cache_dir: &Path,
    toolchain: &go::Toolchain,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Binaries, BuildError> {
    let cache_dir = crate::files::make_canonical_folder(cache_dir)?;
    let target = cache_dir.join(cache_key());
    if let Some(found) = cache::find(&target).await? {
        return Ok(found);
    }
    let _lock = lock(&cache_dir, progress).await?;
    // Whoever held the lock before may have built what is asked for.
    if let Some(found) = cache::find(&target).await? {
        return Ok(found);
    }
    cache::remove_leftovers(&cache_dir)?;
    let building = cache::Building::begin(&cache_dir, &target)?;
    go::build(building.source(), building.programs(), toolchain, progress)
        .await
        .map_err(|e| e.with_folder(&cache_dir))?;
    progress(Progress::Hashing);
    building.complete().await
}

// === impl Program ===

impl Program {
    /// All that are built. K3s is not: it is used as it is released.
    pub const BUILT: [Self; 14] = [
        Self::Bridge,
        Self::Containerd,
        Self::ContainerdShim,
        Self::Ctr,
        Self::HostLocal,
        Self::Kine,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeProxy,
        Self::KubeScheduler,
        Self::Kubectl,
        Self::Kubelet,
        Self::Loopback,
        Self::Portmap,
    ];

    /// Its file name.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Containerd => "containerd",
            Self::ContainerdShim => "containerd-shim-runc-v2",
            Self::Ctr => "ctr",
            Self::HostLocal => "host-local",
            Self::K3s => "k3s",
            Self::Kine => "kine",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeProxy => "kube-proxy",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubectl => "kubectl",
            Self::Kubelet => "kubelet",
            Self::Loopback => "loopback",
            Self::Portmap => "portmap",
        }
    }
}

// === impl Binaries ===

impl Binaries {
    /// Where a program lies.
    pub fn path(&self, program: Program) -> PathBuf {
        self.folder.join(program.file_name())
    }

    /// The folder with all programs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The version of Kubernetes that it is, with a `v`; K3s' own has a suffix, as `v1.36.2+k3s1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// One line `sha256  name` for each program, ordered by name: part of what is measured.
    pub fn manifest(&self) -> &str {
        &self.manifest
    }

    /// Hashes every program again and compares with the manifest.
    pub async fn verify(&self) -> Result<(), BuildError> {
        cache::verify(self.folder.clone(), self.manifest.clone()).await
    }
}

/// How often a waiting build looks whether the other one is done.
const LOCK_POLL: Duration = Duration::from_millis(500);
