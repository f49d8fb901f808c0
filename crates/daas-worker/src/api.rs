//! The HTTP API of the machine's owner.

pub mod command;
pub mod credential;
pub mod status;
