//! The way of one request, module by module:
//!
//! | step | module |
//! |---|---|
//! | a TLS connection, its limits and its end; the thread it is served on | [`connection`], [`threads`] |
//! | what the request is, before anyone is believed | [`request`], [`hygiene`] |
//! | one credential out of it, and whose it is | [`credential`], [`authenticate`] |
//! | whether its address may have that looked at, and whether it has sent too much already | [`limits`] |
//! | what is known of the chain, and how lately; whose namespaces are | [`freshness`], [`namespaces`] |
//! | whether that holder may go on, and what ends it | [`admit`] → [`Permit`] |
//! | what of it is written down, from its arrival to its end | [`audit`] |
//! | our own endpoints | [`local`] |
//! | how K3s' agents join, and what their certificates open | [`k3s`] |
//! | the API server, with the identity the permit carries | [`forward`] |
//! | what a client is told that is refused: code, cause, and the line that refuses | [`Refusal`] |
//! | what all of them count | [`measure`] |
//! | how they are put together and started | [`config`], [`tls`], [`gateway`] |
//!
//! [`Permit`] is the proof: only [`admit`] makes one, and only from one does [`forward`] build a request.
#![warn(missing_docs)]

mod admit;
mod audit;
mod authenticate;
mod config;
mod connection;
mod credential;
mod forward;
mod freshness;
mod gateway;
mod hygiene;
mod k3s;
mod limits;
mod local;
mod measure;
mod namespaces;
mod refusal;
mod request;
mod threads;
mod tls;

#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "testing")]
pub mod testing;

pub use admit::{Identity, Kind, NodeRole, Permit};
pub use config::{
    ConfigError, FrontProxyIdentity, GatewayConfig, Limits, Rate, Rates, ServiceAccountConfig, Streams, UpstreamConfig,
};
pub use connection::network;
pub use gateway::{BindError, BoundGateway, Gateway};
pub use k3s::{AgentToken, K3sConfig, K3sError, K3sServer, KeyId, k3s_server_config};
pub use local::{ConnectionInfo, LocalEndpoints, NodeCaller};
pub use namespaces::{Namespaces, Owner};
pub use refusal::Refusal;
pub use tls::server_config;
