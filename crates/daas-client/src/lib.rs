//! A verified connection to a master, and what a staker keeps on disk. The CLI, the worker and the kubectl exec plugin
//! all come through here, so there is one place where a token can leave a machine: [`VerifiedMaster`].

mod cluster_info;
pub mod exec;
mod files;
mod http;
mod known;
mod master;
mod seal_file;
mod tls;

pub use cluster_info::ClusterInfo;
pub use files::write_private;
pub use http::{exchange, refusal};
pub use known::is_outage;
pub use master::{Masters, VerifiedMaster};
pub use seal_file::SealFile;
pub use tls::{ca_spki, client_config, connect, split};
