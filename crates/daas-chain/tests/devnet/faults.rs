//! Every fault there is, in random order, transactions all the while, and a client that is killed in the middle of it. At no
//! checkpoint does it know anything but what the chain says, no change is lost or made twice, and no lie is believed.
//!
//! The seed is printed; `DAAS_FAULT_SEED` runs it again, `DAAS_FAULT_TRANSACTIONS` and `DAAS_FAULT_KILLS` run it for longer.

mod dice;
mod process;
mod tally;
mod traffic;
mod trouble;
mod truth;

use crate::world::{Following, PATIENCE, World};
use core::time::Duration;
use daas_chain::follow::Follower;
use daas_chain::index::Index;
use daas_chain::ops::Pcrs;
use daas_chain::store::Store;
use daas_devnet::control::{Answer, Request};
use dice::Dice;
use process::{Process, Task};
use std::path::PathBuf;
use tally::Tally;
use tokio::time::Instant;
use traffic::Traffic;
use trouble::{Companion, Trouble};
use truth::{Truth, digest, seen};

/// How often a stall is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// When in a round the client is killed.
#[derive(Clone, Copy)]
enum Moment {
    Before,
    Amid,
    After,
}

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::Amid, Moment::After];

struct Run {
    world: World,
    store: PathBuf,
    task: Task,
    process: Process,
    traffic: Traffic,
    dice: Dice,
    tally: Tally,
}

/// A number of the environment.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_and_no_death_changes_what_is_known() {
    let dice = Dice::seeded(asked("DAAS_FAULT_SEED"));
    let transactions = asked("DAAS_FAULT_TRANSACTIONS").unwrap_or(500);
    let kills = asked("DAAS_FAULT_KILLS").unwrap_or(10);
    println!("DAAS_FAULT_SEED={}", dice.seed());
    let start = Instant::now();
    let mut run = Run::start(dice).await;
    let mut rounds = run.plan(transactions, kills);
    while let Some((trouble, death)) = rounds.pop() {
        run.round(trouble, death).await;
        if rounds.is_empty() && run.traffic.succeeded < transactions {
            rounds.push((run.any_trouble(), None));
        }
    }
    let judged = run.judge().await;
    println!("{judged} in {:.1} s", start.elapsed().as_secs_f64());
}

// === impl Run ===

impl Run {
    async fn start(mut dice: Dice) -> Self {
        let world = World::start().await;
        // From here on measurements have a generation that an event told.
        world
            .operator
            .announce_measurement(&world.ids, &Pcrs { pcr0: [9; 48], pcr1: [9; 48], pcr2: [9; 48] })
            .await
            .unwrap();
        let store = world.net.folder.path().join("index.redb");
        let task = Task {
            rpc: world.net.devnet.rpc_url(),
            genesis: world.net.folder.path().join("genesis.json"),
            store: store.clone(),
            ids: world.ids,
        };
        let traffic = Traffic::start(&world, dice.fork()).await;
        let process = Process::start(&task);
        process.reaches(world.client.heights().await.unwrap().0).await;
        Self { world, store, task, process, traffic, dice, tally: Tally::default() }
    }

    /// What happens in each round, the first one last: each trouble about as often as any other, and deaths.
    fn plan(&mut self, transactions: u64, kills: u64) -> Vec<(Trouble, Option<Moment>)> {
        let rounds = transactions.div_ceil(self.traffic.people()).max(kills + 1);
        let mut troubles = Vec::new();
        while troubles.len() < usize::try_from(rounds).unwrap() {
            troubles.extend(self.dice.shuffled(Trouble::all()));
        }
        let mut deaths: Vec<_> = (0..kills).map(|_| Some(*self.dice.pick(&MOMENTS))).collect();
        deaths.resize(troubles.len() - 1, None);
        let mut deaths = self.dice.shuffled(deaths);
        // The first round, so that there is something to go on from.
        deaths.push(None);
        troubles.into_iter().zip(deaths).collect()
    }

    fn any_trouble(&mut self) -> Trouble {
        *self.dice.pick(&Trouble::all())
    }

    /// One trouble, and a transaction of everybody in the middle of it; until the client has all of it.
    async fn round(&mut self, trouble: Trouble, death: Option<Moment>) {
        let rpc = self.world.net.devnet.rpc_url();
        let mut batch = self.traffic.batch(&self.world).await;
        self.process.listen();
        self.begin(trouble).await;
        if let Some(Moment::Before) = death {
            self.die().await;
        }
        batch.send(&rpc);
        if let Some(Moment::Amid) = death {
            if trouble.lets_through() {
                batch.first_answer().await;
            }
            self.die().await;
        }
        self.felt(trouble).await;
        if let Some(Moment::After) = death {
            self.die().await;
        }
        self.ask(Request::FaultClear { id: None }).await;
        let settled = batch.settled(&rpc).await;
        self.traffic.count(&settled);
        self.process.reaches(settled.last).await;
        self.tally.round(trouble);
    }

    async fn begin(&mut self, trouble: Trouble) {
        for request in trouble.requests() {
            self.ask(request).await;
        }
        let companion = *self.dice.pick(&Companion::ALL);
        if let Some(request) = companion.request(&mut self.dice) {
            self.ask(request).await;
        }
    }

    /// Waits until the client has noticed, where it must.
    async fn felt(&self, trouble: Trouble) {
        if !trouble.noticed().is_empty() {
            self.process.says(trouble.noticed()).await;
        }
        if trouble == Trouble::Stalled {
            let mut look = tokio::time::interval(LOOK);
            let some_wait = async {
                while matches!(self.ask(Request::Status).await, Answer::Status(status) if status.waiting == 0) {
                    look.tick().await;
                }
            };
            tokio::time::timeout(PATIENCE, some_wait).await.expect("transactions must wait");
        }
    }

    /// The client is killed, and another one goes on from what it has saved.
    async fn die(&mut self) {
        self.tally.life(self.process.dies().await);
        self.process = Process::start(&self.task);
    }

    async fn ask(&self, request: Request) -> Answer {
        self.world.net.devnet.control.ask(request).await.unwrap()
    }

    /// Whether all that was ever known was true, and whether all is known.
    async fn judge(mut self) -> String {
        let tip = self.world.client.heights().await.unwrap().0;
        self.process.reaches(tip).await;
        self.tally.life(self.process.dies().await);
        let Self { world, store, traffic, mut tally, .. } = self;
        let truth = Truth::replayed(&world.client, world.ids, world.client.heights().await.unwrap().0).await;
        assert_eq!(tally.checked(&truth), digest(truth.last()), "the index of the client that was killed");
        // What it left on disk, and where that leads.
        let saved = Store::open(&store, world.client.genesis(), world.ids).unwrap();
        let index = Index::new(world.ids);
        let follower = Follower::new(world.client.clone(), index.clone()).with_store(saved).unwrap();
        let found = index.snapshot();
        assert_eq!(digest(&seen(&found)), truth.at(found.checkpoint()).digest, "what it left on disk");
        let following = Following::of(follower);
        following.reaches(tip).await;
        assert_eq!(seen(&index.snapshot()), truth.last(), "what that leads to");
        following.stop().await;
        // Read from the chain's objects, with proofs.
        let fresh = world.follow();
        fresh.reaches(tip).await;
        assert_eq!(seen(&fresh.index.snapshot()), truth.last(), "an index rebuilt from objects");
        fresh.stop().await;
        format!("{} transactions, {} more that the contract refused; {tally}", traffic.succeeded, traffic.failed)
    }
}
