//! JSON of the worker's API. Names and units are the original API's: amounts in MIST, times in Unix seconds.

use daas_types::WalletAddress;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// `healthy` for a node that has joined and whose last heartbeat was answered; else the phase, or `unhealthy`.
    pub status: String,
    /// The node.
    pub node_id: String,
    /// Its stake.
    pub staking_status: StakingStatus,
    /// Pods that run here.
    pub running_pods: u64,
    /// Now.
    pub timestamp: u64,
}

/// A node's stake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StakingStatus {
    /// Whether there is active stake.
    pub is_staked: bool,
    /// Active stake, in MIST.
    pub stake_amount: u64,
    /// The position's object; empty before there is one.
    pub stake_object_id: String,
    /// Always null: no secret is told here.
    pub seal_token: Option<String>,
    /// The time of the last checkpoint that was verified; 0 before the first.
    pub last_validation: u64,
    /// `pending` before there is a stake, `unbonding` and `unstaked` after it, else the position's status.
    pub status: String,
}

/// `GET /api/v1/staking`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Staking {
    /// The node.
    pub node_id: String,
    /// Whose stake it is.
    pub wallet_address: String,
    /// Active stake, in MIST.
    pub stake_amount: u64,
    /// What a node needs, in MIST.
    pub min_stake: u64,
    /// The stake as it is on chain.
    pub status: StakingStatus,
    /// Always null: no secret is told here.
    pub seal_token: Option<String>,
    /// The `Cluster` object.
    pub contract_address: String,
    /// When the master last answered a heartbeat; 0 before the first.
    pub last_heartbeat: u64,
    /// Heartbeats that have failed since.
    pub heartbeat_failures: u32,
    /// Where the worker stands.
    pub phase: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: u64,
    /// The last transitions, the oldest first, and those that only had something done.
    pub history: Vec<Step>,
    /// What it tries now and has not come to yet.
    pub trouble: Option<Trouble>,
    /// What is ordered to be staked and is not yet, in MIST. After a refusal it is tried again at the next start, unless
    /// something else is ordered or it is unstaked.
    pub ordered: Option<u64>,
    /// The Seal in use.
    pub seal: Option<Seal>,
    /// The verified master, `https://host:port`.
    pub master: Option<String>,
    /// Held by a proposed slash, in MIST.
    pub frozen: u64,
    /// On its way out, in MIST.
    pub unbonding: u64,
    /// When that can be taken out.
    pub withdrawable_at: Option<u64>,
}

/// What happened, and where it led.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When.
    pub at: u64,
    /// Where the worker stood.
    pub from: String,
    /// Where it stood from then on.
    pub to: String,
    /// Why.
    pub reason: String,
}

/// What is tried again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// What it does.
    pub doing: String,
    /// What the last try ended with, by its name in the catalogue.
    pub reason: String,
    /// The cause, for people.
    pub cause: String,
    /// When the first try failed.
    pub since: u64,
}

/// A Seal, without what is secret in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seal {
    /// Its object.
    pub id: String,
    /// When it ends.
    pub expires_at: u64,
}

/// `POST /api/v1/staking` request. All of it may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StakeRequest {
    /// Must be this node.
    pub node_id: Option<String>,
    /// In MIST, as a text or a number.
    #[serde(deserialize_with = "amount")]
    pub stake_amount: Option<u64>,
    /// How long the Seal lives, in seconds.
    pub duration: Option<u64>,
    /// Must be the worker's.
    pub wallet: Option<WalletAddress>,
}

/// `POST /api/v1/staking` answer. It cannot be printed: it may hold the secret.
#[derive(Serialize)]
pub struct StakeResponse {
    /// Always true; a refusal is a `metav1.Status`.
    pub success: bool,
    /// The secret of the Seal that this request made, this once; null if it made none.
    pub seal_token: Option<String>,
    /// When the Seal ends.
    pub expires_at: u64,
    /// What it permits.
    pub permissions: Vec<String>,
}

/// `GET /api/v1/metrics`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// Percent of the machine's.
    pub cpu_usage: f64,
    /// Percent of the machine's.
    pub memory_usage: f64,
    /// Pods that run here.
    pub pod_count: u64,
    /// Containers that run here.
    pub container_count: u64,
    /// Bytes received since the machine started.
    pub network_rx: u64,
    /// Bytes sent since the machine started.
    pub network_tx: u64,
    /// Now.
    pub timestamp: u64,
}

/// `GET /api/v1/config`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// The node.
    pub node_id: String,
    /// What runs its containers.
    pub runtime: String,
    /// Every key that has a value; secrets are masked.
    pub settings: BTreeMap<String, Value>,
}

/// `POST /api/v1/register` answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegisterResponse {
    /// `registered`.
    pub status: String,
}

/// `POST /api/v1/unstake` answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnstakeResponse {
    /// `unbonding`, and `unstaked` when the stake is in the wallet again.
    pub status: String,
    /// When it can be taken out.
    pub withdrawable_at: Option<u64>,
}

/// MIST as a text, as the original API has it, or as a number.
fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }
    let error = || serde::de::Error::custom("stake_amount is not a number of MIST");
    match Option::<Written>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Written::Number(mist)) => Ok(Some(mist)),
        Some(Written::Text(text)) => text.parse().map(Some).map_err(|_| error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_request_is_understood() {
        let text = r#"{"node_id":"worker-001","stake_amount":"5000000000","duration":2592000,"wallet":"0x123"}"#;
        let request: StakeRequest = serde_json::from_str(text).unwrap();
        assert_eq!((request.stake_amount, request.duration), (Some(5_000_000_000), Some(2_592_000)));
        assert_eq!(request.node_id.as_deref(), Some("worker-001"));
        let number: StakeRequest = serde_json::from_str(r#"{"stake_amount":7}"#).unwrap();
        assert_eq!(number.stake_amount, Some(7));
        assert_eq!(serde_json::from_str::<StakeRequest>("{}").unwrap(), StakeRequest::default());
        for bad in [r#"{"stake_amount":"5 SUI"}"#, r#"{"stake_amount":-1}"#, r#"{"amount":1}"#, "5"] {
            assert!(serde_json::from_str::<StakeRequest>(bad).is_err(), "{bad}");
        }
    }
}
