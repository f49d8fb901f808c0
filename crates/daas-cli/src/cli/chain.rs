//! Arguments of the commands with which a cluster is founded and governed.

mod rules;

pub(crate) use rules::{PolicyCommand, PolicyFlags};

use super::send::{PlaceFlags, SendFlags};
use super::value::{hex32, hex48, moment};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use daas_types::{Address, Mist, PackageId, PositionId, UnixMs, WalletAddress};
use std::path::PathBuf;

#[derive(Args, Clone, Debug)]
pub(crate) struct ChainArgs {
    #[command(flatten)]
    pub(crate) place: PlaceFlags,
    /// Call this version of the package's code, not the cluster's
    #[arg(long, global = true, value_name = "PACKAGE", help_heading = "Network")]
    pub(crate) code: Option<PackageId>,
    #[command(flatten)]
    pub(crate) send: SendFlags,
    #[command(subcommand)]
    pub(crate) command: ChainCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// Publish the contract's package
    Publish(PackageFile),
    /// Publish a new version of the package
    Upgrade(UpgradeArgs),
    /// Say once how wallets show the package's Seals; anyone may
    Display(DisplayArgs),
    /// Found a cluster and write its join.json
    InitCluster(Box<InitArgs>),
    /// The cluster's rules
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Take no new stake; unstaking and withdrawing go on
    Pause,
    /// Take new stake again
    Unpause,
    /// Name the positions whose nodes are the operator's pool; without any, show them
    Operators(OperatorsArgs),
    /// Give an office to another address; its holder before that has it no longer
    #[command(subcommand)]
    Office(OfficeCommand),
    /// What masters may measure as
    #[command(subcommand)]
    Measurement(MeasurementCommand),
    /// The masters, and who answers for them
    #[command(subcommand)]
    Master(MasterCommand),
    /// Slashes, from proposal to end
    #[command(subcommand)]
    Slash(SlashCommand),
    /// Slashed money
    #[command(subcommand)]
    Treasury(TreasuryCommand),
    /// Move the cluster to the upgraded package (with --code); older code refuses it from then on
    Migrate,
    /// Compare the published package byte by byte with the compiled one
    VerifyPackage(VerifyPackageArgs),
    /// Submit a transaction that was printed by --unsigned, with --signature
    Submit(SubmitArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PackageFile {
    /// A compiled.json; by default the one built into this program
    #[arg(long, value_name = "FILE")]
    pub(crate) package: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct UpgradeArgs {
    #[command(flatten)]
    pub(crate) file: PackageFile,
    /// The version to upgrade; by default the join file's package
    #[arg(long, value_name = "PACKAGE")]
    pub(crate) current: Option<PackageId>,
    /// The wallet's UpgradeCap object
    #[arg(long, value_name = "ID")]
    pub(crate) cap: Address,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DisplayArgs {
    /// The published package; by default the join file's
    #[arg(value_name = "PACKAGE")]
    pub(crate) id: Option<PackageId>,
}

/// Where a policy starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// Seconds and minutes: for trying things
    Devnet,
    /// Days: for people's money
    Production,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct InitArgs {
    /// The cluster's name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// The published package
    #[arg(long, value_name = "PACKAGE")]
    pub(crate) package: PackageId,
    /// Who may propose slashes
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) proposer: WalletAddress,
    /// Who judges them
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) judge: WalletAddress,
    /// The rules to start from; by default `devnet` on a development network, else `production`
    #[arg(long, value_enum)]
    pub(crate) preset: Option<Preset>,
    /// Where to write the join file, which may not be there yet
    #[arg(long, short, value_name = "FILE", default_value = "join.json")]
    pub(crate) output: PathBuf,
    /// Where to write what a master is pinned to (its `sui.pins`)
    #[arg(long, value_name = "FILE")]
    pub(crate) pins: Option<PathBuf>,
    /// The gateway, if it is known already: `https://host:6443`
    #[arg(long, value_name = "URL", requires = "ca")]
    pub(crate) endpoint: Option<String>,
    /// The cluster CA (PEM), if there is one already
    #[arg(long, value_name = "FILE", requires = "endpoint")]
    pub(crate) ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) policy: PolicyFlags,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct OperatorsArgs {
    /// The positions
    #[arg(value_name = "POSITION")]
    pub(crate) positions: Vec<PositionId>,
    /// Name none
    #[arg(long, conflicts_with = "positions")]
    pub(crate) none: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum OfficeCommand {
    /// Who may propose slashes
    Proposer(HolderArgs),
    /// Who judges them
    Judge(HolderArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct HolderArgs {
    /// The new holder
    #[arg(value_name = "ADDRESS")]
    pub(crate) holder: WalletAddress,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum MeasurementCommand {
    /// Show them
    List,
    /// Announce an image; it may come into force when the policy's delay is over
    Announce(PcrArgs),
    /// Put an announced image in force; anyone may, once its delay is over
    Activate(Pcr0Args),
    /// Let no more masters register with an image
    Retire(Pcr0Args),
    /// Take an image and every master that runs it out at once
    Revoke(Pcr0Args),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PcrArgs {
    /// Of the whole image
    #[arg(long, value_name = "HEX", value_parser = hex48)]
    pub(crate) pcr0: [u8; 48],
    /// Of kernel and boot
    #[arg(long, value_name = "HEX", value_parser = hex48)]
    pub(crate) pcr1: [u8; 48],
    /// Of the application
    #[arg(long, value_name = "HEX", value_parser = hex48)]
    pub(crate) pcr2: [u8; 48],
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Pcr0Args {
    /// The image's PCR0
    #[arg(long, value_name = "HEX", value_parser = hex48)]
    pub(crate) pcr0: [u8; 48],
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum MasterCommand {
    /// Show them
    List,
    /// Answer for a master's key with an operator's position; then it registers itself
    Endorse(EndorseArgs),
    /// Take a master off the list
    Remove(KeyArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct EndorseArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// The position; by default the wallet's own among the operator's
    #[arg(long, value_name = "POSITION")]
    pub(crate) position: Option<PositionId>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct KeyArgs {
    /// The enclave's Ed25519 key
    #[arg(long, value_name = "HEX", value_parser = hex32)]
    pub(crate) key: [u8; 32],
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SlashCommand {
    /// Show where a position's slash stands
    Show(PositionArgs),
    /// Propose one: it suspends the position at once
    Propose(Box<ProposeArgs>),
    /// Reject the appeal: the slash stands
    Uphold(PositionArgs),
    /// Reject the appeal in part: a smaller amount stands
    Reduce(ReduceArgs),
    /// Cancel it: money and status are what they were
    Cancel(PositionArgs),
    /// Execute it; anyone may, once the time to appeal is over or a judge upheld it
    Execute(PositionArgs),
    /// Clear away one that lapsed; anyone may
    Release(PositionArgs),
    /// Show that a master's key signed two audit roots under one sequence number; anyone may
    Prove(ProveArgs),
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PositionArgs {
    /// The position
    #[arg(value_name = "POSITION")]
    pub(crate) position: PositionId,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ReduceArgs {
    /// The position
    #[arg(value_name = "POSITION")]
    pub(crate) position: PositionId,
    /// SUI that the slash is to take
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: Mist,
}

/// What a slash is for, as on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reason {
    /// An audit root signed twice
    DoubleSigned = 1,
    /// A false attestation
    FalseAttestation = 2,
    /// A workload tampered with
    Tampering = 3,
    /// An absent node
    AbsentNode = 4,
    /// A breach of the operator's published rules
    Rules = 5,
}

#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("what").required(true).args(["evidence", "evidence_hash"]))]
pub(crate) struct ProposeArgs {
    /// The position
    #[arg(value_name = "POSITION")]
    pub(crate) position: PositionId,
    /// What for
    #[arg(long, value_enum)]
    pub(crate) reason: Reason,
    /// The evidence's file; its SHA-256 goes on chain
    #[arg(long, value_name = "FILE")]
    pub(crate) evidence: Option<PathBuf>,
    /// The evidence's SHA-256
    #[arg(long, value_name = "HEX", value_parser = hex32)]
    pub(crate) evidence_hash: Option<[u8; 32]>,
    /// When the evidence is from, such as 2026-11-21T15:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: UnixMs,
    /// Where anyone can read the evidence
    #[arg(long, value_name = "URI")]
    pub(crate) uri: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ProveArgs {
    /// The position that answers for the key
    #[arg(value_name = "POSITION")]
    pub(crate) position: PositionId,
    /// JSON: signing_key, sequence, and signed, an array of two {root, signature}; bytes in hex
    #[arg(long, value_name = "FILE")]
    pub(crate) proof: PathBuf,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum TreasuryCommand {
    /// Show how much there is
    Show,
    /// Pay it to the policy's beneficiary; anyone may
    Pay,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyPackageArgs {
    /// The published package; by default the join file's
    #[arg(value_name = "PACKAGE")]
    pub(crate) id: Option<PackageId>,
    #[command(flatten)]
    pub(crate) file: PackageFile,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SubmitArgs {
    /// The bytes (base64), or a file that holds them; `-` reads standard input
    #[arg(long, value_name = "BYTES")]
    pub(crate) tx: String,
}
