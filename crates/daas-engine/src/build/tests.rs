use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

/// A `go` that does what the script says; `$out` is where the programs are to be put.
struct FakeGo(TempDir);

const WRITES_ALL: &str = "for p in bridge containerd containerd-shim-runc-v2 ctr host-local kine kube-apiserver \
    kube-controller-manager kube-proxy kube-scheduler kubectl kubelet loopback portmap; do \
    echo \"program $p\" > \"$out/$p\"; echo \"example.org/$p\" >&2; done";

impl FakeGo {
    fn new(version: &str, build: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("go");
        let script = format!(
            "#!/bin/sh\ncase $1 in\nenv) echo {version};;\nlist) echo a; echo b;;\n\
             build) while [ \"$1\" != -o ]; do shift; done; out=$2\n{build};;\nesac\n"
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Self(folder)
    }

    fn toolchain(&self) -> go::Toolchain {
        go::Toolchain { path: self.0.path().as_os_str().to_owned() }
    }

    async fn ensure(&self, cache: &Path) -> Result<Binaries, BuildError> {
        ensure_with(cache, &self.toolchain(), &mut |_| {}).await
    }
}

fn entries(cache: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(cache)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "lock")
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn builds_once_and_tells_its_progress() {
    let cache = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    let go = FakeGo::new("go1.26.8", WRITES_ALL);
    let built = ensure_with(cache.path(), &go.toolchain(), &mut |p| seen.push(p)).await.unwrap();
    assert_eq!(seen.first(), Some(&Progress::Fetching));
    assert!(seen.contains(&Progress::Compiling { done: 14, total: 2 }), "{seen:?}");
    assert_eq!(built.manifest().lines().count(), Program::BUILT.len());
    assert!(built.manifest().lines().next().unwrap().ends_with("  bridge"));
    assert_eq!(fs::read_to_string(built.path(Program::Kine)).unwrap(), "program kine\n");
    let broken = FakeGo::new("go1.26.8", "exit 1");
    let again = broken.ensure(cache.path()).await.expect("the cache must do without `go`");
    assert_eq!(again.manifest(), built.manifest());
    assert_eq!(entries(cache.path()), [cache_key()]);
}

#[tokio::test]
async fn a_full_disk_leaves_nothing_that_is_trusted_later() {
    let cache = tempfile::tempdir().unwrap();
    let full = "echo part > \"$out/kubelet\"; echo 'write $WORK: no space left on device' >&2; exit 1";
    let error = FakeGo::new("go1.26.8", full).ensure(cache.path()).await.unwrap_err();
    assert!(matches!(&error, BuildError::DiskFull { folder } if folder == cache.path()), "{error}");
    assert!(find(cache.path()).await.unwrap().is_none());
    assert!(entries(cache.path()).is_empty());
}

#[tokio::test]
async fn a_killed_build_is_neither_used_nor_left() {
    let cache = tempfile::tempdir().unwrap();
    // What a kill -9 can leave: a temporary folder, or one of the final name without a manifest.
    for folder in [".building-dead/bin".to_owned(), format!("{}/bin", cache_key())] {
        fs::create_dir_all(cache.path().join(&folder)).unwrap();
        fs::write(cache.path().join(folder).join("kubelet"), "part").unwrap();
    }
    assert!(find(cache.path()).await.unwrap().is_none());
    let built = FakeGo::new("go1.26.8", WRITES_ALL).ensure(cache.path()).await.unwrap();
    assert_eq!(fs::read_to_string(built.path(Program::Kubelet)).unwrap(), "program kubelet\n");
    assert_eq!(entries(cache.path()), [cache_key()]);
}

#[tokio::test]
async fn a_build_without_one_of_its_programs_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    let go = FakeGo::new("go1.26.8", &format!("{WRITES_ALL}; rm \"$out/kine\""));
    let error = go.ensure(cache.path()).await.unwrap_err();
    assert!(error.to_string().contains("kine"), "{error}");
    assert!(find(cache.path()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_altered_program_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    let go = FakeGo::new("go1.26.8", WRITES_ALL);
    let built = go.ensure(cache.path()).await.unwrap();
    find(cache.path()).await.unwrap().expect("the build must be found");
    fs::write(built.path(Program::Kubelet), "something else").unwrap();
    let error = find(cache.path()).await.unwrap_err();
    assert!(matches!(&error, BuildError::Altered { path, .. } if path.ends_with("kubelet")), "{error}");
    assert!(built.verify().await.is_err());
}

#[tokio::test]
async fn each_failure_has_its_own_name() {
    let failing = |said: &str| FakeGo::new("go1.26.8", &format!("echo '{said}' >&2; exit 1"));
    let cache = tempfile::tempdir().unwrap();
    let error = async |go: FakeGo| go.ensure(cache.path()).await.unwrap_err();
    let old = error(FakeGo::new("go1.22.1", WRITES_ALL)).await;
    assert!(matches!(&old, BuildError::GoTooOld { found, .. } if found == "1.22.1"), "{old}");
    let network = error(failing("dial tcp: lookup proxy: no such host")).await;
    assert!(matches!(network, BuildError::NoNetwork { .. }), "{network}");
    let compiler = error(failing("cgo: C compiler \"gcc\" not found")).await;
    assert!(matches!(compiler, BuildError::NoCompiler), "{compiler}");
    let compile = error(failing("x.go:1:1: undefined: y")).await;
    assert!(matches!(&compile, BuildError::Compile { output } if output.contains("undefined")), "{compile}");
    let empty = tempfile::tempdir().unwrap();
    let none = go::Toolchain { path: empty.path().as_os_str().to_owned() };
    let missing = ensure_with(cache.path(), &none, &mut |_| {}).await.unwrap_err();
    assert!(matches!(missing, BuildError::NoGo { .. }), "{missing}");
    assert!(entries(cache.path()).is_empty());
}
