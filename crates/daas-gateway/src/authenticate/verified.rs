use aws_lc_rs::hmac;
use quick_cache::sync::Cache;

/// Tokens that were verified once. Keyed by a hash that only this process can compute, so a dump of it gives no token to
/// guess at. Only what a live Seal's holder signed is in it, whatever that Seal's stake is worth, so tokens of those without one
/// push nothing out; and nothing says that a token was refused, so one that is good a moment later is good then.
pub(super) struct Verified<T> {
    cache: Cache<[u8; 32], T>,
    key: hmac::Key,
}

/// What stands for a token's text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest([u8; 32]);

// === impl Digest ===

impl Digest {
    /// A number below `most` that nobody outside can foresee.
    pub(super) fn any(self, most: usize) -> usize {
        let [.., a, b] = self.0;
        usize::from(u16::from_be_bytes([a, b])).checked_rem(most).unwrap_or_default()
    }
}

// === impl Verified ===

impl<T: Clone> Verified<T> {
    pub(super) fn new(remembered: usize) -> Self {
        let rng = aws_lc_rs::rand::SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rng).expect("the system's random source must answer");
        Self { cache: Cache::new(remembered), key }
    }

    pub(super) fn digest(&self, text: &str) -> Digest {
        let tag = hmac::sign(&self.key, text.as_bytes());
        Digest(tag.as_ref().try_into().expect("an HMAC-SHA256 tag must have 32 bytes"))
    }

    pub(super) fn get(&self, token: Digest) -> Option<T> {
        self.cache.get(&token.0)
    }

    pub(super) fn forget(&self, token: Digest) {
        self.cache.remove(&token.0);
    }

    /// What `verify` says of a token; of those who ask at once one verifies, and the others' threads wait for it, as long
    /// as a signature takes. Where it is refused the next one tries.
    pub(super) fn or_verify<E>(&self, token: Digest, verify: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.cache.get_or_insert_with(&token.0, verify)
    }
}
