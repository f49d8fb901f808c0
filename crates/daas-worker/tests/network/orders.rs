//! What an owner orders to be staked, in transactions.

use crate::NODE;
use crate::world::{World, wallet};
use daas_types::{ErrorCode, Mist};
use daas_worker::stake::{Live, Minted, Staker, Wish};
use daas_worker::state::StakeOrder;
use std::time::Duration;

fn of(amount: Mist) -> Wish {
    Wish { order: Some(StakeOrder { amount: Some(amount), lifetime: None }), ..Wish::default() }
}

fn live(minted: Minted) -> Live {
    match minted {
        Minted::Live(live) => *live,
        other => panic!("{other:?}"),
    }
}

fn refused(minted: Minted) -> ErrorCode {
    match minted {
        Minted::Refused(problem) => problem.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ordered_is_staked_once_and_what_is_refused_stakes_nothing() {
    let world = World::start(Duration::ZERO).await;
    let ann = world.owner("ann");
    // Each is a process of its own: what the one before it did not write down it does not know.
    let worker = || {
        let (ops, node) = (world.ops(wallet(&ann)), NODE.parse().unwrap());
        Staker::new(ops, world.ids, world.join.clone(), node, Mist::from_sui(5), &ann.home)
    };
    let seven = Mist::from_sui(7);
    worker().prepare(None).await.unwrap();
    assert_eq!(refused(worker().mint(of(seven)).await.unwrap()), ErrorCode::InsufficientFunds);
    // Without an order it is the configured amount that is refused.
    assert_eq!(refused(worker().mint(Wish::default()).await.unwrap()), ErrorCode::InsufficientFunds);
    world.fill(&ann).await;
    assert_eq!(refused(worker().mint(of(Mist(1_000_000))).await.unwrap()), ErrorCode::StakeBelowMinimum);

    let first = live(worker().mint(of(seven)).await.unwrap());
    assert_eq!((first.position.active, first.new), (seven, true));
    let again = live(worker().mint(of(seven)).await.unwrap());
    assert_eq!((again.position.active, again.seal.seal, again.new), (seven, first.seal.seal, false));
    // Of a stake that is there an order says nothing; a fresh Seal is made of the same.
    let other = live(worker().mint(Wish { fresh: true, ..of(Mist::from_sui(9)) }).await.unwrap());
    assert_eq!((other.position.active, other.seal.seal, other.new), (seven, first.seal.seal, false));
    let fresh = live(worker().mint(Wish { fresh: true, ..of(seven) }).await.unwrap());
    assert!(fresh.new && fresh.seal.seal != first.seal.seal);
}
