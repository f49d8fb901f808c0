//! Chance that comes back: the same seed gives the same numbers on every machine.

/// SplitMix64.
pub(super) struct Random(u64);

// === impl Random ===

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`; zero if there is nothing below it.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.index(from.len())).cloned()
    }

    /// Of what is never empty.
    pub(super) fn one_of<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        from[self.index(N)]
    }

    /// From `least` to `most`, often one of the two.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        match self.below(5) {
            0 => least,
            1 => most.max(least),
            _ => least + self.below((most.max(least) - least).saturating_add(1)),
        }
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// The same byte over and over, so that long values stay short on paper.
    pub(super) fn run(&mut self, length: usize) -> Vec<u8> {
        vec![self.one_of([0x61, 0x62, 0x7a]); length]
    }
}
