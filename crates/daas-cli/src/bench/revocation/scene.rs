use super::streams::Streams;
use super::{NAMESPACE, POD, Sample};
use crate::chain::Staker;
use crate::paths::Office;
use crate::stage::{Detail, STAKER_NODE, Stage, eventually, grounds};
use anyhow::{Context as _, ensure};
use daas_chain::clock;
use daas_chain::follow::Follower;
use daas_chain::index::{Change, Index};
use daas_client::{ClusterInfo, SealFile};
use daas_types::PositionId;
use daas_types::onchain::Status;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// What is not closed by then never will be.
const LIMIT: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(20);
const MANIFEST: &str = "
apiVersion: v1
kind: Namespace
metadata: { name: bench }
---
apiVersion: v1
kind: Pod
metadata: { name: target, namespace: bench }
spec:
  terminationGracePeriodSeconds: 1
  nodeSelector: { kubernetes.io/hostname: operator }
  containers:
    - name: target
      image: local/busybox:1
      imagePullPolicy: Never
      command: [/bin/sleep, infinity]
";

/// The staker, its pod, and a subscriber of the chain.
pub(super) struct Scene<'a> {
    pub(super) stage: &'a Stage,
    pub(super) info: ClusterInfo,
    pub(super) seal: SealFile,
    proposer: Staker,
    judge: Staker,
    index: Index,
    /// Owns the subscription.
    _follower: JoinSet<()>,
}

// === impl Scene ===

impl<'a> Scene<'a> {
    /// Stakes, starts the pod, subscribes.
    pub(super) async fn set(stage: &'a Stage) -> anyhow::Result<Self> {
        let path = stage.staker_node().join("seal.json");
        let stake = ["stake", "5", "--permissions", "user,node", "--node-id", STAKER_NODE];
        stage.staker.arrive(&stake, Some(&path)).await?;
        stage.operator.apply(MANIFEST).await?;
        let ready = ["-n", NAMESPACE, "wait", "pod/target", "--for=condition=Ready", "--timeout=45s"];
        stage.operator.get(&ready).await?;

        let info = ClusterInfo::load(&stage.state.join())?;
        let index = Index::new(info.ids());
        let follower = Follower::new(info.chain().await?, index.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = follower.run(CancellationToken::new()).await {
                tracing::warn!(%error, "the chain is no longer followed");
            }
        });
        let seal = SealFile::load(&path)?;
        eventually(AGAIN, async || {
            index.snapshot().position(seal.position).context("the position is not seen yet").map(drop)
        })
        .await?;
        let (proposer, judge) = (stage.office(Office::Proposer).await?, stage.office(Office::Judge).await?);
        Ok(Self { stage, info, seal, proposer, judge, index, _follower: tasks })
    }

    /// One slash, and its way back.
    pub(super) async fn once(&self, number: u32) -> anyhow::Result<Sample> {
        let streams = Streams::open(self, number).await?;
        let mut changes = self.index.changes();
        let (proposer, grounds) = (&self.proposer, grounds(number));
        let submitted = Instant::now();
        let propose = async { Ok(proposer.ops.propose_slash(&proposer.ids, self.seal.position, &grounds).await?) };
        let (outcome, seen, closed) = tokio::try_join!(propose, published(&mut changes, self.seal.position), async {
            timeout(LIMIT, streams.closed()).await.context("still open after 10 s")?
        },)?;
        let since_timestamp = clock::now().since(outcome.outcome.timestamp).saturating_sub(closed.last().elapsed());
        ensure!(closed.first() >= submitted, "a stream ended before the slash");
        self.restore().await?;
        Ok(Sample {
            watch_ms: between(seen, closed.watch),
            exec_ms: between(seen, closed.exec),
            node_ms: between(seen, closed.node),
            since_timestamp_ms: millis(since_timestamp),
        })
    }

    /// Cancels the slash and waits until the Seal opens again what it opened before.
    async fn restore(&self) -> anyhow::Result<()> {
        let state = self.judge.ops.cancel_slash(&self.judge.ids, self.seal.position).await?.position;
        ensure!(state.status == Status::Active, "after the cancelled slash the position is {}", state.status);
        eventually(AGAIN, async || self.stage.staker.get(&["-n", NAMESPACE, "get", "pod", POD]).await).await?;
        Ok(())
    }
}

impl Detail for Scene<'_> {
    fn detail(&self) -> String {
        format!("position {}", self.seal.position)
    }
}

/// Milliseconds from one moment to another, which may be the earlier.
fn between(from: Instant, to: Instant) -> f64 {
    if to >= from { millis(to - from) } else { -millis(from - to) }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

/// When the subscriber sees the checkpoint that takes the position's rights.
async fn published(changes: &mut broadcast::Receiver<Change>, position: PositionId) -> anyhow::Result<Instant> {
    let seen = async {
        loop {
            let change = changes.recv().await.context("the subscription ended")?;
            if change.position == position && change.after.tier.is_none() {
                return anyhow::Ok(Instant::now());
            }
        }
    };
    timeout(LIMIT, seen).await.context("the subscriber did not see the slash")?
}
