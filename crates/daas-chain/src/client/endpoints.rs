use super::{ChainError, DEADLINE, raw};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use sui_rpc::Client;
use tonic::transport::Channel;

/// Largest answer that is decoded whole: what a transaction of ours did, at most 512 KiB
/// (`max_serialized_tx_effects_size_bytes`). What is larger, or comes in numbers, is read as bytes; see [`raw`].
const MAX_ANSWER: usize = 512 << 10;
/// How many failures weigh as much as one answer that did not verify.
const LIE: u32 = 8;

/// The RPC endpoints of one network, and which of them is asked. None is trusted; one that fails or lies is asked later
/// than the others.
pub(super) struct Endpoints {
    all: Vec<Endpoint>,
    current: AtomicUsize,
}

struct Endpoint {
    url: String,
    connection: Mutex<Connection>,
    failures: AtomicU32,
    lies: AtomicU32,
}

struct Connection {
    rpc: Client,
    /// For answers that are left as bytes.
    channel: Channel,
}

// === impl Endpoints ===

impl Endpoints {
    /// Nothing is sent yet.
    pub(super) fn new<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Result<Self, ChainError> {
        let all = urls.into_iter().map(|url| Endpoint::new(url.into())).collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() {
            return Err(ChainError::NoEndpoint);
        }
        Ok(Self { all, current: AtomicUsize::new(0) })
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    pub(super) fn url(&self, at: usize) -> &str {
        &self.at(at).url
    }

    pub(super) fn rpc(&self, at: usize) -> Client {
        self.at(at).connection().rpc.clone()
    }

    pub(super) fn channel(&self, at: usize) -> Channel {
        self.at(at).connection().channel.clone()
    }

    /// What it says verified: earlier failures are forgotten, lies are not.
    pub(super) fn praise(&self, at: usize) {
        self.at(at).failures.store(0, Ordering::Relaxed);
    }

    /// Holds a failure against an endpoint.
    pub(super) fn blame(&self, at: usize, error: &ChainError) {
        let endpoint = self.at(at);
        let counter = if error.is_lie() { &endpoint.lies } else { &endpoint.failures };
        let counted = counter.load(Ordering::Relaxed).saturating_add(1);
        counter.store(counted, Ordering::Relaxed);
    }

    /// Goes on to the endpoint with the least against it, the next one if several have as little, over a new connection.
    pub(super) fn move_on(&self) -> Result<(), ChainError> {
        let (count, current) = (self.count(), self.current());
        let following = (1..=count).map(|step| (current + step) % count);
        let next = following.min_by_key(|at| self.at(*at).penalty()).unwrap_or(current);
        let endpoint = self.at(next);
        *endpoint.connection() = Connection::to(&endpoint.url)?;
        self.current.store(next, Ordering::Relaxed);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn connect(&self, at: usize, channel: Channel) {
        self.at(at).connection().channel = channel;
    }

    fn at(&self, at: usize) -> &Endpoint {
        // Indices come from here.
        &self.all[at % self.all.len()]
    }
}

// === impl Endpoint ===

impl Endpoint {
    fn new(url: String) -> Result<Self, ChainError> {
        let connection = Mutex::new(Connection::to(&url)?);
        Ok(Self { url, connection, failures: AtomicU32::new(0), lies: AtomicU32::new(0) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn penalty(&self) -> u32 {
        let lies = self.lies.load(Ordering::Relaxed).saturating_mul(LIE);
        lies.saturating_add(self.failures.load(Ordering::Relaxed))
    }
}

// === impl Connection ===

impl Connection {
    /// It is made when it is first used.
    fn to(url: &str) -> Result<Self, ChainError> {
        let client = Client::new(url)
            .map_err(|status| ChainError::Unreachable { call: "connect", cause: status.message().to_owned() })?;
        let rpc = client
            .with_response_headers_timeout(DEADLINE)
            .with_body_idle_timeout(DEADLINE)
            .with_max_decoding_message_size(MAX_ANSWER);
        Ok(Self { rpc, channel: raw::channel(url)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verified::{Check, ProofError};

    fn failure() -> ChainError {
        ChainError::Unreachable { call: "test", cause: "gone".to_owned() }
    }

    fn lie() -> ChainError {
        ProofError { checkpoint: None, check: Check::Absent("summary") }.into()
    }

    #[tokio::test]
    async fn a_failing_endpoint_comes_later_and_a_lying_one_much_later() {
        assert!(matches!(Endpoints::new(Vec::<String>::new()), Err(ChainError::NoEndpoint)));
        let three = Endpoints::new((1..=3).map(|n| format!("http://127.0.0.1:{n}"))).unwrap();
        let fail = |error: &ChainError| {
            let asked = three.current();
            three.blame(asked, error);
            three.move_on().unwrap();
            asked
        };
        assert_eq!(fail(&lie()), 0);
        let asked: Vec<_> = (0..16).map(|_| fail(&failure())).collect();
        assert_eq!(asked, [1, 2].repeat(8));
        assert_eq!(fail(&failure()), 0, "a lie is not held against it for ever");
    }

    #[tokio::test]
    async fn success_makes_up_for_failures_and_not_for_lies() {
        let two = Endpoints::new(["http://127.0.0.1:1", "http://127.0.0.1:2"]).unwrap();
        two.blame(0, &failure());
        two.praise(0);
        two.blame(1, &failure());
        two.move_on().unwrap();
        assert_eq!(two.current(), 0);
        two.blame(0, &lie());
        two.praise(0);
        two.move_on().unwrap();
        assert_eq!(two.current(), 1);
    }
}
