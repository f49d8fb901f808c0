/// Money is neither made nor lost: what was paid in is in a position (active, frozen, unbonding), in the treasury, with the
/// beneficiary, or withdrawn. After every step of long random lives, with all entry points that move money.
#[test_only]
module k3s_daas::money_tests;

use k3s_daas::masters;
use k3s_daas::offices;
use k3s_daas::position::StakePosition;
use k3s_daas::signatures::{Self, key, of_other_root, of_root, other_root, root};
use k3s_daas::slashes;
use k3s_daas::stakes;
use k3s_daas::world::{
    Self,
    World,
    appeal_ms,
    beneficiary,
    cooldown_ms,
    owner,
    stranger,
    sui
};
use std::unit_test::assert_eq;

const STEPS: u64 = 60;
/// The status of a closed position.
const CLOSED: u8 = 4;
/// Sequence numbers for which there are signatures.
const SEQUENCES: u64 = 12;

/// A life under way.
public struct Life {
    world: World,
    random: u128,
    paid_in: u64,
    /// When the last slash was proposed.
    proposed_ms: u64,
    /// How many offences were proven.
    proven: u64,
    /// Whether the position is the one that answers for the key.
    answers: bool,
    salt: u64,
    /// How often each kind of step was taken.
    taken: vector<u64>,
}

// === Steps ===

const RESTAKE: u64 = 0;
const UNSTAKE: u64 = 1;
const WITHDRAW: u64 = 2;
const PROPOSE: u64 = 3;
const APPEAL: u64 = 4;
const UPHOLD: u64 = 5;
const REDUCE: u64 = 6;
const CANCEL: u64 = 7;
const EXECUTE: u64 = 8;
const RELEASE: u64 = 9;
const PROVE: u64 = 10;
const PAY: u64 = 11;
const WAIT: u64 = 12;
const REFRESH: u64 = 13;
const BEGIN_ANEW: u64 = 14;
const KINDS: u64 = 15;

// === Lives ===

#[test]
fun a_life_of_small_slashes() { live(1, 1_000) }

#[test]
fun a_life_of_odd_slashes() { live(2, 3_333) }

#[test]
fun a_life_of_large_slashes() { live(3, 9_999) }

#[test]
fun a_life_in_which_slashes_take_all() { live(4, 10_000) }

#[test]
fun a_life_of_tiny_slashes() { live(5, 1) }

#[test]
fun another_life() { live(6, 1_234) }

#[test]
fun yet_another_life() { live(7, 5_000) }

/// The random lives together take every kind of step.
#[test]
fun a_long_life_takes_every_kind_of_step() {
    let mut life = begin(28, 2_500);
    (4 * STEPS).do!(|_| life.step());
    assert!(life.taken.all!(|times| *times > 0));
    life.end();
}

#[test]
fun amounts_near_the_largest_do_not_overflow() {
    let mut numbers = world::numbers_with_slash(10_000);
    *&mut numbers[5] = std::u64::max_value!();
    let mut w = world::begin_with(numbers);
    let paid_in = std::u64::max_value!();
    stakes::stake(&mut w, paid_in, b"");
    stakes::unstake(&mut w, owner(), paid_in / 2);
    slashes::propose(&mut w);
    w.assert_money(0, paid_in, 0);
    slashes::cancel(&mut w);
    w.assert_money(paid_in - paid_in / 2, 0, paid_in / 2);
    w.end();
}

// === Living ===

fun live(seed: u128, slash_bps: u64) {
    let mut life = begin(seed, slash_bps);
    STEPS.do!(|_| life.step());
    life.end();
}

fun begin(seed: u128, slash_bps: u64): Life {
    let mut world = world::begin_with(world::numbers_with_slash(slash_bps));
    masters::master(&mut world);
    Life {
        world,
        random: seed,
        paid_in: sui(10),
        proposed_ms: 0,
        proven: 0,
        answers: true,
        salt: 0,
        taken: vector::tabulate!(KINDS, |_| 0),
    }
}

fun end(self: Life) {
    let Life { world, .. } = self;
    world.end();
}

/// A number below `limit`.
fun draw(self: &mut Life, limit: u64): u64 {
    self.random = (self.random * 6364136223846793005 + 1442695040888963407) % (1 << 64);
    ((self.random >> 33) as u64) % limit
}

/// Draws until a step is possible, takes it, and looks at the money.
fun step(self: &mut Life) {
    let mut kind = self.draw(KINDS);
    while (!self.take(kind)) kind = self.draw(KINDS);
    *&mut self.taken[kind] = self.taken[kind] + 1;
    let w = &mut self.world;
    let held = w.look!(|it| it.active() + it.frozen() + it.unbonding());
    let out = w.treasury() + w.purse(beneficiary()) + w.purse(owner());
    assert_eq!(held + out, self.paid_in);
    assert!(w.look!(|it| is_in_order(it)));
}

/// What is frozen is the pending slash's; only who has one is suspended; who is closed, or will be, has no stake and no Seals.
fun is_in_order(position: &StakePosition): bool {
    let slash = position.proposal();
    let frozen = slash.map!(|it| it.amount()).destroy_or!(0);
    let of_unbonding = slash.map!(|it| it.from_unbonding()).destroy_or!(0);
    let closed = slash.map!(|it| it.prior_status()).destroy_or!(position.status()) == CLOSED;
    let empty = position.active() == 0 && position.seals().is_empty() && of_unbonding == frozen;
    position.is_suspended() == slash.is_some() && position.frozen() == frozen && (!closed || empty)
}

