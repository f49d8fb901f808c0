//! Container images made on the spot from a static busybox, for machines that reach no registry. What was made is there for the
//! next start, as long as the programs in it are what they were.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::command::{self, CommandError};
use crate::files::{self, FileError};
use crate::prerequisites;

/// The image that holds a pod's namespaces open.
pub const PAUSE: &str = "local/pause:1";
/// A small image with a shell.
pub const BUSYBOX: &str = "local/busybox:1";
/// The same with kubectl in it.
pub const KUBECTL: &str = "local/kubectl:1";

/// Another number where what is written of the same programs becomes another.
const FORMAT: u8 = 1;
/// As process 1, `sleep` would ignore SIGTERM and every stop would take its whole grace.
const PAUSE_SCRIPT: &str = "trap 'exit 0' TERM INT; while :; do sleep 2147483647 & wait $!; done";

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is no busybox.
    #[error("no busybox: apt-get install busybox-static")]
    NoBusybox,
    /// The busybox needs libraries that an image of it would not have.
    #[error("{path} is not static: apt-get install busybox-static")]
    NotStatic {
        /// The program.
        path: PathBuf,
    },
    /// busybox did not run.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
}

struct Image<'a> {
    name: &'a str,
    command: &'a [&'a str],
    programs: Vec<(String, PathBuf)>,
    applets: &'a str,
}

/// Makes the archives of all images in `folder`, unless they are there, and answers their paths.
pub async fn build(folder: &Path, kubectl: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let busybox = prerequisites::find_program("busybox").ok_or(ImageError::NoBusybox)?;
    check_static(&busybox)?;
    files::make_folder(folder)?;
    let applets = command::run(&busybox, &["--list"]).await?;
    let own = ("bin/busybox".to_owned(), busybox);
    let mut with_kubectl = vec![own.clone(), ("bin/kubectl".to_owned(), kubectl.to_owned())];
    with_kubectl.extend(libraries(kubectl).await);
    let folder = folder.to_owned();
    let made = tokio::task::spawn_blocking(move || {
        let pause = ["/bin/sh", "-c", PAUSE_SCRIPT];
        let images = [
            Image { name: PAUSE, command: &pause, programs: vec![own.clone()], applets: &applets },
            Image { name: BUSYBOX, command: &["/bin/sh"], programs: vec![own], applets: &applets },
            Image { name: KUBECTL, command: &["/bin/sh"], programs: with_kubectl, applets: &applets },
        ];
        let paths = images.iter().map(|image| image.place(&folder)).collect::<Result<Vec<_>, _>>()?;
        remove_others(&folder, &paths);
        Ok(paths)
    });
    made.await.expect("making images must not panic")
}

/// Removes archives of programs that are no more, and what was not finished. What stays costs space and nothing else.
fn remove_others(folder: &Path, paths: &[PathBuf]) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let archive =
        |path: &PathBuf| path.extension().is_some_and(|kind| kind == "tar" || kind == "new") && path.is_file();
    for path in entries.filter(|path| archive(path) && !paths.contains(path)) {
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "former image not removed");
        }
    }
}

/// A dynamic program names its loader near its start.
fn check_static(path: &Path) -> Result<(), ImageError> {
    let mut start = Vec::new();
    File::open(path).and_then(|f| f.take(8192).read_to_end(&mut start)).map_err(FileError::of("read", path))?;
    if start.windows(3).any(|w| w == b"/ld") {
        return Err(ImageError::NotStatic { path: path.to_owned() });
    }
    Ok(())
}

/// The loader and libraries of a dynamic program, to stand in the image where they stand here; none for a static one,
/// on which ldd fails.
async fn libraries(program: &Path) -> Vec<(String, PathBuf)> {
    let said = command::run("ldd", &[program]).await.unwrap_or_default();
    let paths = said.split_whitespace().filter(|word| word.starts_with('/')).map(|word| word.trim_end_matches(':'));
    paths.map(|path| (path.trim_start_matches('/').to_owned(), PathBuf::from(path))).collect()
}

// === impl Image ===

