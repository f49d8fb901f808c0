//! The program as a script sees it: exit codes, what goes where, and what it refuses before anything runs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use daas_client::SealFile;
use daas_types::join::JoinFile;
use daas_types::{Address, Permissions, WalletAddress};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An empty home and state folder.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_k3s-daas"));
        command.args(args).env_clear().env("HOME", self.dir.path()).env("PATH", "/usr/bin:/bin");
        command.env("K3S_DAAS_STATE_DIR", self.state());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// A trust anchor whose network and master nobody serves.
    fn join_file(&self) -> PathBuf {
        let id = |n: u8| format!("0x{}", format!("{n:02x}").repeat(32));
        let file = json!({
            "version": 1, "genesis": daas_types::genesis::MAINNET, "rpc": "http://127.0.0.1:1", "package": id(1),
            "cluster": id(2), "registry": id(3), "nautilus": id(4), "endpoint": "https://127.0.0.1:1", "ca": "PEM\n",
        });
        let path = self.dir.path().join("join.json");
        std::fs::write(&path, file.to_string()).unwrap();
        path
    }

    fn seal_file(&self, join: &Path) -> PathBuf {
        let join = JoinFile::parse(&std::fs::read_to_string(join).unwrap()).unwrap();
        let owner = WalletAddress(Address::from_static("0xa"));
        let mut seal = SealFile::prepare(&join, owner, Permissions::USER, None).unwrap();
        seal.seal = Some(Address::from_static("0xb").into());
        let path = self.dir.path().join("seal.json");
        seal.save(&path).unwrap();
        path
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn exec_info(change: &Value) -> String {
    let mut cluster = json!({ "server": "https://127.0.0.1:1", "certificate-authority-data": "UEVNCg==" });
    cluster.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({ "apiVersion": "client.authentication.k8s.io/v1", "spec": { "cluster": cluster } }).to_string()
}

#[test]
fn the_exec_plugin_gives_no_token_away() {
    let machine = Machine::new();
    let (join, seal) = (machine.join_file(), machine.join_file());
    let seal = machine.seal_file(&seal);
    let args = ["credential", "--cluster", path(&join), "--seal", path(&seal)];
    for change in [
        json!({ "insecure-skip-tls-verify": true }),
        json!({ "proxy-url": "http://10.0.0.9:3128" }),
        json!({ "certificate-authority-data": "T1RIRVI=" }),
        json!({ "server": "https://10.0.0.9:6443" }),
    ] {
        let output = machine.command(&args).env("KUBERNETES_EXEC_INFO", exec_info(&change)).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{change}");
        assert_eq!(text(&output.stdout), "", "{change}");
        assert!(text(&output.stderr).contains("D306"), "{change}");
    }
    // With everything right it still verifies first, and of this network nothing can be.
    let output = machine.command(&args).env("KUBERNETES_EXEC_INFO", exec_info(&json!({}))).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("D301"));
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn with_nothing_there_each_command_says_what_to_do() {
    let machine = Machine::new();
    let cases: [(&[&str], i32, &str); 5] = [
        (&["status"], 4, "D511"),
        (&["verify"], 2, "D304"),
        (&["stake", "5"], 2, "--cluster"),
        (&["token"], 2, "D304"),
        (&["stake", "5", "--permissions", "node"], 2, "--node-id"),
    ];
    for (args, code, said) in cases {
        let output = machine.run(args);
        let words = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {words}");
        assert!(words.contains(said), "{args:?}: {words}");
    }
    let down = machine.run(&["down"]);
    assert_eq!(down.status.code(), Some(0));
    assert!(!machine.state().exists(), "a question leaves nothing behind");
}

#[test]
fn problems_are_objects_for_programs() {
    let machine = Machine::new();
    let output = machine.run(&["--json", "verify"]);
    let problem: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(problem["error"]["name"], "ClusterFileMissing");
    assert!(problem["error"]["korean"].is_string());
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_seal_of_another_cluster_or_readable_by_others_is_refused() {
    let machine = Machine::new();
    let join = machine.join_file();
    let seal = machine.seal_file(&join);
    let args = ["token", "--secret", "--cluster", path(&join), "--seal", path(&seal)];
    let output = machine.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).trim().len(), 64);
    std::fs::set_permissions(&seal, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let output = machine.run(&args);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("D210"));

    let other = std::fs::read_to_string(&join).unwrap().replace(&"02".repeat(32), &"05".repeat(32));
    std::fs::write(&join, other).unwrap();
    std::fs::set_permissions(&seal, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let output = machine.run(&args);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(3), String::new()));
    assert!(text(&output.stderr).contains("D104"));
}

