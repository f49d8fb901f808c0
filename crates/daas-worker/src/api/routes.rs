//! What is asked, and what is answered.

use super::command::{Commands, Leaving};
use super::credential::{self, Key, Peer};
use super::guard::Names;
use super::listen::Listen;
use super::meter::{self, Meter};
use super::refusal::{Refusal, text};
use super::status::Board;
use super::types::{Config, RegisterResponse, StakeRequest, StakeResponse, UnstakeResponse};
use super::views;
use crate::config::seal_path;
use crate::state::StakeOrder;
use crate::store::{Store, host_node_id};
use bytes::Bytes;
use core::time::Duration;
use daas_chain::clock;
use daas_chain::index::Index;
use daas_client::SealFile;
use daas_types::onchain::{Policy, PositionState};
use daas_types::{ErrorCode, Mist, NodeId, Problem, WalletAddress};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A body is a few lines.
const MAX_BODY: usize = 4096;
/// And it comes within this.
const BODY: Duration = Duration::from_secs(10);
/// Below this a Seal would end before it was renewed.
const SHORTEST: Duration = Duration::from_mins(10);

/// Everything the API answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Health,
    Staking,
    Stake,
    Metrics,
    Prometheus,
    Config,
    Register,
    Unstake,
}

/// Method, path, and what it is.
pub(super) const ROUTES: &[(&str, &str, Route)] = &[
    ("GET", "/health", Route::Health),
    ("GET", "/api/v1/staking", Route::Staking),
    ("POST", "/api/v1/staking", Route::Stake),
    ("GET", "/api/v1/metrics", Route::Metrics),
    ("GET", "/metrics", Route::Prometheus),
    ("GET", "/api/v1/config", Route::Config),
    ("POST", "/api/v1/register", Route::Register),
    ("POST", "/api/v1/unstake", Route::Unstake),
];

/// What the API tells of a worker that does not change.
#[derive(Clone, Debug)]
pub struct About {
    /// The node.
    pub node_id: NodeId,
    /// Whose stake it runs on.
    pub owner: WalletAddress,
    /// The configuration, secrets masked.
    pub settings: BTreeMap<String, Value>,
}

/// One worker's API.
pub struct Api {
    about: About,
    board: Board,
    commands: Commands,
    index: Index,
    names: Names,
    token: Option<Key>,
    metrics: Key,
    meter: Meter,
}

type Answer = Response<Full<Bytes>>;

// === impl Route ===

impl Route {
    fn of(method: &Method, path: &str) -> Result<Self, Refusal> {
        let on_path = || ROUTES.iter().filter(|(_, known, _)| *known == path);
        if let Some((.., route)) = on_path().find(|(known, ..)| *known == method.as_str()) {
            return Ok(*route);
        }
        let methods: Vec<_> = on_path().map(|(method, ..)| *method).collect();
        Err(if methods.is_empty() {
            Refusal::form(StatusCode::NOT_FOUND, "there is nothing at this path")
        } else {
            Refusal::method(methods.join(", "))
        })
    }
}

// === impl Api ===

impl Api {
    /// The API of a worker that `board` tells of and `commands` reach. Before the first Seal it opens to a token, which is
    /// written into the state folder.
    pub fn new(
        about: About,
        listen: &Listen,
        store: &Store,
        index: Index,
        board: Board,
        commands: Commands,
    ) -> Result<Self, Problem> {
        // A worker that starts again has had its first Seal, whatever comes of it now.
        if let Ok(seal) = SealFile::load(&seal_path(store.folder())) {
            board.sealed(&seal);
        }
        let token = credential::issue(store, board.key().is_some())?;
        let metrics = credential::metrics(store)?;
        let host = host_node_id().map(|host| host.to_string());
        let names = listen.names.iter().cloned().chain([about.node_id.to_string()]).chain(host);
        Ok(Self {
            names: Names::new(names),
            about,
            board,
            commands,
            index,
            token,
            metrics,
            meter: Meter::new(store.folder()),
        })
    }

    /// Answers a request of `peer`.
    pub(super) async fn handle(&self, peer: Peer, request: Request<Incoming>) -> Answer {
        match self.answer(peer, request).await {
            Ok(answer) => answer,
            Err(refusal) => {
                tracing::debug!(?refusal, "request refused");
                refusal.into_response()
            }
        }
    }

