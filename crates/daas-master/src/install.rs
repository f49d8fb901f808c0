//! The master as a service of systemd's.

use crate::config;
use daas_daemon::service::{Service, ServiceError, Target};
use daas_types::{ErrorCode, Problem};
use std::io;
use std::path::Path;

/// Where the configuration is unless something else is said.
pub const CONFIG: &str = "/etc/k3s-daas/nautilus-config.yaml";

const SERVICE: Service = Service {
    name: "k3s-master",
    unit: include_str!("../../../deploy/systemd/k3s-master.service"),
    program: "/usr/local/bin/k3s-daas-master",
    config: CONFIG,
};

/// Installs the service; what to tell the person.
pub async fn install(target: &Target, config: &Path) -> Result<String, Problem> {
    let program = std::env::current_exe().map_err(Problem::of(ErrorCode::Internal))?;
    let config = std::path::absolute(config).map_err(Problem::of(ErrorCode::ConfigInvalid))?;
    // What is wrong with it is said here, rather than in the log of a service that does not start.
    let there = target.prefix.join(config.strip_prefix("/").unwrap_or(&config));
    config::load(Some(there), Vec::new()).map_err(Problem::of(ErrorCode::ConfigInvalid))?;
    let mut said = SERVICE.install(target, &program, &config).await.map_err(problem)?;
    let (when, first) =
        if target.is_live() { ("", "start") } else { (", once systemd runs the machine", "enable --now") };
    said.push(format!(
        "\nNext{when}:\n  sudo k3s-daas engine                    # Kubernetes' programs, once\n  sudo systemctl {first} k3s-master       \
         # comes back when it serves and is registered\n  journalctl -u k3s-master -f"
    ));
    Ok(said.join("\n"))
}

/// Takes it away again; what to tell the person.
pub async fn uninstall(target: &Target) -> Result<String, Problem> {
    let mut said = SERVICE.uninstall(target).await.map_err(problem)?;
    said.push("Keys, certificates, datastore and audit log stay in the data folder.".to_owned());
    Ok(said.join("\n"))
}

fn problem(error: ServiceError) -> Problem {
    let code = match &error {
        ServiceError::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => ErrorCode::RootNeeded,
        ServiceError::Path { .. } => ErrorCode::ConfigInvalid,
        ServiceError::File { .. } | ServiceError::Command { .. } => ErrorCode::ServiceFailed,
    };
    Problem::of(code)(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::process::Command;

    fn rendered() -> (tempfile::TempDir, PathBuf) {
        let (folder, program) = (tempfile::tempdir().unwrap(), std::env::current_exe().unwrap());
        let path = folder.path().join("k3s-master.service");
        std::fs::write(&path, SERVICE.text(&program, &folder.path().join("nautilus.yaml")).unwrap()).unwrap();
        (folder, path)
    }

    #[test]
    fn the_unit_is_the_one_in_deploy() {
        assert_eq!(SERVICE.text(Path::new(SERVICE.program), Path::new(CONFIG)).unwrap(), SERVICE.unit);
        let folder = SERVICE.unit.lines().find_map(|line| line.strip_prefix("StateDirectory=")).unwrap();
        let key = config::KEYS.iter().find(|key| key.path == "k3s.data_dir").unwrap();
        assert_eq!(key.default, format!("\"/var/lib/{folder}\""));
    }

    #[test]
    fn systemd_finds_nothing_wrong_with_it_and_little_exposed() {
        let (_folder, path) = rendered();
        for words in [vec!["verify"], vec!["security", "--offline=true", "--threshold=30"]] {
            match Command::new("systemd-analyze").args(&words).arg(&path).output() {
                Ok(output) => {
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success() && !said.contains("k3s-master"), "{words:?}: {said}");
                }
                Err(error) => {
                    let _ = writeln!(io::stderr(), "SKIPPED: the unit is not verified, systemd-analyze: {error}");
                }
            }
        }
    }

    #[tokio::test]
    async fn installed_with_a_configuration_that_is_right() {
        let root = tempfile::tempdir().unwrap();
        let target = Target { prefix: root.path().to_owned(), dry_run: false };
        let missing = install(&target, Path::new(CONFIG)).await.unwrap_err();
        assert_eq!(missing.code, ErrorCode::ConfigInvalid);
        std::fs::create_dir_all(root.path().join("etc/k3s-daas")).unwrap();
        let config = "api: {advertise: 10.0.0.1}\nsui: {pins: /etc/k3s-daas/pins.json}\n";
        std::fs::write(root.path().join("etc/k3s-daas/nautilus-config.yaml"), config).unwrap();
        let said = install(&target, Path::new(CONFIG)).await.unwrap();
        assert!(said.contains("systemctl enable --now k3s-master"), "{said}");
        assert!(root.path().join("etc/systemd/system/k3s-master.service").exists());
        uninstall(&target).await.unwrap();
        assert!(!root.path().join("etc/systemd/system/k3s-master.service").exists());
    }
}
