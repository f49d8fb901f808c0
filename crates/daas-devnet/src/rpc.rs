//! The `sui.rpc.v2` services.

mod epoch;
mod execution;
mod filter;
mod json;
mod ledger;
mod package;
mod query;
mod render;
mod state;
mod subscription;

use crate::DevnetError;
use crate::StoreError;
use crate::callers::Callers;
use crate::execute::Refusal;
use crate::faults::layer::FaultLayer;
use crate::node::Node;
use crate::web;
use http::{HeaderName, HeaderValue, Response};
use std::time::Duration;
use sui_rpc::field::{FieldMask, FieldMaskTree, FieldMaskUtil as _, MessageFields};
use sui_rpc::headers;
use sui_rpc::proto::sui::rpc::v2::ledger_service_server::LedgerServiceServer;
use sui_rpc::proto::sui::rpc::v2::move_package_service_server::MovePackageServiceServer;
use sui_rpc::proto::sui::rpc::v2::state_service_server::StateServiceServer;
use sui_rpc::proto::sui::rpc::v2::subscription_service_server::SubscriptionServiceServer;
use sui_rpc::proto::sui::rpc::v2::transaction_execution_service_server::TransactionExecutionServiceServer;
use sui_sdk_types::{Address, Digest};
use tokio::net::TcpListener;
use tonic::Status;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tower::ServiceBuilder;

/// What `GetServiceInfo` calls this chain.
const CHAIN: &str = "k3s-daas-devnet";
const SERVER: &str = concat!("k3s-daas-devnet/", env!("CARGO_PKG_VERSION"));
/// What a page's script may read of an answer.
const EXPOSED: [HeaderName; 10] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    HeaderName::from_static(headers::X_SUI_CHAIN_ID),
    HeaderName::from_static(headers::X_SUI_CHAIN),
    HeaderName::from_static(headers::X_SUI_EPOCH),
    HeaderName::from_static(headers::X_SUI_CHECKPOINT_HEIGHT),
    HeaderName::from_static(headers::X_SUI_TIMESTAMP_MS),
    HeaderName::from_static(headers::X_SUI_LOWEST_AVAILABLE_CHECKPOINT),
    HeaderName::from_static(headers::X_SUI_LOWEST_AVAILABLE_CHECKPOINT_OBJECTS),
];
const KEEPALIVE: Duration = Duration::from_secs(10);

/// All services in one: they differ only in what they are asked.
#[derive(Clone)]
pub(crate) struct Services {
    node: Node,
    chain: Digest,
}

/// Serves until the shutdown.
pub(crate) async fn serve(node: Node, listener: TcpListener, callers: Callers) -> Result<(), DevnetError> {
    let services = Services { chain: node.executor.chain(), node: node.clone() };
    let about = services.clone();
    let describe = tower::util::MapResponseLayer::new(move |response| about.describe(response));
    let shutdown = node.shutdown.clone();
    let grpc = Routes::new(LedgerServiceServer::new(services.clone()))
        .add_service(StateServiceServer::new(services.clone()))
        .add_service(TransactionExecutionServiceServer::new(services.clone()))
        .add_service(SubscriptionServiceServer::new(services.clone()))
        .add_service(MovePackageServiceServer::new(services));
    // What is called first stands last.
    let layers = ServiceBuilder::new()
        .layer(tonic_web::GrpcWebLayer::new())
        .layer(describe)
        .layer(FaultLayer::new(node.faults.clone()));
    let pages = callers.admit(web::routes(node).fallback_service(layers.service(grpc)), EXPOSED);
    tonic::transport::Server::builder()
        .accept_http1(true)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .add_routes(Routes::from(pages))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), shutdown.cancelled_owned())
        .await
        .map_err(|e| DevnetError::Server { server: "the gRPC server", cause: e.to_string() })
}

// === impl Services ===

impl Services {
    /// Adds the `x-sui-*` headers.
    fn describe<B>(&self, mut response: Response<B>) -> Response<B> {
        let Ok(tip) = self.tip() else {
            return response;
        };
        let values = [
            (headers::X_SUI_CHAIN_ID, self.chain.to_string()),
            (headers::X_SUI_CHAIN, CHAIN.to_owned()),
            (headers::X_SUI_EPOCH, tip.epoch.to_string()),
            (headers::X_SUI_CHECKPOINT_HEIGHT, tip.height.to_string()),
            (headers::X_SUI_TIMESTAMP_MS, tip.timestamp_ms.to_string()),
            (headers::X_SUI_LOWEST_AVAILABLE_CHECKPOINT, "0".to_owned()),
            (headers::X_SUI_LOWEST_AVAILABLE_CHECKPOINT_OBJECTS, "0".to_owned()),
        ];
        for (name, value) in values {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

// === impl Status ===

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        match &refusal {
            Refusal::Invalid(_) | Refusal::ForeignPackage { .. } => Self::invalid_argument(refusal.to_string()),
            Refusal::NotFound(_) => Self::not_found(refusal.to_string()),
            Refusal::Stale(_) => Self::failed_precondition(refusal.to_string()),
            Refusal::Stopping => Self::unavailable(refusal.to_string()),
            Refusal::Store(StoreError::Full { .. }) => Self::resource_exhausted(refusal.to_string()),
            Refusal::Store(error) => {
                tracing::error!(%error, "the ledger failed");
                Self::internal(refusal.to_string())
            }
        }
    }
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error).into()
    }
}

/// The fields asked for, or the method's own choice.
fn read_mask<M: MessageFields>(mask: Option<&FieldMask>, default: &str) -> Result<FieldMaskTree, Status> {
    let mask = mask.cloned().unwrap_or_else(|| FieldMask::from_str(default));
    mask.validate::<M>().map_err(|path| Status::invalid_argument(format!("read_mask: no field {path}")))?;
    Ok(FieldMaskTree::from(mask))
}

fn address(field: &str, text: Option<&str>) -> Result<Address, Status> {
    let text = text.ok_or_else(|| Status::invalid_argument(format!("{field} is missing")))?;
    text.parse().map_err(|e| Status::invalid_argument(format!("{field}: {e}")))
}

fn digest(field: &str, text: Option<&str>) -> Result<Digest, Status> {
    let text = text.ok_or_else(|| Status::invalid_argument(format!("{field} is missing")))?;
    text.parse().map_err(|e| Status::invalid_argument(format!("{field}: {e}")))
}

/// Page sizes are 50 unless asked for, at most 1000.
fn page_size(asked: Option<u32>) -> usize {
    let size = asked.filter(|n| *n > 0).unwrap_or(50).min(1000);
    usize::try_from(size).unwrap_or(50)
}
