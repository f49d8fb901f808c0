//! Tests that no single crate can hold.

mod files;
mod layers;