#[test]
fn up_on_a_running_cluster_changes_nothing() {
    let machine = Machine::new();
    std::fs::create_dir(machine.state()).unwrap();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let started: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    // This test's own process stands for the supervisor.
    let record = json!({ "pid": std::process::id(), "starttime": started }).to_string();
    std::fs::write(machine.state().join("supervisor.json"), &record).unwrap();
    let output = machine.run(&["up", "--no-node"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("D510"));
    let files: Vec<_> = std::fs::read_dir(machine.state()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(files, ["supervisor.json"]);
    assert_eq!(std::fs::read_to_string(machine.state().join("supervisor.json")).unwrap(), record);
}

#[test]
fn up_names_who_holds_its_port_and_starts_nothing() {
    let machine = Machine::new();
    // `up` looks for its programs beside itself; where they are not built yet, that is what it says.
    let own = Path::new(env!("CARGO_BIN_EXE_k3s-daas"));
    let programs = ["k3s-daas-devnet", "k3s-daas-master", "k3s-daas-worker"];
    let built = programs.iter().all(|name| own.with_file_name(name).exists());
    let holder = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let output = machine.run(&["up", "--no-node", "--port", &port]);
    let words = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    if built {
        assert!(words.contains("D502") && words.contains(&format!("pid {}", std::process::id())), "{words}");
    } else {
        assert!(words.contains("D504"), "{words}");
    }
    assert!(!machine.state().exists());
}

#[test]
fn a_k3s_that_is_not_there_is_missed_before_anything_runs() {
    let machine = Machine::new();
    let up = ["up", "--no-node", "--engine", "k3s"];
    let output = machine.command(&up).env("PATH", machine.dir.path()).output().unwrap();
    let words = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("D515") && words.contains("no `k3s` on PATH") && words.contains("K3S_BIN"), "{words}");
    let output = machine.command(&up).env("K3S_BIN", machine.dir.path().join("k3s-of-nobody")).output().unwrap();
    let words = text(&output.stderr);
    assert!(output.status.code() == Some(1) && words.contains("k3s-of-nobody, which is no program"), "{words}");
    assert!(!machine.state().exists());
}

/// Answers with these files, whoever asks, until the test ends.
fn serve(files: Vec<(String, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            let path = head[0].split(' ').nth(1).unwrap();
            let (status, body) = match files.iter().find(|(name, _)| name == path) {
                Some((_, body)) => ("200 OK", body.as_str()),
                None => ("404 Not Found", ""),
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

#[test]
fn k3s_is_fetched_when_that_is_typed_and_found_afterwards() {
    let machine = Machine::new();
    let (file, list) = match std::env::consts::ARCH {
        "aarch64" => ("k3s-arm64", "sha256sum-arm64.txt"),
        _ => ("k3s", "sha256sum-amd64.txt"),
    };
    let program = |version: &str| format!("#!/bin/sh\necho 'k3s version {version} (0)'\n");
    let release = |version: &str, summed: &str| {
        let folder = format!("/{}", version.replace('+', "%2B"));
        let sum = hex::encode(Sha256::digest(summed));
        [(format!("{folder}/{file}"), program(version)), (format!("{folder}/{list}"), format!("{sum}  {file}\n"))]
    };
    let good = release("v1.36.2+k3s1", &program("v1.36.2+k3s1"));
    let url = serve(good.into_iter().chain(release("v1.36.3+k3s1", "another")).collect());
    let fetch = |version: &str, url: &str| {
        let output = machine.run(&["--json", "engine", "--k3s", version, "--k3s-releases", url]);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let refused = |version: &str, url: &str, code: &str| {
        let (status, words) = fetch(version, url);
        assert!(status == Some(1) && words.contains(code), "{version}: {words}");
    };
    refused("v1.36.3+k3s1", &url, "D517");
    refused("v1.36.4+k3s1", &url, "D516");
    refused("v1.36.2+k3s1", "http://127.0.0.1:1", "D505");
    assert_eq!(fetch("v1.35.0+k3s1", &url).0, Some(2));
    assert_eq!(fetch("v1.36.2+k3s1", "http://192.0.2.1").0, Some(2));
    let (status, words) = fetch("v1.36.2+k3s1", &url);
    assert_eq!(status, Some(0), "{words}");
    // It is looked for before anything else; of this the port, which is taken, is the last.
    let holder = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let up = text(&machine.run(&["up", "--no-node", "--engine", "k3s", "--port", &port]).stderr);
    assert!(!up.contains("D515") && (up.contains("D502") || up.contains("D504")), "{up}");
}

#[test]
fn a_record_of_a_process_that_is_gone_is_not_acted_on() {
    let machine = Machine::new();
    std::fs::create_dir(machine.state()).unwrap();
    std::fs::write(machine.state().join("supervisor.json"), r#"{"pid":1,"starttime":1}"#).unwrap();
    let output = machine.run(&["down", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said, json!({ "stopped": false, "purged": false }), "pid 1 is not our supervisor");
    assert!(!machine.state().join("supervisor.json").exists());
}
