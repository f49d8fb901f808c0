use super::*;

const UNIT: &str = "\
# /opt/program runs here.
[Service]
ExecStart=/opt/program run --config /etc/program.yaml
WorkingDirectory=/etc
Environment=HOME=%h
";
const SERVICE: Service = Service { name: "program", unit: UNIT, program: "/opt/program", config: "/etc/program.yaml" };

fn target(prefix: &tempfile::TempDir, dry_run: bool) -> Target {
    Target { prefix: prefix.path().to_owned(), dry_run }
}

/// A `systemctl` that writes down what it is asked, and then ends like this.
fn manager(folder: &tempfile::TempDir, code: u8) -> Manager {
    let asked = folder.path().join("asked");
    let script = format!("echo \"$@\" >> {}; echo no bus >&2; exit {code}", asked.display());
    Manager { systemctl: ["sh", "-c", &script, "systemctl"].map(OsString::from).to_vec() }
}

fn asked(folder: &tempfile::TempDir) -> String {
    fs::read_to_string(folder.path().join("asked")).unwrap_or_default()
}

#[test]
fn the_machines_paths_stand_in_the_unit() {
    let text = SERVICE.text(Path::new("/usr/bin/program"), Path::new("/srv/my node/own.yaml")).unwrap();
    assert!(text.contains("\nExecStart=/usr/bin/program run --config \"/srv/my node/own.yaml\"\n"), "{text}");
    assert!(text.contains("\nWorkingDirectory=/srv/my node\n"), "{text}");
    assert!(text.starts_with("# /opt/program runs here.\n") && text.contains("\nEnvironment=HOME=%h\n"), "{text}");
    assert_eq!(SERVICE.text(Path::new(SERVICE.program), Path::new(SERVICE.config)).unwrap(), UNIT);
}

#[test]
fn what_systemd_would_read_otherwise_is_refused() {
    for bad in ["relative", "", "/a%h", "/$HOME/a", "/a\"b", "/a'b", "/a\\b", "/a\nExecStart=/evil"] {
        let (bad, good) = (Path::new(bad), Path::new("/good"));
        assert!(matches!(SERVICE.text(bad, good), Err(ServiceError::Path { .. })), "{}", bad.display());
        assert!(matches!(SERVICE.text(good, bad), Err(ServiceError::Path { .. })), "{}", bad.display());
    }
}

#[tokio::test]
async fn installed_enabled_and_removed_again() {
    let (root, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (manager, target) = (manager(&bin, 0), target(&root, false));
    let unit = root.path().join("etc/systemd/system/program.service");
    let (program, config) = (Path::new("/usr/bin/program"), Path::new("/etc/program.yaml"));
    for _ in 0..2 {
        let done = SERVICE.install_with(&manager, &target, program, config).await.unwrap();
        assert_eq!(
            done,
            [
                format!("wrote {}", unit.display()),
                "ran `systemctl daemon-reload`".into(),
                "ran `systemctl enable program`".into()
            ]
        );
    }
    assert_eq!(fs::read_to_string(&unit).unwrap(), SERVICE.text(program, config).unwrap());
    assert_eq!(fs::read_dir(unit.parent().unwrap()).unwrap().count(), 1, "nothing else was left");
    let done = SERVICE.uninstall_with(&manager, &target).await.unwrap();
    assert_eq!(done[0], "ran `systemctl disable --now program`");
    assert!(!unit.exists());
    let twice = "daemon-reload\nenable program\n".repeat(2);
    assert_eq!(asked(&bin), format!("{twice}disable --now program\ndaemon-reload\n"));
    let done = SERVICE.uninstall_with(&manager, &target).await.unwrap();
    assert_eq!(done, [format!("{} is not there", unit.display())]);
}

#[tokio::test]
async fn a_dry_run_touches_nothing() {
    let (root, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let manager = manager(&bin, 0);
    let (program, config) = (Path::new("/usr/bin/program"), Path::new("/etc/program.yaml"));
    let said = SERVICE.install_with(&manager, &target(&root, true), program, config).await.unwrap();
    assert!(said[0].contains("ExecStart=/usr/bin/program run") && said[2] == "would run `systemctl enable program`");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    SERVICE.install_with(&manager, &target(&root, false), program, config).await.unwrap();
    let before = asked(&bin);
    let said = SERVICE.uninstall_with(&manager, &target(&root, true)).await.unwrap();
    assert!(said[0] == "would run `systemctl disable --now program`" && said[2].starts_with("would remove "));
    assert!(root.path().join("etc/systemd/system/program.service").exists());
    assert_eq!(asked(&bin), before);
}

#[tokio::test]
async fn an_image_is_written_and_nobody_told() {
    let root = tempfile::tempdir().unwrap();
    let target = target(&root, false);
    let done = SERVICE.install(&target, Path::new("/usr/bin/program"), Path::new("/etc/program.yaml")).await.unwrap();
    assert_eq!(done.len(), 1, "{done:?}");
    assert_eq!(SERVICE.uninstall(&target).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_systemctl_says_is_passed_on() {
    let (root, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (program, config) = (Path::new("/usr/bin/program"), Path::new("/etc/program.yaml"));
    let error = SERVICE.install_with(&manager(&bin, 1), &target(&root, false), program, config).await.unwrap_err();
    assert_eq!(error.to_string(), "`systemctl daemon-reload`: exit status: 1: no bus");
}