fun take(self: &mut Life, kind: u64): bool {
    if (kind == WAIT) {
        let ms = self.draw(30_000);
        self.world.pass_ms(ms);
        true
    } else if (kind == PAY) {
        let full = self.world.treasury() > 0;
        if (full) offices::pay_treasury(&mut self.world, stranger());
        full
    } else if (kind == BEGIN_ANEW) self.begin_anew()
    else if (kind >= APPEAL && kind <= RELEASE) self.take_of_slash(kind)
    else self.take_of_stake(kind)
}

/// A new position, once nothing is left of the last.
fun begin_anew(self: &mut Life): bool {
    let w = &mut self.world;
    let over = w.look!(|it| it.is_closed() && it.unbonding() == 0 && it.node_id().is_empty());
    if (over) {
        self.salt = self.salt + 1;
        self.paid_in = self.paid_in + sui(7) + 7;
        self.answers = false;
        stakes::stake_as(w, owner(), sui(7) + 7, self.salt, b"again", stakes::seal(1));
    };
    over
}

/// With a slash pending, or lapsed.
fun take_of_slash(self: &mut Life, kind: u64): bool {
    let drawn = self.draw(1_000_000_000_000);
    let w = &mut self.world;
    let now_ms = w.now_ms();
    let pending = w.look!(|position| position.proposal());
    if (pending.is_none()) return false;
    let slash = pending.destroy_some();
    let appeal_open = now_ms <= self.proposed_ms + appeal_ms();
    if (slash.has_lapsed(now_ms)) {
        if (kind == RELEASE) slashes::release_lapsed(w, stranger());
        return kind == RELEASE
    };
    if (kind == APPEAL && appeal_open && !slash.is_appealed() && !slash.is_upheld()) {
        slashes::appeal(w, owner());
    } else if (kind == UPHOLD && slash.is_appealed()) {
        slashes::uphold(w);
    } else if (kind == REDUCE && slash.is_appealed() && slash.amount() > 1) {
        slashes::reduce(w, 1 + drawn % (slash.amount() - 1));
    } else if (kind == CANCEL) {
        slashes::cancel(w);
    } else if (kind == EXECUTE && !appeal_open && !slash.is_appealed()) {
        slashes::execute(w, stranger());
    } else return false;
    true
}

/// With no slash pending, or a lapsed one that is cleared away; only a proof may come at any time.
fun take_of_stake(self: &mut Life, kind: u64): bool {
    let drawn = self.draw(1_000_000_000_000);
    let w = &mut self.world;
    let now_ms = w.now_ms();
    let (active, unbonding) = (w.look!(|it| it.active()), w.look!(|it| it.unbonding()));
    let pending = w.look!(|it| it.proposal().is_some_and!(|slash| !slash.has_lapsed(now_ms)));
    let slashable = (active as u128) + (unbonding as u128) > 10_000;
    if (kind == PROVE) {
        let able = self.answers && self.proven < SEQUENCES && slashable;
        if (able) self.prove();
        return able
    };
    if (pending) return false;
    // A lapsed slash gives back before the step.
    let lapsed = w.look!(|it| it.proposal());
    let back = lapsed.map!(|slash| slash.amount()).destroy_or!(0);
    let back_unbonding = lapsed.map!(|slash| slash.from_unbonding()).destroy_or!(0);
    let (active, unbonding) = (active + back - back_unbonding, unbonding + back_unbonding);
    let closed = w.look!(|it| it.is_closed()) || lapsed.is_some_and!(|it| it.prior_status() == CLOSED);
    let slashed = w.look!(|it| it.is_slashed()) || lapsed.is_some_and!(|it| it.prior_status() == 2);
    if (kind == RESTAKE && !closed) {
        let amount = sui(1) / 2 + drawn % sui(5);
        self.paid_in = self.paid_in + amount;
        stakes::restake(w, owner(), amount);
    } else if (kind == UNSTAKE && active > 0) {
        let part = 1 + drawn % active;
        stakes::unstake(w, owner(), if (active - part < sui(1) / 2) active else part);
    } else if (kind == WITHDRAW && now_ms >= w.look!(|it| it.unbonding_until_ms())) {
        let leaves = w.look!(|it| !it.node_id().is_empty()) && closed;
        if (unbonding == 0 && !leaves) return false;
        stakes::withdraw(w, owner());
    } else if (kind == PROPOSE && active + unbonding > 10_000) {
        let cool_ms = w.look!(|it| it.cooldown_until_ms());
        let cool_ms = lapsed.map!(|slash| slash.expires_ms() + cooldown_ms()).destroy_or!(cool_ms);
        if (now_ms < cool_ms) return false;
        slashes::propose(w);
        self.proposed_ms = now_ms;
    } else if (kind == REFRESH && !closed && !slashed && active >= sui(1) / 2) {
        stakes::refresh_with(w, owner(), option::none(), stakes::seal_for(1, 10_000));
    } else return false;
    true
}

fun prove(self: &mut Life) {
    let sequence = self.proven;
    slashes::prove(
        &mut self.world,
        stranger(),
        key(),
        sequence,
        root(),
        of_root(sequence),
        other_root(),
        of_other_root(sequence),
        sequence == 0,
    );
    self.proven = sequence + 1;
}

#[test]
fun signatures_are_of_this_cluster() {
    let w = world::begin();
    assert_eq!(w.cluster(), signatures::cluster().to_id());
    w.end();
}
