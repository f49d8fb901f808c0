//! What `chain policy show` shows: a cluster's rules by the names of the flags that change them, those to come, and who
//! holds its offices.

use crate::cli::value::typed;
use crate::output::one_line;
use crate::status_view::table;
use daas_chain::ops::Offices;
use daas_types::onchain::{Cluster, Policy};
use daas_types::{Mist, UnixMs, WalletAddress};
use serde::Serialize;

/// A cluster, as far as its rules go.
#[derive(Serialize)]
pub(crate) struct View {
    cluster: String,
    name: String,
    version: u64,
    paused: bool,
    operator_positions: Vec<String>,
    proposer: Option<WalletAddress>,
    judge: Option<WalletAddress>,
    treasury: String,
    policy: Policy,
    announced: Option<Policy>,
    effective_ms: Option<UnixMs>,
}

// === impl View ===

impl View {
    pub(crate) fn new(cluster: Cluster, offices: Offices) -> Self {
        let (announced, effective_ms) = cluster.announced.map(|a| (a.policy, a.effective_ms)).unzip();
        Self {
            cluster: cluster.id.to_string(),
            name: cluster.name,
            version: cluster.version,
            paused: cluster.paused,
            operator_positions: cluster.operator_positions.iter().map(ToString::to_string).collect(),
            proposer: offices.proposer,
            judge: offices.judge,
            treasury: cluster.treasury.to_string(),
            policy: cluster.policy,
            announced,
            effective_ms,
        }
    }

    /// For people: one row a rule, with what is announced beside it.
    pub(crate) fn text(&self) -> String {
        let holder = |who: Option<WalletAddress>| who.map_or_else(|| "–".to_owned(), |who| who.to_string());
        let paused = if self.paused { "takes no new stake" } else { "takes stake" };
        let head = format!(
            "cluster {} ({}), version {}: {paused}; {} operator positions; treasury {} SUI\n  proposer {}\n  judge    {}\n",
            self.cluster,
            one_line(&self.name),
            self.version,
            self.operator_positions.len(),
            self.treasury,
            holder(self.proposer),
            holder(self.judge),
        );
        let next = self.announced.as_ref().map(rows);
        let mut table = table(if next.is_some() { &["rule", "now", "announced"] } else { &["rule", "now"] });
        for (at, (name, now)) in rows(&self.policy).into_iter().enumerate() {
            let to_come = next.as_ref().and_then(|rows| rows.get(at)).map(|(_, value)| value);
            match to_come {
                None => table.add_row([name, &now]),
                Some(value) if *value == now => table.add_row([name, &now, "="]),
                Some(value) => table.add_row([name, &now, value]),
            };
        }
        format!("{head}{table}")
    }
}

fn rows(policy: &Policy) -> Vec<(&'static str, String)> {
    let sui = |amount: Mist| format!("{amount} SUI");
    let thresholds = policy.thresholds;
    vec![
        ("viewer", sui(thresholds.viewer)),
        ("developer", sui(thresholds.developer)),
        ("admin", sui(thresholds.admin)),
        ("super", sui(thresholds.super_user)),
        ("min-stake", sui(policy.min_stake)),
        ("max-stake", sui(policy.max_stake)),
        ("node-minimum", sui(policy.node_minimum)),
        ("slash-bps", policy.slash_bps.to_string()),
        ("appeal-window", typed(policy.appeal_window_ms)),
        ("judge-window", typed(policy.judge_window_ms)),
        ("unbonding", typed(policy.unbonding_ms)),
        ("evidence-max-age", typed(policy.evidence_max_age_ms)),
        ("cooldown", typed(policy.cooldown_ms)),
        ("jail", typed(policy.jail_ms)),
        ("silence", typed(policy.silence_ms)),
        ("max-seal-lifetime", typed(policy.max_seal_lifetime_ms)),
        ("heartbeat", typed(policy.heartbeat_ms)),
        ("attestation", typed(policy.attestation_ms)),
        ("delay", typed(policy.delay_ms)),
        ("super-is-masters", policy.super_is_masters.to_string()),
        ("beneficiary", policy.beneficiary.to_string()),
    ]
}
