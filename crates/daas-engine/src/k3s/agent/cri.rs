//! What speaks CRI, by its socket: of `runtime.v1.RuntimeService` only what takes pods away. The messages are written by hand, with
//! the fields that are needed and their numbers from `k8s.io/cri-api`, `pkg/apis/runtime/v1/api.proto`: crates with all of them,
//! such as `k8s-cri`, are bound to an older tonic than the one here.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prost::Message;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::RuntimeError;

/// For an answer that needs no waiting for anything else.
const LIMIT: Duration = Duration::from_secs(20);
/// For a pod's end: all their networks are taken down at once, and rules of iptables are one after the other. With the grace before it
/// less than a service manager waits.
const REMOVAL: Duration = Duration::from_secs(30);
/// A thousand pods' descriptions are less.
const LONGEST: usize = 32 << 20;

/// One of them. All its pods are a kubelet's: what else runs there, under other namespaces, is not told of.
#[derive(Clone, Debug)]
pub(crate) struct Cri {
    pub(super) socket: PathBuf,
}

/// A request or answer of which nothing is asked.
#[derive(Clone, Copy, PartialEq, Message)]
struct Nothing {}

/// All sandboxes, or all containers.
#[derive(Clone, PartialEq, Message)]
struct Listed {
    #[prost(message, repeated, tag = "1")]
    items: Vec<Named>,
}

/// Of a sandbox or container its id; as a request, the sandbox that is meant.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct StopContainer {
    #[prost(string, tag = "1")]
    id: String,
    /// In seconds.
    #[prost(int64, tag = "2")]
    timeout: i64,
}

// === impl Cri ===

impl Cri {
    pub(super) fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// The pods, running or not.
    pub(super) async fn sandboxes(&self) -> Result<Vec<String>, RuntimeError> {
        self.list("ListPodSandbox").await
    }

    /// Their containers, running or not.
    pub(super) async fn containers(&self) -> Result<Vec<String>, RuntimeError> {
        self.list("ListContainers").await
    }

    /// Stops a container: SIGTERM, `grace`, SIGKILL. One that has stopped by itself is no error.
    pub(super) async fn stop(&self, id: &str, grace: Duration) -> Result<(), RuntimeError> {
        let timeout = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        let request = StopContainer { id: id.to_owned(), timeout };
        self.does("StopContainer", request, grace.saturating_add(LIMIT)).await
    }

    /// Removes a pod with all its containers.
    pub(super) async fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        let both = async {
            // Not everyone removes one that runs.
            for method in ["StopPodSandbox", "RemovePodSandbox"] {
                self.does(method, Named { id: id.to_owned() }, REMOVAL).await?;
            }
            Ok(())
        };
        let late = || Status::deadline_exceeded(format!("a pod is not removed within {REMOVAL:?}"));
        timeout(REMOVAL, both).await.unwrap_or_else(|_| Err(self.error(&late())))
    }

    async fn list(&self, method: &str) -> Result<Vec<String>, RuntimeError> {
        let answer: Listed = self.ask(method, Nothing {}, LIMIT).await.map_err(|status| self.error(&status))?;
        Ok(answer.items.into_iter().map(|named| named.id).collect())
    }

    async fn does(&self, method: &str, request: impl Message + 'static, limit: Duration) -> Result<(), RuntimeError> {
        match self.ask(method, request, limit).await {
            Ok(Nothing {}) => Ok(()),
            // Its pod has gone meanwhile.
            Err(status) if status.code() == Code::NotFound => Ok(()),
            Err(status) => Err(self.error(&status)),
        }
    }

    async fn ask<A>(&self, method: &str, request: impl Message + 'static, limit: Duration) -> Result<A, Status>
    where
        A: Message + Default + 'static,
    {
        let late = || Status::deadline_exceeded(format!("no answer to {method} within {limit:?}"));
        timeout(limit, self.exchange(method, request)).await.unwrap_or_else(|_| Err(late()))
    }

    /// A connection for each: some hundred at most, once in a node's life.
    async fn exchange<A>(&self, method: &str, request: impl Message + 'static) -> Result<A, Status>
    where
        A: Message + Default + 'static,
    {
        let channel = self.connect().await.map_err(|error| Status::from_error(error.into()))?;
        let mut client = Grpc::new(channel).max_decoding_message_size(LONGEST);
        client.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let path = PathAndQuery::try_from(format!("/runtime.v1.RuntimeService/{method}"));
        let path = path.expect("a method's name must be a path");
        Ok(client.unary(Request::new(request), path, ProstCodec::default()).await?.into_inner())
    }

    async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        Endpoint::from_shared(format!("unix://{}", self.socket.display()))?.connect().await
    }

    fn error(&self, status: &Status) -> RuntimeError {
        RuntimeError::Cri { socket: self.socket.clone(), reason: reason(status) }
    }
}

/// What it said; of a connection, what is at the bottom of it.
fn reason(status: &Status) -> String {
    let mut innermost = status.source();
    while let Some(next) = innermost.and_then(std::error::Error::source) {
        innermost = Some(next);
    }
    let words = innermost.map_or_else(|| format!("{:?}: {}", status.code(), status.message()), ToString::to_string);
    words.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;
