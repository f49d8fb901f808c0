//! Nobody gains anything by a lie, and the log says which check found it.

use crate::liar::{Liar, Lies};
use crate::log;
use crate::world::{Following, World};
use core::time::Duration;
use daas_chain::client::ChainClient;
use daas_chain::follow::Follower;
use daas_chain::index::Index;
use daas_chain::ops::Ops;
use daas_chain::testing::TestChain;
use daas_devnet::control::Request;
use daas_types::PositionId;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{CheckpointContents, CheckpointSummary, EndOfEpochData, TransactionEvents};

/// A world with a staker, and an index that follows through a liar.
struct Scene {
    world: World,
    staker: Ops,
    position: PositionId,
    liar: Liar,
    following: Following,
}

// === impl Scene ===

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let staker = world.rich(2).await;
        let staked = world.stake(&staker, 5, "node-1").await.unwrap();
        let liar = Liar::start(&world.net.devnet.rpc_url()).await;
        let client = ChainClient::connect(&liar.url, world.client.genesis()).await.unwrap();
        let follower = Follower::new(client, Index::new(world.ids)).with_idle_limit(Duration::from_secs(1));
        let following = Following::of(follower);
        following.sees(&staked).await;
        let position = staked.position.position;
        Self { world, staker, position, liar, following }
    }

    /// Something happens on chain while the liar lies; the index learns of it only once he stops.
    async fn refuses(&self, check: &str, lies: Lies) {
        self.refuses_with("the RPC endpoint is not believed", check, lies).await;
    }

    async fn refuses_with(&self, line: &str, check: &str, lies: Lies) {
        let amount = self.following.index.snapshot().position(self.position).unwrap().state.active;
        let log = log::listen();
        self.liar.says(lies);
        let done = self.staker.restake(&self.world.ids, self.position, amount).await.unwrap();
        log.says(&[&self.liar.url, line, check]).await;
        let snapshot = self.following.index.snapshot();
        assert_eq!(snapshot.position(self.position).unwrap().state.active, amount, "{check}");
        assert!(snapshot.checkpoint() < done.outcome.checkpoint, "{check}");
        self.liar.says(Lies::default());
        self.following.sees(&done).await;
    }

    async fn refuses_checkpoint(&self, check: &str, lie: impl Fn(&mut proto::Checkpoint) + Send + Sync + 'static) {
        self.refuses(check, Lies { checkpoint: Some(Box::new(lie)), ..Lies::default() }).await;
    }
}

fn summary(checkpoint: &proto::Checkpoint) -> CheckpointSummary {
    checkpoint.summary().bcs().deserialize().unwrap()
}

/// The summary that the committee of `signer` would have signed.
fn sign(checkpoint: &mut proto::Checkpoint, signer: &TestChain, summary: &CheckpointSummary) {
    let signature = signer.sign(summary);
    let message = checkpoint.signature_mut();
    message.epoch = Some(signature.epoch);
    message.signature = Some(signature.signature);
    message.bitmap = Some(signature.bitmap);
    checkpoint.summary_mut().bcs = Some(proto::Bcs::serialize(summary).unwrap());
}

fn stranger() -> TestChain {
    TestChain::new(66)
}

