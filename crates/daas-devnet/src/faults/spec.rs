//! What can be asked for.

use super::layer;
use serde::{Deserialize, Serialize};

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// Ends every open subscription, once.
    DropStreams,
    /// Holds back every answer, and every frame of a stream.
    Delay {
        /// For this long.
        ms: u64,
    },
    /// Refuses calls with `UNAVAILABLE`.
    Unavailable {
        /// So many, then no more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        calls: Option<u64>,
        /// Each with this chance, 0 to 100.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u8>,
        /// Of the chance: the same seed refuses the same calls.
        #[serde(default)]
        seed: u64,
    },
    /// Sends every frame of a subscription twice, or of the streaming method that is named.
    Duplicates,
    /// Executes nothing and makes no checkpoint; transactions wait.
    Stall,
    /// Refuses transactions with `RESOURCE_EXHAUSTED` and makes no checkpoint, as on a disk that is nearly full.
    DiskFull,
    /// Answers what the ledger does not say.
    Lie(Lie),
}

/// A lie, the same in every answer it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lie {
    /// About what.
    pub lie: LieKind,
    /// Only in this checkpoint. Of `old-tip`: the tip. Of `forged-epoch`: the epoch's end. Otherwise: in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// How far up the digests are made to fit.
    #[serde(default)]
    pub fit: Fit,
}

/// Kinds of lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LieKind {
    /// Another first byte in each event
    AlteredEvent,
    /// No events
    HiddenEvent,
    /// One more event, made from the last one of the transaction
    InventedEvent,
    /// An hour later
    AlteredTimestamp,
    /// Nothing after a checkpoint: the newest at the time of asking, or the one that is named
    OldTip,
    /// Signed by a committee that is not the network's
    ForeignSignature,
    /// The epoch has ended, and the next committee is one that is not the network's
    ForgedEpoch,
}

/// What is made to fit an altered event or timestamp; each includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fit {
    /// The events do not match the effects
    #[default]
    Nothing,
    /// The effects match the events, but not the checkpoint's contents
    Effects,
    /// The contents match the effects, but not the summary
    Contents,
    /// The summary matches the contents, but the signature is of another one
    Summary,
    /// The summary is signed by a committee that is not the network's
    Signature,
}

/// A fault that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// Its number, for clearing it.
    pub id: u64,
    /// What it does.
    pub fault: Fault,
    /// Only to this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Then it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_in_ms: Option<u64>,
    /// After these it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_left: Option<u64>,
}

/// Why a fault is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// A method that is not served.
    #[error("there is no method {0}: give its bare name, such as GetCheckpoint")]
    UnknownMethod(String),
    /// A method for a fault that is about all.
    #[error("{0} is not about a method")]
    NoMethod(&'static str),
    /// A method whose answer is no stream.
    #[error("{0} answers once: only a stream's frames can be sent twice")]
    NoStream(String),
    /// A chance above certainty.
    #[error("{0} is not a percentage")]
    Percent(u8),
    /// Something of a lie that it has not.
    #[error("{0:?} takes no {1}")]
    Lie(LieKind, &'static str),
    /// Too many at once.
    #[error("there are {0} faults, which is the most there can be: clear some")]
    TooMany(usize),
}

// === impl Fault ===

impl Fault {
    /// Whether it makes sense, and the method it is about.
    pub(super) fn check(&self, method: Option<&str>) -> Result<Option<&'static str>, FaultError> {
        let known = method.map(|m| layer::method(m).ok_or_else(|| FaultError::UnknownMethod(m.to_owned())));
        let known = known.transpose()?;
        match self {
            Self::Unavailable { percent: Some(percent), .. } if *percent > 100 => Err(FaultError::Percent(*percent)),
            Self::Delay { .. } | Self::Unavailable { .. } => Ok(known),
            Self::Duplicates => match known {
                Some(method) if !layer::is_stream(method) => Err(FaultError::NoStream(method.to_owned())),
                known => Ok(known),
            },
            Self::DropStreams | Self::Stall | Self::DiskFull | Self::Lie(_) if known.is_some() => {
                Err(FaultError::NoMethod(self.name()))
            }
            Self::Lie(lie) => lie.check().map(|()| None),
            Self::DropStreams | Self::Stall | Self::DiskFull => Ok(None),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::DropStreams => "drop-streams",
            Self::Delay { .. } => "delay",
            Self::Unavailable { .. } => "unavailable",
            Self::Duplicates => "duplicates",
            Self::Stall => "stall",
            Self::DiskFull => "disk-full",
            Self::Lie(_) => "a lie",
        }
    }
}

// === impl Lie ===

impl Lie {
    /// A lie of this kind, in every checkpoint and fitting nothing.
    pub fn new(lie: LieKind) -> Self {
        Self { lie, checkpoint: None, fit: Fit::default() }
    }

    /// The same, with everything below `fit` fitting.
    #[must_use]
    pub fn fitting(self, fit: Fit) -> Self {
        Self { fit, ..self }
    }

    /// The same, about one checkpoint.
    #[must_use]
    pub fn about(self, checkpoint: u64) -> Self {
        Self { checkpoint: Some(checkpoint), ..self }
    }

    fn check(&self) -> Result<(), FaultError> {
        let signed_anyway = matches!(self.lie, LieKind::ForeignSignature | LieKind::ForgedEpoch);
        if self.fit != Fit::Nothing && (signed_anyway || self.lie == LieKind::OldTip) {
            return Err(FaultError::Lie(self.lie, "fit"));
        }
        if self.lie == LieKind::AlteredTimestamp && !matches!(self.fit, Fit::Nothing | Fit::Signature) {
            return Err(FaultError::Lie(self.lie, "fit but signature"));
        }
        Ok(())
    }
}
