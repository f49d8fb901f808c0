//! What the master does for an agent that joins: its kubelet's certificate as a server, and its Node.

use super::signing::check_issued;
use super::{KeyId, routes::Issue};
use crate::local::{ConnectionInfo, LocalEndpoints, NodeCaller};
use crate::refusal::Refusal;
use bytes::Bytes;
use core::future::Future;
use core::time::Duration;
use daas_types::ErrorCode::ApiServerUnavailable;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::timeout;

/// For the master; the agent itself waits for ten seconds, K3s' answer in it.
const MASTER: Duration = Duration::from_secs(8);

/// An agent that asks for a certificate, and who is asked.
pub(super) struct Joining {
    pub(super) local: Arc<dyn LocalEndpoints>,
    pub(super) connection: ConnectionInfo,
    pub(super) node: NodeCaller,
    /// Where it says that it is.
    pub(super) address: IpAddr,
    /// Of which it asks for one.
    pub(super) key: KeyId,
}

// === impl Joining ===

impl Joining {
    /// A kubelet's as a server. K3s would issue it by the authority that agents take a gateway's for.
    pub(super) async fn serve(&self, request: &[u8]) -> Result<Response<Bytes>, Refusal> {
        let served = self.local.agent_serves(&self.connection, &self.node, self.address, request);
        let mut answer = Response::new(Bytes::from(in_time(served).await?));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        Ok(answer)
    }

    /// What K3s issued, when the master knows the node.
    pub(super) async fn take(&self, issue: Issue, answer: Response<Bytes>) -> Result<Response<Bytes>, Refusal> {
        if answer.status().is_success() {
            check_issued(answer.body(), self.key)?;
            // K3s has compared its password by now, and its kubelet does not run yet.
            if issue == Issue::Kubelet {
                in_time(self.local.agent_joins(&self.connection, &self.node, self.address)).await?;
            }
        }
        Ok(answer)
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let late = |_| Refusal::unavailable(ApiServerUnavailable, "the master does not answer in time");
    timeout(MASTER, asked).await.map_err(late)?
}
