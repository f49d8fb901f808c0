//! The rules: shown, announced, applied, taken back.

use super::Counter;
use crate::cli::chain::{PolicyCommand, PolicyFlags};
use crate::policy_view;
use daas_chain::ops::Offices;
use daas_types::Problem;
use daas_types::onchain::Policy;
use serde_json::json;
use std::time::Duration;

pub(super) async fn run(counter: &Counter<'_>, command: &PolicyCommand) -> Result<(), Problem> {
    let ids = counter.place.ids()?;
    match command {
        PolicyCommand::Show => {
            let client = &counter.place.client;
            let cluster = client.cluster(&ids).await?;
            let offices = Offices::of(client, &cluster).await?;
            let view = policy_view::View::new(cluster, offices);
            counter.context.output.result(view.text(), &view);
            Ok(())
        }
        PolicyCommand::Announce(flags) => {
            let policy = flags.over(counter.place.client.cluster(&ids).await?.policy);
            let ops = counter.ops()?;
            let text = "announced: `k3s-daas chain policy apply` puts it in force once the delay is over";
            let more = json!({ "announced": policy });
            counter.settle("announce a policy", ops.announce_policy(&ids, &policy), text, more).await
        }
        PolicyCommand::Apply => {
            let ops = counter.ops()?;
            counter
                .plain("apply the announced policy", ops.apply_policy(&ids), "the announced policy is in force")
                .await
        }
        PolicyCommand::Recall => {
            let ops = counter.ops()?;
            counter.plain("recall the announced policy", ops.recall_policy(&ids), "nothing is announced").await
        }
    }
}

// === impl PolicyFlags ===

impl PolicyFlags {
    /// `policy` with what was typed.
    pub(super) fn over(&self, mut policy: Policy) -> Policy {
        fn set<T: Copy>(to: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *to = value;
            }
        }
        let ms = |time: Option<Duration>| time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        set(&mut policy.thresholds.viewer, self.viewer);
        set(&mut policy.thresholds.developer, self.developer);
        set(&mut policy.thresholds.admin, self.admin);
        set(&mut policy.thresholds.super_user, self.super_user);
        set(&mut policy.min_stake, self.min_stake);
        set(&mut policy.max_stake, self.max_stake);
        set(&mut policy.node_minimum, self.node_minimum);
        set(&mut policy.slash_bps, self.slash_bps);
        set(&mut policy.appeal_window_ms, ms(self.appeal_window));
        set(&mut policy.judge_window_ms, ms(self.judge_window));
        set(&mut policy.unbonding_ms, ms(self.unbonding));
        set(&mut policy.evidence_max_age_ms, ms(self.evidence_max_age));
        set(&mut policy.cooldown_ms, ms(self.cooldown));
        set(&mut policy.jail_ms, ms(self.jail));
        set(&mut policy.silence_ms, ms(self.silence));
        set(&mut policy.max_seal_lifetime_ms, ms(self.max_seal_lifetime));
        set(&mut policy.heartbeat_ms, ms(self.heartbeat));
        set(&mut policy.attestation_ms, ms(self.attestation));
        set(&mut policy.delay_ms, ms(self.delay));
        set(&mut policy.super_is_masters, self.super_is_masters);
        set(&mut policy.beneficiary, self.beneficiary);
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, chain::ChainCommand};
    use clap::Parser as _;
    use daas_types::{Address, WalletAddress};

    /// Typed in the order of the policy's numbers: a swapped pair of fields shows.
    #[test]
    fn every_flag_sets_its_own_number() {
        let times = [
            "appeal-window",
            "judge-window",
            "unbonding",
            "evidence-max-age",
            "cooldown",
            "jail",
            "silence",
            "max-seal-lifetime",
            "heartbeat",
            "attestation",
            "delay",
        ];
        let amounts = ["viewer", "developer", "admin", "super", "min-stake", "max-stake", "node-minimum"];
        let mut line = vec!["k3s-daas".to_owned(), "chain".to_owned(), "policy".to_owned(), "announce".to_owned()];
        line.extend(amounts.iter().enumerate().flat_map(|(at, name)| [format!("--{name}"), format!("{}", at + 1)]));
        line.extend(["--slash-bps".to_owned(), "8".to_owned()]);
        line.extend(times.iter().enumerate().flat_map(|(at, name)| [format!("--{name}"), format!("{}ms", at + 9)]));
        line.extend(["--super-is-masters", "true", "--beneficiary", "0x7"].map(str::to_owned));
        let Command::Chain(args) = Cli::parse_from(line).command else { panic!("must be chain") };
        let ChainCommand::Policy(PolicyCommand::Announce(flags)) = args.command else { panic!("must be announce") };
        let policy = flags.over(Policy::devnet(WalletAddress(Address::from_static("0x1"))));
        let expected: Vec<u64> = (1..=19).map(|n| if n <= 7 { n * 1_000_000_000 } else { n }).collect();
        assert_eq!(policy.numbers().to_vec(), expected);
        assert_eq!((policy.super_is_masters, policy.beneficiary.to_string().ends_with("07")), (true, true));
        let same = Policy::production(WalletAddress(Address::from_static("0x1")));
        assert_eq!(PolicyFlags::default().over(same.clone()), same);
    }
}