impl Image<'_> {
    /// Its archive in this folder, written if it is not there.
    fn place(&self, folder: &Path) -> Result<PathBuf, FileError> {
        let name = self.name.trim_start_matches("local/").replace(':', "-");
        let path = folder.join(format!("{name}.{}.tar", self.key()?));
        if !path.is_file() {
            // An archive that has its name is whole.
            let unfinished = path.with_extension("new");
            let write = || self.write(&unfinished).and_then(|()| fs::rename(&unfinished, &path));
            write().map_err(FileError::of("write the image", &path))?;
        }
        Ok(path)
    }

    /// Stands for what it is made of. A program is the same as long as its file is, by inode, size and time: to read them all is
    /// most of what it takes to make the image.
    fn key(&self) -> Result<String, FileError> {
        let mut hash = Sha256::new();
        hash.update(format!("{FORMAT}{:?}{}", self.command, self.applets));
        for (place, program) in &self.programs {
            let file = fs::metadata(program).map_err(FileError::of("read", program))?;
            let state = (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec());
            hash.update(format!("{place:?}{state:?}"));
            hash.update(program.as_os_str().as_encoded_bytes());
        }
        let key = hex::encode(hash.finalize());
        Ok(key.get(..16).unwrap_or(&key).to_owned())
    }

    /// Writes it in the form of `docker save`.
    fn write(&self, path: &Path) -> io::Result<()> {
        let layer = self.layer()?;
        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": { "Cmd": self.command, "Env": ["PATH=/bin"] },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))] },
        })
        .to_string();
        let config_name = format!("{}.json", sha256(config.as_bytes()));
        let manifest = json!([{
            "Config": config_name,
            "RepoTags": [format!("docker.io/{}", self.name)],
            "Layers": ["layer.tar"],
        }])
        .to_string();
        let mut archive = Builder::new(File::create(path)?);
        for (name, content) in [
            (config_name.as_str(), config.as_bytes()),
            ("layer.tar", layer.as_slice()),
            ("manifest.json", manifest.as_bytes()),
        ] {
            append(&mut archive, name, 0o644, content)?;
        }
        archive.into_inner()?.sync_all()
    }

    fn layer(&self) -> io::Result<Vec<u8>> {
        let mut layer = Builder::new(Vec::new());
        for (name, mode) in [("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777)] {
            let mut header = header(EntryType::Directory, mode, 0);
            layer.append_data(&mut header, format!("{name}/"), io::empty())?;
        }
        for (name, source) in &self.programs {
            append(&mut layer, name, 0o755, &fs::read(source)?)?;
        }
        for applet in self.applets.lines().filter(|a| *a != "busybox" && !a.contains('/')) {
            layer.append_link(&mut header(EntryType::Symlink, 0o777, 0), format!("bin/{applet}"), "busybox")?;
        }
        layer.into_inner()
    }
}

fn append<W: io::Write>(to: &mut Builder<W>, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    let size = u64::try_from(content.len()).expect("a length must fit");
    to.append_data(&mut header(EntryType::Regular, mode, size), name, content)
}

/// Without times and owners, so that the same programs give the same image.
fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn sha256(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_made_is_made_again_when_a_program_in_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let (images, kubectl) = (folder.path().join("images"), folder.path().join("kubectl"));
        fs::write(&kubectl, "one").unwrap();
        let Ok(first) = build(&images, &kubectl).await else {
            assert!(prerequisites::find_program("busybox").is_none());
            return;
        };
        let look = || first.iter().map(|path| fs::metadata(path).ok().map(|file| (file.ino(), file.mtime_nsec())));
        let before: Vec<_> = look().collect();
        // As one that was killed leaves.
        fs::write(images.join("half.new"), "").unwrap();
        fs::create_dir(images.join("another's")).unwrap();
        assert_eq!(build(&images, &kubectl).await.unwrap(), first);
        assert_eq!(look().collect::<Vec<_>>(), before, "written again");
        fs::write(&kubectl, "another").unwrap();
        let second = build(&images, &kubectl).await.unwrap();
        assert_eq!(second[..2], first[..2], "what has no kubectl in it is as it was");
        assert_ne!(second[2], first[2]);
        assert!(fs::read(&second[2]).unwrap().windows(7).any(|bytes| bytes == b"another"));
        assert_eq!(
            fs::read_dir(&images).unwrap().count(),
            4,
            "what is of no use any more stays, or more than that goes"
        );
    }
}
