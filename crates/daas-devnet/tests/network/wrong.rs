//! What the program says to whoever starts it wrongly: one line that names what is wrong.

use crate::support::*;
use std::fs;
use std::path::Path;
use tokio::process::Command;
use tokio::time::timeout;

/// Starts it so that it must end by itself; answers the last line it says.
async fn refused(dir: &Path, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k3s-daas-devnet"));
    command.args(["serve", "--state-dir"]).arg(dir);
    if !words.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.args(["--faucet", "127.0.0.1:0"]).args(words).env("RUST_BACKTRACE", "1").kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    assert!(!output.status.success(), "{words:?} was taken");
    let said = String::from_utf8(output.stderr).unwrap();
    said.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_wrong_start_is_told_in_a_line() {
    let net = Net::start().await;
    let dirs = tempfile::tempdir().unwrap();
    let at = |name: &str| dirs.path().join(name);
    let taken = net.devnet.rpc_addr.to_string();
    fs::write(at("file"), "").unwrap();
    for (file, content) in [
        ("bad-key/validator.key", "xyz"),
        ("unseeded/faucet.key", &"0".repeat(64)),
        ("no-ledger/ledger.redb", "not a ledger at all"),
        ("no-root/tee-root.key", "no key"),
    ] {
        fs::create_dir_all(at(file).parent().unwrap()).unwrap();
        fs::write(at(file), content).unwrap();
    }
    for (dir, words, said) in [
        ("new", &["--listen", &taken][..], "error: cannot listen on "),
        ("new", &["--listen", &taken], "Address already in use (os error 98)"),
        ("new", &["--tee-root", "/nowhere"], "error: cannot read /nowhere: No such file or directory (os error 2)"),
        ("file", &[], "/file: File exists (os error 17)"),
        ("bad-key", &[], "/validator.key is not a key of 64 hex characters"),
        ("unseeded", &["--seed", "7"], "/faucet.key was not made from this seed: use another state folder"),
        ("no-ledger", &[], "error: the ledger is damaged (Not a redb database"),
        ("no-root", &[], "/tee-root.key holds no P-384 key in PKCS#8 PEM"),
    ] {
        let line = refused(&at(dir), words).await;
        assert!(line.starts_with("error: ") && line.contains(said), "{dir} {words:?}: {line}");
        // Nothing is said twice.
        let parts: Vec<&str> = line.split(": ").collect();
        assert!(parts.iter().all(|part| parts.iter().filter(|p| *p == part).count() == 1), "{line}");
    }
    assert_eq!(refused(net.dir.path(), &[]).await, "error: another process serves from this state folder");
}

#[tokio::test]
async fn a_damaged_ledger_is_refused() {
    let net = Net::start().await;
    net.wallet(1).await;
    let dir = net.dir;
    net.devnet.stop().await.unwrap();
    let ledger = dir.path().join("ledger.redb");
    let mut bytes = fs::read(&ledger).unwrap();
    bytes.iter_mut().skip(20_000).step_by(997).for_each(|byte| *byte ^= 0xff);
    fs::write(&ledger, &bytes).unwrap();
    let line = refused(dir.path(), &[]).await;
    assert_eq!(line, "error: the ledger is damaged (it cannot be read): use another state folder");
}
