/// A proposed slash, from its proposal to its end: a state machine that holds no money.
///
///     PROPOSED --appeal--> APPEALED --uphold, reduce--> UPHELD
///         |                    |                          |
///     (time to appeal over)    | nobody judges            |
///         v                    v                          v
///      executed             lapses                     executed        cancelled: from any of the three
///
/// One that is neither executed nor cancelled lapses at `expires_ms`.
module k3s_daas::slashing;

use k3s_daas::policy::Policy;
use std::string::String;

// === Errors ===

#[error(code = 1)]
const EBadReason: vector<u8> = b"The reason is not one of 1 to 5";
#[error(code = 2)]
const EBadEvidenceHash: vector<u8> = b"An evidence hash is 32 bytes";
#[error(code = 3)]
const EEvidenceInFuture: vector<u8> = b"The evidence is dated after now";
#[error(code = 4)]
const EEvidenceTooOld: vector<u8> = b"The evidence is older than the policy allows";
#[error(code = 5)]
const EUriTooLong: vector<u8> = b"A URI is at most 512 bytes";
#[error(code = 6)]
const EAppealOver: vector<u8> = b"The time to appeal is over";
#[error(code = 7)]
const EAlreadyAppealed: vector<u8> = b"The slash is already appealed";
#[error(code = 8)]
const ENotAppealed: vector<u8> = b"The slash is not appealed";
#[error(code = 9)]
const EAlreadyUpheld: vector<u8> = b"The slash is already upheld";
#[error(code = 10)]
const EAppealOpen: vector<u8> = b"The owner may still appeal";
#[error(code = 11)]
const EAwaitingJudge: vector<u8> = b"The slash is appealed and not upheld";
#[error(code = 12)]
const ELapsed: vector<u8> = b"The slash has lapsed";
#[error(code = 13)]
const ENotLapsed: vector<u8> = b"The slash has not lapsed";
#[error(code = 14)]
const EOwnCase: vector<u8> = b"Who proposed a slash does not judge it";
#[error(code = 15)]
const EBadReduction: vector<u8> = b"A reduced slash is above zero and below what was proposed";

// === Constants ===

const PROPOSED: u8 = 0;
const APPEALED: u8 = 1;
/// After an appeal: a judge let it stand, or reduced it.
const UPHELD: u8 = 2;

/// An audit root signed twice. The other reasons: 2 a false attestation, 3 a workload tampered with, 4 an absent node,
/// 5 a breach of the operator's published rules.
const REASON_FIRST: u8 = 1;
const REASON_LAST: u8 = 5;
const HASH_LENGTH: u64 = 32;
const MAX_URI_LENGTH: u64 = 512;

// === Structs ===

public struct Proposal has copy, drop, store {
    reason: u8,
    evidence_hash: vector<u8>,
    /// Where the evidence is.
    uri: String,
    proposer: address,
    /// What it froze.
    amount: u64,
    /// How much of that came from unbonding stake.
    from_unbonding: u64,
    proposed_ms: u64,
    /// The last moment of the owner's time to appeal.
    appeal_until_ms: u64,
    /// When it lapses.
    expires_ms: u64,
    stage: u8,
    /// The position's status to return to.
    prior_status: u8,
}

// === View Functions ===

public fun amount(self: &Proposal): u64 { self.amount }

public fun from_unbonding(self: &Proposal): u64 { self.from_unbonding }

public fun prior_status(self: &Proposal): u8 { self.prior_status }

public fun expires_ms(self: &Proposal): u64 { self.expires_ms }

public fun is_appealed(self: &Proposal): bool { self.stage == APPEALED }

public fun is_upheld(self: &Proposal): bool { self.stage == UPHELD }

public fun has_lapsed(self: &Proposal, now_ms: u64): bool { now_ms >= self.expires_ms }

// === Package Functions ===

/// Checks the grounds of a proposal.
public(package) fun assert_grounds(
    policy: &Policy,
    reason: u8,
    evidence_hash: &vector<u8>,
    evidence_ms: u64,
    uri: &String,
    now_ms: u64,
) {
    assert!(reason >= REASON_FIRST && reason <= REASON_LAST, EBadReason);
    assert!(evidence_hash.length() == HASH_LENGTH, EBadEvidenceHash);
    assert!(evidence_ms <= now_ms, EEvidenceInFuture);
    assert!(now_ms - evidence_ms <= policy.evidence_max_age_ms(), EEvidenceTooOld);
    assert!(uri.length() <= MAX_URI_LENGTH, EUriTooLong);
}

public(package) fun new(
    policy: &Policy,
    reason: u8,
    evidence_hash: vector<u8>,
    uri: String,
    proposer: address,
    amount: u64,
    from_unbonding: u64,
    prior_status: u8,
    now_ms: u64,
): Proposal {
    let appeal_until_ms = now_ms + policy.appeal_window_ms();
    Proposal {
        reason,
        evidence_hash,
        uri,
        proposer,
        amount,
        from_unbonding,
        proposed_ms: now_ms,
        appeal_until_ms,
        expires_ms: appeal_until_ms + policy.judge_window_ms(),
        stage: PROPOSED,
        prior_status,
    }
}

/// The owner contests it, once: from then on it needs a judge.
public(package) fun appeal(self: &mut Proposal, now_ms: u64) {
    assert!(self.stage == PROPOSED, EAlreadyAppealed);
    assert!(now_ms <= self.appeal_until_ms, EAppealOver);
    self.stage = APPEALED;
}

/// A judge lets it stand. There is a whole window again to execute it.
public(package) fun uphold(self: &mut Proposal, policy: &Policy, judge: address, now_ms: u64) {
    self.assert_judge(judge, now_ms);
    assert!(self.stage != PROPOSED, ENotAppealed);
    assert!(self.stage != UPHELD, EAlreadyUpheld);
    self.stage = UPHELD;
    self.expires_ms = now_ms.max(self.appeal_until_ms) + policy.judge_window_ms();
}

/// A judge lets a smaller one stand. Returns what goes back to active and to unbonding stake: what was taken last, from
/// unbonding stake, goes back first.
public(package) fun reduce(
    self: &mut Proposal,
    policy: &Policy,
    amount: u64,
    judge: address,
    now_ms: u64,
): (u64, u64) {
    self.uphold(policy, judge, now_ms);
    assert!(amount > 0 && amount < self.amount, EBadReduction);
    let back = self.amount - amount;
    let to_unbonding = back.min(self.from_unbonding);
    self.amount = amount;
    self.from_unbonding = self.from_unbonding - to_unbonding;
    (back - to_unbonding, to_unbonding)
}

/// Whether `judge` may judge it now.
public(package) fun assert_judge(self: &Proposal, judge: address, now_ms: u64) {
    assert!(!self.has_lapsed(now_ms), ELapsed);
    assert!(judge != self.proposer, EOwnCase);
}

public(package) fun assert_executable(self: &Proposal, now_ms: u64) {
    assert!(!self.has_lapsed(now_ms), ELapsed);
    assert!(now_ms > self.appeal_until_ms, EAppealOpen);
    assert!(self.stage != APPEALED, EAwaitingJudge);
}

public(package) fun assert_lapsed(self: &Proposal, now_ms: u64) {
    assert!(self.has_lapsed(now_ms), ENotLapsed);
}

/// What it returns to has changed meanwhile.
public(package) fun set_prior_status(self: &mut Proposal, status: u8) {
    self.prior_status = status;
}
