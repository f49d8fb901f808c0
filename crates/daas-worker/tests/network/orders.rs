//! What an owner orders to be staked and where it lives, in transactions.

use crate::NODE;
use crate::world::{World, wallet};
use daas_chain::ops::SealSpec;
use daas_client::SealFile;
use daas_types::{ErrorCode, Mist, Permissions};
use daas_worker::adopt::replace;
use daas_worker::config::{WorkerConfig, seal_path};
use daas_worker::stake::{Live, Minted, Staker, Wish};
use daas_worker::state::StakeOrder;
use std::collections::BTreeMap;
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

/// A machine is lost, and all that was secret on it. The owner's wallet is enough to go on elsewhere with the same stake, and what the
/// lost machine had is worth nothing from then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_machines_stake_goes_on_at_another_and_its_seal_ends() {
    let world = World::start(Duration::ZERO).await;
    let ann = world.owner("ann");
    world.fill(&ann).await;
    let file = ann.home.join("worker-config.yaml");
    let config = |state: &str| {
        let place = |name: &str| ann.home.join(name).display().to_string();
        let flags = [("cluster", "join.json"), ("wallet", "wallet.key"), ("state_dir", state)];
        let flags = flags.map(|(key, name)| (key.to_owned(), place(name))).to_vec();
        WorkerConfig::load(Some(file.clone()), BTreeMap::new(), flags).unwrap()
    };
    let worker = |state: &str| {
        let (ops, node) = (world.ops(wallet(&ann)), NODE.parse().unwrap());
        Staker::new(ops, world.ids, world.join.clone(), node, Mist::from_sui(5), &ann.home.join(state))
    };
    // There is nothing yet whose place could be taken, and nothing is staked for want of it.
    assert_eq!(replace(&config("second")).await.unwrap_err().code, ErrorCode::NotStaked);
    let lost = worker("first");
    std::fs::create_dir_all(ann.home.join("first")).unwrap();
    lost.prepare(None).await.unwrap();
    let first = live(lost.mint(Wish::default()).await.unwrap());

    // Whoever tries without the word first is refused, and may say it then.
    worker("second").prepare(None).await.unwrap();
    assert_eq!(refused(worker("second").mint(Wish::default()).await.unwrap()), ErrorCode::NodeIdTaken);
    replace(&config("second")).await.unwrap();
    let known = SealFile::load(&seal_path(&ann.home.join("second"))).unwrap();
    assert_eq!((known.position, known.seal, known.permissions), (first.seal.position, None, Permissions::NODE));
    // Killed before the lost machine's ended, and once more without the word: it ends when it is said again.
    let ops = world.ops(wallet(&ann));
    let lost = SealFile::load(&seal_path(&ann.home.join("first"))).unwrap().renewed().unwrap();
    let (permissions, locator, commitment) = (Permissions::NODE, lost.locator(), lost.commitment());
    let spec = SealSpec { permissions, locator, commitment, session: None, lifetime: Duration::from_hours(1) };
    ops.refresh_seal_token(&world.ids, lost.position, None, &spec).await.unwrap();
    let between = live(worker("second").mint(Wish::default()).await.unwrap());
    assert_eq!(between.position.seals.len(), 2);
    replace(&config("second")).await.unwrap();
    let fresh = Wish { fresh: true, ..Wish::default() };
    let second = live(worker("second").mint(fresh).await.unwrap());
    assert!(second.new && second.position.active == first.position.active);
    let ids: Vec<_> = second.position.seals.iter().map(|record| Some(record.id)).collect();
    assert_eq!(ids, [second.seal.seal], "of the lost machine's Seal nothing is left");
    // Said again it changes nothing.
    replace(&config("second")).await.unwrap();
    assert_eq!(live(worker("second").mint(Wish::default()).await.unwrap()).seal.seal, second.seal.seal);
}
