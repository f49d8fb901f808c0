//! `k3s-daas-master k3s`: of K3s' own commands those that are of use to a master's operator, run by the K3s that the master runs.

use clap::{Args, Subcommand};
use daas_engine::k3s::{Upkeep, UpkeepError, upkeep};
use daas_types::{ErrorCode, Problem};
use std::path::PathBuf;

/// Why K3s does not replace a cluster's authorities.
const OWN_AUTHORITIES: &str = "the cluster's authorities are its own and not K3s': the master's evidence binds their keys, every \
                               join.json and kubeconfig pins them, and K3s is given them before it starts. Another authority is \
                               another cluster";

/// What follows `k3s`.
#[derive(Args)]
pub struct K3sArgs {
    /// The master's data folder, `k3s.data_dir` of its configuration
    #[arg(long, value_name = "DIR", default_value = "/var/lib/k3s-daas/master")]
    data_dir: PathBuf,
    #[command(subcommand)]
    command: K3sCommand,
}

#[derive(Subcommand)]
enum K3sCommand {
    /// Snapshots of the datastore, with `k3s.cluster_init: true` and while the master runs
    #[command(subcommand)]
    EtcdSnapshot(Snapshot),
    /// Certificates of K3s' components
    #[command(subcommand)]
    Certificate(Certificate),
}

#[derive(Subcommand)]
enum Snapshot {
    /// Make one now
    Save {
        /// How its name begins
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Compress it
        #[arg(long)]
        compress: bool,
    },
    /// List them
    Ls {
        /// table, json or yaml
        #[arg(long, short, value_name = "FORM")]
        output: Option<String>,
    },
    /// Remove the oldest
    Prune {
        /// How their names begin
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// How many stay
        #[arg(long, value_name = "COUNT")]
        retention: Option<u32>,
    },
    /// Remove these
    Delete {
        /// As `ls` names them
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

#[derive(Subcommand)]
enum Certificate {
    /// Say how long they last
    Check {
        /// Of this component alone, as K3s calls it; may be repeated
        #[arg(long, value_name = "NAME")]
        service: Vec<String>,
        /// text, table, json or yaml
        #[arg(long, short, value_name = "FORM")]
        output: Option<String>,
    },
    /// Have the next start make new ones; the master has to be stopped
    Rotate {
        /// Of this component alone, as K3s calls it; may be repeated
        #[arg(long, value_name = "NAME")]
        service: Vec<String>,
    },
    /// Refused: the authorities are the cluster's own
    #[command(hide = true, disable_help_flag = true)]
    RotateCa {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _rest: Vec<String>,
    },
}

/// Runs it. K3s speaks for itself; nothing is to be added.
pub async fn run(args: &K3sArgs) -> Result<String, Problem> {
    let what = args.command.upkeep()?;
    upkeep(&args.data_dir, &what).await.map_err(problem)?;
    Ok(match what {
        Upkeep::Rotate { .. } => "New ones are made when the master starts.".to_owned(),
        _ => String::new(),
    })
}

fn problem(error: UpkeepError) -> Problem {
    let code = match &error {
        UpkeepError::Runs { .. } => ErrorCode::K3sRuns,
        UpkeepError::Stopped { .. } => ErrorCode::NotRunning,
        UpkeepError::NoEtcd => ErrorCode::K3sRefused,
        UpkeepError::BadWord { .. } => ErrorCode::ConfigInvalid,
        UpkeepError::Failed { .. } => ErrorCode::K3sFailed,
        UpkeepError::Altered { .. } | UpkeepError::CannotStart { .. } => ErrorCode::K3sMissing,
        UpkeepError::NeverRan { .. } | UpkeepError::File(_) | UpkeepError::Build(_) | UpkeepError::Process(_) => {
            ErrorCode::StateUnreadable
        }
    };
    Problem::of(code)(error)
}

// === impl K3sCommand ===

impl K3sCommand {
    fn upkeep(&self) -> Result<Upkeep, Problem> {
        Ok(match self {
            Self::EtcdSnapshot(snapshot) => match snapshot {
                Snapshot::Save { name, compress } => Upkeep::Save { name: name.clone(), compress: *compress },
                Snapshot::Ls { output } => Upkeep::List { output: output.clone() },
                Snapshot::Prune { name, retention } => Upkeep::Prune { name: name.clone(), retention: *retention },
                Snapshot::Delete { names } => Upkeep::Delete { names: names.clone() },
            },
            Self::Certificate(certificate) => match certificate {
                Certificate::Check { service, output } => {
                    Upkeep::Check { services: service.clone(), output: output.clone() }
                }
                Certificate::Rotate { service } => Upkeep::Rotate { services: service.clone() },
                Certificate::RotateCa { .. } => return Err(Problem::new(ErrorCode::K3sRefused, OWN_AUTHORITIES)),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        args: K3sArgs,
    }

    fn typed(line: &str) -> Result<K3sArgs, clap::Error> {
        Typed::try_parse_from(["k3s"].into_iter().chain(line.split(' '))).map(|typed| typed.args)
    }

    async fn refused(line: &str) -> Problem {
        run(&typed(line).unwrap()).await.unwrap_err()
    }

    #[test]
    fn what_k3s_could_be_told_beside_cannot_be_typed() {
        for good in ["etcd-snapshot save --name x", "certificate rotate --service etcd", "etcd-snapshot delete a b"] {
            assert!(typed(good).is_ok(), "{good}");
        }
        for bad in [
            "server",
            "kubectl get secrets",
            "token rotate",
            "secrets-encrypt status",
            "etcd-snapshot save --config /etc/rancher/k3s/config.yaml",
            "etcd-snapshot save --s3",
            "etcd-snapshot save --etcd-token x",
            "etcd-snapshot delete",
            "certificate rotate --data-dir /var/lib/rancher/k3s --server x",
            "certificate check -- --config=x",
        ] {
            assert!(typed(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn each_refusal_has_its_own_code() {
        for line in ["certificate rotate-ca", "certificate rotate-ca --path /new --force"] {
            let problem = refused(line).await;
            assert_eq!(problem.code, ErrorCode::K3sRefused);
            assert!(problem.cause.contains("join.json"), "{problem}");
        }
        let folder = tempfile::tempdir().unwrap();
        let line = format!("--data-dir {} certificate check", folder.path().display());
        assert_eq!(refused(&line).await.code, ErrorCode::StateUnreadable);
    }
}
