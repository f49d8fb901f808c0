use core::fmt;
use core::time::Duration;
use daas_types::Mist;
use serde::{Deserialize, Serialize};

/// What is to be staked. The node, the wallet, and an amount other than a stake that is there have been refused before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakeOrder {
    /// How much; the configured amount if nothing is said. Of no meaning where there is a stake.
    pub amount: Option<Mist>,
    /// How long the Seal lives, within what the policy allows; the usual time if nothing is said.
    pub lifetime: Option<Duration>,
}

// === impl StakeOrder ===

impl StakeOrder {
    /// Whether it names another amount than is staked.
    pub fn differs_from(&self, staked: Mist) -> bool {
        self.amount.is_some_and(|amount| amount != staked)
    }
}

impl fmt::Display for StakeOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.amount {
            Some(amount) => write!(f, "{amount} SUI"),
            None => f.write_str("the configured amount"),
        }
    }
}
