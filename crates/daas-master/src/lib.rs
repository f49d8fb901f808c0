//! The Nautilus master: gateway, engine, attestation, chain and controllers in one process.
//!
//! `app` is the order in which things start; each other module is one of them.

pub mod app;
mod applied;
mod attest;
mod audit;
mod bindings;
pub mod config;
mod control_plane;
mod controllers;
mod departed;
mod endpoint;
pub mod identity;
pub mod install;
mod join;
pub mod k3s;
mod kubernetes;
mod local;
mod namespaces;
mod nodes;
mod pins;
mod presence;
mod problems;
mod rbac;
mod registration;
mod serving;
mod tenants;
mod warden;
