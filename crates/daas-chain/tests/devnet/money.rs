use crate::liar::{Liar, Lies};
use crate::world::{World, wallet};
use core::time::Duration;
use daas_chain::client::ChainClient;
use daas_chain::ops::{Ops, TxError};
use daas_chain::wallet::Wallet;
use daas_types::onchain::Status;
use daas_types::{ErrorCode, Mist, Problem};

#[tokio::test(flavor = "multi_thread")]
async fn stake_comes_back_after_unbonding() {
    let world = World::start().await;
    let staker = world.rich(2).await;
    let address = staker.wallet().address();
    let id = world.stake(&staker, 5, "node-1").await.unwrap().position.position;
    let before = world.client.balance(address).await.unwrap();

    let part = staker.unstake(&world.ids, id, Mist::from_sui(2)).await.unwrap();
    assert_eq!((part.position.active, part.position.status), (Mist::from_sui(3), Status::Active));
    let early = Problem::from(staker.withdraw(&world.ids, id).await.unwrap_err());
    assert_eq!(early.code, ErrorCode::UnbondingNotOver);
    staker.unstake(&world.ids, id, Mist::from_sui(3)).await.unwrap();
    world.net.advance(Duration::from_secs(61));
    let paid = staker.withdraw(&world.ids, id).await.unwrap();
    assert_eq!((paid.position.status, paid.position.unbonding), (Status::Closed, Mist(0)));
    let gained = world.client.balance(address).await.unwrap().0 - before.0;
    assert!((Mist::from_sui(4).0..=Mist::from_sui(5).0).contains(&gained), "{gained}");
    // The node id is free again.
    let other = world.rich(3).await;
    world.stake(&other, 5, "node-1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_says_what_is_wrong() {
    let world = World::start().await;
    let (staker, other) = (world.rich(2).await, world.rich(3).await);
    let id = world.stake(&staker, 5, "node-1").await.unwrap().position.position;
    let code = |error: TxError| Problem::from(error).code;

    assert_eq!(code(world.stake(&other, 5, "node-1").await.unwrap_err()), ErrorCode::NodeIdTaken);
    assert_eq!(code(world.stake(&other, 0, "node-2").await.unwrap_err()), ErrorCode::StakeBelowMinimum);
    let cap = other.propose_slash(&world.ids, id, &world.slash()).await.unwrap_err();
    assert!(matches!(cap, TxError::CapMissing { cap: "ProposerCap", .. }));

    let poor = Ops::new(world.client.clone(), wallet(9));
    assert_eq!(code(world.stake(&poor, 5, "node-3").await.unwrap_err()), ErrorCode::InsufficientFunds);
    let address = poor.wallet().address();
    world.operator.transfer(address, Mist::from_sui(5)).await.unwrap();
    assert_eq!(world.client.balance(address).await.unwrap(), Mist::from_sui(5));
    let short = world.stake(&poor, 5, "node-3").await.unwrap_err();
    assert!(matches!(short, TxError::InsufficientFunds { have, .. } if have == Mist::from_sui(5)), "{short}");
    assert_eq!(world.client.balance(address).await.unwrap(), Mist::from_sui(5), "nothing was spent");
}

/// What a wallet holds nobody proves: whoever is told that it is too little gives up, and asks the other endpoint first.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_hides_coins_makes_nobody_poor() {
    let world = World::start().await;
    world.rich(2).await;
    let (honest, genesis) = (world.net.devnet.rpc_url(), world.client.genesis());
    let liar = Liar::start(&honest).await;
    liar.says(Lies { owned: Some(Box::new(Vec::clear)), ..Lies::default() });
    let alone = Ops::new(ChainClient::connect(&liar.url, genesis).await.unwrap(), wallet(2));
    let refused = world.stake(&alone, 5, "node-1").await.unwrap_err();
    assert!(matches!(refused, TxError::InsufficientFunds { have: Mist(0), .. }), "{refused}");

    let both = ChainClient::connect_any([&liar.url, &honest], genesis).await.unwrap();
    assert_eq!(both.url(), liar.url);
    world.stake(&Ops::new(both.clone(), wallet(2)), 5, "node-1").await.unwrap();
    assert_eq!(both.url(), honest, "it is asked again what is sent next");
    // Who is poor by both is poor.
    let poor = world.stake(&Ops::new(both, wallet(9)), 5, "node-2").await.unwrap_err();
    assert!(matches!(poor, TxError::InsufficientFunds { .. }), "{poor}");
}

/// Two programs with one wallet use the same coins; one of them has to build anew.
#[tokio::test(flavor = "multi_thread")]
async fn two_programs_may_share_a_wallet() {
    let world = World::start().await;
    let one = world.rich(2).await;
    let two = Ops::new(world.client.clone(), wallet(2));
    let to = wallet(7).address();
    for _ in 0..5 {
        let (a, b) = tokio::join!(one.transfer(to, Mist(3)), two.transfer(to, Mist(4)));
        a.unwrap();
        b.unwrap();
    }
    assert_eq!(world.client.balance(to).await.unwrap(), Mist(35));
}

/// What was shown is what is signed; once its coins have moved, nothing is signed in its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_shown_transaction_is_sent_to_the_byte_or_not_at_all() {
    let world = World::start().await;
    let payer = world.rich(2).await;
    let to = wallet(7).address();
    let (first, second) = (payer.transfer(to, Mist(3)), payer.transfer(to, Mist(3)));
    let (shown, stale) = (first.estimate().await.unwrap(), second.estimate().await.unwrap());
    assert_eq!(shown.at_most().0, shown.transaction.gas_budget().0 + 3);
    assert!(shown.total() < i128::from(shown.at_most().0));
    assert_eq!(first.send(&shown.transaction).await.unwrap().digest, shown.transaction.digest());

    payer.transfer(to, Mist(4)).await.unwrap();
    let moved = payer.transfer(to, Mist(5));
    let before = moved.estimate().await.unwrap().transaction;
    payer.transfer(to, Mist(6)).await.unwrap();
    let refused = moved.send(&before).await.unwrap_err();
    assert!(matches!(&refused, TxError::Rejected { digest, .. } if *digest == before.digest()), "{refused}");
    assert_eq!(Problem::from(refused).code, ErrorCode::TransactionRefused);
    // The same bytes are the same transaction: it was executed, and is not executed again.
    assert_eq!(second.send(&stale.transaction).await.unwrap().digest, shown.transaction.digest());
    assert_eq!(world.client.balance(to).await.unwrap(), Mist(13));
    let keyless = Ops::new(world.client.clone(), Wallet::keyless(payer.sender()));
    let call = keyless.transfer(to, Mist(1));
    let unsigned = call.estimate().await.unwrap().transaction;
    assert!(matches!(call.send(&unsigned).await, Err(TxError::KeyMissing(_))));
}
