use daas_types::{ErrorCode, Problem};
use serde::{Deserialize, Serialize};

/// Why a worker ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The kind of end; decides the exit code.
    pub why: Why,
    /// Name of its entry in the catalogue; empty when somebody asked.
    #[serde(default)]
    pub code: String,
    /// The cause, for people.
    pub cause: String,
}

/// Kinds of end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Somebody asked.
    Asked,
    /// Its owner takes the stake out; the process goes on until that is done.
    Unstaked,
    /// A slash was proposed or executed.
    Slashed,
    /// The stake was withdrawn or no longer reaches the node minimum.
    StakeLost,
    /// There is no stake, and what is configured cannot be staked.
    Refused,
    /// Something that trying again does not mend.
    Failed,
}

// === impl Ending ===

impl Ending {
    pub(super) fn new(why: Why, code: Option<ErrorCode>, cause: String) -> Self {
        Self { why, code: code.map_or("", ErrorCode::name).to_owned(), cause }
    }

    /// An end that somebody asked for.
    pub fn asked(cause: &str) -> Self {
        Self::new(Why::Asked, None, cause.to_owned())
    }

    /// What to tell the person who started the worker; nothing if they asked for the end.
    pub fn problem(&self) -> Option<Problem> {
        let code = ErrorCode::from_name(&self.code).unwrap_or(ErrorCode::Internal);
        (!matches!(self.why, Why::Asked | Why::Unstaked)).then(|| Problem::new(code, &self.cause))
    }
}

// === impl Why ===

impl Why {
    /// The process's exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Asked | Self::Unstaked => 0,
            // As a configuration that is wrong: another start would pay gas for the same answer.
            Self::Refused => 2,
            Self::Slashed => 3,
            Self::StakeLost | Self::Failed => 1,
        }
    }
}
