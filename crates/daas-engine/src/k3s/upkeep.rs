//! K3s' own commands on the data of a server: snapshots of its datastore, and its certificates. They are run by the very program
//! that the server is, and what can be said to them is listed here: nothing that reads another K3s' configuration, and no secret.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use tokio::process::Command;

use super::last::{self, LastRun};
use super::server::Layout;
use crate::build::{self, BuildError};
use crate::command::SYSTEM_PATH;
use crate::files::{self, FileError};
use crate::process::{self, ProcessError};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Makes a snapshot now.
    Save {
        /// How its name begins.
        name: Option<String>,
        /// Whether it is compressed.
        compress: bool,
    },
    /// Lists them.
    List {
        /// In which form.
        output: Option<String>,
    },
    /// Removes the oldest.
    Prune {
        /// How their names begin.
        name: Option<String>,
        /// How many stay.
        retention: Option<u32>,
    },
    /// Removes these.
    Delete {
        /// Their names.
        names: Vec<String>,
    },
    /// Says how long certificates last.
    Check {
        /// Of which components; of all if none is named.
        services: Vec<String>,
        /// In which form.
        output: Option<String>,
    },
    /// Puts certificates aside, so that the next start makes new ones.
    Rotate {
        /// Of which components; of all if none is named.
        services: Vec<String>,
    },
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// There is no K3s of this cluster's.
    #[error("K3s has never run in {folder}: `--data-dir` names the master's data folder")]
    NeverRan {
        /// The master's data folder.
        folder: PathBuf,
    },
    /// A word that K3s could take for something else.
    #[error("{word:?} is no name: letters, digits, dots, dashes and underscores, and a letter or digit first")]
    BadWord {
        /// The word.
        word: String,
    },
    /// The program that ran is another by now.
    #[error("{program} is not what ran last: its SHA-256 is {got}; start the master first")]
    Altered {
        /// The program.
        program: PathBuf,
        /// What it is now.
        got: String,
    },
    /// There is nothing to make a snapshot of.
    #[error(
        "the datastore is not etcd: `k3s.cluster_init: true` in the master's configuration makes it so at its next start"
    )]
    NoEtcd,
    /// It does it only while it runs.
    #[error("K3s does not run in {folder}, and makes snapshots only while it does")]
    Stopped {
        /// The master's data folder.
        folder: PathBuf,
    },
    /// It would go on with what is put aside.
    #[error("K3s runs in {folder}, and would go on with what is put aside")]
    Runs {
        /// The master's data folder.
        folder: PathBuf,
    },
    /// K3s says no.
    #[error("`k3s {command}` ended with {status}")]
    Failed {
        /// What was run.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// It does not run.
    #[error("{program} cannot be started")]
    CannotStart {
        /// The program.
        program: PathBuf,
        /// What the operating system answered.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The program could not be read.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// What runs is not known.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// Does it, with this program's own output. `state_dir` is the server's.
pub async fn upkeep(state_dir: &Path, what: &Upkeep) -> Result<(), UpkeepError> {
    let folder = || state_dir.to_owned();
    let last = LastRun::read(state_dir)?.ok_or_else(|| UpkeepError::NeverRan { folder: folder() })?;
    let layout = Layout { state: files::make_canonical_folder(state_dir)? };
    let arguments = arguments(&layout, last.port, what)?;
    let held = last::take(&layout.state)?;
    // One whose supervisor was killed runs as well, and nobody holds anything for it.
    let runs = held.is_none() || process::runs_recorded(&layout.state.join("run"))?;
    match what {
        Upkeep::Rotate { .. } if runs => return Err(UpkeepError::Runs { folder: folder() }),
        Upkeep::Rotate { .. } | Upkeep::Check { .. } => {}
        _ if !layout.data().join("server/db/etcd").is_dir() => return Err(UpkeepError::NoEtcd),
        _ if !runs => return Err(UpkeepError::Stopped { folder: folder() }),
        _ => {}
    }
    let program = last.program.clone();
    let got = build::run_blocking(move || build::hash_file(&program)).await?;
    if got != last.sha256 {
        return Err(UpkeepError::Altered { program: last.program, got });
    }
    if !runs {
        layout.forget_unpacked()?;
    }
    files::write_private(&layout.config(), "")?;
    run(&layout, &last.program, &arguments).await
}

async fn run(layout: &Layout, program: &Path, arguments: &[String]) -> Result<(), UpkeepError> {
    let mut command = Command::new(program);
    // Nothing of what is set for another K3s is for this one.
    command.args(arguments).env_clear().env("PATH", SYSTEM_PATH).env("HOME", &layout.state).kill_on_drop(true);
    let status = command.current_dir(&layout.state).status().await;
    let status = status.map_err(|source| UpkeepError::CannotStart { program: program.to_owned(), source })?;
    if status.success() {
        return Ok(());
    }
    Err(UpkeepError::Failed {
        command: arguments.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(" "),
        status,
    })
}

/// Flags first: behind the first name nothing is taken for one.
fn arguments(layout: &Layout, port: u16, what: &Upkeep) -> Result<Vec<String>, UpkeepError> {
    let (command, subcommand) = what.words();
    let mut all = vec![
        command.to_owned(),
        subcommand.to_owned(),
        // Empty, and in place of the machine's, which may be another K3s'.
        format!("--config={}", layout.config().display()),
        format!("--data-dir={}", layout.data().display()),
    ];
    if command == SNAPSHOT {
        // Else it would ask the gateway. Its token it finds in the data folder.
        all.push(format!("--etcd-server=https://127.0.0.1:{port}"));
    }
    let flag = |name: &str, value: &Option<String>| {
        value.as_deref().map(|value| Ok(format!("--{name}={}", plain(value)?))).into_iter()
    };
    let words: Vec<Result<String, UpkeepError>> = match what {
        Upkeep::Save { name, compress } => {
            let compress = compress.then(|| Ok("--etcd-snapshot-compress".to_owned()));
            flag("name", name).chain(compress).collect()
        }
        Upkeep::List { output } => flag("output", output).collect(),
        Upkeep::Prune { name, retention } => {
            let retention = retention.map(|count| Ok(format!("--etcd-snapshot-retention={count}")));
            flag("name", name).chain(retention).collect()
        }
        Upkeep::Delete { names } => names.iter().map(|name| plain(name).map(str::to_owned)).collect(),
        Upkeep::Check { services, output } => of_services(services).chain(flag("output", output)).collect(),
        Upkeep::Rotate { services } => of_services(services).collect(),
    };
    for word in words {
        all.push(word?);
    }
    Ok(all)
}

fn of_services(services: &[String]) -> impl Iterator<Item = Result<String, UpkeepError>> {
    services.iter().map(|service| Ok(format!("--service={}", plain(service)?)))
}

fn plain(word: &str) -> Result<&str, UpkeepError> {
    let letter = |c: char| c.is_ascii_alphanumeric();
    let good = word.starts_with(letter) && word.len() <= 200 && word.chars().all(|c| letter(c) || "._-".contains(c));
    if good { Ok(word) } else { Err(UpkeepError::BadWord { word: word.chars().take(40).collect() }) }
}

const SNAPSHOT: &str = "etcd-snapshot";
const CERTIFICATE: &str = "certificate";

// === impl Upkeep ===

impl Upkeep {
    const fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Save { .. } => (SNAPSHOT, "save"),
            Self::List { .. } => (SNAPSHOT, "ls"),
            Self::Prune { .. } => (SNAPSHOT, "prune"),
            Self::Delete { .. } => (SNAPSHOT, "delete"),
            Self::Check { .. } => (CERTIFICATE, "check"),
            Self::Rotate { .. } => (CERTIFICATE, "rotate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(what: &Upkeep) -> Result<String, UpkeepError> {
        let layout = Layout { state: "STATE".into() };
        arguments(&layout, 16444, what).map(|all| all.join(" "))
    }

    #[test]
    fn the_arguments_are_these() {
        let word = |text: &str| Some(text.to_owned());
        let services = || vec!["api-server".to_owned(), "etcd".to_owned()];
        let etcd = "--config=STATE/k3s-config.yaml --data-dir=STATE/k3s --etcd-server=https://127.0.0.1:16444";
        let own = "--config=STATE/k3s-config.yaml --data-dir=STATE/k3s";
        for (what, expected) in [
            (Upkeep::Save { name: None, compress: false }, format!("etcd-snapshot save {etcd}")),
            (
                Upkeep::Save { name: word("before"), compress: true },
                format!("etcd-snapshot save {etcd} --name=before --etcd-snapshot-compress"),
            ),
            (Upkeep::List { output: word("json") }, format!("etcd-snapshot ls {etcd} --output=json")),
            (
                Upkeep::Prune { name: word("on-demand"), retention: Some(3) },
                format!("etcd-snapshot prune {etcd} --name=on-demand --etcd-snapshot-retention=3"),
            ),
            (
                Upkeep::Delete { names: vec!["on-demand-k3s-server-17".to_owned(), "b.zip".to_owned()] },
                format!("etcd-snapshot delete {etcd} on-demand-k3s-server-17 b.zip"),
            ),
            (
                Upkeep::Check { services: vec![], output: word("table") },
                format!("certificate check {own} --output=table"),
            ),
            (
                Upkeep::Rotate { services: services() },
                format!("certificate rotate {own} --service=api-server --service=etcd"),
            ),
        ] {
            assert_eq!(of(&what).unwrap(), expected);
        }
    }

    #[test]
    fn no_word_becomes_a_flag_or_a_path() {
        for bad in ["", "--config=/etc/rancher/k3s/config.yaml", "-c", "../x", "/etc/x", "a b", "a\n--data-dir=/", ".a"]
        {
            let delete = Upkeep::Delete { names: vec!["good".to_owned(), bad.to_owned()] };
            let named = Some(bad.to_owned());
            for what in [
                delete,
                Upkeep::Save { name: named.clone(), compress: false },
                Upkeep::Prune { name: named.clone(), retention: None },
                Upkeep::List { output: named.clone() },
                Upkeep::Check { services: vec![bad.to_owned()], output: None },
                Upkeep::Rotate { services: vec![bad.to_owned()] },
            ] {
                assert!(matches!(of(&what), Err(UpkeepError::BadWord { .. })), "{what:?}");
            }
        }
    }
}
