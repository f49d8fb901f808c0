use core::fmt;
use daas_types::ErrorCode;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use sui_rpc::proto::sui::rpc::v2 as proto;

/// Where and why a contract refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveAbort {
    /// The module that aborted.
    pub module: String,
    /// The function, if the network says.
    pub function: Option<String>,
    /// The contract's code.
    pub code: u64,
    /// The contract's name for it, such as `EBelowMinimum`, if it is one of ours.
    pub name: Option<&'static str>,
    /// The contract's words, if it is one of ours.
    pub message: Option<&'static str>,
}

/// What the compiler read off the bytecode.
const INTERFACE: &str = include_str!("../../../../contracts/k3s_daas/interface.json");

/// By module and code: name and message.
static ERRORS: LazyLock<BTreeMap<(String, u64), (String, String)>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Module {
        errors: BTreeMap<String, Error>,
    }
    #[derive(Deserialize)]
    struct Error {
        code: u64,
        message: String,
    }
    let modules: BTreeMap<String, Module> =
        serde_json::from_str(INTERFACE).expect("interface.json must be the compiler's");
    let errors = modules.into_iter().flat_map(|(module, Module { errors })| {
        errors.into_iter().map(move |(name, Error { code, message })| ((module.clone(), code), (name, message)))
    });
    errors.collect()
});

// === impl MoveAbort ===

impl MoveAbort {
    pub(super) fn of(abort: &proto::MoveAbort) -> Self {
        let location = abort.location();
        let module = location.module().to_owned();
        let code = abort.clever_error().error_code_opt().unwrap_or_else(|| code_in(abort.abort_code()));
        let function = location.function_name_opt().map(str::to_owned);
        let known = ERRORS.get(&(module.clone(), code));
        let (name, message) = (known.map(|(name, _)| name.as_str()), known.map(|(_, message)| message.as_str()));
        Self { module, function, code, name, message }
    }

    /// Its entry of the catalogue: the contract's rule where it has one of its own.
    pub(super) fn catalogue(&self) -> ErrorCode {
        self.name.and_then(|name| rule(&self.module, name)).unwrap_or(ErrorCode::TransactionFailed)
    }
}

impl fmt::Display for MoveAbort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let function = self.function.as_deref().unwrap_or("?");
        write!(f, "{}::{function} aborted with {}", self.module, self.code)?;
        self.name.map_or(Ok(()), |name| write!(f, " ({name})"))?;
        self.message.map_or(Ok(()), |message| write!(f, ": {message}"))
    }
}

/// The entries that the contract's rules have of their own. The others are mistakes of a program, not of a person.
fn rule(module: &str, name: &str) -> Option<ErrorCode> {
    use ErrorCode as E;
    Some(match (module, name) {
        ("position", "EBelowMinimum") => E::StakeBelowMinimum,
        ("position", "EAboveMaximum") => E::StakeAboveMaximum,
        ("position", "ESuspended") => E::PositionSuspended,
        ("position", "ESlashed" | "ERecovering") => E::PositionSlashed,
        ("position", "EClosed") => E::PositionClosed,
        ("position", "ENoSlashPending") => E::NoSlashPending,
        ("position", "ENotOwner" | "ENotKeeper") | ("staking", "ENotNextOwner") | ("k8s_gateway", "ENotRequester") => {
            E::NotYours
        }
        ("position", "ETooManySeals") => E::TooManySeals,
        ("registry", "ENodeIdTaken") => E::NodeIdTaken,
        ("staking", "EStillUnbonding") => E::UnbondingNotOver,
        ("staking", "ENothingToWithdraw") => E::NothingToWithdraw,
        ("staking", "EBadAmount") | ("slashing", "EBadReduction") => E::AmountRefused,
        ("staking", "ESlashPending") => E::SlashPending,
        ("node", "EBadMaintenance" | "EMaintenanceTooSoon") => E::MaintenanceRefused,
        ("staking", "EBeneficiary" | "EOwnPosition") | ("slashing", "EOwnCase") | ("cluster", "EOfficesNotApart") => {
            E::OfficesNotApart
        }
        ("staking", "ECoolingDown")
        | ("node", "EStillJailed")
        | ("slashing", "EAppealOpen" | "EAwaitingJudge" | "ENotAppealed" | "ENotLapsed")
        | ("cluster" | "nautilus", "ETooEarly") => E::TooEarly,
        ("node", _) => E::NodeStateRefused,
        ("slashing", "EAppealOver" | "EAlreadyAppealed" | "EAlreadyUpheld" | "ELapsed") => E::TooLate,
        ("slashing", "EBadReason" | "EBadEvidenceHash" | "EEvidenceInFuture" | "EEvidenceTooOld" | "EUriTooLong")
        | ("staking", "EForeignKey" | "ESameRoot" | "EBadSignature")
        | ("position", "EAlreadyTried" | "ETooManyTrials" | "ENothingToSlash") => E::EvidenceRefused,
        ("caps", "EForeignCap") | ("cluster", "ENotProposer" | "ENotJudge") => E::OfficeMissing,
        ("cluster", "EWrongVersion" | "ENotOlder") => E::PackageMismatch,
        ("cluster", "EPaused") => E::ClusterPaused,
        ("cluster", "ENothingAnnounced") | ("nautilus", "ENotAnnounced") => E::NothingAnnounced,
        ("cluster", "ETreasuryEmpty") => E::TreasuryEmpty,
        ("policy", _) => E::PolicyRefused,
        ("nautilus", "ENotAllowed" | "EUnknownMeasurement" | "ENotInForce" | "EMeasurementExists" | "EZeroPcr") => {
            E::MeasurementRefused
        }
        ("nautilus", "ENotEndorsed" | "ENotOperator" | "EKeyOfAnother") => E::MasterNotEndorsed,
        _ => return None,
    })
}

