//! What the program says to whoever starts it wrongly: one line that names what is wrong.

use crate::support::*;
use crate::web::request_at;
use std::fs;
use std::path::Path;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::{ExecuteTransactionRequest, GetObjectRequest};
use tokio::process::Command;
use tokio::time::timeout;
use tonic::Code;

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
async fn the_faucet_and_the_services_name_what_they_cannot_read() {
    let net = Net::start().await;
    let faucet = async |body: &str| {
        let asked = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        request_at(net.devnet.faucet_addr, "POST /v2/gas", &asked).await
    };
    let address = Wallet::new(1).address;
    for (body, status, said) in [
        ("money", 400, "expected value at line 1"),
        ("{}", 422, "missing field `FixedAmountRequest`"),
        (r#"{"FixedAmountRequest":{}}"#, 422, "missing field `recipient`"),
        (r#"{"FixedAmountRequest":{"recipient":"me"}}"#, 422, "recipient"),
        (&format!(r#"{{"FixedAmountRequest":{{"recipient":"{address}"}}}}"#), 200, "Success"),
    ] {
        let answer = faucet(body).await;
        assert!(answer.status == status && answer.body.contains(said), "{body}: {} {}", answer.status, answer.body);
    }

    let mut client = net.client.clone();
    let mut no_id = GetObjectRequest::default();
    let mut unknown_field = GetObjectRequest::new(&address);
    unknown_field.read_mask = Some(FieldMask::from_str("price"));
    let mut unknown = GetObjectRequest::new(&address);
    unknown.read_mask = None;
    no_id.object_id = Some("0xzz".to_owned());
    for (request, code, said) in [
        (GetObjectRequest::default(), Code::InvalidArgument, "object_id is missing"),
        (no_id, Code::InvalidArgument, "object_id: "),
        (unknown_field, Code::InvalidArgument, "read_mask: no field price"),
        (unknown, Code::NotFound, "not found"),
    ] {
        let status = client.ledger_client().get_object(request).await.unwrap_err();
        assert!(status.code() == code && status.message().contains(said), "{status:?}");
    }
    let nothing = client.execution_client().execute_transaction(ExecuteTransactionRequest::default()).await;
    let status = nothing.unwrap_err();
    assert!(status.code() == Code::InvalidArgument && status.message().contains("transaction"), "{status:?}");
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
