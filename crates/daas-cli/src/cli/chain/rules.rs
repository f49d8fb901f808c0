//! Arguments about a cluster's rules.

use crate::cli::value::duration;
use clap::{Args, Subcommand};
use daas_types::{Mist, WalletAddress};
use std::time::Duration;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show the cluster: its rules, those announced, its offices
    Show,
    /// Announce changed rules; what is not named stays as it is
    Announce(Box<PolicyFlags>),
    /// Put the announced rules in force; anyone may, once their delay is over
    Apply,
    /// Take the announced rules back
    Recall,
}

/// Each of a policy's values, where it is to be another.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Rules")]
pub(crate) struct PolicyFlags {
    /// Stake of the viewer's tier
    #[arg(long, value_name = "SUI")]
    pub(crate) viewer: Option<Mist>,
    /// Stake of the developer's tier
    #[arg(long, value_name = "SUI")]
    pub(crate) developer: Option<Mist>,
    /// Stake of the admin's tier
    #[arg(long, value_name = "SUI")]
    pub(crate) admin: Option<Mist>,
    /// Stake of the super tier
    #[arg(long = "super", value_name = "SUI")]
    pub(crate) super_user: Option<Mist>,
    /// Least stake of a position
    #[arg(long, value_name = "SUI")]
    pub(crate) min_stake: Option<Mist>,
    /// Largest stake of a position
    #[arg(long, value_name = "SUI")]
    pub(crate) max_stake: Option<Mist>,
    /// Least stake with which a node may be in the cluster
    #[arg(long, value_name = "SUI")]
    pub(crate) node_minimum: Option<Mist>,
    /// Share that a slash takes, in 1/10,000
    #[arg(long, value_name = "N")]
    pub(crate) slash_bps: Option<u64>,
    /// How long an owner may appeal
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) appeal_window: Option<Duration>,
    /// How long after that a slash may be judged and executed
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) judge_window: Option<Duration>,
    /// How long unstaked money stays slashable
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) unbonding: Option<Duration>,
    /// Oldest evidence
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) evidence_max_age: Option<Duration>,
    /// Least time from one slash's end to the next proposal
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) cooldown: Option<Duration>,
    /// How long a silent node stays jailed at least
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) jail: Option<Duration>,
    /// How long a node must have been silent to be jailed
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) silence: Option<Duration>,
    /// Longest life of a Seal
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) max_seal_lifetime: Option<Duration>,
    /// How long a master counts after its last heartbeat
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) heartbeat: Option<Duration>,
    /// How long a master counts after its attestation
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) attestation: Option<Duration>,
    /// From announcing a change to its coming into force
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) delay: Option<Duration>,
    /// Whether the super tier is bound to `system:masters`
    #[arg(long, value_name = "BOOL")]
    pub(crate) super_is_masters: Option<bool>,
    /// Who is paid the slashed money; a new cluster needs one
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) beneficiary: Option<WalletAddress>,
}