/// A constant with `#[error(code = N)]` aborts with the top bit set and N in bits 48 to 55; below are line and indices.
fn code_in(raw: u64) -> u64 {
    if raw >> 63 == 1 { (raw >> 48) & 0xff } else { raw }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mistakes of a program, not of a person.
    const PROGRAMS: &[&str] = &[
        "EBadCommitment",
        "EBadDigestLength",
        "EBadEndpoint",
        "EBadExpiry",
        "EBadGenesis",
        "EBadKey",
        "EBadKeyLength",
        "EBadLifetime",
        "EBadLocator",
        "EBadMethod",
        "EBadNamespace",
        "EBadNodeId",
        "EBadNonce",
        "EBadPath",
        "EBadPayload",
        "EBadPcrLength",
        "EBadPermissions",
        "EBadResourceType",
        "EBadResult",
        "EBadRoot",
        "EBadSession",
        "EBelowNodeMinimum",
        "EBelowViewer",
        "EDebugEnclave",
        "EDocumentAge",
        "EDuplicateRequest",
        "EEndpointTaken",
        "EForeignAnchors",
        "EForeignNautilus",
        "EForeignPosition",
        "EForeignRegistry",
        "EForeignRequest",
        "EMissingPcr",
        "ENameTooLong",
        "ENoKey",
        "ENoSuchSeal",
        "ENodeIdMissing",
        "ENotBound",
        "ENotEnclave",
        "ENotMaster",
        "ENotPending",
        "EOldSequence",
        "EPositionExists",
        "ERequestExpired",
        "EStatementTooLong",
        "ETooManyMasters",
        "ETooManyMeasurements",
        "ETooManyOperators",
        "EUnknownMaster",
    ];

    fn abort(module: &str, function: &str, raw: u64) -> MoveAbort {
        let location = proto::MoveLocation::default().with_module(module).with_function_name(function);
        MoveAbort::of(&proto::MoveAbort::default().with_abort_code(raw).with_location(location))
    }

    #[test]
    fn plain_and_tagged_codes_mean_the_same() {
        let tagged = 1 << 63 | 4 << 48 | 77 << 32 | 5 << 16 | 6;
        for raw in [4, tagged] {
            let abort = abort("position", "assert_minimum", raw);
            assert_eq!(
                abort.to_string(),
                "position::assert_minimum aborted with 4 (EBelowMinimum): Active stake would be below the minimum"
            );
            assert_eq!(abort.catalogue(), ErrorCode::StakeBelowMinimum);
        }
        let foreign = abort("coin", "split", 2);
        assert_eq!((foreign.to_string().as_str(), foreign.name), ("coin::split aborted with 2", None));
        assert_eq!(foreign.catalogue(), ErrorCode::TransactionFailed);
    }

    /// A rule that is renamed or gone in the contract must not keep an entry here, nor a new one be forgotten.
    #[test]
    fn every_rule_of_the_contract_is_known_or_a_programs_mistake() {
        let mut programs: Vec<&str> = Vec::new();
        for ((module, _), (name, message)) in ERRORS.iter() {
            assert!(!message.is_empty(), "{module}::{name}");
            if rule(module, name).is_none() {
                programs.push(name);
            }
        }
        programs.sort_unstable();
        programs.dedup();
        assert_eq!(programs, PROGRAMS);
    }
}
