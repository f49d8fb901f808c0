//! The contract as this program knows it: compiled by the real compiler, checked in.

use daas_chain::ops::CompiledPackage;
use daas_types::{ErrorCode, Problem};

const COMPILED: &str = include_str!("../../../contracts/k3s_daas/compiled.json");

/// The package.
pub(crate) fn compiled() -> Result<CompiledPackage, Problem> {
    CompiledPackage::parse(COMPILED).map_err(Problem::of(ErrorCode::Internal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_package_is_one() {
        assert!(compiled().unwrap().modules.contains_key("staking"));
    }
}