    async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let (head, body) = request.into_parts();
        self.names.check(&head.uri, &head.headers, peer.local())?;
        let route = Route::of(&head.method, head.uri.path());
        if !matches!(route, Ok(Route::Health)) && !peer.is_certified() {
            let metrics = matches!(route, Ok(Route::Prometheus)).then_some(self.metrics);
            credential::check(&head.headers, self.board.key(), self.token, metrics)?;
        }
        let route = route?;
        // Of who may not speak nothing is read.
        let body = if head.method == Method::POST { read(body).await? } else { Bytes::new() };
        self.perform(route, &body).await
    }

    async fn perform(&self, route: Route, body: &[u8]) -> Result<Answer, Refusal> {
        let (status, now) = (self.board.status(), clock::now());
        let snapshot = self.index.snapshot();
        let stake = status.position.and_then(|position| snapshot.position(position)).map(|live| live.state.at(now));
        let stake = stake.as_deref();
        match route {
            Route::Health => {
                let health = views::health(&self.about, &status, &snapshot, stake, now);
                let well = health.status == views::HEALTHY;
                let code = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                json(code, &health)
            }
            Route::Staking => ok(&views::staking(&self.about, &status, &snapshot, stake)),
            Route::Metrics => ok(&meter::json(&self.meter.read(), &status, now)),
            Route::Prometheus => {
                let metrics = meter::prometheus(&self.meter.read(), &status, stake);
                Ok(text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics))
            }
            Route::Config => ok(&Config {
                node_id: self.about.node_id.to_string(),
                runtime: views::runtime(&self.about),
                settings: self.about.settings.clone(),
            }),
            Route::Stake => {
                let policy = snapshot.cluster().map(|cluster| &cluster.policy);
                let order = self.order(&parse(body)?, policy, stake)?;
                tracing::info!(?order, "asked for a Seal");
                let staked = self.commands.stake(order).await?;
                ok(&StakeResponse {
                    success: true,
                    seal_token: staked.secret.map(|secret| secret.expose_hex().as_str().to_owned()),
                    expires_at: staked.expires.secs(),
                    permissions: staked.permissions.to_string().split(',').map(str::to_owned).collect(),
                })
            }
            Route::Register => {
                nothing(body)?;
                tracing::info!("asked to register");
                self.commands.register().await?;
                ok(&RegisterResponse { status: "registered".to_owned() })
            }
            Route::Unstake => {
                nothing(body)?;
                tracing::info!("asked to unstake");
                let (status, withdrawable) = match self.commands.unstake().await? {
                    Leaving::Unbonding { withdrawable } => (views::UNBONDING, Some(withdrawable.secs())),
                    Leaving::Unstaked => (views::UNSTAKED, None),
                };
                ok(&UnstakeResponse { status: status.to_owned(), withdrawable_at: withdrawable })
            }
        }
    }

    /// What is ordered, if it may be.
    fn order(
        &self,
        request: &StakeRequest,
        policy: Option<&Policy>,
        stake: Option<&PositionState>,
    ) -> Result<StakeOrder, Problem> {
        let About { node_id, owner, .. } = &self.about;
        if request.node_id.as_ref().is_some_and(|asked| asked != node_id.as_str()) {
            return Err(Problem::new(ErrorCode::NodeIdMismatch, format!("this worker's node is {node_id}")));
        }
        if request.wallet.is_some_and(|asked| asked != *owner) {
            return Err(Problem::new(ErrorCode::NotYours, format!("this worker's wallet is {owner}")));
        }
        let amount = request.stake_amount.map(Mist);
        if amount.is_none() && request.duration.is_none() {
            return Ok(StakeOrder::default());
        }
        let unknown = || Problem::new(ErrorCode::ChainStale, "the cluster's policy has not been read yet");
        let policy = policy.ok_or_else(unknown)?;
        if let Some(amount) = amount {
            amount_allowed(amount, policy, stake)?;
        }
        let lifetime = request.duration.map(|seconds| lifetime(seconds, policy)).transpose()?;
        Ok(StakeOrder { amount, lifetime })
    }
}

/// A stake that is there is not changed by the way: more is a restake, less an unstake.
fn amount_allowed(amount: Mist, policy: &Policy, stake: Option<&PositionState>) -> Result<(), Problem> {
    let there = stake.map_or(Mist(0), |state| state.active);
    if there > Mist(0) {
        let cause = format!("{there} SUI are staked, {amount} SUI were asked for");
        return if there == amount { Ok(()) } else { Err(Problem::new(ErrorCode::AlreadyStaked, cause)) };
    }
    let (least, most) = (policy.node_minimum, policy.max_stake);
    let refused = |code| Err(Problem::new(code, format!("{amount} SUI; a node's stake is from {least} to {most} SUI")));
    if amount < least {
        refused(ErrorCode::StakeBelowMinimum)
    } else if amount > most {
        refused(ErrorCode::StakeAboveMaximum)
    } else {
        Ok(())
    }
}

fn lifetime(seconds: u64, policy: &Policy) -> Result<Duration, Problem> {
    let (asked, longest) = (Duration::from_secs(seconds), Duration::from_millis(policy.max_seal_lifetime_ms));
    if asked < SHORTEST.min(longest) || asked > longest {
        let (least, most) = (SHORTEST.min(longest).as_secs(), longest.as_secs());
        return Err(Problem::new(ErrorCode::LifetimeRefused, format!("{seconds} s; from {least} s to {most} s")));
    }
    Ok(asked)
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    let late = |_| Refusal::form(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
    let collected = tokio::time::timeout(BODY, Limited::new(body, MAX_BODY).collect()).await.map_err(late)?;
    let body = collected.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => Refusal::form(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {MAX_BODY} bytes")),
        None => Refusal::form(StatusCode::BAD_REQUEST, "the body did not arrive"),
    })?;
    Ok(body.to_bytes())
}

/// No body is an empty request.
fn parse(body: &[u8]) -> Result<StakeRequest, Refusal> {
    if body.is_empty() {
        return Ok(StakeRequest::default());
    }
    serde_json::from_slice(body).map_err(|error| Refusal::form(StatusCode::BAD_REQUEST, error))
}

/// A request without a parameter; `{}` says the same as nothing.
fn nothing(body: &[u8]) -> Result<(), Refusal> {
    let empty =
        body.is_empty() || serde_json::from_slice(body).is_ok_and(|value: BTreeMap<String, Value>| value.is_empty());
    if empty { Ok(()) } else { Err(Refusal::form(StatusCode::BAD_REQUEST, "this request has no body, or {}")) }
}

fn ok(value: &impl Serialize) -> Result<Answer, Refusal> {
    json(StatusCode::OK, value)
}

fn json(status: StatusCode, value: &impl Serialize) -> Result<Answer, Refusal> {
    let body = serde_json::to_string(value).map_err(Problem::of(ErrorCode::Internal))?;
    Ok(text(status, "application/json", body))
}
