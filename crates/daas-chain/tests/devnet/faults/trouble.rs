//! What goes wrong.

use super::dice::Dice;
use daas_devnet::control::Request;
use daas_devnet::{Fault, Fit, Lie, LieKind};

/// What one round is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Every stream ends.
    Dropped,
    /// Every stream ends, and the next one is refused.
    Refused,
    /// So are some of all calls.
    Unreliable,
    Delayed,
    Doubled,
    /// Nothing is executed.
    Stalled,
    /// Nothing can be written.
    DiskFull,
    /// Another committee from now on.
    NewEpoch,
    Lie(LieKind, Fit),
}

/// What goes wrong beside it.
#[derive(Clone, Copy)]
pub(crate) enum Companion {
    Nobody,
    Delay,
    Duplicates,
    Refusals,
    Drop,
}

// === impl Trouble ===

impl Trouble {
    pub(crate) fn all() -> Vec<Self> {
        use LieKind as L;
        let mut all = vec![
            Self::Dropped,
            Self::Refused,
            Self::Unreliable,
            Self::Delayed,
            Self::Doubled,
            Self::Stalled,
            Self::DiskFull,
            Self::NewEpoch,
        ];
        for about_events in [L::AlteredEvent, L::HiddenEvent, L::InventedEvent] {
            let fits = [Fit::Nothing, Fit::Effects, Fit::Contents, Fit::Summary, Fit::Signature];
            all.extend(fits.map(|fit| Self::Lie(about_events, fit)));
        }
        all.extend([Fit::Nothing, Fit::Signature].map(|fit| Self::Lie(L::AlteredTimestamp, fit)));
        all.extend([L::OldTip, L::ForeignSignature, L::ForgedEpoch].map(|lie| Self::Lie(lie, Fit::Nothing)));
        all
    }

    pub(crate) fn requests(self) -> Vec<Request> {
        let unavailable = |calls, percent| Fault::Unavailable { calls, percent, seed: 0 };
        match self {
            Self::Dropped => vec![add(Fault::DropStreams)],
            Self::Refused => {
                vec![add_to("SubscribeCheckpoints", unavailable(Some(1), None)), add(Fault::DropStreams)]
            }
            Self::Unreliable => vec![add(unavailable(None, Some(20))), add(Fault::DropStreams)],
            Self::Delayed => vec![add(Fault::Delay { ms: 20 })],
            Self::Doubled => vec![add(Fault::Duplicates)],
            Self::Stalled => vec![add(Fault::Stall)],
            Self::DiskFull => vec![add(Fault::DiskFull)],
            Self::NewEpoch => vec![Request::Epoch],
            // Who is connected waits in vain; who connects is told old news.
            Self::Lie(LieKind::OldTip, _) => vec![add(Fault::Lie(Lie::new(LieKind::OldTip))), add(Fault::DropStreams)],
            Self::Lie(kind, fit) => vec![add(Fault::Lie(Lie::new(kind).fitting(fit)))],
        }
    }

    /// What the client's log must say of it: the check that a lie fails.
    pub(crate) fn noticed(self) -> &'static [&'static str] {
        const SIGNATURE: &str = "signature: it is not signed by the committee of epoch";
        match self {
            Self::Refused => &["injected: unavailable"],
            Self::Lie(LieKind::OldTip, _) => &["replay: it was served again after checkpoint"],
            // It is also told of the genesis, to whoever connects.
            Self::Lie(LieKind::AlteredTimestamp, _) => &[SIGNATURE, "the endpoint serves the network with genesis"],
            Self::Lie(LieKind::HiddenEvent, Fit::Nothing) => &["are left out"],
            Self::Lie(LieKind::AlteredEvent | LieKind::InventedEvent, Fit::Nothing) => {
                &["events: those of transaction"]
            }
            Self::Lie(_, Fit::Effects) => &["effects: those of transaction"],
            Self::Lie(_, Fit::Contents) => &["contents: their digest is"],
            Self::Lie(..) => &[SIGNATURE],
            _ => &[],
        }
    }

    /// Whether transactions are executed meanwhile.
    pub(crate) fn lets_through(self) -> bool {
        !matches!(self, Self::Stalled | Self::DiskFull)
    }

    pub(crate) fn is_lie(self) -> bool {
        matches!(self, Self::Lie(..))
    }
}

// === impl Companion ===

impl Companion {
    pub(crate) const ALL: [Self; 5] = [Self::Nobody, Self::Delay, Self::Duplicates, Self::Refusals, Self::Drop];

    pub(crate) fn request(self, dice: &mut Dice) -> Option<Request> {
        Some(add(match self {
            Self::Nobody => return None,
            Self::Delay => Fault::Delay { ms: dice.below(10) },
            Self::Duplicates => Fault::Duplicates,
            Self::Refusals => Fault::Unavailable { calls: Some(1 + dice.below(3)), percent: None, seed: 0 },
            Self::Drop => Fault::DropStreams,
        }))
    }
}

fn add(fault: Fault) -> Request {
    Request::FaultAdd { fault, method: None, for_ms: None }
}

fn add_to(method: &str, fault: Fault) -> Request {
    Request::FaultAdd { fault, method: Some(method.to_owned()), for_ms: None }
}
