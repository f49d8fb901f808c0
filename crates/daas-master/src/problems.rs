//! The engine's errors as entries of the catalogue.

use daas_engine::{ControlPlaneError, EngineError};
use daas_types::{ErrorCode, Problem};

/// Which entry an engine's error is.
pub(crate) fn engine(error: EngineError) -> Problem {
    let code = match &error {
        EngineError::NoNode | EngineError::Unknown(_) => ErrorCode::ConfigInvalid,
        EngineError::K3s(_) => ErrorCode::K3sMissing,
        EngineError::Prerequisites(_) => ErrorCode::ToolMissing,
        EngineError::Build(_) => ErrorCode::EngineBuildFailed,
        EngineError::Node(_) => ErrorCode::NodeFailed,
        EngineError::Process(_) => ErrorCode::StateUnreadable,
        EngineError::Server(server) => match server {
            ControlPlaneError::PortBusy { .. } => ErrorCode::PortBusy,
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
