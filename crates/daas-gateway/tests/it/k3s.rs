//! K3s' join through the gateway, between doubles of both its ends.

mod certificates;
mod doubles;
mod join;
mod refusals;
mod storm;
mod tunnel;
mod world;
