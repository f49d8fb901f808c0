//! The engine's errors as entries of the catalogue.

use daas_engine::{ControlPlaneError, EngineError, Need};
use daas_types::{ErrorCode, Problem};

/// Which entry an engine's error is.
pub(crate) fn engine(error: EngineError) -> Problem {
    let code = match &error {
        EngineError::NoRuntime(_) | EngineError::OtherWay(_) | EngineError::Unknown(_) => ErrorCode::ConfigInvalid,
        EngineError::K3s(_) => ErrorCode::K3sMissing,
        EngineError::Prerequisites(missing) if missing.needs.contains(&Need::Root) => ErrorCode::RootNeeded,
        EngineError::Prerequisites(_) => ErrorCode::ToolMissing,
        EngineError::Build(_) => ErrorCode::EngineBuildFailed,
        EngineError::Node(_) => ErrorCode::NodeFailed,
        EngineError::Process(_) => ErrorCode::StateUnreadable,
        EngineError::Server(server) => match server {
            ControlPlaneError::PortBusy { .. } => ErrorCode::PortBusy,
            ControlPlaneError::Older { .. } => ErrorCode::K3sOlder,
            ControlPlaneError::Held { .. } => ErrorCode::AlreadyRunning,
            ControlPlaneError::File(_)
            | ControlPlaneError::PathTooLong { .. }
            | ControlPlaneError::Authority { .. }
            | ControlPlaneError::Tokens { .. }
            | ControlPlaneError::Notify { .. } => ErrorCode::StateUnreadable,
            ControlPlaneError::Process(_)
            | ControlPlaneError::CannotStart { .. }
            | ControlPlaneError::NotReady { .. }
            | ControlPlaneError::Random
            | ControlPlaneError::Certificates(_) => ErrorCode::ControlPlaneTimeout,
        },
    };
    Problem::of(code)(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_engine::{Missing, Role};

    #[test]
    fn a_lack_of_root_is_not_taken_for_a_program_that_is_missing() {
        let code = |needs: &[Need]| engine(Missing { role: Role::Server, needs: needs.to_vec() }.into()).code;
        let program = Need::Program { name: "nft", package: "nftables" };
        assert_eq!(code(&[Need::Root]), ErrorCode::RootNeeded);
        assert_eq!(code(&[Need::Root, program.clone()]), ErrorCode::RootNeeded);
        assert_eq!(code(&[program]), ErrorCode::ToolMissing);
    }
}
