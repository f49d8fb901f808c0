//! The master on chain: registers itself with its enclave's key, shows signs of life, attests anew before its time is
//! over. It waits for what others have to do, and says what that is.

mod standing;
mod step;

pub(crate) use standing::Registration;

use crate::attest::Attestor;
use daas_attest::Binding;
use daas_chain::clock;
use daas_chain::index::{Freshness, Index, IndexIds};
use daas_chain::ops::{Ops, RegisterSpec};
use daas_daemon::Ready;
use daas_types::onchain::{Pcrs, Status as PositionStatus, registration_nonce};
use daas_types::{Mist, PositionId, UnixMs};
use std::time::Duration;
use step::{Facts, Missing, Step, step};
use tokio_util::sync::CancellationToken;

/// How often a master that waits for something looks whether it has come.
const LOOK: Duration = Duration::from_secs(1);
/// The longest it rests: it may be removed or its measurement revoked at any time.
const REST: Duration = Duration::from_secs(5);
/// What is missing is said again after this long.
const SAY_AGAIN: Duration = Duration::from_mins(1);
/// How long the index may take to show a transaction that is in a checkpoint.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// What the address must have before anything is sent from it.
const LEAST_GAS: Mist = Mist(200_000_000);

/// Keeps this master on chain.
pub(crate) struct Registrar {
    /// The enclave's transactions.
    pub(crate) ops: Ops,
    /// The cluster.
    pub(crate) ids: IndexIds,
    /// What the chain says.
    pub(crate) index: Index,
    /// Makes the documents.
    pub(crate) attestor: Attestor,
    /// What they are bound to.
    pub(crate) binding: Binding,
    /// What this enclave measures as.
    pub(crate) pcrs: Pcrs,
    /// Where clients reach the gateway.
    pub(crate) endpoint: String,
    /// The only position that may answer for it, if the operator says so.
    pub(crate) position: Option<PositionId>,
    /// Positions as whose master the chain did not take it lately.
    pub(crate) refused: Vec<PositionId>,
    /// What it tells.
    pub(crate) registration: Registration,
    /// Dropped at the first registration.
    pub(crate) ready: Option<Ready>,
}

// === impl Registrar ===

impl Registrar {
    /// Until `shutdown`. What fails is tried again, after waits that grow.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let kept = async {
            let mut wait = FIRST_WAIT;
            loop {
                let pause = match self.round().await {
                    Ok(pause) => {
                        wait = FIRST_WAIT;
                        pause
                    }
                    Err(error) => {
                        self.registration.failed(format!("{error:#}"));
                        tracing::warn!(error = format!("{error:#}"), retry.ms = wait.as_millis(), "not done on chain");
                        let pause = wait;
                        wait = LONGEST_WAIT.min(wait * 2);
                        pause
                    }
                };
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            () = kept => Ok(()),
        }
    }

    /// Looks once, does what is due, and says how long nothing else is.
    async fn round(&mut self) -> anyhow::Result<Duration> {
        let now = clock::now();
        let step = self.decide(now).await?;
        match step {
            Step::Rest { until, registered_until } => {
                self.registered(registered_until);
                Ok(until.since(now).clamp(LOOK, REST))
            }
            Step::Wait { missing, registered_until } => {
                match registered_until {
                    Some(until) => self.registered(until),
                    None => self.registration.waits(&missing, SAY_AGAIN),
                }
                Ok(LOOK)
            }
            Step::Beat => {
                let checkpoint = self.ops.heartbeat(&self.ids).await?.checkpoint;
                self.seen(checkpoint).await?;
                metrics::counter!("daas_master_heartbeats_total").increment(1);
                Ok(Duration::ZERO)
            }
            Step::Register { position, registrations } => {
                match self.register(position, registrations).await {
                    Ok(()) => self.refused.clear(),
                    Err(error) => {
                        // A key that was registered once is that position's for ever, whoever else endorses it. The
                        // next round tries another.
                        if self.refused.contains(&position) {
                            self.refused.clear();
                        }
                        self.refused.push(position);
                        return Err(error);
                    }
                }
                Ok(Duration::ZERO)
            }
        }
    }

    async fn decide(&self, now: UnixMs) -> anyhow::Result<Step> {
        let snapshot = self.index.snapshot();
        let (Some(cluster), Some(nautilus), Freshness::Fresh) =
            (snapshot.cluster(), snapshot.nautilus(), self.index.freshness(now))
        else {
            return Ok(Step::Wait { missing: vec![Missing::Chain], registered_until: None });
        };
        let active = |position: PositionId| {
            let live = snapshot.position(position);
            live.is_some_and(|live| !live.gap && live.state.status == PositionStatus::Active)
        };
        let facts = |has_gas| Facts {
            cluster,
            nautilus,
            active: &active,
            position: self.position,
            refused: &self.refused,
            endpoint: &self.endpoint,
            binding: &self.binding,
            pcrs: &self.pcrs,
            has_gas,
            now: now.max(snapshot.timestamp().unwrap_or_default()),
        };
        // The balance is asked for only when something would be sent.
        let rest = step(&facts(true));
        if matches!(rest, Step::Rest { .. }) {
            return Ok(rest);
        }
        let balance = self.ops.client().balance(self.ops.sender()).await?;
        Ok(step(&facts(balance >= LEAST_GAS)))
    }

    async fn register(&mut self, position: PositionId, registrations: u64) -> anyhow::Result<()> {
        let nonce = registration_nonce(self.ids.nautilus, registrations);
        let document = self.attestor.document(nonce).await.map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        let spec = RegisterSpec {
            position,
            document,
            endpoint: self.endpoint.clone(),
            ca_spki: self.binding.ca_spki,
            config_digest: self.binding.config_digest,
        };
        let outcome = self.ops.register_master(&self.ids, &spec).await?;
        tracing::info!(%position, transaction = %outcome.digest, "registered as a master on chain");
        self.seen(outcome.checkpoint).await
    }

    /// Waits until the index has a checkpoint, so that nothing is decided on what was before it.
    async fn seen(&self, checkpoint: u64) -> anyhow::Result<()> {
        let mut checkpoints = self.index.checkpoints();
        let seen = checkpoints.wait_for(|last| *last >= checkpoint);
        tokio::time::timeout(SEEN_WITHIN, seen).await.map_err(|_| anyhow::anyhow!("the index is behind"))??;
        Ok(())
    }

    fn registered(&mut self, until: UnixMs) {
        self.registration.registered(until);
        self.ready = None;
    }
}
