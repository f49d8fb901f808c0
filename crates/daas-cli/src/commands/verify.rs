use crate::context::Context;
use crate::output::{done, failed};
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use daas_attest::VerifiedEvidence;
use daas_chain::clock;
use daas_client::{ClusterInfo, VerifiedMaster};
use daas_types::genesis::Network;
use daas_types::onchain::MasterRecord;
use daas_types::{Problem, UnixMs};
use serde::Serialize;

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

/// What holds, in the order in which each rests on the one before.
#[derive(Debug, Serialize)]
struct Verdict {
    verified: bool,
    endpoint: String,
    security_level: Option<u8>,
    tee_type: Option<&'static str>,
    age_ms: Option<u64>,
    checks: Vec<Check>,
}

/// Checks the evidence and shows each check; the first that fails is the command's failure.
pub(crate) async fn run(context: &Context) -> Result<(), Problem> {
    let cluster = context.cluster()?;
    let mut verdict = Verdict::new(&cluster);
    let result = judge(&cluster, &mut verdict).await;
    if let Err(problem) = &result {
        verdict.checks.push(Check { name: "refused", ok: false, detail: problem.cause.clone() });
    }
    verdict.verified = result.is_ok();
    context.output.result(verdict.text(), &verdict);
    result
}

async fn judge(cluster: &ClusterInfo, verdict: &mut Verdict) -> Result<(), Problem> {
    let masters = cluster.masters().await?;
    verdict.holds("network is the pinned one", cluster.genesis.digest().to_string());
    let now = clock::now();
    let current = masters.nautilus.current_masters(&masters.policy, now).count();
    let (all, allowed) = (masters.nautilus.masters.len(), masters.nautilus.allowed().len());
    verdict.holds("masters on chain", format!("{current} of {all} current, {allowed} measurements allowed"));
    let master = VerifiedMaster::connect(cluster, &masters, now).await?;
    verdict.evidence(master.evidence(), master.record(), now);
    Ok(())
}

// === impl Verdict ===

impl Verdict {
    fn new(cluster: &ClusterInfo) -> Self {
        let network = match cluster.genesis.network() {
            Network::Mainnet => "mainnet",
            Network::Testnet => "testnet",
            Network::Devnet(_) => "a development network: its simulated TEE counts here and nowhere else",
            Network::Other => "another network",
        };
        let mut verdict = Self {
            verified: false,
            endpoint: cluster.join.endpoint.clone(),
            security_level: None,
            tee_type: None,
            age_ms: None,
            checks: Vec::new(),
        };
        verdict.holds("join file", network.to_owned());
        verdict
    }

    fn holds(&mut self, name: &'static str, detail: String) {
        self.checks.push(Check { name, ok: true, detail });
    }

    /// Each line is something that had to hold for `evidence` to exist.
    fn evidence(&mut self, evidence: &VerifiedEvidence, record: &MasterRecord, now: UnixMs) {
        let level = evidence.security_level();
        let age = now.since(evidence.timestamp());
        self.endpoint.clone_from(&record.endpoint);
        self.security_level = Some(level.number());
        self.tee_type = Some(level.tee_type());
        self.age_ms = u64::try_from(age.as_millis()).ok();
        self.holds("TLS 1.3, CA pinned", format!("SPKI sha256:{}", hex::encode(&record.ca_spki)));
        self.holds("signature and root", format!("{} (level {})", level.tee_type(), level.number()));
        self.holds("not debug, fresh", format!("{}; {:.1} s old", evidence.module_id(), age.as_secs_f64()));
        let pcr0 = evidence.pcrs().get(&0).map(hex::encode).unwrap_or_default();
        self.holds("measurement allowed on chain", format!("sha384:{pcr0}"));
        self.holds("bound to this TLS session", "nonce answers ours and the session's exporter".to_owned());
        self.holds("signing key registered", hex::encode(evidence.public_key()));
        self.holds(
            "bound to cluster and configuration",
            format!("configuration {}", hex::encode(&record.config_digest)),
        );
    }

    fn text(&self) -> String {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["", "check", "found"]);
        for check in &self.checks {
            table.add_row([if check.ok { "✓" } else { "✗" }, check.name, &check.detail]);
        }
        let end = if self.verified {
            done(format!("{} is verified", self.endpoint))
        } else {
            let who = if self.endpoint.is_empty() {
                "the master, which the join file does not name,"
            } else {
                &self.endpoint
            };
            failed(format!("{who} is not verified; no token was sent"))
        };
        format!("{table}\n{end}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_the_last_line() {
        let checks = vec![
            Check { name: "join file", ok: true, detail: "a development network".to_owned() },
            Check { name: "refused", ok: false, detail: "measurement 00… is not allowed".to_owned() },
        ];
        let endpoint = "https://10.0.0.1:6443".to_owned();
        let verdict = Verdict { verified: false, endpoint, security_level: None, tee_type: None, age_ms: None, checks };
        insta::assert_snapshot!(verdict.text());
    }
}
