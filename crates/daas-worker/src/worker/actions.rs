use super::doubt::Doubt;
use super::upkeep::PROOF;
use super::{Verified, Worker};
use crate::api::command::Staked;
use crate::api::status::MasterStatus;
use crate::host::{Admission, node_ip, verdict_dir};
use crate::kube::KubeApi;
use crate::peers::Peers;
use crate::stake::{Live, Minted, Standing, Wish};
use crate::state::{Action, Event, StakeOrder, Why};
use daas_chain::clock;
use daas_client::{VerifiedMaster, is_outage};
use daas_types::api::RegisterWorkerRequest;
use daas_types::pop::Usage;
use daas_types::{ErrorCode, Problem};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long pods have between SIGTERM and SIGKILL when the node leaves in order.
const POD_GRACE: Duration = Duration::from_secs(10);
/// The same when its stake was slashed: with the kubelet's own end this stays within ten seconds.
const SLASHED_GRACE: Duration = Duration::from_secs(5);
/// For how long a node that does not stop is stopped again.
const STOP: Duration = Duration::from_secs(20);
/// How long the control plane is given to assign the node its pod network before the node is started to be ready.
const NETWORK: Duration = Duration::from_mins(1);
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// How often a jailed worker looks whether somebody else has taken it out.
const JAIL_LOOK: Duration = Duration::from_secs(15);

