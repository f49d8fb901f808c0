//! A program as a service of systemd's: writes its unit with this machine's paths, and takes it away again.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// Where units that an administrator adds lie.
const UNITS: &str = "etc/systemd/system";
/// There while systemd runs the machine (`sd_booted(3)`).
const BOOTED: &str = "/run/systemd/system";
const SYSTEMCTL: &str = "systemctl";
/// Stopping a service takes as long as its unit says, and no longer.
const LIMIT: Duration = Duration::from_mins(5);

/// A service that a program brings along.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// As it is typed, without `.service`.
    pub name: &'static str,
    /// Its unit, as it stands in `deploy/systemd`.
    pub unit: &'static str,
    /// The program's path in it.
    pub program: &'static str,
    /// The configuration file's.
    pub config: &'static str,
}

/// Where to, and whether at all.
#[derive(Clone, Debug)]
pub struct Target {
    /// The root of the file system: another than `/` is that of an image, where nothing runs.
    pub prefix: PathBuf,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Why a service was not installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A file could not be written or removed.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system answered.
        #[source]
        source: io::Error,
    },
    /// systemd would read something else than the path.
    #[error("{path}: a path in a unit is absolute UTF-8 without quotes, `\\`, `$`, `%` and control characters")]
    Path {
        /// Which.
        path: PathBuf,
    },
    /// `systemctl` did not do it.
    #[error("`{line}`: {reason}")]
    Command {
        /// What was run.
        line: String,
        /// Its words.
        reason: String,
    },
}

// === impl Target ===

impl Target {
    /// Whether it is this machine, and systemd runs it.
    pub fn is_live(&self) -> bool {
        self.prefix == Path::new("/") && Path::new(BOOTED).is_dir()
    }
}

// === impl Service ===

impl Service {
    /// The unit for a program and a configuration file at these places.
    pub fn text(&self, program: &Path, config: &Path) -> Result<String, ServiceError> {
        let (start, file) = (word(program)?, word(config)?);
        let folder = plain(config.parent().unwrap_or(config))?;
        let line = |line: &str| match line.split_once('=') {
            Some((key @ "ExecStart", command)) => {
                format!("{key}={}\n", command.replace(self.program, &start).replace(self.config, &file))
            }
            Some((key @ "WorkingDirectory", _)) => format!("{key}={folder}\n"),
            _ => format!("{line}\n"),
        };
        Ok(self.unit.lines().map(line).collect())
    }

    /// Writes the unit and, where systemd runs, has it started with the machine from now on. What was done, line by line.
    pub async fn install(&self, target: &Target, program: &Path, config: &Path) -> Result<Vec<String>, ServiceError> {
        self.install_with(&Manager::of(target), target, program, config).await
    }

    /// The opposite of [`Self::install`]; stops the service first, if it runs.
    pub async fn uninstall(&self, target: &Target) -> Result<Vec<String>, ServiceError> {
        self.uninstall_with(&Manager::of(target), target).await
    }

    async fn install_with(
        &self,
        manager: &Manager,
        target: &Target,
        program: &Path,
        config: &Path,
    ) -> Result<Vec<String>, ServiceError> {
        let (path, text) = (self.path(target), self.text(program, config)?);
        if target.dry_run {
            let mut said = vec![format!("would write {}:\n\n{text}", path.display())];
            said.extend(manager.would(&[&["daemon-reload"], &["enable", self.name]]));
            return Ok(said);
        }
        write(&path, &text).map_err(failed(&path))?;
        let mut done = vec![format!("wrote {}", path.display())];
        done.extend(manager.run(&[&["daemon-reload"], &["enable", self.name]]).await?);
        Ok(done)
    }

    async fn uninstall_with(&self, manager: &Manager, target: &Target) -> Result<Vec<String>, ServiceError> {
        let path = self.path(target);
        if !path.exists() {
            return Ok(vec![format!("{} is not there", path.display())]);
        }
        let (stop, reload) = (["disable", "--now", self.name], ["daemon-reload"]);
        if target.dry_run {
            let mut said = manager.would(&[&stop, &reload]);
            said.push(format!("would remove {}", path.display()));
            return Ok(said);
        }
        let mut done = manager.run(&[&stop]).await?;
        fs::remove_file(&path).map_err(failed(&path))?;
        done.push(format!("removed {}", path.display()));
        done.extend(manager.run(&[&reload]).await?);
        Ok(done)
    }

    fn path(&self, target: &Target) -> PathBuf {
        target.prefix.join(UNITS).join(format!("{}.service", self.name))
    }
}

/// Who is told of a unit: a command's first words. None where systemd does not run the machine.
struct Manager {
    systemctl: Vec<OsString>,
}

// === impl Manager ===

impl Manager {
    fn of(target: &Target) -> Self {
        Self { systemctl: target.is_live().then(|| SYSTEMCTL.into()).into_iter().collect() }
    }

    /// What would be run, where anything is.
    fn would(&self, commands: &[&[&str]]) -> Vec<String> {
        let told = if self.systemctl.is_empty() { &[] } else { commands };
        told.iter().map(|args| format!("would run `{}`", line(args))).collect()
    }

    async fn run(&self, commands: &[&[&str]]) -> Result<Vec<String>, ServiceError> {
        let [program, first @ ..] = self.systemctl.as_slice() else { return Ok(Vec::new()) };
        for args in commands {
            let failed = |reason: String| ServiceError::Command { line: line(args), reason };
            let mut command = Command::new(program);
            command.args(first).args(*args).stdin(Stdio::null()).kill_on_drop(true);
            let output = timeout(LIMIT, command.output()).await.map_err(|_| failed(format!("not within {LIMIT:?}")))?;
            let output = output.map_err(|e| failed(e.to_string()))?;
            if !output.status.success() {
                return Err(failed(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())));
            }
        }
        Ok(commands.iter().map(|args| format!("ran `{}`", line(args))).collect())
    }
}

fn line(args: &[&str]) -> String {
    format!("{SYSTEMCTL} {}", args.join(" "))
}

/// A path as a word of a command line.
fn word(path: &Path) -> Result<String, ServiceError> {
    let text = plain(path)?;
    Ok(if text.contains(char::is_whitespace) { format!("\"{text}\"") } else { text.to_owned() })
}

/// A path of which systemd reads every character as it stands.
fn plain(path: &Path) -> Result<&str, ServiceError> {
    let meant = |c: char| c.is_control() || "\"'\\$%".contains(c);
    let text = path.to_str().filter(|text| text.starts_with('/') && !text.contains(meant));
    text.ok_or_else(|| ServiceError::Path { path: path.to_owned() })
}

/// Whole or not at all: systemd may read at any moment.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let new = path.with_extension("service.new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ServiceError {
    |source| ServiceError::File { path: path.to_owned(), source }
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;
