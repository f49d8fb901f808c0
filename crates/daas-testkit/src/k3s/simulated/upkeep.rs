//! What a server keeps on disk, and K3s' commands on that: `etcd-snapshot`, which asks the running server, and `certificate`.

use super::{Line, SAID};
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

/// Arguments of both with a value, as v1.36.2 has them, of those that are of use here.
const VALUED: [&str; 7] = ["config", "data-dir", "etcd-server", "etcd-snapshot-retention", "name", "output", "service"];
const BARE: [&str; 1] = ["etcd-snapshot-compress"];
/// Of the server as a node.
const NODE: &str = "k3s-server";

/// What a server finds or makes when it starts: its datastore, in which every version that had it is a line, and its token.
pub(super) fn keep(data: &Path, etcd: bool, token: &str) {
    let db = data.join("server/db");
    // Once etcd, always etcd.
    let folder = if etcd || db.join("etcd").is_dir() { db.join("etcd") } else { db.clone() };
    fs::create_dir_all(&folder).unwrap();
    let mut file = fs::File::options().create(true).append(true).open(folder.join("state.db")).unwrap();
    writeln!(file, "{}", std::env::var(SAID).unwrap()).unwrap();
    fs::write(data.join("server/token"), format!("K10::server:{token}\n")).unwrap();
}

pub(super) fn etcd_snapshot(arguments: &str) {
    let (what, line, names) = parse(arguments);
    let data = PathBuf::from(line.one("data-dir"));
    let token = fs::read_to_string(data.join("server/token")).expect("it needs the server's token");
    assert!(token.contains("::server:"));
    let server = line.one("etcd-server").strip_prefix("https://").unwrap();
    TcpStream::connect(server).expect("the server has to run");
    assert!(data.join("server/db/etcd").is_dir(), "etcd datastore disabled");
    let folder = data.join("server/db/snapshots");
    fs::create_dir_all(&folder).unwrap();
    let there = || {
        let mut there: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        there.sort_unstable();
        there
    };
    let start = if line.0.contains_key("name") { line.one("name") } else { "on-demand" };
    match what {
        "save" => {
            let name = format!("{start}-{NODE}-{}", 1_700_000_000 + there().len());
            fs::copy(data.join("server/db/etcd/state.db"), folder.join(name)).unwrap();
        }
        "ls" => drop(writeln!(std::io::stderr(), "{}", there().join("\n"))),
        "prune" => {
            let mine: Vec<_> = there().into_iter().filter(|name| name.starts_with(start)).collect();
            let retention: usize = line.one("etcd-snapshot-retention").parse().unwrap();
            for old in mine.iter().take(mine.len().saturating_sub(retention)) {
                fs::remove_file(folder.join(old)).unwrap();
            }
        }
        "delete" => names.iter().for_each(|name| fs::remove_file(folder.join(name)).unwrap()),
        other => panic!("No help topic for '{other}'"),
    }
}

pub(super) fn certificate(arguments: &str) {
    let (what, line, names) = parse(arguments);
    assert!(names.is_empty());
    let data = PathBuf::from(line.one("data-dir"));
    assert!(data.join("server").is_dir(), "an agent's are not meant");
    match what {
        "check" => drop(writeln!(std::io::stderr(), "client-kubelet.crt is ok")),
        "rotate" => {
            fs::write(data.join("server/tls/dynamic-cert-regenerate"), "").unwrap();
            for own in ["agent/client-kubelet.crt", "agent/client-kubelet.key"] {
                fs::remove_file(data.join(own)).unwrap();
            }
        }
        other => panic!("No help topic for '{other}'"),
    }
}

/// The subcommand, its flags, and what follows them.
fn parse(arguments: &str) -> (&str, Line, Vec<&str>) {
    assert!(std::env::vars_os().all(|(name, _)| name == SAID || !name.to_string_lossy().starts_with("K3S_")));
    let (what, rest) = arguments.split_once('\n').unwrap();
    let (flags, names): (Vec<_>, Vec<_>) = rest.lines().partition(|word| word.starts_with('-'));
    let line = Line::parse(&flags.join("\n"), &VALUED, &BARE);
    assert_eq!(fs::read_to_string(line.one("config")).unwrap(), "", "another K3s' configuration");
    (what, line, names)
}
