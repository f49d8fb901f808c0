//! No secret of the demo's people may be anywhere but in its own file.

use crate::paths::StateDir;
use anyhow::ensure;
use daas_client::SealFile;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Every Seal secret, session key and wallet key below the state folder.
pub(super) fn collect(state: &StateDir) -> anyhow::Result<Vec<Zeroizing<String>>> {
    let mut secrets = Vec::new();
    for path in files(state.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with("seal.json") {
            secrets.push(SealFile::load(&path)?.secret().expose_hex());
        }
        let text = Zeroizing::new(std::fs::read_to_string(&path).unwrap_or_default());
        let keys = text.split(['"', '\n', ' ']).filter(|word| word.starts_with("suiprivkey1"));
        secrets.extend(keys.map(|key| Zeroizing::new(key.to_owned())));
    }
    ensure!(secrets.len() >= 6, "only {} secrets were found to look for", secrets.len());
    Ok(secrets)
}

/// Where one of them stands though it must not: logs, command lines, environments.
pub(super) fn leaks(state: &StateDir, secrets: &[Zeroizing<String>]) -> Vec<String> {
    let mut places: Vec<PathBuf> =
        files(state.path()).into_iter().filter(|p| p.extension().is_some_and(|e| e == "log")).collect();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()) {
            places.extend([entry.path().join("cmdline"), entry.path().join("environ")]);
        }
    }
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        secrets.iter().any(|secret| bytes.windows(secret.len()).any(|w| w == secret.as_bytes()))
    };
    places.iter().filter(|path| holds(path)).map(|path| path.display().to_string()).collect()
}

/// Files of ours: the nodes' container data is skipped, it is large and not ours.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && name != "containerd" && name != "kubelet" => found.extend(files(&path)),
            Ok(kind) if kind.is_file() && entry.metadata().is_ok_and(|m| m.len() < 64 << 20) => found.push(path),
            _ => {}
        }
    }
    found
}
