//! Real clusters on this machine: real programs, real containers, the engine's own kubectl. Needs root and the built
//! programs (`make test` sees to both); without root each test says so and does nothing.
//!
//! A cluster has fixed ports, so these tests take turns, and each puts the machine back as it found it.

mod audit;
mod bad_input;
mod clients;
mod footprint;
mod intruders;
mod items;
mod k3s;
mod killed;
mod kills;
mod outage;
mod readme;
mod rights;
mod support;
mod two_workers;
mod worker_life;
