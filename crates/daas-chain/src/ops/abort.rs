use core::fmt;
use daas_types::ErrorCode;
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
}

/// The contracts' error constants; a test compares them with the sources.
const NAMES: &[(&str, &[(u64, &str)])] = &[
    ("caps", &[(1, "EForeignCap")]),
    (
        "cluster",
        &[
            (1, "EWrongVersion"),
            (2, "EThresholdCount"),
            (3, "EThresholdOrder"),
            (4, "ESlashShare"),
            (5, "ESealLifetime"),
            (6, "EEvidenceAge"),
            (7, "EForeignRegistry"),
            (8, "EPositionExists"),
            (9, "EBadNodeId"),
            (10, "ENodeIdTaken"),
        ],
    ),
    ("nautilus", &[(1, "EBadPcrLength"), (2, "EUnknownMeasurement"), (3, "EBadDigestLength"), (4, "EUnknownMaster")]),
    (
        "seal_token",
        &[
            (1, "EBadPermissions"),
            (2, "ENodeIdMissing"),
            (3, "EBadLocator"),
            (4, "EBadCommitment"),
            (5, "EBadLifetime"),
        ],
    ),
    (
        "staking",
        &[
            (1, "EForeignPosition"),
            (2, "ENotOwner"),
            (3, "EBelowMinimum"),
            (4, "ESuspended"),
            (5, "ESlashed"),
            (6, "EClosed"),
            (7, "ETooManySeals"),
            (8, "EBadAmount"),
            (9, "ENothingUnbonding"),
            (10, "EStillUnbonding"),
            (11, "ESlashPending"),
            (12, "ENoSlashPending"),
            (13, "EBadReason"),
            (14, "EBadEvidenceHash"),
            (15, "EEvidenceInFuture"),
            (16, "EEvidenceTooOld"),
            (17, "ENothingToSlash"),
            (18, "EAppealOver"),
            (19, "EAlreadyAppealed"),
            (20, "EStatementTooLong"),
            (21, "ENotAppealed"),
            (22, "EAlreadyUpheld"),
            (23, "EAppealOpen"),
            (24, "EAwaitingJudge"),
        ],
    ),
];

// === impl MoveAbort ===

impl MoveAbort {
    pub(super) fn of(abort: &proto::MoveAbort) -> Self {
        let location = abort.location();
        let module = location.module().to_owned();
        let code = abort.clever_error().error_code_opt().unwrap_or_else(|| code_in(abort.abort_code()));
        let function = location.function_name_opt().map(str::to_owned);
        Self { name: name_of(&module, code), module, function, code }
    }

    /// Its entry of the catalogue: the contract's rule where it has one of its own.
    pub(super) fn catalogue(&self) -> ErrorCode {
        match self.name {
            Some("EBelowMinimum") => ErrorCode::StakeBelowMinimum,
            Some("ENodeIdTaken") => ErrorCode::NodeIdTaken,
            Some("EStillUnbonding") => ErrorCode::UnbondingNotOver,
            _ => ErrorCode::TransactionFailed,
        }
    }
}

impl fmt::Display for MoveAbort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let function = self.function.as_deref().unwrap_or("?");
        write!(f, "{}::{function} aborted with {}", self.module, self.code)?;
        self.name.map_or(Ok(()), |name| write!(f, " ({name})"))
    }
}

fn name_of(module: &str, code: u64) -> Option<&'static str> {
    let (_, names) = NAMES.iter().find(|(name, _)| *name == module)?;
    names.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

/// A constant with `#[error(code = N)]` aborts with the top bit set and N in bits 48 to 55; below are line and indices.
fn code_in(raw: u64) -> u64 {
    if raw >> 63 == 1 { (raw >> 48) & 0xff } else { raw }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn the_names_are_those_of_the_sources() {
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/k3s_daas/sources");
        let mut found = String::new();
        let mut files: Vec<_> = std::fs::read_dir(sources).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let lines: Vec<_> = text.lines().collect();
            for pair in lines.windows(2) {
                let Some(code) = pair[0].trim().strip_prefix("#[error(code = ") else {
                    continue;
                };
                let name = pair[1].trim().strip_prefix("const ").unwrap().split(':').next().unwrap();
                let module = file.file_stem().unwrap().to_str().unwrap();
                writeln!(found, "{module} {} {name}", code.trim_end_matches(")]")).unwrap();
            }
        }
        let mut known = String::new();
        for (module, names) in NAMES {
            for (code, name) in *names {
                writeln!(known, "{module} {code} {name}").unwrap();
            }
        }
        assert_eq!(known, found);
    }

    #[test]
    fn plain_and_tagged_codes_mean_the_same() {
        let location = proto::MoveLocation::default().with_module("staking").with_function_name("restake");
        let tagged = 1 << 63 | 3 << 48 | 77 << 32 | 5 << 16 | 6;
        for raw in [3, tagged] {
            let abort =
                MoveAbort::of(&proto::MoveAbort::default().with_abort_code(raw).with_location(location.clone()));
            assert_eq!(abort.to_string(), "staking::restake aborted with 3 (EBelowMinimum)");
            assert_eq!(abort.catalogue(), ErrorCode::StakeBelowMinimum);
        }
    }
}
