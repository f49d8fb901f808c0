//! A running network: how long reading a whole cluster takes, and how soon an event is in the index.

use crate::world::{Following, PATIENCE, World};
use daas_chain::clock;
use daas_chain::index::Index;
use daas_chain::ops::NodeStakeSpec;
use daas_types::{Mist, PositionId, UnixMs};
use futures::StreamExt as _;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use sui_rpc::Client;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2::SubscribeCheckpointsRequest;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Positions that are read.
const POSITIONS: u32 = 200;
/// Events whose delay is measured.
const EVENTS: usize = 500;

#[derive(Default)]
pub(crate) struct Served {
    pub(crate) bootstrap_ms_per_position: f64,
    /// From the checkpoint's own timestamp, which is before it is signed, to the index.
    pub(crate) since_timestamp_ms: Vec<f64>,
    /// The same, to a subscriber that verifies nothing.
    pub(crate) subscriber_ms: Vec<f64>,
    /// From that subscriber's sight of the checkpoint to the index; below zero where the index was first.
    pub(crate) after_subscriber_ms: Vec<f64>,
}

/// When a subscriber saw each checkpoint.
struct Subscriber {
    seen: Arc<Mutex<HashMap<u64, (Instant, UnixMs)>>>,
    last: watch::Receiver<u64>,
    _task: JoinSet<()>,
}

pub(crate) fn measure() -> Served {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(serve())
}

async fn serve() -> Served {
    let world = World::start().await;
    let first = stake(&world).await;
    let began = Instant::now();
    let following = world.follow();
    let mut checkpoints = following.index.checkpoints();
    let read = checkpoints.wait_for(|_| following.index.snapshot().positions().count() == POSITIONS as usize);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    let bootstrap_ms = began.elapsed().as_secs_f64() * 1e3;
    let mut served = Served { bootstrap_ms_per_position: bootstrap_ms / f64::from(POSITIONS), ..Served::default() };
    delays(&world, &following, first, &mut served).await;
    following.stop().await;
    served
}

/// Positions by one owner; the first of them.
async fn stake(world: &World) -> PositionId {
    let owner = &world.operator;
    for salt in 0..u64::from(POSITIONS) {
        let node_id = format!("bench-{salt}").parse().unwrap();
        let spec = NodeStakeSpec { amount: Mist(500_000_000), salt, node_id, operator: owner.wallet().address() };
        owner.stake_for_node(&world.ids, &spec).await.unwrap();
    }
    world.position_of(owner, 0)
}

async fn delays(world: &World, following: &Following, position: PositionId, served: &mut Served) {
    let mut subscriber = Subscriber::start(&world.net.devnet.rpc_url()).await;
    let index = following.index.clone();
    while served.since_timestamp_ms.len() < EVENTS {
        let mut changes = index.changes();
        let restake = world.operator.restake(&world.ids, position, Mist(1)).into_future();
        let (outcome, (at, indexed, checkpoint, timestamp)) = tokio::join!(restake, async {
            changes.recv().await.unwrap();
            now_in(&index)
        });
        // Another checkpoint may have come between the change and the look.
        if checkpoint != outcome.unwrap().outcome.checkpoint {
            continue;
        }
        let (seen_at, seen) = subscriber.saw(checkpoint).await;
        served.since_timestamp_ms.push(millis(timestamp, indexed));
        served.subscriber_ms.push(millis(timestamp, seen));
        served.after_subscriber_ms.push(if at >= seen_at {
            at.duration_since(seen_at).as_secs_f64() * 1e3
        } else {
            -seen_at.duration_since(at).as_secs_f64() * 1e3
        });
    }
}

fn now_in(index: &Index) -> (Instant, UnixMs, u64, UnixMs) {
    let (at, now, snapshot) = (Instant::now(), clock::now(), index.snapshot());
    (at, now, snapshot.checkpoint(), snapshot.timestamp().unwrap())
}

fn millis(from: UnixMs, to: UnixMs) -> f64 {
    to.since(from).as_secs_f64() * 1e3
}

// === impl Subscriber ===

impl Subscriber {
    async fn start(url: &str) -> Self {
        let mut client = Client::new(url).unwrap();
        let request = SubscribeCheckpointsRequest::default().with_read_mask(FieldMask::from_paths([
            "sequence_number",
            "summary.bcs",
            "transactions.events.bcs",
        ]));
        let answer = client.subscription_client().subscribe_checkpoints(request).await.unwrap();
        let mut stream = answer.into_inner();
        let (sender, last) = watch::channel(0);
        let seen = Arc::<Mutex<HashMap<_, _>>>::default();
        let writer = seen.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Some(Ok(next)) = stream.next().await {
                let sequence = next.checkpoint().sequence_number();
                writer.lock().unwrap().insert(sequence, (Instant::now(), clock::now()));
                sender.send_replace(sequence);
            }
        });
        Self { seen, last, _task: task }
    }

    async fn saw(&mut self, checkpoint: u64) -> (Instant, UnixMs) {
        timeout(PATIENCE, self.last.wait_for(|last| *last >= checkpoint)).await.unwrap().unwrap();
        self.seen.lock().unwrap()[&checkpoint]
    }
}
