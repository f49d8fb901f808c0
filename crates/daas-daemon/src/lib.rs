//! What every long-running process of ours needs, and nothing a Kubernetes or staking person would recognise.

pub mod admin;
pub mod config;
mod core_dumps;
pub mod logs;
mod notify;
mod open_files;
mod readiness;
pub mod service;
mod signals;
mod tasks;

pub use core_dumps::no_core_dumps;
pub use notify::Notifier;
pub use open_files::raise_open_files;
pub use readiness::{Readiness, Ready};
pub use signals::shutdown_on_signals;
pub use tasks::{TaskEnd, Tasks};
