use super::*;
use std::io::Write as _;
use std::process::Command;

/// A machine's root with a configuration in it.
fn machine(config: &str) -> (tempfile::TempDir, Target) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/k3s-daas");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("worker-config.yaml"), config).unwrap();
    let target = Target { prefix: root.path().to_owned(), dry_run: false };
    (root, target)
}

fn unit(root: &tempfile::TempDir) -> PathBuf {
    root.path().join("etc/systemd/system/k3s-worker.service")
}

/// The file in `deploy` is what is written, but for the two paths.
#[test]
fn the_unit_is_the_one_in_deploy() {
    assert_eq!(SERVICE.text(Path::new(SERVICE.program), Path::new(CONFIG)).unwrap(), SERVICE.unit);
}

/// What the rest of this crate and systemd's manual make of the unit's words.
#[test]
fn the_unit_says_what_the_worker_does() {
    let lines: Vec<_> = SERVICE.unit.lines().collect();
    for line in ["Type=notify", "KillMode=process", "Restart=on-failure", "StateDirectoryMode=0700"] {
        assert!(lines.contains(&line), "{line}");
    }
    let (usage, slashed) = (crate::run::exit_code(ErrorCode::ConfigInvalid), crate::state::Why::Slashed.exit_code());
    assert!(lines.contains(&format!("RestartPreventExitStatus={usage} {slashed}").as_str()));
    let key = KEYS.iter().find(|key| key.path == "state_dir").unwrap();
    let folder = lines.iter().find_map(|line| line.strip_prefix("StateDirectory=")).unwrap();
    assert_eq!(key.default, format!("\"/var/lib/{folder}\""));
    // Mounts of the unit's own would part the kubelet from its pods; filters would be the containers' too.
    for absent in ["ProtectSystem", "PrivateTmp", "ProtectHome", "NoNewPrivileges", "SystemCallFilter", "ExecReload"] {
        assert!(!lines.iter().any(|line| line.starts_with(&format!("{absent}="))), "{absent}");
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_it() {
    let (folder, program) = (tempfile::tempdir().unwrap(), std::env::current_exe().unwrap());
    let path = folder.path().join("k3s-worker.service");
    std::fs::write(&path, SERVICE.text(&program, &folder.path().join("a config.yaml")).unwrap()).unwrap();
    match Command::new("systemd-analyze").arg("verify").arg(&path).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !said.contains("k3s-worker"), "{said}");
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "SKIPPED: the unit is not verified, systemd-analyze: {error}");
        }
    }
}

#[tokio::test]
async fn installed_it_says_what_it_did_and_what_is_next() {
    let (root, target) = machine("cluster: join.json\n");
    let env = BTreeMap::from([("SUI_RPC_URL".to_owned(), "http://a".to_owned())]);
    let said = install(&target, Path::new(CONFIG), env).await.unwrap();
    let wrote = format!("wrote {}\n", unit(&root).display());
    assert!(said.starts_with(&wrote) && said.contains("journalctl -u k3s-worker -f"), "{said}");
    assert!(said.contains("SUI_RPC_URL: set here") && said.contains("systemctl enable --now k3s-worker"), "{said}");
    let text = std::fs::read_to_string(unit(&root)).unwrap();
    assert!(text.contains(&format!(" run --config {CONFIG}\n")), "{text}");
    let said = uninstall(&target).await.unwrap();
    assert!(!unit(&root).exists() && said.contains("k3s-daas unstake --all"), "{said}");
}

#[tokio::test]
async fn a_configuration_with_mistakes_is_not_installed() {
    let (root, target) = machine("cluster: join.json\nnode:\n  idd: a\n");
    let problem = install(&target, Path::new(CONFIG), BTreeMap::new()).await.unwrap_err();
    assert_eq!(problem.code, ErrorCode::ConfigInvalid);
    assert!(problem.cause.contains("did you mean `node.id`"), "{problem}");
    let missing = install(&target, Path::new("/etc/none.yaml"), BTreeMap::new()).await.unwrap_err();
    assert_eq!(missing.code, ErrorCode::ConfigInvalid);
    assert!(!unit(&root).exists());
}

#[tokio::test]
async fn a_dry_run_shows_the_whole_unit() {
    let (root, target) = machine("cluster: join.json\n");
    let target = Target { dry_run: true, ..target };
    let said = install(&target, Path::new(CONFIG), BTreeMap::new()).await.unwrap();
    assert!(said.contains("would write") && said.contains("\nKillMode=process\n"), "{said}");
    assert!(!unit(&root).exists());
}

#[tokio::test]
async fn a_folder_that_is_none_is_named() {
    let (root, target) = machine("cluster: join.json\n");
    std::fs::write(root.path().join("etc/systemd"), "").unwrap();
    let problem = install(&target, Path::new(CONFIG), BTreeMap::new()).await.unwrap_err();
    assert_eq!(problem.code, ErrorCode::ServiceFailed);
    assert!(problem.cause.contains("k3s-worker.service"), "{problem}");
}
