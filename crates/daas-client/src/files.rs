use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Writes a file that only its owner can read, whole or not at all: a temporary sibling made with 0600, then a rename.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.new", std::process::id()));
    let temporary = Path::new(&temporary);
    let result = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(temporary, path));
    if result.is_err() {
        // The error that matters is the first one; a leftover sibling is overwritten by the next attempt.
        drop(std::fs::remove_file(temporary));
    }
    result
}

/// Whether only the owner can read the file.
pub(crate) fn is_private(path: &Path) -> std::io::Result<bool> {
    Ok(std::fs::metadata(path)?.mode().trailing_zeros() >= 6)
}
