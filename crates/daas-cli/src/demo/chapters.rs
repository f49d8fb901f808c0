//! The demo's chapters, in order.

pub(super) mod end;
pub(super) mod join;
pub(super) mod slash;
pub(super) mod start;
pub(super) mod tiers;
pub(super) mod work;
