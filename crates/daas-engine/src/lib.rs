//! Starting, watching and stopping Kubernetes processes. Knows nothing of stake or chain.

pub mod build;
mod files;
pub mod pki;
pub mod process;

pub use files::FileError;