impl Worker {
    /// Does one action; trying again what time may mend. Dropping it half-way is safe: each action looks first at what
    /// is there.
    pub async fn perform(&mut self, action: Action, why: Option<Why>) -> Option<Event> {
        let mut wait = FIRST_WAIT;
        loop {
            let problem = match self.attempt(action, why).await {
                Ok(event) => {
                    self.board.done();
                    return event;
                }
                Err(problem) => problem,
            };
            if !is_passing(problem.code, &mut self.doubt, Instant::now()) {
                return Some(Event::Failed(problem.code, problem.cause));
            }
            self.board.tries(action, &problem);
            tracing::warn!(?action, %problem, retry.ms = wait.as_millis(), "not yet; trying again");
            sleep(wait).await;
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    }

    async fn attempt(&mut self, action: Action, why: Option<Why>) -> Result<Option<Event>, Problem> {
        Ok(match action {
            Action::Prepare(former) => Some(Event::Prepared(self.staker.prepare(former).await?)),
            Action::Mint(order) => Some(self.mint(Wish { order, ..Wish::default() }).await?),
            Action::AwaitRelease => Some(self.await_release().await?),
            Action::Recover => Some(self.mint(Wish { recover: true, ..Wish::default() }).await?),
            Action::VerifyMaster => {
                self.verify().await?;
                Some(Event::MasterVerified)
            }
            Action::Join => {
                self.join().await?;
                Some(Event::NodeUp)
            }
            Action::RestartNode => {
                self.restart().await?;
                None
            }
            Action::Cordon => {
                self.empty(why).await;
                None
            }
            // The engine stops the kubelet before the pods, which it would start anew, and all the rest after them.
            Action::StopPods => {
                self.stop(if why == Some(Why::Slashed) { SLASHED_GRACE } else { POD_GRACE }).await;
                None
            }
            Action::StopNode => {
                self.stop(Duration::ZERO).await;
                Some(Event::Drained)
            }
            Action::Clean => {
                (self.master, self.held) = (None, None);
                None
            }
            Action::Unstake => Some(Event::StakeUnbonding(self.staker.unstake().await?)),
            Action::Withdraw => {
                self.withdraw().await?;
                Some(Event::StakeWithdrawn)
            }
        })
    }

    /// Makes a Seal by somebody's order, where there is a stake.
    pub async fn reseal(&mut self, order: StakeOrder) -> Result<Staked, Problem> {
        match self.mint(Wish { recover: false, order: Some(order), fresh: true }).await? {
            Event::SealLive => {}
            Event::Slashed(cause) => return Err(Problem::new(ErrorCode::StakeSlashed, cause)),
            Event::StakeLost(code, cause) | Event::StakeRefused(code, cause) => return Err(Problem::new(code, cause)),
            other => return Err(Problem::new(ErrorCode::NodeJailed, other)),
        }
        self.made().unwrap_or_else(|| Err(Problem::new(ErrorCode::Internal, "an order for a Seal came to nothing")))
    }

    /// What came of an order for a Seal, told once.
    pub fn made(&mut self) -> Option<Result<Staked, Problem>> {
        self.made.take()
    }

    pub(super) async fn mint(&mut self, wish: Wish) -> Result<Event, Problem> {
        self.made = None;
        Ok(match self.staker.mint(wish).await? {
            Minted::Live(live) => {
                self.made = wish.order.map(|order| answer(&order, &live));
                self.hold(*live);
                Event::SealLive
            }
            Minted::Refused(problem) => Event::StakeRefused(problem.code, problem.cause),
            Minted::Unprepared => Event::Unprepared,
            Minted::Jailed(cause) => Event::Jailed(cause),
            Minted::MayRecover(cause) => Event::MayRecover(cause),
            Minted::Not(Standing::Slashed(cause)) => Event::Slashed(cause),
            Minted::Not(Standing::Lost(code, cause)) => Event::StakeLost(code, cause),
            Minted::Not(Standing::Good) => Event::SealLost,
        })
    }

    /// Waits until the node's time in jail is over, or somebody has taken it out.
    async fn await_release(&mut self) -> Result<Event, Problem> {
        loop {
            let now = clock::now();
            let left = self.staker.jailed_until().await?.map_or(Duration::ZERO, |until| until.since(now));
            if left.is_zero() {
                return Ok(Event::MayRecover("its time in jail is over".to_owned()));
            }
            sleep(left.min(JAIL_LOOK)).await;
        }
    }

    /// Asks the master for its evidence. Until this has succeeded there is nothing a token could be sent to.
    pub(super) async fn verify(&mut self) -> Result<(), Problem> {
        let proven = self.ask_for_evidence().await;
        self.doubt.heard(proven.as_ref().err().map(|problem| problem.code));
        self.show();
        proven
    }

    async fn ask_for_evidence(&mut self) -> Result<(), Problem> {
        let masters = match self.cluster.masters().await {
            Err(outage) if is_outage(outage.code) => {
                let folder = verdict_dir(self.store.folder());
                self.known_masters().filter(|known| known.is_usable(&folder, clock::now())).ok_or(outage)?
            }
            masters => masters?,
        };
        let connection = VerifiedMaster::connect(&self.cluster, &masters, clock::now()).await?;
        self.cluster.join.endpoint.clone_from(&connection.record().endpoint);
        let join = serde_json::to_vec_pretty(&self.cluster.join).map_err(Problem::of(ErrorCode::Internal))?;
        self.store.write("cluster.json", &join)?;
        let api = KubeApi::of(&connection, &self.cluster, self.node_id.clone())?;
        tracing::info!(master.endpoint = self.cluster.join.endpoint, "master verified");
        let told = MasterStatus { endpoint: self.cluster.join.endpoint.clone(), verified: clock::now() };
        self.board.tell(|status| status.master = Some(told));
        self.master = Some(Verified { connection, api, at: Instant::now() });
        Ok(())
    }

    async fn join(&mut self) -> Result<(), Problem> {
        // Long before the token is made: a first build takes minutes, a token lives for five.
        self.host.prepare().await?;
        let ip = node_ip(self.node_ip, &self.cluster.join.endpoint).await?;
        let (timestamp, instance_id) = (clock::now().secs(), self.store.instance_id()?);
        let replacement = self.replace.then(|| self.staker.replacement(&instance_id, timestamp)).transpose()?;
        let request = RegisterWorkerRequest {
            node_id: self.node_id.to_string(),
            seal_token: None,
            ip_address: ip.to_string(),
            capacity: self.machine.capacity(),
            timestamp,
            serving_csr: self.host.serving_csr(&self.store)?,
            instance_id,
            marks: self.host.marks().clone(),
            replacement,
        };
        let token = self.held()?.mint(Usage::Worker, clock::now())?;
        let answer = match self.master()?.connection.register_worker(&token, &request).await {
            // The connection may have been closed while the programs were built.
            Err(problem) if problem.code == ErrorCode::MasterUnreachable => {
                self.verify().await?;
                self.master()?.connection.register_worker(&token, &request).await?
            }
            answer => answer?,
        };
        self.replace = false;
        self.proof = PROOF.min(Duration::from_secs(answer.cluster.attestation_interval));
        tracing::info!(node.id = %self.node_id, node.ip = %ip, "registered");
        let seal = self.held()?.clone();
        let admission = Admission { join: &self.cluster.join, ip, answer: &answer, seal: &seal };
        self.host.start(&self.store, admission).await?;
        if timeout(NETWORK, self.find_network()).await.is_err() {
            tracing::warn!(limit.s = NETWORK.as_secs(), "the control plane has assigned no pod network yet");
        }
        if let Err(problem) = self.host.wait_ready().await {
            // What waits for the control plane is not mended by taking its pods down.
            if problem.code == ErrorCode::ApiServerUnavailable {
                return Err(problem);
            }
            // It may be what the pods of an earlier run left that does not work.
            tracing::warn!(%problem, "the node does not come up; starting it without its former pods");
            self.host.start_anew().await?;
            self.host.wait_ready().await?;
        }
        self.uncordon().await;
        Ok(())
    }

    /// Looks often until the node has its pod network; from then on the upkeep looks every few seconds.
    async fn find_network(&mut self) {
        while !self.host.has_network() {
            if let Err(problem) = self.look_at_peers().await {
                tracing::debug!(%problem, "list of nodes not read");
            }
            sleep(FIRST_WAIT).await;
        }
    }

    pub(super) async fn look_at_peers(&mut self) -> Result<(), Problem> {
        let Some((ip, cluster)) = self.host.network() else {
            return Ok(());
        };
        let seal = self.held()?.clone();
        let list = self.master()?.api.nodes(&seal).await?;
        self.host.apply(&Peers::of(&list, self.node_id.as_str(), ip, cluster)).await
    }

    /// Restarts the node's processes, unless they are well and it is the master that cannot be reached: that would mend
    /// nothing.
    async fn restart(&mut self) -> Result<(), Problem> {
        let sick = self.host.unhealthy().await;
        if sick.is_empty() && self.verify().await.is_err() {
            tracing::warn!("the node is well and the master cannot be reached; nothing is restarted");
            return Ok(());
        }
        tracing::warn!(components = ?sick, "restarting the node's processes");
        self.host.restart().await?;
        self.host.wait_ready().await
    }

    /// What is left after that, nobody else takes away; a busy machine needs its time.
    async fn stop(&mut self, grace: Duration) {
        let begun = Instant::now();
        while let Err(problem) = self.host.stop(grace).await {
            tracing::error!(%problem, "node not stopped");
            if begun.elapsed() > STOP {
                return;
            }
            sleep(FIRST_WAIT).await;
        }
    }
}

/// What a little time may mend.
fn is_passing(code: ErrorCode, doubt: &mut Doubt, now: Instant) -> bool {
    match code {
        ErrorCode::ChainUnreachable
        | ErrorCode::ChainUnproven
        | ErrorCode::ChainStale
        | ErrorCode::MasterUnreachable
        | ErrorCode::MasterUnknown
        | ErrorCode::ApiServerUnavailable
        | ErrorCode::EvidenceUnavailable
        | ErrorCode::TooManyRequests
        // Only time and the worker itself take a node out of jail.
        | ErrorCode::NodeJailed
        // What takes money out waits for its time, and for the judge.
        | ErrorCode::UnbondingNotOver
        | ErrorCode::SlashPending
        // Each of its transactions looks at the chain before it is made again.
        | ErrorCode::OutcomeDoubtful
        // The master sees a new Seal with the next checkpoint.
        | ErrorCode::TokenUnknown => true,
        ErrorCode::MasterUnverified => doubt.waits(now),
        _ => false,
    }
}

/// What who ordered a Seal is told of the one that lives now. Another stake than theirs may have been on its way.
fn answer(order: &StakeOrder, live: &Live) -> Result<Staked, Problem> {
    let Live { seal, position, new, .. } = live;
    if order.differs_from(position.active) {
        let cause = format!("{} SUI are staked, {order} were asked for", position.active);
        return Err(Problem::new(ErrorCode::AlreadyStaked, cause));
    }
    let secret = new.then(|| seal.secret().clone());
    Ok(Staked { secret, expires: seal.expires, permissions: seal.permissions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pods_are_not_given_up_for() {
        let passes = |code, runs| is_passing(code, &mut Doubt::new(runs), Instant::now());
        for code in [ErrorCode::ChainStale, ErrorCode::MasterUnreachable, ErrorCode::ApiServerUnavailable] {
            assert!(passes(code, false), "{code:?}");
        }
        assert!(!passes(ErrorCode::NodeFailed, true));
        // One look at a master is not enough where something runs.
        assert!(passes(ErrorCode::MasterUnverified, true) && !passes(ErrorCode::MasterUnverified, false));
    }
}
