//! An endpoint that loses requests or answers: nothing may be done twice.

use crate::lossy::{Loss, lossy};
use crate::world::World;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_chain::ops::{Ops, TxError};
use daas_types::{ErrorCode, Mist, Problem};
use std::sync::atomic::Ordering;
use sui_crypto::SuiSigner as _;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_does_not_stake_twice() {
    let world = World::start().await;
    let staker = world.rich(2).await;
    let (client, sent, _server) = lossy(&world, Loss::Answer, 1).await;
    let before = client_balance(&world, &staker).await;
    let unlucky = Ops::new(client, crate::world::wallet(2));
    let staked = world.stake(&unlucky, 5, "node-1").await.unwrap();
    assert_eq!(staked.position.active, Mist::from_sui(5));
    assert_eq!(sent.load(Ordering::SeqCst), 1, "it was found, so it was not sent again");
    let spent = before.0 - client_balance(&world, &staker).await.0;
    assert!((Mist::from_sui(5).0..Mist::from_sui(6).0).contains(&spent), "{spent}");
    assert_eq!(world.client.positions(&world.ids).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_request_is_sent_again() {
    let world = World::start().await;
    let _paid = world.rich(2).await;
    let (client, sent, _server) = lossy(&world, Loss::Request, 2).await;
    let unlucky = Ops::new(client, crate::world::wallet(2));
    world.stake(&unlucky, 5, "node-1").await.unwrap();
    assert_eq!(sent.load(Ordering::SeqCst), 3);
    assert_eq!(world.client.positions(&world.ids).await.unwrap().len(), 1);
}

/// Which code is called, no endpoint decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_only_said_is_not_called() {
    let world = World::start().await;
    let _paid = world.rich(2).await;
    let (client, said, _server) = lossy(&world, Loss::Version, 0).await;
    let ops = Ops::new(client, crate::world::wallet(2));
    let staked = world.stake(&ops, 5, "node-1").await.unwrap();
    assert!(said.load(Ordering::SeqCst) > 0);
    ops.unstake(&world.ids, staked.position.position, Mist::from_sui(5)).await.unwrap();
}

/// Whoever says that a payment was refused, having made it, must not get another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_said_to_be_refused_is_not_made_again() {
    let world = World::start().await;
    let payer = world.rich(2).await;
    for _ in 0..2 {
        world.operator.transfer(payer.wallet().address(), Mist::from_sui(20)).await.unwrap();
    }
    assert!(world.client.coins(payer.wallet().address()).await.unwrap().len() >= 3);
    let (client, sent, _server) = lossy(&world, Loss::Truth, 9).await;
    let to = crate::world::wallet(7).address();
    let error = Ops::new(client, crate::world::wallet(2)).transfer(to, Mist::from_sui(5)).await.unwrap_err();
    let TxError::Doubtful { digest, .. } = &error else { panic!("{error}") };
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    assert_eq!(world.client.balance(to).await.unwrap(), Mist::from_sui(5), "once");
    let problem = Problem::from(TxError::Doubtful { digest: *digest, cause: "no".into() });
    assert_eq!(problem.code, ErrorCode::OutcomeDoubtful);
    assert!(problem.cause.contains(&digest.to_string()), "{problem}");
}

/// What was shown and confirmed, or signed elsewhere, is not built anew; but whoever hears "refused" types it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_shown_payment_that_is_said_to_be_refused_is_doubtful() {
    let world = World::start().await;
    let payer = world.rich(2).await;
    let to = crate::world::wallet(7).address();
    for (paid, loss) in [(1, Loss::Truth), (2, Loss::TruthForGood)] {
        let (client, sent, _server) = lossy(&world, loss, 9).await;
        let ops = Ops::new(client, crate::world::wallet(2));
        let call = ops.transfer(to, Mist::from_sui(5));
        let shown = call.estimate().await.unwrap().transaction;
        let error = call.send(&shown).await.unwrap_err();
        assert!(matches!(&error, TxError::Doubtful { digest, .. } if *digest == shown.digest()), "{error}");
        assert_eq!(Problem::from(error).code, ErrorCode::OutcomeDoubtful);
        assert_eq!(sent.load(Ordering::SeqCst), 1);
        assert_eq!(world.client.balance(to).await.unwrap(), Mist::from_sui(5 * paid));
    }

    let (client, sent, _server) = lossy(&world, Loss::Truth, 9).await;
    let shown = payer.transfer(to, Mist::from_sui(5)).unsigned().await.unwrap();
    let bytes = STANDARD.decode(shown.to_string()).unwrap();
    let signature = payer.wallet().sign_transaction(&bcs::from_bytes(&bytes).unwrap()).unwrap();
    let error = shown.submit(&client, None, &[signature]).await.unwrap_err();
    assert!(matches!(&error, TxError::Doubtful { digest, .. } if *digest == shown.digest()), "{error}");
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    assert_eq!(world.client.balance(to).await.unwrap(), Mist::from_sui(15));
}

