//! Arguments of the commands about the audit log.

use super::value::hex32;
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Look for removed, changed and reordered records, and say on whose word the rest is believed
    Verify(VerifyArgs),
    /// Show who asked for what, and how it ended
    Show(ShowArgs),
    /// Prove to someone who does not have the log that a record is in it; or check such a proof
    Prove(ProveArgs),
}

/// Which log.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogFlags {
    /// The log's folder, or a copy of it; by default that of the master on this machine
    #[arg(long, value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,
    /// The key of the enclave that wrote it; by default the folder's name
    #[arg(long, value_name = "HEX", value_parser = hex32)]
    pub(crate) key: Option<[u8; 32]>,
}

/// What it is compared with.
#[derive(Args, Clone, Debug)]
pub(crate) struct AnchorFlags {
    /// Compare with the anchors of this file (JSON: one, or a list) instead of the chain's; needs no network
    #[arg(long, value_name = "FILE")]
    pub(crate) anchors: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) log: LogFlags,
    #[command(flatten)]
    pub(crate) anchors: AnchorFlags,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) log: LogFlags,
    /// How many requests, the last of those asked for
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) last: usize,
    /// Only from this record on
    #[arg(long, value_name = "RECORD", default_value_t = 0)]
    pub(crate) since: u64,
    /// Only of callers whose name, position, or assumed name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) user: Option<String>,
    /// Only the request with this Audit-ID or record number
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only what changes something
    #[arg(long)]
    pub(crate) changes: bool,
}

#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("what").required(true).args(["record", "check"]))]
pub(crate) struct ProveArgs {
    /// The record's number, as `show` has it
    #[arg(value_name = "RECORD")]
    pub(crate) record: Option<u64>,
    /// Check this proof instead, and show its record
    #[arg(long, value_name = "FILE", conflicts_with_all = ["log", "key"])]
    pub(crate) check: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: LogFlags,
    #[command(flatten)]
    pub(crate) anchors: AnchorFlags,
}
