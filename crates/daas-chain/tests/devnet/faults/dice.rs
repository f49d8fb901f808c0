//! Chance that can be had again.

/// SplitMix64.
pub(crate) struct Dice {
    seed: u64,
    state: u64,
}

// === impl Dice ===

impl Dice {
    /// By `seed`, or by one that nobody knows yet.
    pub(crate) fn seeded(seed: Option<u64>) -> Self {
        let seed = seed.unwrap_or_else(|| getrandom::u64().unwrap());
        Self { seed, state: seed }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Others, so that what one of the two is used for does not change what the other shows.
    pub(crate) fn fork(&mut self) -> Self {
        Self::seeded(Some(self.next()))
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        let at = self.below(u64::try_from(of.len()).unwrap());
        &of[usize::try_from(at).unwrap()]
    }

    pub(crate) fn shuffled<T>(&mut self, mut all: Vec<T>) -> Vec<T> {
        for end in (1..all.len()).rev() {
            let at = self.below(u64::try_from(end + 1).unwrap());
            all.swap(end, usize::try_from(at).unwrap());
        }
        all
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
