//! The HTTP API of the machine's owner: who may ask ([`credential`], `guard`), what is answered ([`routes`]), how what is
//! asked reaches the worker ([`command`]) and what it tells of itself the API ([`status`]).

pub mod command;
pub mod credential;
mod guard;
pub mod listen;
mod meter;
mod refusal;
pub mod routes;
pub mod server;
pub mod status;
#[cfg(test)]
mod tests;
pub mod types;
mod views;
