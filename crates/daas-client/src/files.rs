use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// Writes a file that only its owner can read, whole or not at all: a new sibling with a name that nobody knows
/// beforehand, made with 0600, then a rename. Once this is done, a machine that loses its power has it, too.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut sibling =
        tempfile::Builder::new().prefix(".new-").permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
    sibling.write_all(bytes)?;
    sibling.as_file().sync_all()?;
    sibling.persist(path)?;
    File::open(folder)?.sync_all()
}

/// Whether only the owner can read the file.
pub(crate) fn is_private(path: &Path) -> std::io::Result<bool> {
    Ok(std::fs::metadata(path)?.mode().trailing_zeros() >= 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_owners_alone_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/secret");
        write_private(&path, b"first").unwrap();
        // A file that others can read is replaced, not written into.
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let old = File::open(&path).unwrap();
        write_private(&path, b"second").unwrap();
        assert!(is_private(&path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::io::read_to_string(old).unwrap(), "first");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        // What lies under a name that can be guessed is not followed.
        let elsewhere = dir.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, dir.path().join(format!("a/secret.{}.new", std::process::id())))
            .unwrap();
        write_private(&path, b"third").unwrap();
        assert!(!elsewhere.exists());
    }
}