/// Nor is it one that is said to have failed; one that has failed is known by the checkpoint.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_said_to_have_failed_is_doubtful() {
    let world = World::start().await;
    let staker = world.rich(2).await;
    let to = crate::world::wallet(7).address();
    let (client, _, _server) = lossy(&world, Loss::Success, 0).await;
    let error = Ops::new(client, crate::world::wallet(2)).transfer(to, Mist::from_sui(5)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutcomeDoubtful, "{error}");
    assert_eq!(world.client.balance(to).await.unwrap(), Mist::from_sui(5));
    let too_little = world.stake(&staker, 0, "node-1").await.unwrap_err();
    assert!(matches!(&too_little, TxError::Aborted { .. }), "{too_little}");
}

/// Nor one of which nothing more can be read: it was made.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_not_said_to_have_failed() {
    let world = World::start().await;
    let staked = world.stake(&world.rich(2).await, 5, "node-1").await.unwrap().position;
    for (stakes, loss) in [(6, Loss::Time), (7, Loss::Events)] {
        let (client, _, _server) = lossy(&world, loss, 0).await;
        let ops = Ops::new(client, crate::world::wallet(2));
        let error = ops.restake(&world.ids, staked.position, Mist::from_sui(1)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::OutcomeDoubtful, "{error}");
        let now = world.client.positions(&world.ids).await.unwrap();
        assert_eq!(now[0].active, Mist::from_sui(stakes));
    }
}

/// A wallet that cannot pay a second time has perhaps paid the first time.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_refused_payment_took_is_not_missing() {
    let world = World::start().await;
    let (payer, to) = (crate::world::wallet(8), crate::world::wallet(7).address());
    world.operator.transfer(payer.address(), Mist::from_sui(5)).await.unwrap();
    let (client, sent, _server) = lossy(&world, Loss::Truth, 9).await;
    let error = Ops::new(client, payer).transfer(to, Mist::from_sui(4)).await.unwrap_err();
    assert!(matches!(&error, TxError::Doubtful { .. }), "{error}");
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    assert_eq!(world.client.balance(to).await.unwrap(), Mist::from_sui(4));
}

/// A cluster whose version is no package's is found by no program: everybody's stake would be locked in.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_not_moved_to_code_that_calls_itself_something_else() {
    let world = World::start().await;
    let estimate = async |version| {
        let (client, _, _server) = lossy(&world, Loss::Migration(world.ids, version), 0).await;
        Ops::new(client, crate::world::wallet(1)).migrate(&world.ids).estimate().await
    };
    // The package is its own first version.
    assert_eq!(estimate(1).await.unwrap().code, None);
    for version in [0, 2] {
        let error = estimate(version).await.unwrap_err();
        assert!(matches!(&error, TxError::Misnumbered { number: 1, said, .. } if *said == version), "{error}");
        assert_eq!(Problem::from(error).code, ErrorCode::CodeMisnumbered);
    }
}

/// Whoever waits for gas waits for coins, since nothing else pays.
#[tokio::test(flavor = "multi_thread")]
async fn only_coins_count_as_balance() {
    let world = World::start().await;
    let address = world.rich(2).await.wallet().address();
    let (client, _, _server) = lossy(&world, Loss::AddressBalance, 0).await;
    assert_eq!(client.balance(address).await.unwrap(), world.client.balance(address).await.unwrap());
}

async fn client_balance(world: &World, ops: &Ops) -> Mist {
    world.client.balance(ops.wallet().address()).await.unwrap()
}

#[test]
fn an_unknown_outcome_names_the_transaction() {
    let error = TxError::Unknown { digest: daas_types::Digest::ZERO, cause: "gone".into() };
    let problem = Problem::from(error);
    assert!(problem.cause.contains(&daas_types::Digest::ZERO.to_string()), "{problem}");
    assert_eq!(problem.code, ErrorCode::OutcomeDoubtful);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_for_an_epoch_that_an_endpoint_makes_up() {
    let world = World::start().await;
    let payer = world.rich(2).await;
    let (client, _, _server) = lossy(&world, Loss::Epoch, 0).await;
    let through = Ops::new(client, crate::world::wallet(2));
    // The network refuses what is signed for a later epoch, and the endpoint might keep it for then.
    through.transfer(crate::world::wallet(7).address(), Mist(3)).await.unwrap();
    assert_eq!(through.sender(), payer.sender());
}
