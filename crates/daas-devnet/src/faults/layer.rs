//! The layer around the gRPC services.

use super::{Faults, body};
use http::{Request, Response};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// What kind of answer a method has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    One,
    List,
    Subscription,
}

/// The methods that are served.
const METHODS: &[(&str, Answer)] = &[
    ("GetServiceInfo", Answer::One),
    ("GetObject", Answer::One),
    ("BatchGetObjects", Answer::One),
    ("GetTransaction", Answer::One),
    ("BatchGetTransactions", Answer::One),
    ("GetCheckpoint", Answer::One),
    ("GetEpoch", Answer::One),
    ("ListCheckpoints", Answer::List),
    ("ListTransactions", Answer::List),
    ("ListEvents", Answer::List),
    ("ListOwnedObjects", Answer::One),
    ("ListDynamicFields", Answer::One),
    ("GetBalance", Answer::One),
    ("ListBalances", Answer::One),
    ("GetCoinInfo", Answer::One),
    ("ExecuteTransaction", Answer::One),
    ("SimulateTransaction", Answer::One),
    ("SubscribeCheckpoints", Answer::Subscription),
    ("SubscribeTransactions", Answer::Subscription),
    ("SubscribeEvents", Answer::Subscription),
    ("GetPackage", Answer::One),
    ("GetFunction", Answer::One),
];

/// Puts faults between clients and services.
#[derive(Clone)]
pub(crate) struct FaultLayer(Arc<Faults>);

/// See [`FaultLayer`].
#[derive(Clone)]
pub(crate) struct Faulty<S> {
    inner: S,
    faults: Arc<Faults>,
}

/// The method's name, if it is served.
pub(super) fn method(name: &str) -> Option<&'static str> {
    METHODS.iter().map(|(known, _)| *known).find(|known| *known == name)
}

pub(super) fn is_stream(method: &str) -> bool {
    answer(method).is_some_and(|answer| answer != Answer::One)
}

pub(super) fn is_subscription(method: &str) -> bool {
    answer(method) == Some(Answer::Subscription)
}

fn answer(method: &str) -> Option<Answer> {
    METHODS.iter().find(|(known, _)| *known == method).map(|(_, answer)| *answer)
}

// === impl FaultLayer ===

impl FaultLayer {
    pub(crate) fn new(faults: Arc<Faults>) -> Self {
        Self(faults)
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Faulty<S> {
        Faulty { inner, faults: self.0.clone() }
    }
}

// === impl Faulty ===

impl<S, B> Service<Request<B>> for Faulty<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Send,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let name = request.uri().path().rsplit('/').next().and_then(method);
        let answered = self.inner.call(request);
        let Some(method) = name else {
            return Box::pin(answered);
        };
        let faults = self.faults.clone();
        Box::pin(async move {
            // A stream's frames are held back one by one.
            if !is_stream(method) {
                faults.hold_back(method).await;
            }
            // Not before this is the service asked: futures do nothing until they are awaited.
            if faults.refuses(method) {
                return Ok(Status::unavailable("injected: unavailable").into_http());
            }
            let answered = answered.await?;
            if !is_stream(method) {
                return Ok(answered);
            }
            Ok(answered.map(|from| body::through(from, faults, method, is_subscription(method))))
        })
    }
}
