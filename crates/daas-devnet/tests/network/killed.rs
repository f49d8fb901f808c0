//! The process killed in the middle of its work.

use crate::money::pay;
use crate::process::{DEADLINE, send, serve};
use crate::support::{SUI, Wallet};
use sui_rpc::Client;
use sui_rpc::faucet::FaucetClient;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2::{GetBalanceRequest, GetCheckpointRequest, GetTransactionRequest};
use sui_sdk_types::{Address, CheckpointSummary, StructTag};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_kept_and_nothing_is_half_done() {
    let dir = tempfile::tempdir().unwrap();
    let (ann, cat, bob) = (Wallet::new(1), Wallet::new(3), Wallet::new(2));
    let mut answered: Vec<String> = vec![];
    let mut last: Option<CheckpointSummary> = None;
    for round in 0..3 {
        let mut process = serve(dir.path()).await;
        let mut client = Client::new(process.rpc.as_str()).unwrap();
        if round == 0 {
            let faucet = FaucetClient::new(process.faucet.as_str()).unwrap();
            faucet.request(ann.address).await.unwrap();
            faucet.request(cat.address).await.unwrap();
        }
        check(&mut client, &answered, bob.address, last.as_ref()).await;
        let pid = nix::unistd::Pid::from_raw(process.child.id().unwrap().try_into().unwrap());
        let mut other = client.clone();
        // Ann's fifth answer is the signal; Cat's transaction is anywhere on its way then.
        let ann_pays = async {
            let mut done = vec![];
            while let Some(one) = transfer(&mut client, &ann, bob.address).await {
                done.push(one);
                if done.len() == 5 {
                    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
                }
            }
            done
        };
        let cat_pays = async {
            let mut done = vec![];
            while let Some(one) = transfer(&mut other, &cat, bob.address).await {
                done.push(one);
            }
            done
        };
        let both = Box::pin(async { tokio::join!(ann_pays, cat_pays) });
        let (by_ann, by_cat) = timeout(DEADLINE, both).await.unwrap();
        assert!(by_ann.len() >= 5);
        for (digest, summary) in by_ann.into_iter().chain(by_cat) {
            answered.push(digest);
            last = summary.or(last);
        }
        process.child.wait().await.unwrap();
    }
    let process = serve(dir.path()).await;
    check(&mut Client::new(process.rpc.as_str()).unwrap(), &answered, bob.address, last.as_ref()).await;
}

/// One transfer and the checkpoint it is in; `None` when the server is gone.
async fn transfer(client: &mut Client, from: &Wallet, to: Address) -> Option<(String, Option<CheckpointSummary>)> {
    let done = send(client, from, |b| pay(b, to, SUI / 1000)).await.ok()?;
    let summary = summary(client, done.checkpoint()).await;
    Some((done.digest().to_owned(), summary))
}

async fn summary(client: &mut Client, sequence: u64) -> Option<CheckpointSummary> {
    let request = GetCheckpointRequest::by_sequence_number(sequence).with_read_mask(FieldMask::from_str("summary.bcs"));
    let checkpoint = client.ledger_client().get_checkpoint(request).await.ok()?.into_inner().checkpoint?;
    checkpoint.summary().bcs().deserialize().ok()
}

/// Every transaction that was answered is there, Bob has at least what they sent and nothing in parts, and the checkpoint last
/// seen is still the one at its height.
async fn check(client: &mut Client, answered: &[String], bob: Address, last: Option<&CheckpointSummary>) {
    for digest in answered {
        let mut request = GetTransactionRequest::default();
        request.digest = Some(digest.clone());
        client.ledger_client().get_transaction(request).await.unwrap();
    }
    let mut request = GetBalanceRequest::default().with_owner(bob);
    request.coin_type = Some(StructTag::sui().to_string());
    let response = client.state_client().get_balance(request).await.unwrap().into_inner();
    let (sent, unit) = (response.balance.unwrap().balance(), SUI / 1000);
    let answered = u64::try_from(answered.len()).unwrap();
    assert!(sent >= answered * unit && sent % unit == 0, "{sent} after {answered}");
    if let Some(last) = last {
        assert_eq!(summary(client, last.sequence_number).await.as_ref(), Some(last));
    }
}
