use super::LivePosition;
use daas_types::Mist;
use daas_types::onchain::Status;

/// What the stakes that count come to. More than there is SUI it cannot be, so nothing overflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Stake of active positions.
    pub active: Mist,
    /// Active positions that have some.
    pub positions: u64,
}

// === impl Totals ===

impl Totals {
    /// The same with `new` in place of `old`.
    pub(super) fn after(self, old: Option<&LivePosition>, new: &LivePosition) -> Self {
        let (old, new) = (old.map(Self::of).unwrap_or_default(), Self::of(new));
        Self {
            active: Mist(self.active.saturating_add(new.active).0.saturating_sub(old.active.0)),
            positions: self.positions.saturating_add(new.positions).saturating_sub(old.positions),
        }
    }

    fn of(live: &LivePosition) -> Self {
        let counts = live.state.status == Status::Active && live.state.active > Mist(0);
        if counts { Self { active: live.state.active, positions: 1 } } else { Self::default() }
    }
}