fn eventful(checkpoint: &mut proto::Checkpoint) -> Option<&mut proto::ExecutedTransaction> {
    checkpoint.transactions.iter_mut().find(|transaction| transaction.events.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_neither_hidden_nor_made_up() {
    let scene = Scene::start().await;
    let twice = |checkpoint: &mut proto::Checkpoint| {
        if let Some(transaction) = eventful(checkpoint) {
            let events = transaction.events_mut();
            let mut all: TransactionEvents = events.bcs().deserialize().unwrap();
            all.0.extend(all.0.clone());
            events.bcs = Some(proto::Bcs::serialize(&all).unwrap());
        }
    };
    scene.refuses_checkpoint("events: those of transaction", twice).await;
    let hidden = |checkpoint: &mut proto::Checkpoint| {
        if let Some(transaction) = eventful(checkpoint) {
            transaction.events = None;
        }
    };
    scene.refuses_checkpoint("are left out", hidden).await;
    scene.refuses_checkpoint("transactions: ", |checkpoint| checkpoint.transactions.clear()).await;
    let invented = |checkpoint: &mut proto::Checkpoint| {
        let one = checkpoint.transactions.first().cloned().unwrap_or_default();
        checkpoint.transactions.push(one);
    };
    scene.refuses_checkpoint("are served, and the contents have", invented).await;
    scene.following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_what_its_committee_signed() {
    let scene = Scene::start().await;
    let emptied = |checkpoint: &mut proto::Checkpoint| {
        checkpoint.transactions.clear();
        let contents = CheckpointContents::new_v1(vec![]);
        let bcs = proto::Bcs::serialize(&contents).unwrap();
        // An empty checkpoint's are the same.
        checkpoint.contents_mut().bcs = Some(bcs);
    };
    scene.refuses_checkpoint("contents: their digest", emptied).await;
    let later = |checkpoint: &mut proto::Checkpoint| {
        let mut summary = summary(checkpoint);
        summary.timestamp_ms += 60_000;
        checkpoint.summary_mut().bcs = Some(proto::Bcs::serialize(&summary).unwrap());
    };
    scene.refuses_checkpoint("signature: it is not signed by the committee of epoch 0", later).await;
    let of_a_stranger = |checkpoint: &mut proto::Checkpoint| {
        let summary = summary(checkpoint);
        sign(checkpoint, &stranger(), &summary);
    };
    scene.refuses_checkpoint("signature: ", of_a_stranger).await;
    let unsigned = |checkpoint: &mut proto::Checkpoint| checkpoint.signature = None;
    scene.refuses_checkpoint("absent: the answer has no signature", unsigned).await;
    scene.following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_epoch_is_made_up() {
    let scene = Scene::start().await;
    let end = |checkpoint: &mut proto::Checkpoint| {
        let mut summary = summary(checkpoint);
        summary.end_of_epoch_data = Some(EndOfEpochData {
            next_epoch_committee: stranger().genesis().committee().unwrap().members.clone(),
            next_epoch_protocol_version: 1,
            epoch_commitments: vec![],
        });
        sign(checkpoint, &stranger(), &summary);
    };
    scene.refuses_checkpoint("signature: ", end).await;
    // Checkpoints of an epoch to come, after a checkpoint that is said to have ended this one.
    let next = |checkpoint: &mut proto::Checkpoint| {
        let mut summary = summary(checkpoint);
        summary.epoch = 1;
        sign(checkpoint, &stranger(), &summary);
    };
    let ended = |epoch: &mut proto::Epoch| epoch.last_checkpoint = Some(3);
    let none = Lies { checkpoint: Some(Box::new(next)), ..Lies::default() };
    scene.refuses("end of epoch: it does not end epoch 0", none).await;
    let only_pushed = Lies { pushed: Some(Box::new(next)), epoch: Some(Box::new(ended)), ..Lies::default() };
    scene.refuses("checkpoint 3 does not verify: end of epoch: it does not end epoch 0", only_pushed).await;
    let forged = move |checkpoint: &mut proto::Checkpoint| {
        if summary(checkpoint).sequence_number == 3 { end(checkpoint) } else { next(checkpoint) }
    };
    let forged = Lies { checkpoint: Some(Box::new(forged)), epoch: Some(Box::new(ended)), ..Lies::default() };
    scene.refuses("checkpoint 3 does not verify: signature: ", forged).await;
    scene.following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_tip_is_no_news() {
    let scene = Scene::start().await;
    let snapshot = scene.following.index.snapshot();
    let (old, time) = (snapshot.checkpoint(), snapshot.timestamp());
    let tip = |info: &mut proto::GetServiceInfoResponse| info.checkpoint_height = Some(1);
    let replayed = move |checkpoint: &mut proto::Checkpoint| checkpoint.sequence_number = Some(old);
    let lies = Lies { info: Some(Box::new(tip)), pushed: Some(Box::new(replayed)), ..Lies::default() };
    scene.refuses("replay: it was served again", lies).await;
    // However often it comes, it is no sign of life.
    let lies = Lies { info: Some(Box::new(tip)), pushed: Some(Box::new(replayed)), ..Lies::default() };
    let control = &scene.world.net.devnet.control;
    let mut often = tokio::time::interval(Duration::from_millis(100));
    let replays = async {
        loop {
            often.tick().await;
            control.ask(Request::Checkpoint).await.unwrap();
        }
    };
    tokio::select! {
        () = scene.refuses("replay: it was served again", lies) => {}
        () = replays => {}
    }
    // Said to be a younger one.
    let renamed = |checkpoint: &mut proto::Checkpoint| {
        checkpoint.sequence_number = checkpoint.sequence_number.map(|sequence| sequence + 1);
    };
    let renamed = Lies { pushed: Some(Box::new(renamed)), ..Lies::default() };
    scene.refuses("was served in its place", renamed).await;
    assert!(scene.following.index.snapshot().timestamp() > time);
    scene.following.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn young_checkpoints_are_not_forgotten() {
    let scene = Scene::start().await;
    let forgotten = |info: &mut proto::GetServiceInfoResponse| info.lowest_available_checkpoint = Some(u64::MAX);
    let ended = |checkpoint: &mut proto::Checkpoint| checkpoint.signature = None;
    let lies = Lies { info: Some(Box::new(forgotten)), pushed: Some(Box::new(ended)), ..Lies::default() };
    // It does not start anew beyond what it has not read.
    scene.refuses_with("chain lost", "is no longer served", lies).await;
    scene.following.stop().await;
}

/// After an outage everything is read again. Whoever is left out then keeps the rights that he had.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_is_known_is_left_out() {
    let scene = Scene::start().await;
    let (registry, position) = (scene.world.ids.registry.to_string(), scene.position.to_string());
    let request = proto::GetObjectRequest::new(&scene.world.ids.registry.0);
    let request = request.with_read_mask(FieldMask::from_str("owner"));
    let real =
        sui_rpc::Client::new(scene.world.net.devnet.rpc_url()).unwrap().ledger_client().get_object(request).await;
    let first = real.unwrap().into_inner().object().owner().version();
    // The registry as it was when nobody had staked yet, which is proven; and of the position not a word.
    let hide = move |asked: &mut proto::GetObjectRequest| {
        if asked.object_id() == registry {
            asked.version = Some(first);
        } else if asked.object_id() == position {
            asked.object_id = Some("none".into());
        }
    };
    let forgotten = |info: &mut proto::GetServiceInfoResponse| info.lowest_available_checkpoint = Some(u64::MAX);
    let ended = |checkpoint: &mut proto::Checkpoint| checkpoint.signature = None;
    let lies = Lies {
        asked_object: Some(Box::new(hide)),
        fields: Some(Box::new(Vec::clear)),
        info: Some(Box::new(forgotten)),
        pushed: Some(Box::new(ended)),
        ..Lies::default()
    };
    let snapshot = scene.following.index.snapshot();
    let amount = snapshot.position(scene.position).unwrap().state.active;
    let log = log::listen();
    scene.liar.says(lies);
    scene.world.net.advance(Duration::from_hours(2));
    let done = scene.staker.restake(&scene.world.ids, scene.position, amount).await.unwrap();
    log.says(&[&scene.liar.url, "chain lost", "get object: refused"]).await;
    assert!(scene.following.index.snapshot().checkpoint() < done.outcome.checkpoint);
    scene.liar.says(Lies::default());
    scene.following.sees(&done).await;
    scene.following.stop().await;
}
