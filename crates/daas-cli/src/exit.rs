//! What the exit code says. The numbers are a promise to scripts.

use daas_types::{ErrorCode, Problem};
use std::process::ExitCode;

/// Why the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok,
    /// It did not work.
    Failed,
    /// Typed wrongly, or a file of the caller's is wrong.
    Usage,
    /// The cluster's rules, or the caller's own safety rules, say no: trying again changes nothing.
    Refused,
    /// Nothing runs there, or it cannot be reached.
    Unreachable,
}

// === impl Exit ===

impl Exit {
    /// The exit code of a problem.
    pub(crate) fn of(problem: &Problem) -> Self {
        use ErrorCode as E;
        match problem.code {
            E::ClusterFileMissing
            | E::ClusterFileBad
            | E::ConfigInvalid
            | E::WalletUnsafe
            | E::ClusterFileUnfinished
            | E::MockModeRefused
            | E::NetworkUnknown => Self::Usage,
            E::ChainUnreachable
            | E::FaucetUnreachable
            | E::MasterUnreachable
            | E::NotRunning
            | E::ApiServerUnavailable
            | E::ChainStale => Self::Unreachable,
            E::MasterUnverified
            | E::MasterUnknown
            | E::InsecureKubeconfig
            | E::ChainForeign
            | E::ChainUnproven
            | E::TransactionFailed
            | E::TransactionRefused
            | E::StakeBelowMinimum
            | E::NodeIdTaken
            | E::PackageMismatch
            | E::UnbondingNotOver
            | E::NotStaked
            | E::AlreadyStaked
            | E::SignatureRefused
            | E::ObjectMissing
            | E::OutcomeDoubtful
            | E::SealFileOther
            | E::CodeForeign
            | E::CodeMisnumbered
            | E::AuditDamaged
            | E::AuditLacksAnchor
            | E::AuditProofBad
            | E::DatastoreNotEncrypted => Self::Refused,
            code if code.code().starts_with("D1") || is_rule(code) => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// The contract's rules that have entries of their own.
fn is_rule(code: ErrorCode) -> bool {
    (ErrorCode::StakeAboveMaximum.code()..=ErrorCode::MaintenanceRefused.code()).contains(&code.code())
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Unreachable => 4,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_scripts_rely_on() {
        let of = |code| Exit::of(&Problem::new(code, "cause"));
        assert_eq!(of(ErrorCode::StakeTooLow), Exit::Refused);
        assert_eq!(of(ErrorCode::MasterUnverified), Exit::Refused);
        assert_eq!(of(ErrorCode::NotRunning), Exit::Unreachable);
        assert_eq!(of(ErrorCode::ClusterFileMissing), Exit::Usage);
        assert_eq!(of(ErrorCode::PortBusy), Exit::Failed);
        assert_eq!(of(ErrorCode::StakeAboveMaximum), Exit::Refused);
        assert_eq!(of(ErrorCode::MaintenanceRefused), Exit::Refused);
        assert_eq!(of(ErrorCode::KeyElsewhere), Exit::Failed);
        assert_eq!(of(ErrorCode::AuditDamaged), Exit::Refused);
        assert_eq!(of(ErrorCode::AuditNotAnchored), Exit::Failed);
        assert_eq!(of(ErrorCode::NotConfirmed), Exit::Failed);
        assert_eq!(of(ErrorCode::Internal), Exit::Failed);
    }
}
